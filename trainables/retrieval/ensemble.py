"""Several trained networks as one: their embeddings of the same images, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tablewright.trainables.retrieval.embedded import Extraction, ImageSet


def join_extractions(
    members: Sequence[tuple[Extraction, Sequence[str]]],
) -> tuple[Extraction, tuple[str, ...]]:
    """Give one extraction that holds the chosen embeddings of all members.

    Args:
        members: what each network extracted, and the names of the embeddings to take of it.

    Returns:
        The extraction, and the new names in joining order: `1.name` is the first member's.

    Raises:
        ValueError: the members did not embed the same images.
    """
    first = members[0][0]
    for extraction, _ in members[1:]:
        for side, other in zip(_sides(first), _sides(extraction), strict=True):
            if side.names != other.names:
                raise ValueError(
                    "members of an ensemble must be measured on the same images, got "
                    f"{len(side.names)} and {len(other.names)} images of different names; "
                    "give them one data set"
                )
    names_of = [names for _, names in members]
    joined = [
        _join_sides(list(zip(sides, names_of, strict=True)))
        for sides in zip(*(_sides(extraction) for extraction, _ in members), strict=True)
    ]
    return Extraction(first.split, *joined, device=first.device), tuple(joined[0].embeddings)


def _sides(extraction: Extraction) -> list[ImageSet]:
    """Give the sides in the order of the fields, without the multiple query where there is none."""
    sides = [extraction.query, extraction.gallery]
    return sides if extraction.multiple_query is None else [*sides, extraction.multiple_query]


def _join_sides(members: Sequence[tuple[ImageSet, Sequence[str]]]) -> ImageSet:
    first = members[0][0]
    return ImageSet(
        names=first.names,
        pids=first.pids,
        camids=first.camids,
        embeddings=_join([(side.embeddings, names) for side, names in members]),
        flipped_embeddings=_join(
            [(side.flipped_embeddings, names if side.flipped_embeddings else ()) for side, names in members]
        ),
    )


def _join(members: Sequence[tuple[Mapping[str, np.ndarray], Sequence[str]]]) -> dict[str, np.ndarray]:
    return {
        f"{number}.{name}": embeddings[name]
        for number, (embeddings, names) in enumerate(members, start=1)
        for name in names
    }
