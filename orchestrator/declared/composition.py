"""What the rows of a table are made of: components that a row has or not, and factors with levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

Level = bool | str
"""Whether a row has a component, or the printed name of a factor's level."""

ON_AND_OFF = ({"on": True, "off": False}, {"with": True, "without": False}, {"yes": True, "no": False})
"""Names of two levels that make a factor a component."""


@dataclass(frozen=True)
class Factor:
    """One thing that rows of a design differ in.

    Attributes:
        name: as it is printed.
        levels: of the design's rows, in their order.
        paths: into a config, that its levels set.
    """

    name: str
    levels: tuple[Level, ...]
    paths: tuple[str, ...]


@dataclass(frozen=True)
class Composition:
    """What the rows of a design are made of.

    Attributes:
        factors: in printing order.
        spelt_out: labels of rows, or of their groups, that say no more than the levels do.
    """

    factors: tuple[Factor, ...]
    spelt_out: frozenset[str]


@runtime_checkable
class Composing(Protocol):
    """A design that knows what its rows are made of."""

    def composition(self) -> Composition | None:
        """Say it; None where this one cannot."""
        ...


def levels_named(names: Sequence[str]) -> dict[str, Level]:
    """Give the levels of a factor by their printed names: `on` and `off` are those of a component."""
    for known in ON_AND_OFF:
        if {name.lower() for name in names} == known.keys():
            return {name: known[name.lower()] for name in names}
    return {name: name for name in names}
