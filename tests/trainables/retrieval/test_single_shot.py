"""One random gallery image a person, drawn many times."""

import itertools
import tracemalloc

import numpy as np
import pytest
import torch

from tablewright.orchestrator.store.store import Store
from tablewright.reports.ablation_table import build_table
from tablewright.reports.frame import read_cells
from tablewright.trainables.retrieval.embedded import Extraction, ImageSet
from tablewright.trainables.retrieval.measurement import measure_view
from tablewright.trainables.retrieval.single_shot import NUM_DRAWS, rank_single_shot
from tablewright.trainables.retrieval.view import MAP, MRR, RANK1, Reranking, RetrievalView
from tablewright.trainables.value.refusal import Refusal
from tests.reports.tiny_study import depth_row, make_ablation, plan_of, record_value

SINGLE_SHOT = RetrievalView(gallery="single_shot", distance="euclidean")


def image_set(points, pids, camids):
    names = tuple(f"{index}.png" for index in range(len(pids)))
    return ImageSet(names, np.array(pids), np.array(camids), {"a": np.array(points, np.float32)})


def expected_rank_share(distances_by_pid, pid, k):
    """Chance that fewer than k others are as near as a random right image, image by image."""
    shares = []
    for distance in distances_by_pid[pid]:
        chances = np.zeros(len(distances_by_pid))
        chances[0] = 1.0  # of this many others being as near
        for other, theirs in distances_by_pid.items():
            if other != pid:
                nearer = np.mean([one <= distance for one in theirs])
                chances[1:] = chances[1:] * (1 - nearer) + chances[:-1] * nearer
                chances[0] *= 1 - nearer
        shares.append(chances[:k].sum())
    return np.mean(shares)


@pytest.mark.slow
def test_the_mean_over_draws_comes_near_the_exact_chance():
    """Rank-k is the chance that a random gallery of one image a person has the right one among the first k."""
    rng = np.random.default_rng(0)
    pids = np.repeat(np.arange(1, 16), 8)
    camids = np.tile([1, 1, 1, 1, 2, 2, 2, 2], 15)
    points = rng.normal(size=(15, 2))[pids - 1] * 1.5 + rng.normal(size=(120, 2))
    everybody = image_set(points, pids, camids)
    metrics = measure_view(Extraction("test", everybody, everybody), ("a",), SINGLE_SHOT).metrics
    for k in (1, 5, 10):
        exact = []
        for point, pid, camid in zip(points, pids, camids, strict=True):
            distances = np.linalg.norm(points - point, axis=1)
            seen = camids != camid
            by_pid = {other: distances[seen & (pids == other)] for other in range(1, 16)}
            exact.append(expected_rank_share(by_pid, pid, k))
        assert np.mean(exact) == pytest.approx(metrics[f"rank{k}"], abs=0.02)
    assert 0.1 < metrics["rank1"] < metrics["rank5"] < metrics["rank10"] < 1
    assert [metric.name for metric in SINGLE_SHOT.metrics] == list(metrics)
    assert metrics["rank1"] < metrics["mrr"] < 1


def test_an_example_worked_by_hand():
    """Junk, the query's own camera and a person seen there alone are left out; a distractor stays."""
    query = image_set([[0.0]], [1], [1])
    gallery = image_set(
        [[0.4], [0.1], [0.1], [0.2], [0.9], [0.3]],
        [1, -1, 1, 2, 3, 0],
        [2, 2, 1, 1, 2, 2],  # nearer than the right image is the distractor alone
    )
    result = measure_view(Extraction("test", query, gallery), ("a",), SINGLE_SHOT)
    assert (0.0, 1.0, 0.5) == tuple(result.metrics[name] for name in ("rank1", "rank5", "mrr"))
    assert [0.5] == result.per_query["reciprocal_rank"].tolist()
    assert [2.0] == result.per_query["first_match_rank"].tolist()
    assert [1] == result.per_query["num_positives"].tolist()


def test_equal_distances_put_the_right_image_last():
    """A network that embeds everything alike is worst."""
    side = image_set(np.ones((6, 1)), [1, 2, 3, 1, 2, 3], [1, 1, 1, 2, 2, 2])
    result = measure_view(Extraction("test", side, side), ("a",), SINGLE_SHOT)
    assert [3.0] * 6 == result.per_query["first_match_rank"].tolist()


