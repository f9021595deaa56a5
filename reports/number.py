"""How a number is printed: the one place that knows percent and digits."""

from __future__ import annotations

from trainables.contract import Metric


def value_text(value: float, metric: Metric) -> str:
    """Print a value of a metric: a fraction in percent, without the sign for it."""
    return f"{value * 100 if metric.is_fraction else value:.{metric.digits}f}"


def difference_text(value: float, metric: Metric) -> str:
    """Print the difference of two values with its sign; that of fractions in percentage points."""
    text = value_text(value, metric)
    if float(text) == 0:
        return f"±{text.removeprefix('-')}"
    return text.replace("-", "−") if text.startswith("-") else f"+{text}"
