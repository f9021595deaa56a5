"""Retrieval measured against a slow reference that is written from the definition alone."""

import dataclasses

import numpy as np
import pytest
import torch

from tablewright.orchestrator.store.item_table import measured_columns, measured_items
from tablewright.trainables.contract.view import LEFT_OUT
from tablewright.trainables.retrieval import nearness, tiled_ranking
from tablewright.trainables.retrieval.embedded import Extraction, ImageSet
from tablewright.trainables.retrieval.joining import join
from tablewright.trainables.retrieval.measurement import measure_view
from tablewright.trainables.retrieval.nearness import Nearness
from tablewright.trainables.retrieval.ranking import Identities, rank_queries
from tablewright.trainables.retrieval.view import Reranking, RetrievalView


def image_set(embeddings, pids, camids, flipped=None):
    named = {name: np.asarray(values, dtype=np.float32) for name, values in embeddings.items()}
    mirrored = {name: np.asarray(values, dtype=np.float32) for name, values in (flipped or {}).items()}
    names = tuple(f"{index}.jpg" for index in range(len(pids)))
    return ImageSet(names, np.array(pids), np.array(camids), named, mirrored)


def random_extraction(seed, *, num_query=23, num_gallery=157, num_pids=9, num_cameras=3, levels=None):
    """People with noise; with `levels`, embeddings are rounded so that ties abound."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(num_pids + 1, 6))

    def side(count, low):
        pids = rng.integers(low, num_pids + 1, count)
        embeddings = centres[pids] + rng.normal(size=(count, 6))
        if levels:
            embeddings = np.round(embeddings * levels) / levels
        flipped = embeddings + rng.normal(size=embeddings.shape)
        camids = rng.integers(1, num_cameras + 1, count)
        cut = {"a": embeddings[:, :2], "b": embeddings[:, 2:]}
        return image_set(cut, pids, camids, {"a": flipped[:, :2], "b": flipped[:, 2:]})

    return Extraction("test", side(num_query, 1), side(num_gallery, -1))


def reference(extraction, names, view, distances=None):
    """Per query: sort every wrong answer before every equally distant positive and walk down the list."""
    query, gallery = extraction.query, extraction.gallery

    def joined(side):
        parts = [side.embeddings[name].astype(np.float64) for name in names]
        if view.flip:
            parts = [(p + side.flipped_embeddings[n]) / 2 for p, n in zip(parts, names, strict=True)]
        return np.concatenate(parts, axis=1)

    queries, images = joined(query), joined(gallery)
    pids, camids = query.pids, query.camids
    if view.query == "multiple":
        sides = [query, gallery] if extraction.multiple_query is None else [extraction.multiple_query]
        vectors = np.concatenate([joined(side) for side in sides])
        if view.distance == "cosine":
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        owners = np.concatenate([np.stack([side.pids, side.camids], 1) for side in sides])
        keys = sorted(set(zip(pids.tolist(), camids.tolist(), strict=True)))
        queries = np.array([vectors[(owners == key).all(1)].mean(0) for key in keys])
        pids, camids = np.array(keys).T
    precisions, firsts, penalties = [], [], []
    for index, (vector, pid, camid) in enumerate(zip(queries, pids, camids, strict=True)):
        answers = []
        for other in range(len(images)):
            if gallery.pids[other] == -1 or (gallery.pids[other] == pid and gallery.camids[other] == camid):
                continue
            if distances is not None:
                distance = distances[index, other]
            elif view.distance == "cosine":
                lengths = np.linalg.norm(vector) * np.linalg.norm(images[other])
                distance = 1 - vector @ images[other] / lengths
            else:
                distance = np.linalg.norm(vector - images[other])
            answers.append((round(distance, 6), gallery.pids[other] == pid))
        if not any(is_right for _, is_right in answers):
            continue
        ranks = [rank for rank, (_, is_right) in enumerate(sorted(answers), 1) if is_right]
        precisions.append(np.mean([hit / rank for hit, rank in enumerate(ranks, 1)]))
        firsts.append(ranks[0])
        penalties.append(len(ranks) / ranks[-1])
    firsts = np.array(firsts)
    return {
        "map": np.mean(precisions),
        **{f"rank{k}": np.mean(firsts <= k) for k in (1, 5, 10)},
        "minp": np.mean(penalties),
    }


def assert_equal_metrics(expected, actual):
    assert set(expected) == set(actual)
    for name, value in expected.items():
        assert value == pytest.approx(actual[name], abs=1e-9), name


VIEWS = [
    RetrievalView(),
    RetrievalView(distance="euclidean"),
    RetrievalView(query="multiple"),
    RetrievalView(flip=True, distance="euclidean"),
]


@pytest.mark.parametrize("view", VIEWS, ids=["cosine", "euclidean", "multiple", "flip"])
@pytest.mark.parametrize("seed", [0, 1])
def test_random_people_agree_with_the_definition(view, seed):
    """Every metric equals the slow reference, with junk, distractors and own-camera images in the gallery."""
    extraction = random_extraction(seed)
    for names in (("a", "b"), ("b",)):
        assert_equal_metrics(
            reference(extraction, names, view), measure_view(extraction, names, view).metrics
        )


@pytest.mark.parametrize("view", [*VIEWS, RetrievalView(gallery="single_shot")])
def test_metrics_are_the_means_of_what_their_items_have(view):
    """The table of items gives back every metric, those left out apart; of many draws only the mean rank is kept."""
    extraction = random_extraction(4)
    alone = dataclasses.replace(
        extraction.query, pids=np.where(extraction.query.pids == 3, 77, extraction.query.pids)
    )
    result = measure_view(dataclasses.replace(extraction, query=alone), ("a", "b"), view)
    columns = measured_columns(result.per_query)
    assert len(columns["pid"]) < len(result.per_query["pid"])
    assert view.cluster_column in columns
    means = {metric.name: view.item_scores(metric, columns) for metric in view.metrics}
    known = {name: float(scores.mean()) for name, scores in means.items() if scores is not None}
    assert known == pytest.approx({name: result.metrics[name] for name in known})
    left_out = {"rank1", "rank5", "rank10"} if view.gallery == "single_shot" else set()
    assert left_out == means.keys() - known.keys()


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_a_multiple_query_is_the_mean_of_its_boxes_where_there_are_some(distance):
    """The boxes of a query's person under its camera stand for it; those of others change nothing."""
    extraction = random_extraction(10)
    boxes = random_extraction(11, num_query=200).query
    wanted = set(zip(extraction.query.pids.tolist(), extraction.query.camids.tolist(), strict=True))
    boxed = set(zip(boxes.pids.tolist(), boxes.camids.tolist(), strict=True))
    assert wanted < boxed
    with_boxes = dataclasses.replace(extraction, multiple_query=boxes)
    view = RetrievalView(query="multiple", distance=distance)
    result = measure_view(with_boxes, ("a", "b"), view)
    assert_equal_metrics(reference(with_boxes, ("a", "b"), view), result.metrics)
    assert result.metrics != measure_view(extraction, ("a", "b"), view).metrics
    assert len(wanted) == len(result.per_query["query"])
    boxes.embeddings["a"][7] = np.nan
    with pytest.raises(ValueError, match="1 of 200 query images have NaN"):
        measure_view(with_boxes, ("a", "b"), view)
    single = RetrievalView(distance=distance)
    assert (
        measure_view(with_boxes, ("a",), single).metrics == measure_view(extraction, ("a",), single).metrics
    )


