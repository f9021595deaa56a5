"""What several seeds say of a row: mean, deviation, intervals, and whether it differs from another row."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np
from scipy import stats

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


@dataclass(frozen=True)
class Significance:
    """Whether two rows differ by more than their seeds do.

    Attributes:
        test: `paired` or `welch`.
        p_value: two-sided, of this comparison alone.
        n: seeds of the side that has fewer.
        corrected_p_value: of this comparison among those that `correct` was given; None before that.
    """

    test: Literal["paired", "welch"]
    p_value: float
    n: int
    corrected_p_value: float | None = None


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
    return float(2 * cast(Any, stats.t.sf(beyond, summary.n - 1)).mean())


def _t_quantile(n: int, confidence: float) -> float:
    return float(cast(Any, stats.t.ppf(0.5 + confidence / 2, n - 1)))


def compare(row: Mapping[int, float], reference: Mapping[int, float]) -> Significance | None:
    """Test whether a row differs from the reference row.

    Where both were measured with the same seeds, the paired t-test is used: a seed fixes the start of the
    weights and the order of the data in both rows, and what they owe to it in common cancels in their
    difference. Where the seeds differ nothing can be paired, and Welch's t-test is used, which does not
    suppose that both rows vary equally.

    Args:
        row: seed -> value.
        reference: seed -> value of the row it is compared with.

    Returns:
        None where either side has fewer than two values, or where nothing varies, so that there is no
        spread to judge a difference by.
    """
    n = min(len(row), len(reference))
    if n < 2:
        return None
    if row.keys() == reference.keys():
        seeds = sorted(row)
        values = [row[seed] for seed in seeds]
        expected = [reference[seed] for seed in seeds]
        if _is_constant(np.subtract(values, expected)):
            return None
        return Significance("paired", _p_value(stats.ttest_rel(values, expected)), n)
    if _is_constant(list(row.values())) and _is_constant(list(reference.values())):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # one side may be constant; Welch allows it
        result = stats.ttest_ind(list(row.values()), list(reference.values()), equal_var=False)
    return Significance("welch", _p_value(result), n)


def correct(tests: Sequence[Significance]) -> list[Significance]:
    """Correct comparisons for their number, by Holm's method (Scand. J. Stat. 6, 1979).

    Of twenty rows that do not differ from the reference one would be marked at p < 0.05. With corrected values the
    chance of any false mark among all comparisons together is below the level, whatever they depend on.

    Args:
        tests: the comparisons that are looked at together.

    Returns:
        The same in the same order, with corrected values.
    """
    corrected: dict[int, float] = {}
    reached = 0.0
    by_p_value = sorted(range(len(tests)), key=lambda index: tests[index].p_value)
    for num_smaller, index in enumerate(by_p_value):
        reached = max(reached, min(1.0, (len(tests) - num_smaller) * tests[index].p_value))
        corrected[index] = reached
    return [replace(test, corrected_p_value=corrected[index]) for index, test in enumerate(tests)]


def _is_constant(values: Sequence[float] | np.ndarray) -> bool:
    return bool(np.ptp(values) < 1e-12)  # fractions: differences below are rounding


def _p_value(result: Any) -> float:
    return float(result.pvalue)
