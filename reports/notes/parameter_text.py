"""How a searched parameter is printed: its name, its range and its values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from tablewright.orchestrator.declared.ranges import Choice, Range, When, range_of
from tablewright.trainables.value.secret import masked
from tablewright.trainables.value.text import visible

NOT_SEARCHED = "–"
"""Stands for the value of a parameter that is searched beside other values of another only."""

VALUE_DIGITS = 3
"""Significant ones of a value that was found: more of them no search can tell apart."""

RANGE_DIGITS = 6
"""Significant ones of what a person has declared, or of what follows from it by a division."""

MIN_EXPONENT, MAX_EXPONENT = -4, 6
"""Powers of ten between which a number is written out."""


def short_names(paths: Iterable[str]) -> dict[str, str]:
    """Give each dotted path the shortest of its ends that no other one has: `triplet.margin`, or `base_lr`."""
    parts_of = {path: path.split(".") for path in paths}
    ends = [".".join(parts[-length:]) for parts in parts_of.values() for length in range(1, len(parts) + 1)]
    return {
        path: next(
            (end for length in range(1, len(parts) + 1) if ends.count(end := ".".join(parts[-length:])) == 1),
            path,
        )
        for path, parts in parts_of.items()
    }


def number_text(value: float, num_digits: int) -> str:
    """Write a number with so many significant digits, whole ones in full: 0.000312, 128, 3.1e-5."""
    if isinstance(value, int) or not math.isfinite(value):
        return str(value).replace("-", "−")
    if not value:
        return "0"
    rounded = float(f"{value:.{num_digits - 1}e}")
    exponent = math.floor(math.log10(abs(rounded)))
    if not MIN_EXPONENT <= exponent < MAX_EXPONENT:
        mantissa = f"{rounded / 10.0**exponent:.{num_digits - 1}f}".rstrip("0").rstrip(".")
        return f"{mantissa}e{exponent}".replace("-", "−", int(value < 0))
    text = f"{rounded:.{max(0, num_digits - 1 - exponent)}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−")


def declared_text(params: Mapping[str, Any], path: str) -> str:
    """Write a value as it was declared."""
    return _value_text(params, path, RANGE_DIGITS)


def found_text(params: Mapping[str, Any], path: str) -> str:
    """Write a value that was found."""
    return _value_text(params, path, VALUE_DIGITS)


def _value_text(params: Mapping[str, Any], path: str, num_digits: int) -> str:
    return atom_text(params[path], num_digits) if path in params else NOT_SEARCHED


def atom_text(value: Any, num_digits: int = RANGE_DIGITS) -> str:
    """Write any value that a search may try."""
    if value is None:
        return "off"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number_text(value, num_digits) if isinstance(value, int | float) else visible(masked(str(value)))


def range_text(declared: Range | When, names: Mapping[str, str]) -> str:
    """Write what was searched, and where alone it was.

    Args:
        declared: the range.
        names: short name of each path.
    """
    if isinstance(declared, When):
        values = " or ".join(map(atom_text, declared.values))
        return f"{range_text(declared.range, names)}; where {names[declared.path]} is {values}"
    searched = range_of(declared)
    if isinstance(searched, Choice):
        return ", ".join(map(atom_text, searched.values))
    text = f"{atom_text(searched.low)} to {atom_text(searched.high)}"
    if searched.step not in (None, 1):
        text += f", step {atom_text(searched.step)}"
    return f"{text}, log" if searched.log else text


def cut(text: str, max_length: int) -> str:
    """Give the beginning of a text that is too long for its place."""
    return text if len(text) <= max_length else f"{text[: max_length - 1]}…"