def test_ties_agree_with_the_definition():
    """Exact ties put a positive behind the wrong answers at its distance."""
    extraction = random_extraction(3, levels=1, num_gallery=300)
    view = RetrievalView(distance="euclidean")
    expected = reference(extraction, ("a", "b"), view)
    assert_equal_metrics(expected, measure_view(extraction, ("a", "b"), view).metrics)


def test_an_example_worked_by_hand():
    """Positives at ranks 1 and 3: AP (1/1 + 2/3) / 2, Rank-1 1, mINP 2/3."""
    query = image_set({"a": [[1.0, 0.0]]}, [7], [1])
    gallery = image_set(
        {"a": [[1.0, 0.1], [1.0, 0.2], [1.0, 0.3], [1.0, 0.0], [1.0, 0.0]]},
        [7, 8, 7, 7, -1],
        [2, 2, 3, 1, 2],  # the fourth is the query's own camera, the fifth is junk
    )
    result = measure_view(Extraction("test", query, gallery), ("a",), RetrievalView())
    assert result.metrics["map"] == pytest.approx((1 + 2 / 3) / 2)
    assert (result.metrics["rank1"], result.metrics["minp"]) == (1.0, 2 / 3)
    assert result.per_query["num_positives"].tolist() == [2]


def test_a_network_that_embeds_everything_alike_is_worst():
    """With all distances equal, the positive stands behind every wrong answer."""
    query = image_set({"a": np.ones((1, 2))}, [1], [1])
    gallery = image_set({"a": np.ones((5, 2))}, [1, 2, 3, 0, 4], [2, 2, 2, 2, 2])
    result = measure_view(Extraction("test", query, gallery), ("a",), RetrievalView())
    assert result.per_query["first_match_rank"].tolist() == [5]


