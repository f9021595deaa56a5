"""Statistics against values computed by hand."""

from __future__ import annotations

import math

import pytest

from tablewright.reports.statistics.statistics import (
    Summary,
    rerun_interval,
    rerun_miss_chance,
    seed_interval,
    summarise,
)


def test_deviation_is_that_of_a_sample():
    """Deviations 1, 0, 1 squared and summed give 2; over n - 1 = 2 that is 1."""
    assert Summary(2.0, 1.0, 3) == summarise([1.0, 2.0, 3.0])


def test_one_value_has_no_deviation():
    """A single seed gives a mean and nothing else."""
    assert Summary(0.5, None, 1) == summarise([0.5])
    assert seed_interval([0.5]) is None
    assert rerun_interval([0.5]) is None


def test_no_value_has_no_summary():
    """Nothing measured is not a mean of zero."""
    assert summarise([]) is None
    assert seed_interval([]) is None


def test_interval_uses_students_t():
    """The half width of 1, 2, 3 is 4.302653 / sqrt(3), t at 97.5 % with two degrees of freedom."""
    half_width = 4.302652729911275 / math.sqrt(3)
    assert pytest.approx((2 - half_width, 2 + half_width)) == seed_interval([1.0, 2.0, 3.0])


def test_one_more_run_scatters_more_than_the_mean():
    """Of 1, 2, 3 the half width is 4.302653 · sqrt(1 + 1/3): the run's own deviation and that of the mean."""
    half_width = 4.302652729911275 * math.sqrt(4 / 3)
    assert pytest.approx((2 - half_width, 2 + half_width)) == rerun_interval([1.0, 2.0, 3.0])


def test_chance_makes_some_reruns_disagree():
    """Of values printed with endless digits 5 % lie outside the interval of one more run; rounding takes some back, and
    takes nearly all where the digits are coarse. By hand for one degree of freedom, where the tail beyond t is
    1/2 - atan(t) / pi: of -1 and 1, the interval reaches to 12.7062 · sqrt 3 deviations of sqrt 2.
    """
    assert pytest.approx(0.05) == rerun_miss_chance([1.0, 2.0, 4.0], rounding=0.0)
    few, none = (rerun_miss_chance([1.0, 2.0, 4.0], rounding=rounding) for rounding in (1.0, 1e6))
    assert few is not None
    assert none is not None
    assert none < 1e-6 < few < 0.05
    scale = math.sqrt(2) * math.sqrt(1.5)
    tails = [
        1 - 2 * math.atan(12.706204736 + 2 * 0.5 / scale * step / 1000) / math.pi for step in range(1001)
    ]
    assert pytest.approx(sum(tails) / 1001, rel=1e-4) == rerun_miss_chance([-1.0, 1.0], rounding=0.5)


def test_where_nothing_varies_no_rerun_disagrees():
    """A deterministic method gives the same again; one value says nothing."""
    assert rerun_miss_chance([0.5, 0.5], rounding=0.01) == 0.0
    assert rerun_miss_chance([0.5], rounding=0.01) is None
