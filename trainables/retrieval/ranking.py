"""Ranks of the right gallery images, by counting what is nearer; nothing is sorted.

Protocol (Zheng et al., ICCV 2015, Market-1501), with the cases it leaves open settled here:

* A gallery image of the query's identity under the query's own camera is left out, as is junk (pid -1).
* Distractors (pid 0) stay, as wrong answers.
* A positive has the query's identity and another camera. A query without one is left out of every mean; a
  query that is itself junk or a distractor is nobody, and so has none.
* A positive at the same distance as wrong answers stands behind all of them, so that a network that embeds
  everything alike gets the worst score, whatever the order of the gallery.

Average precision is the mean of the precision at each positive; Rank-k says whether a positive is among the
first k; the inverse negative penalty is the number of positives over the rank of the last (Ye et al., TPAMI
2021, Sec. 3.3).

Legend: Q queries, G gallery, P positives of one query, R draws of a gallery.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

JUNK_PID = -1
DISTRACTOR_PID = 0


@dataclass(frozen=True)
class RankedQueries:
    """One entry for each query that has a positive, in the order of the queries.

    Attributes:
        query_index: (Q,) int64.
        average_precision: (Q,) float64.
        first_match_ranks: from 1 on, (Q, R) int64; R is 1 where the whole gallery is ranked, once.
        inverse_negative_penalty: (Q,) float64.
        num_positives: (Q,) int64.
    """

    query_index: np.ndarray
    average_precision: np.ndarray
    first_match_ranks: np.ndarray
    inverse_negative_penalty: np.ndarray
    num_positives: np.ndarray

    def rank(self, k: int) -> float:
        """Share of queries with a positive among the first k, over all draws."""
        return float(np.mean(self.first_match_ranks <= k))


def rank_queries(
    blocks: Iterable[tuple[int, Tensor]],
    query_pids_Q: np.ndarray,
    query_camids_Q: np.ndarray,
    gallery_pids_G: np.ndarray,
    gallery_camids_G: np.ndarray,
) -> RankedQueries:
    """Rank the positives of every query.

    Args:
        blocks: first query of the block and its nearness (block, G), larger is nearer; it is overwritten.
        query_pids_Q: identities.
        query_camids_Q: cameras.
        gallery_pids_G: identities.
        gallery_camids_G: cameras.

    Raises:
        ValueError: no query has a positive.
    """
    of_pid = {pid: np.flatnonzero(gallery_pids_G == pid) for pid in np.unique(query_pids_Q).tolist()}
    junk = np.flatnonzero(gallery_pids_G == JUNK_PID)
    positives_of: dict[int, np.ndarray] = {}
    for query, (pid, camid) in enumerate(zip(query_pids_Q.tolist(), query_camids_Q.tolist(), strict=True)):
        positives = of_pid[pid][gallery_camids_G[of_pid[pid]] != camid]
        if pid not in (JUNK_PID, DISTRACTOR_PID) and len(positives):
            positives_of[query] = positives
    if not positives_of:
        raise no_positive_error()
    found: list[tuple[int, float, int, float, int]] = []
    for first, block_QG in blocks:
        for query, nearness_G in enumerate(block_QG.numpy(), start=first):
            if query not in positives_of:
                continue
            nearness_G[junk] = -np.inf
            ranks_P = _ranks(nearness_G, positives_of[query], of_pid[int(query_pids_Q[query])])
            ordinals_P = np.arange(1, len(ranks_P) + 1)
            precision = float(np.mean(ordinals_P / ranks_P))
            penalty = len(ranks_P) / int(ranks_P[-1])
            found.append((query, precision, int(ranks_P[0]), penalty, len(ranks_P)))
    index, precisions, first_ranks, penalties, counts = (
        np.array(column) for column in zip(*found, strict=True)
    )
    return RankedQueries(index, precisions, first_ranks[:, None], penalties, counts)


def no_positive_error() -> ValueError:
    """Say that nothing can be ranked."""
    return ValueError(
        "no query has a gallery image of its identity under another camera, so there is nothing to rank; "
        "look at the identities and cameras in the file names of the query and gallery folders"
    )


def _ranks(nearness_G: np.ndarray, positives: np.ndarray, same_pid: np.ndarray) -> np.ndarray:
    """Rank the positives of one query among themselves and the wrong answers, nearest first, (P,)."""
    thresholds_P = np.sort(nearness_G[positives])[::-1]
    nearness_G[same_pid] = -np.inf  # what is left are the wrong answers
    contenders = nearness_G[nearness_G >= thresholds_P[-1]]
    wrong_P = np.array([np.count_nonzero(contenders >= threshold) for threshold in thresholds_P])
    return wrong_P + np.arange(1, len(thresholds_P) + 1)