def test_the_order_of_the_gallery_changes_nothing():
    """Ranks come from distances, never from places in the gallery."""
    extraction = random_extraction(5, levels=1)
    order = np.random.default_rng(0).permutation(len(extraction.gallery.pids))
    gallery = dataclasses.replace(
        extraction.gallery,
        pids=extraction.gallery.pids[order],
        camids=extraction.gallery.camids[order],
        embeddings={name: values[order] for name, values in extraction.gallery.embeddings.items()},
    )
    shuffled = dataclasses.replace(extraction, gallery=gallery)
    view = RetrievalView(distance="euclidean")
    before, after = (measure_view(one, ("a", "b"), view) for one in (extraction, shuffled))
    assert before.metrics == after.metrics


@pytest.mark.parametrize(
    "view",
    [RetrievalView(), RetrievalView(flip=True, distance="euclidean"), RetrievalView(query="multiple")],
    ids=["cosine", "flip", "multiple"],
)
@pytest.mark.parametrize("levels", [None, 1], ids=["noise", "ties"])
def test_blocks_and_threads_change_no_digit(monkeypatch, view, levels):
    """One query at a time, all at once, few images of their people, threads side by side: every rank is the same."""
    extraction = random_extraction(6, num_gallery=2_300, levels=levels)
    names = ("a", "b")

    def items(num_threads, most_rows, own_bytes):
        monkeypatch.setattr(tiled_ranking, "MOST_ROWS", most_rows)
        monkeypatch.setattr(tiled_ranking, "OWN_BYTES", own_bytes)
        torch.set_num_threads(num_threads)
        try:
            return measure_view(extraction, names, view).per_query
        finally:
            assert num_threads == torch.get_num_threads()
            torch.set_num_threads(before)

    before = torch.get_num_threads()
    whole = items(1, tiled_ranking.MOST_ROWS, tiled_ranking.OWN_BYTES)
    for others in (items(1, 1, 1), items(2, 5, 2**20), items(3, 1_000, 40_000)):
        for name, values in whole.items():
            np.testing.assert_array_equal(values, others[name])


def ranked_both_ways(extraction):
    """Rank by rows of nearness that are held whole, a few at a time, and by tiles."""
    query, gallery = extraction.query, extraction.gallery
    queries, images = (join(side, ("a", "b"), flip=False) for side in (query, gallery))
    near = Nearness(images, images.squared_lengths(), "cosine")
    identities = query.pids, query.camids, gallery.pids, gallery.camids
    return (
        rank_queries(near.blocks(queries.whole()), *identities),
        tiled_ranking.rank_gallery(
            queries.whole(), near, Identities(*identities[:2]), Identities(*identities[2:])
        ),
    )


