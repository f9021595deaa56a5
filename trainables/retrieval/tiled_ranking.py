"""Ranking of a whole gallery, a tile of queries and images at a time, counted while it is in the processor's cache.

Queries of the same people are taken together. A block of them is first compared with the images of its own people,
which gives its positives; then with all others, of which nothing has to be kept but how many are nearer. So memory
does not grow with the gallery, and every product is made once.

Legend: Q queries, G gallery, B a block of queries, N some gallery images, W width of a tile, D embedding.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from tablewright.trainables.contract.run import Device
from tablewright.trainables.retrieval.nearness import Nearness
from tablewright.trainables.retrieval.ranking import (
    JUNK_PID,
    CountedPositives,
    Identities,
    RankedQueries,
    count_positives,
    no_positive_error,
)
from tablewright.trainables.retrieval.side_by_side import side_by_side
from tablewright.trainables.value.long_work import told

MOST_ROWS = 768
"""Queries of a block: more make no product faster, and a tile of them stays in a cache of a few megabytes."""

OWN_BYTES = 24 * 2**20
"""Size of the nearness to their own people's images, of all blocks that are alive at a time."""


def rank_gallery(
    queries_QD: Tensor, nearness: Nearness, queries: Identities, gallery: Identities, device: Device = "cpu"
) -> RankedQueries:
    """Rank the positives of every query.

    Args:
        queries_QD: float32, of the gallery's width.
        nearness: to the gallery's images.
        queries: who they are.
        gallery: who its images are.
        device: computes; a CPU by as many threads as torch has.

    Raises:
        ValueError: no query has a positive.
    """
    answerable = np.flatnonzero(count_positives(queries, gallery))
    if not len(answerable):
        raise no_positive_error()
    by_pid = answerable[np.argsort(queries.pids[answerable], kind="stable")]
    num_threads = torch.get_num_threads() if device == "cpu" else 1
    images = _ImagesOfPeople(gallery.pids)
    is_ranked_G = gallery.pids != JUNK_PID

    def rank(block: np.ndarray) -> RankedQueries:
        """Rank the positives of a block of queries."""
        width = nearness.tile_width
        queries_BD = queries_QD[torch.from_numpy(block)].to(device)
        own = images.of(queries.pids[block])
        own_starts = range(0, len(own), width)
        near_BN = torch.empty(len(block), len(own_starts) * width, device=device)
        for start in own_starts:
            own_tile_BW = near_BN[:, start : start + width]
            nearness.fill(own_tile_BW, queries_BD, _as_index(own[start : start + width]))
        counted = CountedPositives(near_BN, block, queries, gallery.of(own))
        is_other_G = is_ranked_G.copy()
        is_other_G[own] = False
        others = np.flatnonzero(is_other_G)
        tile_BW = torch.empty(len(block), width, device=device)
        for start in range(0, len(others), width):
            nearness.fill(tile_BW, queries_BD, _as_index(others[start : start + width]))
            counted.count(tile_BW)
        return counted.ranked()

    blocks = _blocks(by_pid, queries.pids[by_pid], images, num_threads)
    ranked = side_by_side(rank, blocks, num_threads)
    num_queries = len(answerable)
    return RankedQueries.join(
        list(told(ranked, "ranking queries", num_queries, lambda some: len(some.query_index)))
    )


class _ImagesOfPeople:
    """Finds the images of people in a gallery."""

    def __init__(self, pids_G: np.ndarray) -> None:
        self._order_G = np.argsort(pids_G, kind="stable")
        self._sorted_pids_G = pids_G[self._order_G]

    def of(self, pids: np.ndarray) -> np.ndarray:
        """Give the images of some people, in the gallery's order."""
        firsts, ends = self._ranges(np.unique(pids))
        return np.sort(
            np.concatenate([self._order_G[first:end] for first, end in zip(firsts, ends, strict=True)])
        )

    def count(self, pids: np.ndarray) -> np.ndarray:
        """Count the images of each of some people."""
        firsts, ends = self._ranges(pids)
        return ends - firsts

    def _ranges(self, pids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        firsts, ends = (np.searchsorted(self._sorted_pids_G, pids, side) for side in ("left", "right"))
        return firsts, ends


def _blocks(
    by_pid: np.ndarray, pids: np.ndarray, images: _ImagesOfPeople, num_threads: int
) -> Iterator[np.ndarray]:
    """Cut queries into blocks, equally many for each thread unless a block's own people have too many images."""
    num_rounds = -(-len(by_pid) // (num_threads * MOST_ROWS))
    most_rows = -(-len(by_pid) // (num_threads * num_rounds))
    most_cells = OWN_BYTES // (4 * num_threads)
    first, num_own = 0, 0
    for place, count in enumerate(images.count(pids).tolist()):
        num_new = 0 if first < place and pids[place] == pids[place - 1] else count
        num_rows = place - first + 1
        if num_rows > 1 and (num_rows > most_rows or num_rows * (num_own + num_new) > most_cells):
            yield by_pid[first:place]
            first, num_own, num_new = place, 0, count
        num_own += num_new
    yield by_pid[first:]


def _as_index(images: np.ndarray) -> slice | Tensor:
    """Give images, ascending, as a range where they stand side by side: their embeddings need not be copied then."""
    first, end = int(images[0]), int(images[-1]) + 1
    return slice(first, end) if end - first == len(images) else torch.from_numpy(images)
