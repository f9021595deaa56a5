"""What a search may try at one path of a config."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
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
    """Real numbers in [low, high]; `log` searches their logarithm.

    With a `step` they are low, low + step, … up to high, which is one of them: exact decimals, as they are written.
    """

    low: float
    high: float
    log: bool = False
    step: Annotated[float | None, Field(gt=0)] = None

    def find_faults(self) -> Iterator[Fault]:
        """Find an empty range, a logarithm that there is none of, and an end that no step reaches."""
        yield from _range_faults(self)
        if self.step is None or self.step <= 0:
            return
        if self.log:
            yield Fault(
                "step", f"logarithms have no even steps; got {self.step} with log=True; set one of them only"
            )
        rest = (_decimal(self.high) - _decimal(self.low)) % _decimal(self.step)
        if self.low <= self.high and rest:
            last = _decimal(self.high) - rest
            yield Fault(
                "high",
                f"steps of {self.step} from {self.low} miss {self.high}; set it to {float(last)} or "
                f"{float(last + _decimal(self.step))}",
            )

    def values_in_order(self) -> Sequence[float] | None:
        """Give each of its values; None where there is no end of them."""
        if self.step is None:
            return (self.low,) if self.low == self.high else None
        low, step = _decimal(self.low), _decimal(self.step)
        return tuple(float(low + number * step) for number in range(self._num_steps + 1))

    def on_step(self, value: float) -> float:
        """Give the nearest value that can be suggested, which is one of the steps where there are any."""
        if self.step is None:
            return value
        number = min(max(round((value - self.low) / self.step), 0), self._num_steps)
        return float(_decimal(self.low) + number * _decimal(self.step))

    @property
    def _num_steps(self) -> int:
        return int((_decimal(self.high) - _decimal(self.low)) / _decimal(self.step or 1.0))

    def contains(self, value: Any) -> bool:
        """Say whether a value can be suggested."""
        return _is_number(value) and self.low <= value <= self.high and self.on_step(value) == value

    def can_be_met(self, value: Any) -> bool:
        """Say whether a condition on a value can come true: without steps no real number is suggested twice."""
        return self.contains(value) if self.step is not None else self.low == value == self.high

    def samples(self) -> tuple[Any, ...]:
        """Values that a declaration is tried with."""
        is_short = self.step is not None and self._num_steps < MAX_TRIED
        return tuple(self.values_in_order() or ()) if is_short else (float(self.low), float(self.high))

    def draw(self, chance: random.Random) -> Any:
        """Draw one of its values."""
        if self.step is not None:
            return self.on_step(self.low + chance.randint(0, self._num_steps) * self.step)
        if self.log:
            return min(
                max(math.exp(chance.uniform(math.log(self.low), math.log(self.high))), self.low), self.high
            )
        return chance.uniform(self.low, self.high)


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

    def draw(self, chance: random.Random) -> Any:
        """Draw one of its values."""
        if self.log:
            value = round(math.exp(chance.uniform(math.log(self.low), math.log(self.high))))
            return min(max(value, self.low), self.high)
        return chance.randrange(self.low, self.high + 1, self.step)


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

    def draw(self, chance: random.Random) -> Any:
        """Draw one of its values."""
        return chance.choice(self.values)


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


def is_searched(declared: Range | When, params: Mapping[str, Any]) -> bool:
    """Say whether a range is searched, given the values of what it may depend on."""
    if not isinstance(declared, When):
        return True
    return declared.path in params and params[declared.path] in declared.values


def draw_params(
    space: Sequence[tuple[str, Range | When]], chance: random.Random, fixed: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Draw a value for each path that is searched.

    Args:
        space: paths and ranges, each `When` after the path that it depends on.
        chance: what is drawn by.
        fixed: values that are given; the others are drawn.
    """
    params: dict[str, Any] = {}
    for path, declared in space:
        if fixed is not None and path in fixed:
            params[path] = fixed[path]
        elif is_searched(declared, params):
            params[path] = range_of(declared).draw(chance)
    return params


def _range_faults(declared: FloatRange | IntRange) -> Iterator[Fault]:
    low, high = declared.low, declared.high
    if low > high:
        yield Fault("low", f"a range runs from low to high; low {low!r} is above high {high!r}")
    if declared.log and low <= 0:
        yield Fault("low", f"a logarithm needs numbers above 0; got {low!r}; raise it, or set log=False")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _decimal(value: float) -> Decimal:
    """Take a number as it is written: steps of 0.05 lead to 0.15, and not beside it."""
    return Decimal(repr(float(value)))