def test_draws_are_the_same_each_time_and_for_all_queries_of_a_camera():
    """Two queries of one person and camera meet the same galleries, today and tomorrow."""
    rng = np.random.default_rng(1)
    pids, camids = np.repeat(np.arange(1, 6), 6), np.full(30, 2)
    nearness_G = torch.from_numpy(rng.normal(size=30).astype(np.float32))

    def ranks(num_queries):
        block_QG = nearness_G.expand(num_queries, -1).clone()
        queries = np.full(num_queries, 3), np.full(num_queries, 1)
        return rank_single_shot([(0, block_QG)], *queries, pids, camids).first_match_ranks

    twice = ranks(2)
    assert (2, NUM_DRAWS) == twice.shape
    assert (twice[0] == twice[1]).all()
    assert (ranks(1)[0] == twice[0]).all()
    assert len(np.unique(twice)) > 1


def test_distractors_are_in_each_draw_and_take_no_memory_a_draw():
    """Half a million of them are compared as one list: ranks are those of counting each, ties behind all."""
    rng = np.random.default_rng(2)
    pids = np.concatenate([np.repeat([1, 2, 3], 4), np.zeros(20_000, np.int64)])
    camids = np.concatenate([np.tile([1, 1, 2, 2], 3), rng.integers(1, 3, 20_000)])
    nearness_G = rng.integers(0, 50, len(pids)).astype(np.float32)  # many ties
    tracemalloc.start()
    ranked = rank_single_shot(
        [(0, torch.from_numpy(nearness_G[None].copy()))], np.array([2]), np.array([1]), pids, camids
    )
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    people = [np.flatnonzero((pids == pid) & (camids == 2)) for pid in (2, 1, 3)]
    nobody = nearness_G[(pids == 0) & (camids == 2)]
    possible = {
        1
        + sum(nearness_G[i] >= nearness_G[right] for i in others)
        + np.count_nonzero(nobody >= nearness_G[right])
        for right in people[0]
        for others in itertools.product(*people[1:])
    }
    assert possible >= set(ranked.first_match_ranks[0].tolist())
    assert 1 < len(np.unique(ranked.first_match_ranks))
    assert peak_bytes < NUM_DRAWS * len(pids)  # one byte a draw and distractor would be as much


def test_nobody_to_find_is_an_error():
    """People under one camera alone cannot be measured."""
    side = image_set(np.ones((3, 1)), [1, 2, 3], [1, 1, 1])
    with pytest.raises(ValueError, match="no query has a gallery image"):
        measure_view(Extraction("test", side, side), ("a",), SINGLE_SHOT)


def test_reranking_is_refused():
    """Re-ranking needs the neighbours that a single shot takes away."""
    with pytest.raises(Refusal, match="leaves no neighbours to re-rank by"):
        RetrievalView(gallery="single_shot", reranking=Reranking())


def test_the_protocol_says_so():
    """Columns of both protocols cannot be taken for one."""
    assert "one random gallery image a person" in SINGLE_SHOT.protocol
    assert "random" not in RetrievalView().protocol


def test_what_is_no_mean_average_precision_is_not_called_so():
    """mAP and mINP are of views that rank all images; a table that asks them of single shots is told what there is."""
    side = image_set([[0.0], [1.0]] * 2, [1, 2, 1, 2], [1, 1, 2, 2])
    for view, own in ((SINGLE_SHOT, {"mrr"}), (RetrievalView(), {"map", "minp"})):
        metrics = measure_view(Extraction("test", side, side), ("a",), view).metrics
        assert {"rank1", "rank5", "rank10", *own} == set(metrics) == {metric.name for metric in view.metrics}
    with pytest.raises(ValueError, match="gives no metric 'map'; it gives mrr, rank1, rank10, rank5"):
        make_ablation([depth_row(2)], view=SINGLE_SHOT, metrics=[MAP])


def test_a_record_of_an_earlier_version_fills_the_table(tmp_path):
    """What was recorded as `map` of single shots is read as the mean reciprocal rank; new records as they are."""
    for number, recorded in enumerate([{"map": 0.5, "minp": 0.5, "rank1": 0.4}, {"mrr": 0.5, "rank1": 0.4}]):
        ablation = make_ablation([depth_row(2)], view=SINGLE_SHOT, metrics=[MRR, RANK1])
        plan, store = plan_of(ablation, seeds=(0,)), Store(str(tmp_path / str(number)))
        record_value(store, plan, "depth 2", {"Market-1501": {0: recorded}})
        table = build_table(plan, "tiny", "depth", read_cells(plan, store))
        assert [0.5, 0.4] == [cell.mean for cell in table.rows[0].cells]
    assert {"map": 0.5, "minp": 0.1} == RetrievalView().in_todays_names({"map": 0.5, "minp": 0.1})
