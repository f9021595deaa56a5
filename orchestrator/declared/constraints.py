"""What several parameters of a search must keep together, such as t0 < t1: no range of one of them can say it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tablewright.trainables.value.declaration import Declaration, repeated
from tablewright.trainables.value.refusal import Fault, shown

ValueOf = Callable[[str], Any]
"""Gives the value at a path of a config."""

TIE = 1e-9
"""By how much `Less` is broken where both are equal."""

ROUNDING = 1e-9
"""A bound is kept, too, where it is missed by this share of it: 0.1 + 0.2 is at most 0.3."""


@dataclass(frozen=True)
class Less(Declaration):
    """One number is below another; each is a path of the config, one of them may be a number.

    It says nothing of a trial in which one of them is off (None).
    """

    left: str | float
    right: str | float
    or_equal: bool = False

    def find_faults(self) -> Iterator[Fault]:
        """Find that it names no path, or the same twice."""
        if not self.paths:
            yield Fault("", f"it compares {self.left!r} with {self.right!r}; name a path of the config")
        if self.left == self.right:
            yield Fault("right", f"{self.left!r} stands on both sides; name another")

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths that it is of."""
        return tuple(side for side in (self.left, self.right) if isinstance(side, str))

    def violation(self, value_of: ValueOf) -> float:
        """Say by how much it is broken; at most 0 where it is kept."""
        left, right = (value_of(side) if isinstance(side, str) else side for side in (self.left, self.right))
        if left is None or right is None:
            return 0.0
        difference = float(left - right)
        return TIE if difference == 0 and not self.or_equal else difference

    def __str__(self) -> str:
        """Write it as a formula."""
        return f"{self.left} {'≤' if self.or_equal else '<'} {self.right}"


@dataclass(frozen=True)
class WeightedSum(Declaration):
    """Σ weight × value lies within bounds, such as loss weights that come to 1 at most.

    It says nothing of a trial in which one of the paths is off (None).

    Attributes:
        weights: dotted path -> weight.
        at_least: lower bound; None is none.
        at_most: upper bound; None is none.
    """

    weights: Mapping[str, float]
    at_least: float | None = None
    at_most: float | None = None

    def find_faults(self) -> Iterator[Fault]:
        """Find that it names nothing, or bounds nothing."""
        if not self.weights:
            yield Fault("weights", "it is empty; name at least one path and its weight")
        for path, weight in self.weights.items():
            if weight == 0:
                yield Fault(
                    f"weights[{path!r}]", "a weight of 0 leaves the path out; write another, or no such path"
                )
        yield from _bound_faults(self.at_least, self.at_most)

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths that it is of."""
        return tuple(self.weights)

    def violation(self, value_of: ValueOf) -> float:
        """Say by how much it is broken; at most 0 where it is kept."""
        values = [value_of(path) for path in self.weights]
        if None in values:
            return 0.0
        total = math.fsum(weight * value for weight, value in zip(self.weights.values(), values, strict=True))
        return _beyond(total, self.at_least, self.at_most)

    def __str__(self) -> str:
        """Write it as a formula."""
        total = " + ".join(
            path if weight == 1 else f"{weight:g} × {path}" for path, weight in self.weights.items()
        )
        return _bounded(total, self.at_least, self.at_most)


@dataclass(frozen=True)
class Product(Declaration):
    """The product of several values lies within bounds, such as images of a batch times steps of accumulation.

    It says nothing of a trial in which one of the paths is off (None).
    """

    factors: Sequence[str]
    at_least: float | None = None
    at_most: float | None = None

    def find_faults(self) -> Iterator[Fault]:
        """Find that it names nothing, or bounds nothing."""
        if not self.factors:
            yield Fault("factors", "it is empty; name at least one path")
        for path in repeated(self.factors):
            yield Fault("factors", f"each is given once; {path!r} is not")
        yield from _bound_faults(self.at_least, self.at_most)

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths that it is of."""
        return tuple(self.factors)

    def violation(self, value_of: ValueOf) -> float:
        """Say by how much it is broken; at most 0 where it is kept."""
        values = [value_of(path) for path in self.factors]
        return 0.0 if None in values else _beyond(math.prod(values), self.at_least, self.at_most)

    def __str__(self) -> str:
        """Write it as a formula."""
        return _bounded(" × ".join(self.factors), self.at_least, self.at_most)


Constraint = Less | WeightedSum | Product


def is_kept(violations: Sequence[float]) -> bool:
    """Say whether every constraint is kept, by how much each is broken."""
    return all(violation <= 0 for violation in violations)


def _bound_faults(at_least: float | None, at_most: float | None) -> Iterator[Fault]:
    if at_least is None and at_most is None:
        yield Fault("", "it bounds nothing; give at_least=…, at_most=…, or both")
    elif at_least is not None and at_most is not None and at_least > at_most:
        yield Fault("at_least", f"it is at most at_most; got {shown(at_least)} and {shown(at_most)}")


def _beyond(value: float, at_least: float | None, at_most: float | None) -> float:
    """Say how far a value lies beyond its bounds; below 0 within them."""
    distances = [
        *([] if at_least is None else [(at_least - value, at_least)]),
        *([] if at_most is None else [(value - at_most, at_most)]),
    ]
    furthest, bound = max(distances)
    return 0.0 if 0 < furthest <= ROUNDING * max(1.0, abs(bound)) else float(furthest)


def _bounded(formula: str, at_least: float | None, at_most: float | None) -> str:
    below = "" if at_least is None else f"{at_least:g} ≤ "
    above = "" if at_most is None else f" ≤ {at_most:g}"
    return f"{below}{formula}{above}"
