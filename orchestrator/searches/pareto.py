"""The trials of a search of several objectives that no other beats in all of them, and the knee among them.

The knee is the point of the front that lies farthest from the straight line (of more objectives: the plane) between
the front's ends, on the side of what is better, each objective scaled to its range on the front: where giving up a
little of one objective stops gaining much of another.

Source:
    I. Das, On characterizing the "knee" of the Pareto curve based on Normal-Boundary Intersection, Structural
    Optimization 18 (1999), 107-115.
"""

from __future__ import annotations

from collections.abc import Sequence

Point = Sequence[float]
"""A value for each objective."""


def front_of(points: Sequence[Point], are_higher_better: Sequence[bool]) -> list[int]:
    """Give the places of the points that no other one dominates, the best in the first objective first.

    A point dominates another that is better in none and worse in one; of equal ones the first counts.

    Args:
        points: all.
        are_higher_better: of each objective.
    """
    losses = [_losses(point, are_higher_better) for point in points]
    front = [
        place
        for place, ours in enumerate(losses)
        if losses.index(ours) == place
        and not any(
            theirs != ours and all(a <= b for a, b in zip(theirs, ours, strict=True)) for theirs in losses
        )
    ]
    return sorted(front, key=lambda place: losses[place])


def knee_of(front: Sequence[Point], are_higher_better: Sequence[bool]) -> int:
    """Give the place of the knee on a front; of equal ones that which is better in the first objective.

    On a front of two points both lie on the line between them, and the one that is better in the first is taken.

    Args:
        front: at least one point.
        are_higher_better: of each objective.
    """
    losses = [_losses(point, are_higher_better) for point in front]
    columns = [*zip(*losses, strict=True)]
    best, reach = [min(column) for column in columns], [max(column) - min(column) for column in columns]

    def merit(place: int) -> tuple[float, Point]:
        scaled = [
            (loss - low) / width if width else 0.0
            for loss, low, width in zip(losses[place], best, reach, strict=True)
        ]
        # The line through (0, 1) and (1, 0): the distance to it falls as the sum grows.
        return round(sum(scaled), 12), losses[place]

    return min(range(len(front)), key=merit)


def _losses(point: Point, are_higher_better: Sequence[bool]) -> tuple[float, ...]:
    """Give a point such that less is better in each objective."""
    return tuple(
        -value if is_higher else value for value, is_higher in zip(point, are_higher_better, strict=True)
    )
