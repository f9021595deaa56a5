"""How near gallery images are to queries, a block of queries at a time, so that memory stays bounded.

Legend: Q queries, G gallery, D embedding.
"""

from __future__ import annotations

from collections.abc import Generator

import torch
from torch import Tensor

BLOCK_BYTES = 48 * 2**20
"""Size of a block of nearness; a few of them are alive at a time."""

ROWS_AT_A_TIME = 2048


def nearness_blocks(queries_QD: Tensor, gallery_GD: Tensor, distance: str) -> Generator[tuple[int, Tensor]]:
    """Yield blocks of nearness: larger is nearer, and the order of a row is that of the distance.

    For the cosine distance 1 - cos it is the cosine times the query's length; for the Euclidean distance it
    is q·g - |g|²/2. Neither needs a normalised copy of the embeddings, and a query's own length changes no
    order.

    Args:
        queries_QD: float32.
        gallery_GD: float32.
        distance: `cosine` or `euclidean`.

    Yields:
        The index of the block's first query, and float32 (block, G), to be used before the next is drawn.
    """
    squared_lengths_G = _squared_lengths(gallery_GD)
    inverse_lengths_G = squared_lengths_G.sqrt().clamp_min_(torch.finfo(torch.float32).tiny).reciprocal_()
    num_queries, num_gallery = len(queries_QD), len(gallery_GD)
    rows = max(1, min(num_queries, BLOCK_BYTES // (4 * num_gallery)))
    buffer = torch.empty(rows, num_gallery)
    for first in range(0, num_queries, rows):
        block_QD = queries_QD[first : first + rows]
        block_QG = torch.mm(block_QD, gallery_GD.T, out=buffer[: len(block_QD)])
        if distance == "cosine":
            block_QG *= inverse_lengths_G
        else:
            block_QG.sub_(squared_lengths_G, alpha=0.5)
        yield first, block_QG


def _squared_lengths(vectors_ND: Tensor) -> Tensor:
    """Sum squares without a root between, so that equal distances stay equal; by parts, to stay small."""
    return torch.cat([part_ND.square().sum(1) for part_ND in vectors_ND.split(ROWS_AT_A_TIME)])
