"""How near gallery images are to queries, a block of queries at a time, so that memory stays bounded.

Legend: Q queries, G gallery, D embedding.
"""

from __future__ import annotations

from collections.abc import Generator

import torch
from torch import Tensor

from tablewright.trainables.retrieval.joining import JoinedEmbeddings

BLOCK_BYTES = 48 * 2**20
"""Size of a block of nearness; a few of them are alive at a time."""

_CHUNK_COLUMNS = 1024
_ALIGNED_COLUMNS = 64


def nearness_blocks(
    queries_QD: Tensor, gallery: JoinedEmbeddings, distance: str
) -> Generator[tuple[int, Tensor]]:
    """Yield blocks of nearness: larger is nearer, and the order of a row is that of the distance.

    For the cosine distance 1 - cos it is the cosine times the query's length; for the Euclidean distance it
    is q·g - |g|²/2. Neither needs a normalised copy of the embeddings, and a query's own length changes no
    order.

    Args:
        queries_QD: float32.
        gallery: of the same width.
        distance: `cosine` or `euclidean`.

    Yields:
        The index of the block's first query, and float32 (block, G), to be used before the next is drawn.
    """
    squared_lengths_G = gallery.squared_lengths()
    inverse_lengths_G = squared_lengths_G.sqrt().clamp_min_(torch.finfo(torch.float32).tiny).reciprocal_()
    for first, block_QG in product_blocks(queries_QD, gallery):
        if distance == "cosine":
            block_QG *= inverse_lengths_G
        else:
            block_QG.sub_(squared_lengths_G, alpha=0.5)
        yield first, block_QG


def product_blocks(queries_QD: Tensor, gallery: JoinedEmbeddings) -> Generator[tuple[int, Tensor]]:
    """Yield blocks of inner products, in which equal gallery images get equal values.

    One product with the whole gallery would not give that: the columns left over at the edge of a matrix are
    summed in another order, so that a copy of an image may seem nearer than the image. Here every product
    has the same, aligned width, the last one filled up with zeros.

    Args:
        queries_QD: float32.
        gallery: of the same width.

    Yields:
        The index of the block's first query, and float32 (block, G), to be used before the next is drawn.
    """
    num_queries, num_gallery = len(queries_QD), len(gallery)
    width = min(_CHUNK_COLUMNS, _round_up(num_gallery, _ALIGNED_COLUMNS))
    num_columns = _round_up(num_gallery, width)
    last_chunk = num_columns - width
    last_rows = gallery.padded(last_chunk, width)
    size = max(1, min(num_queries, BLOCK_BYTES // (4 * num_columns)))
    buffer = torch.empty(size, num_columns)
    for first in range(0, num_queries, size):
        queries_BD = queries_QD[first : first + size]
        block = buffer[: len(queries_BD)]
        for start in range(0, last_chunk, width):
            gallery.multiply(queries_BD, start, start + width, block[:, start : start + width])
        last_rows.multiply(queries_BD, 0, width, block[:, last_chunk:])
        yield first, block[:, :num_gallery]


def _round_up(count: int, multiple: int) -> int:
    return -(-count // multiple) * multiple
