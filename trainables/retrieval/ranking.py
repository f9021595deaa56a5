"""Ranks of the right gallery images, by counting the wrong ones that are as near or nearer.

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

Legend: Q queries, G gallery, B some queries, N some gallery images, P positives of one query, R draws of a gallery.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

JUNK_PID = -1
DISTRACTOR_PID = 0

_SORTED_TOGETHER = 512
"""So many float32 numpy sorts without a branch on processors with AVX-512; twice as many take nine times as long."""


@dataclass(frozen=True)
class Identities:
    """Who is on some images, and under which camera each was taken.

    Attributes:
        pids: -1 is junk, 0 a distractor, (N,) int64.
        camids: (N,) int64.
    """

    pids: np.ndarray
    camids: np.ndarray

    def __len__(self) -> int:
        """Count the images."""
        return len(self.pids)

    def of(self, images: np.ndarray) -> Identities:
        """Give those of some of the images, by their indices."""
        return Identities(self.pids[images], self.camids[images])


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

    @classmethod
    def join(cls, blocks: Sequence[RankedQueries]) -> RankedQueries:
        """Put blocks of queries together, and all queries into their order.

        Raises:
            ValueError: there is none.
        """
        if not blocks:
            raise no_positive_error()
        order = np.argsort(np.concatenate([block.query_index for block in blocks]))
        columns = zip(*(dataclasses.astuple(block) for block in blocks), strict=True)
        return cls(*(np.concatenate(column)[order] for column in columns))


def count_positives(queries: Identities, gallery: Identities) -> np.ndarray:
    """Count the right images of each query, (Q,) int64."""
    people_N, cameras_N = (
        np.unique(np.concatenate(values), return_inverse=True)[1]
        for values in ((gallery.pids, queries.pids), (gallery.camids, queries.camids))
    )
    both_N = people_N * (cameras_N.max(initial=0) + 1) + cameras_N
    of_person_Q, of_both_Q = (
        np.bincount(keys_N[: len(gallery)], minlength=keys_N.max(initial=0) + 1)[keys_N[len(gallery) :]]
        for keys_N in (people_N, both_N)
    )
    return np.where(np.isin(queries.pids, (JUNK_PID, DISTRACTOR_PID)), 0, of_person_Q - of_both_Q)


def rank_queries(
    blocks: Iterable[tuple[int, Tensor]],
    query_pids_Q: np.ndarray,
    query_camids_Q: np.ndarray,
    gallery_pids_G: np.ndarray,
    gallery_camids_G: np.ndarray,
) -> RankedQueries:
    """Rank the positives of every query, by whole rows of nearness.

    Args:
        blocks: first query of the block and its nearness (block, G), larger is nearer.
        query_pids_Q: identities.
        query_camids_Q: cameras.
        gallery_pids_G: identities.
        gallery_camids_G: cameras.

    Raises:
        ValueError: no query has a positive.
    """
    queries = Identities(query_pids_Q, query_camids_Q)
    gallery = Identities(gallery_pids_G, gallery_camids_G)
    has_positives_Q = count_positives(queries, gallery) > 0
    if not has_positives_Q.any():
        raise no_positive_error()
    ranked: list[RankedQueries] = []
    for first, block_QG in blocks:
        index = first + np.flatnonzero(has_positives_Q[first : first + len(block_QG)])
        if len(index):
            near_BG = block_QG[torch.from_numpy(index - first)]
            ranked.append(CountedPositives(near_BG, index, queries, gallery).ranked())
    return RankedQueries.join(ranked)


class CountedPositives:
    """The positives of a few queries, and how many wrong answers are as near as each, or nearer.

    Args:
        near_BN: nearness to gallery images, of the people of these queries all; larger is nearer. What is wrong
            among them is counted, and it is overwritten. Columns beyond the last image are -infinity.
        query_index: which of the queries these are, each with a positive, (B,) int64.
        queries: all of them.
        gallery: the images of the columns.
    """

    def __init__(
        self, near_BN: Tensor, query_index: np.ndarray, queries: Identities, gallery: Identities
    ) -> None:
        asked = queries.of(query_index)
        is_same_BN = asked.pids[:, None] == gallery.pids
        is_positive_BN = is_same_BN & (asked.camids[:, None] != gallery.camids)
        num_positives_B = is_positive_BN.sum(1)
        rows, columns = np.nonzero(is_positive_BN)
        places = np.arange(len(rows)) - (num_positives_B.cumsum() - num_positives_B)[rows]
        rows, columns, places = (
            torch.from_numpy(indices).to(near_BN.device) for indices in (rows, columns, places)
        )
        nearness_BP = near_BN.new_full((len(asked), int(num_positives_B.max())), torch.inf)
        nearness_BP[rows, places] = near_BN[rows, columns]
        self._query_index, self._num_positives_B = query_index, num_positives_B
        self._nearness_BP = nearness_BP.sort(1).values
        self._num_wrong_BP = torch.zeros_like(nearness_BP, dtype=torch.int64)
        is_no_answer_BN = is_same_BN | (gallery.pids == JUNK_PID)
        near_BN[:, : len(gallery)].masked_fill_(
            torch.from_numpy(is_no_answer_BN).to(near_BN.device), -torch.inf
        )
        self.count(near_BN)

    def count(self, near_BN: Tensor) -> None:
        """Count wrong answers.

        Args:
            near_BN: nearness to gallery images, of none of these queries' people; it is overwritten.
        """
        num_columns = near_BN.shape[1]
        together = num_columns if num_columns % _SORTED_TOGETHER else _SORTED_TOGETHER
        pieces_BSN = near_BN.view(len(near_BN), -1, together)
        if near_BN.device.type == "cpu":
            pieces_BSN.numpy().sort(axis=2)  # torch sorts indices along, in ten times the time
        else:
            pieces_BSN = pieces_BSN.sort(2).values
        thresholds_BSP = self._nearness_BP[:, None].expand(-1, pieces_BSN.shape[1], -1).contiguous()
        num_farther_BSP = torch.searchsorted(pieces_BSN, thresholds_BSP, out_int32=True)
        self._num_wrong_BP += num_columns - num_farther_BSP.sum(1)

    def ranked(self) -> RankedQueries:
        """Rank the positives among themselves and the wrong answers that were counted."""
        found: list[tuple[float, int, float]] = []
        for num_positives, num_wrong_P in zip(
            self._num_positives_B, self._num_wrong_BP.cpu().numpy(), strict=True
        ):
            ordinals_P = np.arange(1, num_positives + 1)
            ranks_P = num_wrong_P[:num_positives][::-1] + ordinals_P  # the nearest, which stands last, first
            precision = float(np.mean(ordinals_P / ranks_P))
            found.append((precision, int(ranks_P[0]), int(num_positives) / int(ranks_P[-1])))
        precisions, first_ranks, penalties = (np.array(column) for column in zip(*found, strict=True))
        return RankedQueries(
            self._query_index, precisions, first_ranks[:, None], penalties, self._num_positives_B
        )


def no_positive_error() -> ValueError:
    """Say that nothing can be ranked."""
    return ValueError(
        "no query has a gallery image of its identity under another camera, so there is nothing to rank; "
        "look at the identities and cameras in the file names of the query and gallery folders"
    )