def assert_ranked_alike(extraction):
    by_rows, by_tiles = map(dataclasses.astuple, ranked_both_ways(extraction))
    for expected, actual in zip(by_rows, by_tiles, strict=True):
        np.testing.assert_array_equal(expected, actual)


def test_ranks_by_tiles_are_those_of_whole_rows(monkeypatch):
    """Two ways to rank agree in every digit, over several tiles and blocks, with ties."""
    monkeypatch.setattr(nearness, "BLOCK_BYTES", 4 * 2_048 * 7)
    assert_ranked_alike(random_extraction(12, num_query=60, num_gallery=1_900, num_pids=30, levels=2))


def test_small_galleries_are_ranked_alike_in_every_order():
    """Wherever the images of a block's people stand among the others, nobody's are taken for another's."""
    for seed in range(60):
        extraction = random_extraction(seed, num_query=6, num_gallery=5 + seed % 9, num_pids=3, num_cameras=4)
        assert_ranked_alike(extraction)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("levels", [None, 1], ids=["noise", "ties"])
def test_a_gpu_ranks_as_a_cpu_does(levels):
    """Where no sum is rounded the ranks are equal, ties included; elsewhere metrics agree but for near ties."""
    extraction = random_extraction(13, num_query=300, num_gallery=3_000, num_pids=60, levels=levels)
    for view in (RetrievalView(distance="euclidean"), RetrievalView(flip=True), RetrievalView()):
        on_cpu, on_gpu = (
            measure_view(dataclasses.replace(extraction, device=device), ("a", "b"), view)
            for device in ("cpu", "cuda")
        )
        if levels and view.distance == "euclidean":
            assert on_cpu.metrics == on_gpu.metrics
        assert on_cpu.metrics == pytest.approx(on_gpu.metrics, abs=1e-4)


def test_a_query_without_a_match_is_left_out_and_told():
    """It counts in no mean, and the per-query table says why; nobody takes the mean for one of all queries."""
    query = image_set({"a": [[1.0, 0.0], [0.0, 1.0]]}, [1, 2], [1, 1])
    gallery = image_set({"a": [[1.0, 0.0], [0.0, 1.0]]}, [1, 2], [2, 1])
    result = measure_view(Extraction("test", query, gallery), ("a",), RetrievalView())
    assert result.per_query["pid"].tolist() == [1, 2]
    assert ["", "no right image under another camera"] == result.per_query[LEFT_OUT].tolist()
    assert np.isnan(result.per_query["average_precision"]).tolist() == [False, True]
    assert result.metrics["map"] == 1.0
    names, left_out = measured_items(result.per_query)
    assert (["0.jpg"], {"no right image under another camera": 1}) == (names, left_out)


