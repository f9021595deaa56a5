"""Multiple queries through the whole of a method, from the folder of boxes to the numbers."""

import shutil

import torch

from tablewright.trainables.retrieval.ensemble import join_extractions
from tablewright.trainables.retrieval.view import RetrievalView
from tests.trainables.tiny_reid import TinyConfig, TinyNetwork, tiny_runtime


def extract(folder):
    """Embed a miniature Market-1501 that has hand-drawn boxes, by an untrained network."""
    runtime = tiny_runtime(folder)
    market = folder / "data" / "Market-1501-v15.09.15"
    (market / "gt_bbox").mkdir()
    for path in (market / "query").iterdir():
        shutil.copy(path, market / "gt_bbox" / path.name)
        shutil.copy(path, market / "gt_bbox" / path.name.replace("_00.jpg", "_01.jpg"))
    for path in (market / "bounding_box_train").iterdir():
        shutil.copy(path, market / "gt_bbox" / path.name)
    torch.manual_seed(0)
    config = TinyConfig()
    return config, config.make_trainable().extract(
        config, runtime, TinyNetwork(6), "test", [RetrievalView(flip=True)]
    )


def test_boxes_are_embedded_beside_queries_and_gallery(tmp_path):
    """Boxes of the queries' people come with the extraction; copies of a query pool to the query itself."""
    config, extraction = extract(tmp_path)
    boxes = extraction.multiple_query
    assert 2 * len(extraction.query.names) == len(boxes.names)
    assert set(extraction.query.pids) == set(boxes.pids)
    assert {"global", "negated"} == set(boxes.embeddings) == set(boxes.flipped_embeddings)
    single, multiple = (
        config.make_trainable().measure([(config, extraction)], RetrievalView(query=query, flip=True))
        for query in ("single", "multiple")
    )
    assert single.metrics == multiple.metrics
    assert sorted(single.per_query["query"]) == sorted(multiple.per_query["query"])


def test_an_ensemble_joins_its_members_boxes(tmp_path):
    """Boxes stand side by side as queries and gallery do."""
    _, extraction = extract(tmp_path)
    joined, names = join_extractions([(extraction, ("global",)), (extraction, ("negated",))])
    assert ("1.global", "2.negated") == names == tuple(joined.multiple_query.embeddings)
    assert (
        joined.multiple_query.embeddings["1.global"] == -joined.multiple_query.embeddings["2.negated"]
    ).all()
