"""The points of a space that has only so many, and whether they have all been tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tablewright.orchestrator.constraints import is_kept
from tablewright.orchestrator.ranges import Range, When, is_searched, range_of
from tablewright.orchestrator.records import SearchTrialRecord
from tablewright.orchestrator.search import Search


def num_points_at_most(search: Search) -> int | None:
    """Count the points of a space as if every condition held; None where there is no end of them."""
    total = 1
    for _, declared in search.space_in_order():
        values = range_of(declared).values_in_order()
        if values is None:
            return None
        total *= len(values)
    return total


def points_of(search: Search) -> Iterator[dict[str, Any]]:
    """Give every point of a finite space that keeps the constraints, each once."""
    violations = search.violations()
    return (point for point in _points(search.space_in_order(), {}) if is_kept(violations(point)))


def _points(space: Sequence[tuple[str, Range | When]], params: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if not space:
        yield dict(params)
        return
    (path, declared), *rest = space
    if not is_searched(declared, params):
        yield from _points(rest, params)
        return
    for value in range_of(declared).values_in_order() or ():
        yield from _points(rest, {**params, path: value})


def is_exhausted(search: Search, trials: Sequence[SearchTrialRecord]) -> bool:
    """Say whether every point of a space was suggested."""
    most = num_points_at_most(search)
    if most is None:
        return False
    tried = {frozenset(trial.params.items()) for trial in trials}
    has_conditions = any(isinstance(declared, When) for declared in search.space.values())
    if len(tried) < most and not has_conditions and not search.constraints:
        return False
    return all(frozenset(point.items()) in tried for point in points_of(search))
