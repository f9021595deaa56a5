"""A range as the interval from 0 to 1, for samplers that know no other space."""

from __future__ import annotations

import math
from typing import Any

from tablewright.orchestrator.declared.ranges import Choice, IntRange, Range


def value_at_share(declared: Range, share: float) -> Any:
    """Give the value at a share of a range; each of several values has an equal part, or one of its logarithm."""
    share = min(max(share, 0.0), 1.0)
    if isinstance(declared, Choice) or not declared.log:
        values = declared.values_in_order()
        if values is not None:
            return values[min(int(share * len(values)), len(values) - 1)]
    assert not isinstance(declared, Choice)
    low, high = _ends(declared)
    value = math.exp(low + share * (high - low)) if declared.log else low + share * (high - low)
    value = round(value) if isinstance(declared, IntRange) else value
    return min(max(value, declared.low), declared.high)


def share_of_value(declared: Range, value: Any) -> float:
    """Give where a value of a range lies in it; one of several lies in the middle of its part."""
    if isinstance(declared, Choice) or not declared.log:
        values = declared.values_in_order()
        if values is not None:
            return (values.index(value) + 0.5) / len(values)
    assert not isinstance(declared, Choice)
    low, high = _ends(declared)
    place = math.log(value) if declared.log else value
    return (place - low) / (high - low) if high > low else 0.5


def _ends(declared: Any) -> tuple[float, float]:
    """Give both ends of a range, of its logarithm where that is searched; a whole number reaches half-way on."""
    low, high = declared.low, declared.high
    if isinstance(declared, IntRange):
        low, high = low - 0.5, high + 0.5
    return (math.log(low), math.log(high)) if declared.log else (low, high)
