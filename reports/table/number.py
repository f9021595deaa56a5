"""How a number is printed: the one place that knows percent and digits.

What rounds to zero is printed without a sign: −0.04 and 0.04 of a percent are the same number to a reader.
"""

from __future__ import annotations

from tablewright.trainables.contract.metric import Metric

DETAIL_DIGITS = 2  # more than the table prints


def value_text(value: float, metric: Metric) -> str:
    """Print a value of a metric: a fraction in percent, without the sign for it."""
    return f"{in_print(value, metric):z.{metric.digits}f}"


def precise_text(value: float, metric: Metric) -> str:
    """Print a value with more digits than a table has, for who looks closer."""
    return f"{in_print(value, metric):z.{metric.digits + DETAIL_DIGITS}f}"


def printed_text(value: float, metric: Metric) -> str:
    """Print a paper's value with the digits that the paper printed, as far as the value still has them."""
    return f"{in_print(value, metric):z.{_printed_digits(value, metric)}f}"


def half_printed_unit(value: float, metric: Metric) -> float:
    """Give by how much a paper's value may differ from what the paper rounded, in the metric's own unit."""
    half_unit = 0.5 * 10.0 ** -_printed_digits(value, metric)
    return half_unit / 100 if metric.is_fraction else half_unit


def _printed_digits(value: float, metric: Metric) -> int:
    """Count digits behind the point; a zero at the end is lost in a float, so there are some at least."""
    text = f"{in_print(value, metric):.6f}".rstrip("0")
    at_least = metric.digits if metric.is_fraction else min(metric.digits, 1)
    return max(len(text.partition(".")[2]), at_least)


def in_print(value: float, metric: Metric) -> float:
    """Give a value in the unit of print: a fraction in percent."""
    return value * 100 if metric.is_fraction else value


def difference_text(value: float, metric: Metric) -> str:
    """Print the difference of two values with its sign; that of fractions in percentage points."""
    return _with_sign(value_text(value, metric))


def precise_difference_text(value: float, metric: Metric) -> str:
    """Print the difference of two values with more digits than a table has."""
    return _with_sign(precise_text(value, metric))


def _with_sign(text: str) -> str:
    if float(text) == 0:
        return f"±{text}"
    return text.replace("-", "−") if text.startswith("-") else f"+{text}"
