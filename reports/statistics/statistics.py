"""What several seeds say of a row alone: mean, deviation, and where one more run would lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from scipy import special

NUM_ROUNDED = 50  # points over which what was rounded is averaged


@dataclass(frozen=True)
class Summary:
    """The values of one cell over its seeds.

    Attributes:
        mean: arithmetic mean.
        deviation: sample standard deviation (n - 1 in the denominator); None for a single value.
        n: how many values.
    """

    mean: float
    deviation: float | None
    n: int


def summarise(values: Sequence[float]) -> Summary | None:
    """Give mean, deviation and n, or None where there is no value."""
    if not values:
        return None
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Summary(float(np.mean(values)), deviation, len(values))


def seed_interval(values: Sequence[float], *, confidence: float = 0.95) -> tuple[float, float] | None:
    """Give the confidence interval of the mean over seeds, from Student's t with n - 1 degrees of freedom.

    Student's t and not the normal distribution: with three seeds the deviation itself is hardly known,
    and the factor before it is 4.30 rather than 1.96.

    Args:
        values: one a seed.
        confidence: how often such an interval holds the mean that endless seeds would have.

    Returns:
        Lower and upper end, or None for fewer than two values.
    """
    summary = summarise(values)
    if summary is None or summary.deviation is None:
        return None
    half_width = _t_quantile(summary.n, confidence) * summary.deviation / math.sqrt(summary.n)
    return summary.mean - half_width, summary.mean + half_width


def rerun_interval(values: Sequence[float], *, confidence: float = 0.95) -> tuple[float, float] | None:
    """Give the prediction interval of one more run: where the value of another seed would lie.

    A paper prints one run as a rule, and a single run scatters around the mean by the whole deviation,
    however well the mean itself is known. The interval of the mean shrinks with more seeds and would shut
    out more and more exact reproductions; this one does not.

    Args:
        values: one a seed.
        confidence: how often such an interval holds the value of one more seed.

    Returns:
        Lower and upper end, or None for fewer than two values.
    """
    summary = summarise(values)
    if summary is None or summary.deviation is None:
        return None
    half_width = _t_quantile(summary.n, confidence) * summary.deviation * math.sqrt(1 + 1 / summary.n)
    return summary.mean - half_width, summary.mean + half_width


def rerun_miss_chance(values: Sequence[float], *, rounding: float) -> float | None:
    """Give the chance that a rerun is taken for something else, though it is one.

    A printed value disagrees where it lies outside the interval of `rerun_interval`, widened by half a unit of
    its last digit. One more run lies outside the interval itself in 5 % of cases; of those the wider one takes some
    back. Added up over the cells of a table this is how many disagreements chance alone gives.

    Args:
        values: one a seed.
        rounding: half a unit of the printed value's last digit, in the unit of the values.

    Returns:
        None for fewer than two values.
    """
    summary = summarise(values)
    if summary is None or summary.deviation is None:
        return None
    scale = summary.deviation * math.sqrt(1 + 1 / summary.n)
    if scale == 0:
        return 0.0
    # What was rounded lies evenly within half a unit of what is printed.
    middles = (np.arange(NUM_ROUNDED) + 0.5) / NUM_ROUNDED
    beyond = _t_quantile(summary.n, 0.95) + 2 * rounding / scale * middles
    return float(2 * cast(Any, special).stdtr(summary.n - 1, -beyond).mean())


def _t_quantile(n: int, confidence: float) -> float:
    return float(cast(Any, special).stdtrit(n - 1, 0.5 + confidence / 2))