def test_no_match_at_all_is_an_error():
    """A gallery of strangers is named as such, not measured as zero."""
    side = image_set({"a": [[1.0, 0.0]]}, [1], [1])
    other = image_set({"a": [[1.0, 0.0]]}, [2], [1])
    with pytest.raises(ValueError, match="no query has a gallery image"):
        measure_view(Extraction("test", side, other), ("a",), RetrievalView())


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize("num_gallery", [5, 157, 1_500])
def test_copies_of_an_image_are_equally_near_in_every_place(num_gallery, distance):
    """No column of a product is rounded differently: the positive stands last wherever it is."""
    rng = np.random.default_rng(1)
    image = {name: rng.normal(size=width) for name, width in (("a", 300), ("b", 213))}
    query = image_set({name: rng.normal(size=(3, len(v))) for name, v in image.items()}, [1] * 3, [1] * 3)
    copies = {name: np.tile(values, (num_gallery, 1)) for name, values in image.items()}
    camids = np.full(num_gallery, 2)
    for place in {0, 1, num_gallery // 2, num_gallery - 2, num_gallery - 1}:
        pids = np.full(num_gallery, 2)
        pids[place] = 1
        extraction = Extraction("test", query, image_set(copies, pids, camids))
        ranks = measure_view(extraction, ("a", "b"), RetrievalView(distance=distance)).per_query
        assert ranks["first_match_rank"].tolist() == [num_gallery] * 3, place


@pytest.mark.parametrize("reranking", [None, Reranking()], ids=["plain", "reranked"])
@pytest.mark.parametrize("bad_value", [np.nan, np.inf])
def test_embeddings_that_are_not_finite_are_an_error(bad_value, reranking):
    """A diverged network is refused; comparisons with NaN would make it look perfect."""
    extraction = random_extraction(4)
    extraction.gallery.embeddings["a"][[3, 5], 0] = bad_value
    with pytest.raises(ValueError, match="2 of 157 gallery images have NaN"):
        measure_view(extraction, ("a", "b"), RetrievalView(reranking=reranking))


def test_faults_of_an_extraction_are_named():
    """Different widths, an absent embedding, absent mirror images: each in words."""
    query = image_set({"a": [[1.0, 0.0]]}, [1], [1])
    gallery = image_set({"a": [[1.0, 0.0, 0.0]]}, [1], [2])
    extraction = Extraction("test", query, gallery)
    with pytest.raises(ValueError, match="'a' is 2 wide for queries and 3 for the gallery"):
        measure_view(extraction, ("a",), RetrievalView())
    with pytest.raises(ValueError, match="'b' of the images was not extracted; there is 'a'"):
        measure_view(extraction, ("b",), RetrievalView())
    with pytest.raises(ValueError, match="'a' of the mirror images was not extracted; there is none"):
        measure_view(extraction, ("a",), RetrievalView(flip=True))


@pytest.mark.parametrize("gallery_pids", [[-1, -1], []], ids=["junk", "empty"])
def test_a_gallery_of_nothing_is_an_error(gallery_pids):
    """Nothing to rank is said to be so."""
    query = image_set({"a": [[1.0, 0.0]]}, [1], [1])
    gallery = image_set({"a": np.ones((len(gallery_pids), 2))}, gallery_pids, [2] * len(gallery_pids))
    for reranking in (None, Reranking()):
        with pytest.raises(ValueError, match="no query has a gallery image"):
            measure_view(Extraction("test", query, gallery), ("a",), RetrievalView(reranking=reranking))


def test_a_distractor_or_junk_query_has_no_match():
    """Pids 0 and -1 are nobody: images that share them do not show one person."""
    query = image_set({"a": [[1.0, 0.0]] * 3}, [0, -1, 4], [1, 1, 1])
    gallery = image_set({"a": [[1.0, 0.0]] * 3}, [0, -1, 4], [2, 2, 2])
    result = measure_view(Extraction("test", query, gallery), ("a",), RetrievalView())
    assert ["of nobody (pid 0 or -1)"] * 2 + [""] == result.per_query[LEFT_OUT].tolist()


def test_a_gallery_of_several_chunks_agrees_with_the_definition():
    """More images than one product takes: the last, filled up one included, rank as defined."""
    extraction = random_extraction(7, num_query=5, num_gallery=2_500)
    for view in (RetrievalView(), RetrievalView(flip=True, distance="euclidean")):
        expected = reference(extraction, ("a", "b"), view)
        # the reference rounds distances to 1e-5, so that near-ties may fall otherwise
        actual = measure_view(extraction, ("a", "b"), view).metrics
        for name, value in expected.items():
            assert value == pytest.approx(actual[name], abs=1e-3), name


def slow_reranking(queries, gallery, k1, k2, weight):
    """The paper's definition on dense matrices."""
    images = np.concatenate([queries, gallery]).astype(np.float64)
    squared = ((images[:, None] - images[None]) ** 2).sum(2)
    scaled = squared / squared.max(1, keepdims=True)
    order = np.argsort(scaled, axis=1, kind="stable")

    def reciprocal(image, count):
        return {j for j in order[image, : count + 1].tolist() if image in order[j, : count + 1]}

    weights = np.zeros_like(scaled)
    for image in range(len(images)):
        own = reciprocal(image, k1)
        members = set(own)
        for candidate in own:
            theirs = reciprocal(candidate, round(k1 / 2))
            if len(theirs & own) > 2 / 3 * len(theirs):
                members |= theirs
        chosen = sorted(members)
        weights[image, chosen] = np.exp(-scaled[image, chosen])
        weights[image] /= weights[image].sum()
    if k2 > 1:
        weights = np.array([weights[order[image, :k2]].mean(0) for image in range(len(images))])
    smaller = np.minimum(weights[:, None], weights[None]).sum(2)
    larger = np.maximum(weights[:, None], weights[None]).sum(2)
    final = (1 - weight) * (1 - smaller / larger) + weight * scaled
    return final[: len(queries), len(queries) :]


@pytest.mark.parametrize(("k1", "k2", "weight"), [(20, 6, 0.3), (5, 1, 0.0), (7, 3, 1.0)])
def test_reranking_agrees_with_the_definition(k1, k2, weight):
    """Sparse, row-wise re-ranking gives the metrics of the dense definition."""
    extraction = random_extraction(8, num_gallery=90)
    kept = extraction.gallery.pids != -1  # junk takes no part in neighbourhoods
    gallery = dataclasses.replace(
        extraction.gallery,
        pids=extraction.gallery.pids[kept],
        camids=extraction.gallery.camids[kept],
        embeddings={name: values[kept] for name, values in extraction.gallery.embeddings.items()},
    )
    clean = dataclasses.replace(extraction, gallery=gallery)

    def unit(side):
        joined = np.concatenate([side.embeddings["a"], side.embeddings["b"]], axis=1)
        return joined / np.linalg.norm(joined, axis=1, keepdims=True)

    distances = slow_reranking(unit(clean.query), unit(clean.gallery), k1, k2, weight)
    reranking = Reranking(k1=k1, k2=k2, original_distance_weight=weight)
    view = RetrievalView(reranking=reranking)
    expected = reference(clean, ("a", "b"), view, distances)
    assert_equal_metrics(expected, measure_view(extraction, ("a", "b"), view).metrics)


def test_measuring_leaves_the_embeddings_as_they_are():
    """Views share one extraction, so none may change it."""
    extraction = random_extraction(9)
    before = {name: values.copy() for name, values in extraction.gallery.embeddings.items()}
    for view in (*VIEWS, RetrievalView(reranking=Reranking())):
        measure_view(extraction, ("a",), view)
    for name, values in before.items():
        assert (values == extraction.gallery.embeddings[name]).all()


def test_a_process_that_multiplies_with_fewer_digits_measures_with_all(monkeypatch):
    """A precision that somebody has set for speed reaches no distance, and stands again after."""
    side = ImageSet(("a", "b"), np.array([1, 1]), np.array([1, 2]), {"a": np.eye(2, dtype=np.float32)})
    fill, precisions = Nearness.fill, []

    def look(*tile):
        precisions.append(torch.backends.mkldnn.matmul.fp32_precision)
        fill(*tile)

    monkeypatch.setattr(Nearness, "fill", look)
    torch.set_float32_matmul_precision("medium")
    try:
        measure_view(Extraction("test", side, side), ("a",), RetrievalView())
        precisions.append(torch.backends.mkldnn.matmul.fp32_precision)
    finally:
        torch.set_float32_matmul_precision("highest")
    assert [*["ieee"] * (len(precisions) - 1), "bf16"] == precisions
    assert len(precisions) > 1
