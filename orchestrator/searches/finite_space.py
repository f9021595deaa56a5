"""How many configs a search space has, and which of them have not been tried.

A range without an end of values makes a space endless; conditions on a range make its cells fewer, not more.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tablewright.orchestrator.declared.changes import Changes
from tablewright.orchestrator.declared.ranges import Range, When, range_of
from tablewright.orchestrator.searches.unit_interval import value_at_share

LISTED = 10_000
"""A space of so many cells is listed to find one that is left; in a larger one few draws meet a tried one."""

Cell = frozenset[tuple[str, Any]]
"""The values on the searched paths, whatever their order."""


def cell_of(params: Changes) -> Cell:
    """Give what two equal suggestions have in common."""
    return frozenset(params.items())


class SearchSpace:
    """The cells of a space, each of which is one suggestion."""

    def __init__(self, space: Mapping[str, Range | When]) -> None:
        """Take a space whose conditions are no circle."""
        self._space = space
        self._roots = [path for path, declared in space.items() if not isinstance(declared, When)]

    @functools.cached_property
    def size(self) -> int | None:
        """The number of its cells; None where there is no end of them."""
        return self._size_of(self._roots)

    def is_exhausted(self, tried: Collection[Cell]) -> bool:
        """Say whether every cell is among those that were tried, each of which is one of the space."""
        return self.size is not None and len(tried) >= self.size

    def cells(self) -> Iterator[dict[str, Any]]:
        """Give every cell of a finite space."""
        for cell in self._cells_of(self._roots):
            yield self._in_order(cell)

    def untried(
        self,
        tried: Collection[Cell],
        random: np.random.Generator,
        is_allowed: Callable[[Changes], bool] = lambda cell: True,
    ) -> dict[str, Any]:
        """Draw a cell that was not tried and is allowed, where there is one; of those that are hard to find, any."""
        if self.size is not None and self.size <= LISTED:
            untried = [cell for cell in self.cells() if cell_of(cell) not in tried]
            left = [cell for cell in untried if is_allowed(cell)] or untried
            return left[int(random.integers(len(left)))]
        drawn = self._in_order(self._drawn(self._roots, random))
        num_draws = 1
        while cell_of(drawn) in tried or (num_draws < LISTED and not is_allowed(drawn)):
            drawn = self._in_order(self._drawn(self._roots, random))
            num_draws += 1
        return drawn

    def _in_order(self, cell: Mapping[str, Any]) -> dict[str, Any]:
        return {path: cell[path] for path in self._space if path in cell}

    def _values(self, path: str) -> Sequence[Any] | None:
        return range_of(self._space[path]).values_in_order()

    def _switched_on(self, path: str, value: Any) -> list[str]:
        """Give the paths that are searched because another has a value."""
        return [
            other
            for other, declared in self._space.items()
            if isinstance(declared, When) and declared.path == path and value in declared.values
        ]

    def _switches(self, path: str) -> list[Any]:
        """Give the values of a path that other paths depend on."""
        met = range_of(self._space[path])
        named = [
            value
            for declared in self._space.values()
            if isinstance(declared, When) and declared.path == path
            for value in declared.values
            if met.can_be_met(value)
        ]
        return [value for index, value in enumerate(named) if value not in named[:index]]

    def _size_of(self, paths: Sequence[str]) -> int | None:
        """Count the cells of paths that are searched together."""
        sizes = [self._size_at(path) for path in paths]
        return None if None in sizes else math.prod(size for size in sizes if size is not None)

    def _size_at(self, path: str) -> int | None:
        values, switches = self._values(path), self._switches(path)
        if values is None:
            return None
        sizes = [self._size_of(self._switched_on(path, value)) for value in switches]
        if None in sizes:
            return None
        return len(values) - len(switches) + sum(size for size in sizes if size is not None)

    def _cells_of(self, paths: Sequence[str]) -> Iterator[dict[str, Any]]:
        if not paths:
            yield {}
            return
        first, *others = paths
        for value in self._values(first) or ():
            for cell in self._cells_of([*self._switched_on(first, value), *others]):
                yield {first: value, **cell}

    def _drawn(self, paths: Sequence[str], random: np.random.Generator) -> dict[str, Any]:
        """Draw a cell; of an endless space one whose values do not come back, wherever that can be."""
        cell: dict[str, Any] = {}
        for path in paths:
            values = self._values(path)
            if values is None:
                drawn = value_at_share(range_of(self._space[path]), float(random.random()))
            else:
                endless = [
                    value
                    for value in self._switches(path)
                    if self._size_of(self._switched_on(path, value)) is None
                ]
                among = endless or values
                drawn = among[int(random.integers(len(among)))]
            cell |= {path: drawn, **self._drawn(self._switched_on(path, drawn), random)}
        return cell
