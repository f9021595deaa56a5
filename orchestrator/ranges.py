"""What a search may try at one path of a config."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from tablewright.trainables.value.declaration import Declaration, repeated
from tablewright.trainables.value.refusal import Fault, shown

MAX_WHOLE = 2**53
"""Optuna keeps numbers as floats, which have every whole number up to it."""

MAX_TRIED = 32
"""A declaration is tried with each whole number of a range of so many, and with the ends of a wider one."""

Atom = str | int | float | bool | None
"""What can be one of several: Optuna keeps it in a database as it is."""


@dataclass(frozen=True)
class FloatRange(Declaration):
    """Real numbers in [low, high]; `log` searches their logarithm."""

    low: float
    high: float
    log: bool = False

    def find_faults(self) -> Iterator[Fault]:
        """Find an empty range, and a logarithm that there is none of."""
        yield from _range_faults(self)

    def contains(self, value: Any) -> bool:
        """Say whether a value can be suggested."""
        return _is_number(value) and self.low <= value <= self.high

    def can_be_met(self, value: Any) -> bool:
        """Say whether a condition on a value can come true: no real number is suggested twice."""
        return self.low == value == self.high

    def samples(self) -> tuple[Any, ...]:
        """Values that a declaration is tried with."""
        return (float(self.low), float(self.high))

    def values_in_order(self) -> Sequence[float] | None:
        """Give each of its values; None where there is no end of them."""
        return (self.low,) if self.low == self.high else None


@dataclass(frozen=True)
class IntRange(Declaration):
    """Whole numbers low, low + step, … up to high, which is one of them; `log` searches their logarithm."""

    low: int
    high: int
    step: Annotated[int, Field(ge=1)] = 1
    log: bool = False

    def find_faults(self) -> Iterator[Fault]:
        """Find an empty range, an end that no step reaches, and a logarithm that there is none of."""
        yield from _range_faults(self)
        for name, value in (("low", self.low), ("high", self.high)):
            if abs(value) > MAX_WHOLE:
                yield Fault(
                    name, f"it lies within ±{MAX_WHOLE}, where every whole number is kept; got {shown(value)}"
                )
        if self.log and self.step != 1:
            yield Fault(
                "step", f"logarithms have no even steps; got {self.step} with log=True; set one of them only"
            )
        if self.low <= self.high and self.step >= 1 and (self.high - self.low) % self.step:
            last = self.high - (self.high - self.low) % self.step
            yield Fault(
                "high",
                f"steps of {self.step} from {self.low} miss {self.high}; set it to {last} or {last + self.step}",
            )

    def contains(self, value: Any) -> bool:
        """Say whether a value can be suggested."""
        return _is_number(value) and self.low <= value <= self.high and (value - self.low) % self.step == 0

    def can_be_met(self, value: Any) -> bool:
        """Say whether a condition on a value can come true."""
        return self.contains(value)

    def samples(self) -> tuple[Any, ...]:
        """Values that a declaration is tried with."""
        numbers = self.values_in_order()
        return tuple(numbers) if len(numbers) <= MAX_TRIED else (numbers[0], numbers[-1])

    def values_in_order(self) -> Sequence[int]:
        """Give each of its values."""
        return range(self.low, self.high + 1, self.step)


@dataclass(frozen=True)
class Choice(Declaration):
    """One of several values without an order."""

    values: Sequence[Atom]

    def find_faults(self) -> Iterator[Fault]:
        """Find values that are none, or the same."""
        if not self.values:
            yield Fault("values", "there is nothing to choose from; give at least one value")
        for value in repeated(self.values):
            equal = ", ".join(repr(other) for other in self.values if other == value)
            yield Fault("values", f"each is given once; {equal} are one value")

    def contains(self, value: Any) -> bool:
        """Say whether a value can be suggested."""
        return value in self.values

    def can_be_met(self, value: Any) -> bool:
        """Say whether a condition on a value can come true."""
        return self.contains(value)

    def samples(self) -> tuple[Any, ...]:
        """Values that a declaration is tried with."""
        return tuple(self.values)

    def values_in_order(self) -> Sequence[Atom]:
        """Give each of its values."""
        return self.values


Range = FloatRange | IntRange | Choice


@dataclass(frozen=True)
class When(Declaration):
    """A range that is searched only where another parameter has one of certain values.

    Attributes:
        path: of the other parameter, which is searched too.
        values: where it has one of these, the range is searched.
        range: what is searched then.
    """

    path: str
    values: Sequence[Atom]
    range: Range

    def find_faults(self) -> Iterator[Fault]:
        """Find a condition that names no value, or one twice."""
        if not self.values:
            yield Fault("values", f"the range is searched on no value of {self.path}; name at least one")
        for value in repeated(self.values):
            yield Fault("values", f"each is given once; {value!r} is not")


def range_of(declared: Range | When) -> Range:
    """Give the range itself, whatever it depends on."""
    return declared.range if isinstance(declared, When) else declared


def _range_faults(declared: FloatRange | IntRange) -> Iterator[Fault]:
    low, high = declared.low, declared.high
    if low > high:
        yield Fault("low", f"a range runs from low to high; low {low!r} is above high {high!r}")
    if declared.log and low <= 0:
        yield Fault("low", f"a logarithm needs numbers above 0; got {low!r}; raise it, or set log=False")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
