"""Several trained networks as one: their embeddings of the same images, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from trainables.contract import Extraction, ImageSet


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
        for side, other in ((first.query, extraction.query), (first.gallery, extraction.gallery)):
            if side.names != other.names:
                raise ValueError(
                    "members of an ensemble must be measured on the same images, got "
                    f"{len(side.names)} and {len(other.names)} images of different names; "
                    "give them one data set"
                )
    query = _join_sides([(extraction.query, names) for extraction, names in members])
    gallery = _join_sides([(extraction.gallery, names) for extraction, names in members])
    return Extraction(first.split, query, gallery), tuple(query.embeddings)


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
