"""The embeddings of one side of a retrieval, joined without a second copy of them.

Legend: N images of the side, B some of them, D the joined embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tablewright.trainables.retrieval.embedded import ImageSet
from tablewright.trainables.retrieval.side_by_side import side_by_side

_ROWS_AT_A_TIME = 2048
_ROWS_OF_A_THREAD = 8 * _ROWS_AT_A_TIME


@dataclass(frozen=True)
class JoinedEmbeddings:
    """Named embeddings side by side; with mirror images, the mean of an image's and its mirror's.

    The joined rows are made a few at a time, because a joined copy of a gallery with 500,000 distractors would
    take gigabytes.

    Attributes:
        parts: (N, D of the part) float32 each, in joining order.
        mirrored_parts: the same of the mirror images; empty without flip averaging.
    """

    parts: tuple[Tensor, ...]
    mirrored_parts: tuple[Tensor, ...] = ()

    def __len__(self) -> int:
        """Count the images."""
        return len(self.parts[0])

    def parts_of(self, images: slice | Tensor) -> list[Tensor]:
        """Give some images' rows of each part, (B, D of the part); views where nothing has to be computed.

        Args:
            images: a range, or indices, (B,) int64.
        """
        parts = [part[images] for part in self.parts]
        if not self.mirrored_parts:
            return parts
        mirrored = [part[images] for part in self.mirrored_parts]
        return [torch.add(part, mirror).div_(2) for part, mirror in zip(parts, mirrored, strict=True)]

    def rows(self, first: int, end: int) -> Tensor:
        """Join the rows [first, end), (B, D); a view where there is nothing to join."""
        parts = self.parts_of(slice(first, end))
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def whole(self) -> Tensor:
        """Join all rows, (N, D)."""
        return self.rows(0, len(self))

    def squared_lengths(self) -> Tensor:
        """Sum the squares of each joined row, (N,).

        Sums are written where they stay: kept one by one between what is freed, they would leave holes that no later
        rows fit into, a gigabyte of them with 500,000 images.
        """
        num_images, width = len(self), sum(part.shape[1] for part in self.parts)
        sums_N = torch.empty(num_images)

        def sum_up(begin: int) -> None:
            squares = torch.empty(_ROWS_AT_A_TIME, width)
            for first in range(begin, min(begin + _ROWS_OF_A_THREAD, num_images), _ROWS_AT_A_TIME):
                parts = self.parts_of(slice(first, first + _ROWS_AT_A_TIME))
                squares_BD = torch.cat(parts, dim=1, out=squares[: len(parts[0])]).square_()
                torch.sum(squares_BD, 1, out=sums_N[first : first + len(parts[0])])

        begins = range(0, num_images, _ROWS_OF_A_THREAD)
        for _ in side_by_side(sum_up, begins, torch.get_num_threads()):
            pass
        return sums_N


def join(side: ImageSet, names: Sequence[str], *, flip: bool) -> JoinedEmbeddings:
    """Join embeddings of a side.

    Raises:
        ValueError: an embedding, or that of the mirror images, was not extracted.
    """
    faults = [
        f"{name!r} of the {kind} was not extracted; there is {', '.join(map(repr, found)) or 'none'}"
        for kind, found in [
            ("images", side.embeddings),
            *([("mirror images", side.flipped_embeddings)] if flip else []),
        ]
        for name in names
        if name not in found
    ]
    if faults:
        raise ValueError("an embedding that the view joins is missing: " + "; ".join(faults))
    parts = tuple(torch.from_numpy(side.embeddings[name]) for name in names)
    mirrored_parts = tuple(torch.from_numpy(side.flipped_embeddings[name]) for name in names) if flip else ()
    return JoinedEmbeddings(parts, mirrored_parts)


def check_comparable(
    queries: JoinedEmbeddings, gallery: JoinedEmbeddings, names: Sequence[str]
) -> tuple[Tensor, Tensor]:
    """Refuse two sides that cannot be compared.

    Returns:
        The squared lengths of both sides' joined rows, by which that is seen.

    Raises:
        ValueError: an embedding is wider on one side than on the other, or not finite. A NaN is neither
            nearer nor farther than anything, so counting would put every positive first.
    """
    faults = [
        f"{name!r} is {query.shape[1]} wide for queries and {image.shape[1]} for the gallery"
        for name, query, image in zip(names, queries.parts, gallery.parts, strict=True)
        if query.shape[1] != image.shape[1]
    ]
    lengths = queries.squared_lengths(), gallery.squared_lengths()
    for side, squared_lengths_N in zip(("query", "gallery"), lengths, strict=True):
        num_bad = int((~squared_lengths_N.isfinite()).sum())
        if num_bad:
            faults.append(
                f"{num_bad} of {len(squared_lengths_N)} {side} images have NaN, infinity or a value too large to "
                "square in float32, as after a training that diverged: lower its learning rate or train in fp32"
            )
    if faults:
        raise ValueError(f"the embeddings {', '.join(names)} cannot be compared: {'; '.join(faults)}")
    return lengths
