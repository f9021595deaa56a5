"""Ranking against one random gallery image of each person, as CUHK03 is measured in its first protocol.

Protocol (Li et al., DeepReID, CVPR 2014, Sec. 5): a query of one camera is compared with one image of each test
person under the other camera; the draw is repeated and the CMC averaged. Settled here, where the paper is silent:

* All queries of a camera are compared with the same images of a draw. A person who is under no other camera
  than the query's is not in its gallery.
* There are 100 draws, from one fixed seed, so that two trainings are measured on the same galleries.
* Junk is left out. A distractor is nobody else's image, so it is in every gallery. As no draw changes them, all
  of them are compared once a query, and 500,000 take no more memory than the nearness that is given.
* A right answer at the same distance as wrong ones stands behind all of them.
* There is one right answer, so average precision and inverse negative penalty are both one over its rank. Their mean
  is no mAP, which averages over all right images: it is the mean reciprocal rank (MRR), and is called that.

Legend: Q queries, G gallery, R draws, P people in the gallery of a query.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from tablewright.trainables.retrieval.ranking import (
    DISTRACTOR_PID,
    JUNK_PID,
    RankedQueries,
    no_positive_error,
)

NUM_DRAWS = 100
DRAW_SEED = 1467
"""Fixed for good: another seed would measure other galleries under the same view."""


@dataclass(frozen=True)
class _Galleries:
    """The galleries that the queries of one camera are compared with.

    Attributes:
        index_RP: places of the drawn images in the gallery, int64.
        column_of: of each person.
        distractors: places of the images that are in each draw, int64.
    """

    index_RP: np.ndarray
    column_of: dict[int, int]
    distractors: np.ndarray


def rank_single_shot(
    blocks: Iterable[tuple[int, Tensor]],
    query_pids_Q: np.ndarray,
    query_camids_Q: np.ndarray,
    gallery_pids_G: np.ndarray,
    gallery_camids_G: np.ndarray,
) -> RankedQueries:
    """Rank the right image of every query in each draw; arguments as of `ranking.rank_queries`.

    Raises:
        ValueError: no query has a positive.
    """
    galleries = {
        camid: _draw_galleries(gallery_pids_G, gallery_camids_G, camid)
        for camid in np.unique(query_camids_Q).tolist()
    }
    query_index: list[int] = []
    ranks: list[np.ndarray] = []
    for first, block_QG in blocks:
        for query, nearness_G in enumerate(block_QG.numpy(), start=first):
            drawn = galleries[int(query_camids_Q[query])]
            column = drawn.column_of.get(int(query_pids_Q[query]))
            if column is None:
                continue
            nearness_RP = nearness_G[drawn.index_RP]
            distractors = np.sort(nearness_G[drawn.distractors])
            farther_R = np.searchsorted(distractors, nearness_RP[:, column], side="left")
            # The right image itself is counted as well, which makes ranks begin at 1.
            people_R = np.count_nonzero(nearness_RP >= nearness_RP[:, column : column + 1], axis=1)
            ranks.append(people_R + len(distractors) - farther_R)
            query_index.append(query)
    if not ranks:
        raise no_positive_error()
    ranks_QR = np.stack(ranks)
    reciprocal_Q = (1 / ranks_QR).mean(1)
    return RankedQueries(
        query_index=np.array(query_index),
        average_precision=reciprocal_Q,
        first_match_ranks=ranks_QR,
        inverse_negative_penalty=reciprocal_Q,
        num_positives=np.ones(len(ranks), np.int64),
    )


def _draw_galleries(pids_G: np.ndarray, camids_G: np.ndarray, query_camid: int) -> _Galleries:
    rng = np.random.Generator(np.random.PCG64([DRAW_SEED, query_camid]))
    is_seen_G = (camids_G != query_camid) & (pids_G != JUNK_PID)
    distractors = np.flatnonzero(is_seen_G & (pids_G == DISTRACTOR_PID))
    columns: list[np.ndarray] = []
    column_of: dict[int, int] = {}
    for pid in np.unique(pids_G[is_seen_G & (pids_G != DISTRACTOR_PID)]).tolist():
        images = np.flatnonzero(is_seen_G & (pids_G == pid))
        column_of[pid] = len(columns)
        columns.append(images[rng.integers(len(images), size=NUM_DRAWS)])
    index_RP = np.stack(columns, axis=1) if columns else np.empty((NUM_DRAWS, 0), np.int64)
    return _Galleries(index_RP, column_of, distractors)
