"""How near gallery images are to queries, a tile of both at a time, so that memory stays bounded.

Legend: Q queries, G gallery, B some of either, W width of a tile, D embedding.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from tablewright.trainables.retrieval.joining import JoinedEmbeddings

BLOCK_BYTES = 48 * 2**20
"""Size of a block of whole rows; a few of them are alive at a time."""

_TILE_COLUMNS = 1024
_ALIGNED_COLUMNS = 64
_FEWEST_ROWS = 16


@dataclass(frozen=True)
class Nearness:
    """How near the images of a gallery are: larger is nearer, and a query's order is that of the distance.

    For the cosine distance 1 - cos it is the cosine times the query's length; for the Euclidean distance it
    is q·g - |g|²/2. Neither needs a normalised copy of the embeddings, and a query's own length changes no
    order. `product` is q·g.

    Equal images are equally near. One product with the whole gallery would not give that: the columns left over
    at the edge of a matrix are summed in another order, so that a copy of an image may seem nearer than the
    image. Here every product has the same, aligned width, filled up with zeros where fewer images are left.

    Attributes:
        gallery: what is compared.
        squared_lengths_G: of its joined rows.
        kind: `cosine`, `euclidean` or `product`.
    """

    gallery: JoinedEmbeddings
    squared_lengths_G: Tensor
    kind: Literal["cosine", "euclidean", "product"]

    @property
    def tile_width(self) -> int:
        """Columns of a tile, W."""
        return min(_TILE_COLUMNS, _round_up(len(self.gallery), _ALIGNED_COLUMNS))

    def fill(self, tile_BW: Tensor, queries_BD: Tensor, images: slice | Tensor) -> None:
        """Write how near images are to queries into a tile; columns beyond the last image are -infinity.

        Args:
            tile_BW: float32, `tile_width` wide, on the device that computes.
            queries_BD: float32, there as well.
            images: of the gallery, at most `tile_width`: a range within it, or their indices, int64.
        """
        squared_lengths_B = self.squared_lengths_G[images].to(tile_BW.device)
        num_images, width = len(squared_lengths_B), tile_BW.shape[1]
        parts = [part.to(tile_BW.device) for part in self.gallery.parts_of(images)]
        if num_images < width:
            parts = [torch.nn.functional.pad(part, (0, 0, 0, width - num_images)) for part in parts]
        _multiply(tile_BW, queries_BD, parts)
        near_BB = tile_BW[:, :num_images]
        if self.kind == "cosine":
            smallest = torch.finfo(torch.float32).tiny
            near_BB *= squared_lengths_B.sqrt().clamp_min_(smallest).reciprocal_()
        elif self.kind == "euclidean":
            near_BB.sub_(squared_lengths_B, alpha=0.5)
        tile_BW[:, num_images:] = -torch.inf

    def blocks(self, queries_QD: Tensor) -> Generator[tuple[int, Tensor]]:
        """Yield whole rows of nearness for a few queries at a time.

        Args:
            queries_QD: float32, of the gallery's width.

        Yields:
            The index of the block's first query, and float32 (block, G), to be used before the next is drawn.
        """
        num_queries, num_gallery, width = len(queries_QD), len(self.gallery), self.tile_width
        starts = range(0, num_gallery, max(1, width))
        size = max(1, min(num_queries, BLOCK_BYTES // (4 * max(1, len(starts) * width))))
        buffer = torch.empty(size, len(starts) * width)
        for first in range(0, num_queries, size):
            queries_BD = queries_QD[first : first + size]
            block = buffer[: len(queries_BD)]
            for start in starts:
                images = slice(start, min(start + width, num_gallery))
                self.fill(block[:, start : start + width], queries_BD, images)
            yield first, block[:, :num_gallery]


def _multiply(out_BW: Tensor, queries_BD: Tensor, parts: list[Tensor]) -> None:
    """Write the inner products of queries with images, (W, D of the part) each, summed over the parts.

    Very few rows are summed in another order by some libraries, too: a query would have other digits where few
    were beside it. So there are never very few.
    """
    num_queries = len(queries_BD)
    if num_queries < _FEWEST_ROWS:
        queries_BD = torch.nn.functional.pad(queries_BD, (0, 0, 0, _FEWEST_ROWS - num_queries))
        products_BW = out_BW.new_empty(_FEWEST_ROWS, out_BW.shape[1])
        _multiply(products_BW, queries_BD, parts)
        out_BW.copy_(products_BW[:num_queries])
        return
    column = 0
    for part in parts:
        query_part = queries_BD[:, column : column + part.shape[1]]
        out_BW.addmm_(query_part, part.T, beta=0 if column == 0 else 1)
        column += part.shape[1]


def _round_up(count: int, multiple: int) -> int:
    return -(-count // multiple) * multiple
