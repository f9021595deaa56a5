"""The nearest gallery images of a query, against the ranks that are measured."""

import numpy as np
import torch

from tablewright.trainables.retrieval.nearest import nearest_images
from tablewright.trainables.retrieval.ranking import rank_queries


def test_the_order_is_that_of_the_protocol():
    """Own-camera and junk images are left out, distractors stay, ties put the right image behind."""
    pids = np.array([7, 7, -1, 0, 8, 7, 9])
    camids = np.array([1, 2, 2, 2, 2, 3, 3])
    nearness = np.array([9.0, 5.0, 8.0, 7.0, 5.0, 1.0, 2.0])
    nearest = nearest_images(nearness, 7, 1, pids, camids, 10)
    assert [3, 4, 1, 6, 5] == nearest.index.tolist()
    assert [False, False, True, False, True] == nearest.is_right.tolist()
    assert [3, 4] == nearest_images(nearness, 7, 1, pids, camids, 2).index.tolist()


def test_the_first_right_image_stands_at_the_rank_that_is_measured():
    """With ties everywhere, the first match of every query has the rank that `rank_queries` gives."""
    random = np.random.default_rng(4)
    pids_Q, camids_Q = random.integers(1, 6, 40), random.integers(1, 4, 40)
    pids_G, camids_G = random.integers(-1, 6, 90), random.integers(1, 4, 90)
    nearness_QG = random.integers(0, 7, (40, 90)).astype(np.float32)
    blocks = [(0, torch.from_numpy(nearness_QG.copy()))]
    ranked = rank_queries(blocks, pids_Q, camids_Q, pids_G, camids_G)
    assert len(ranked.query_index) > 30
    for query, first_rank in zip(ranked.query_index, ranked.first_match_ranks[:, 0], strict=True):
        nearest = nearest_images(
            nearness_QG[query], pids_Q[query], camids_Q[query], pids_G, camids_G, len(pids_G)
        )
        assert first_rank == 1 + int(np.argmax(nearest.is_right))
