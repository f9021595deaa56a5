"""Where the values of a searched parameter lie on an axis from 0 to 1, as the search samples them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from tablewright.orchestrator.declared.ranges import Choice, IntRange, Range, When, range_of
from tablewright.reports.notes.parameter_text import atom_text, cut, found_text

MAX_TICKS = 9
"""Values of a choice that are named on an axis."""

MAX_TICK_LENGTH = 12


@dataclass(frozen=True)
class ParameterScale:
    """An axis of one parameter.

    Attributes:
        range: what is searched.
    """

    range: Range

    @property
    def is_choice(self) -> bool:
        """Whether its values have no order."""
        return isinstance(self.range, Choice)

    @property
    def is_log(self) -> bool:
        """Whether it is one of logarithms."""
        return not isinstance(self.range, Choice) and self.range.log

    def place(self, value: Any) -> float:
        """Say where a value lies, from 0 to 1."""
        if isinstance(self.range, Choice):
            # `True` equals 1 and 1 equals 1.0; what was declared twice is refused.
            return self._place_of(list(self.range.values).index(value))
        low, high = self._measured(self.range.low), self._measured(self.range.high)
        return 0.5 if low == high else (self._measured(value) - low) / (high - low)

    def _place_of(self, index: int) -> float:
        assert isinstance(self.range, Choice)
        last = len(self.range.values) - 1
        return 0.5 if last == 0 else index / last

    def _measured(self, value: float) -> float:
        return math.log(value) if self.is_log else float(value)

    def ticks(self) -> list[tuple[float, str]]:
        """Give places with what stands there."""
        if isinstance(self.range, Choice):
            texts = [cut(atom_text(value), MAX_TICK_LENGTH) for value in self.range.values]
            every = math.ceil(len(texts) / MAX_TICKS)
            return [(self._place_of(index), text) for index, text in enumerate(texts) if index % every == 0]
        low, high = self._measured(self.range.low), self._measured(self.range.high)
        middle = math.exp((low + high) / 2) if self.is_log else (low + high) / 2
        if isinstance(self.range, IntRange):
            middle = self.range.low + self.range.step * round((middle - self.range.low) / self.range.step)
        values = dict.fromkeys((self.range.low, middle, self.range.high))
        return [(self.place(value), found_text({"": value}, "")) for value in values]


def scale_of(declared: Range | When) -> ParameterScale:
    """Give the axis of what is searched at a path."""
    return ParameterScale(range_of(declared))
