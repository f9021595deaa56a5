"""Statistics against values computed by hand."""

from __future__ import annotations

import math

import pytest

from reports.statistics import (
    Significance,
    Summary,
    compare,
    correct,
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


def test_equal_seeds_are_paired():
    """Differences 1, 2, 3: t = 2 / (1 / sqrt 3) = 3.4641, and with two degrees of freedom p = 0.0742.

    For two degrees of freedom p = 1 - t / sqrt(t² + 2), so p = 1 - sqrt(12 / 14).
    """
    result = compare({0: 2.0, 1: 4.0, 2: 6.0}, {2: 3.0, 1: 2.0, 0: 1.0})
    assert result is not None
    assert ("paired", 3) == (result.test, result.n)
    assert pytest.approx(1 - math.sqrt(12 / 14)) == result.p_value


def test_pairing_follows_the_seed_and_not_the_order():
    """The order in which seeds were recorded changes nothing."""
    forward = compare({0: 0.1, 1: 0.4, 2: 0.5}, {0: 0.2, 1: 0.3, 2: 0.9})
    backward = compare({2: 0.5, 1: 0.4, 0: 0.1}, {1: 0.3, 0: 0.2, 2: 0.9})
    assert forward == backward


def test_different_seeds_are_compared_by_welch():
    """Means 2 and 4, variances 1 and 1, three seeds each: t = -2 / sqrt(2/3), four degrees of freedom.

    For four degrees of freedom p = 1 - s (3 - s²) / 2 with s = |t| / sqrt(t² + 4); here t² = 6, s² = 0.6.
    """
    result = compare({0: 1.0, 1: 2.0, 2: 3.0}, {3: 3.0, 4: 4.0, 5: 5.0})
    assert result is not None
    sine = math.sqrt(0.6)
    assert ("welch", 3) == (result.test, result.n)
    assert pytest.approx(1 - sine * (3 - 0.6) / 2) == result.p_value


def test_one_seed_is_never_tested():
    """Fewer than two seeds on either side give no significance."""
    assert compare({0: 0.9}, {0: 0.1, 1: 0.2}) is None
    assert compare({0: 0.1, 1: 0.2}, {0: 0.9}) is None


def test_no_spread_is_never_tested():
    """Rows that differ by the same amount in every seed leave nothing to judge the difference by."""
    assert compare({0: 0.5, 1: 0.6}, {0: 0.3, 1: 0.4}) is None
    assert compare({0: 0.5, 1: 0.5}, {2: 0.3, 3: 0.3}) is None


def test_welch_allows_one_constant_side():
    """A row without spread is still compared with one that has some."""
    result = compare({0: 0.5, 1: 0.5}, {2: 0.3, 3: 0.4})
    assert result is not None
    assert 0 < result.p_value < 1


def test_tests_are_corrected_by_holm():
    """Of three, the smallest counts three times, the next twice; none gets smaller than the one before it."""
    tests = [Significance("paired", p_value, 3) for p_value in (0.04, 0.01, 0.03)]
    assert pytest.approx([0.06, 0.03, 0.06]) == [test.corrected_p_value for test in correct(tests)]
    assert [0.04, 0.01, 0.03] == [test.p_value for test in correct(tests)]


def test_a_single_test_needs_no_correction():
    """Where nothing else was compared the value stays, and none is above 1."""
    assert [0.04] == [test.corrected_p_value for test in correct([Significance("paired", 0.04, 3)])]
    assert [1.0, 1.0] == [
        test.corrected_p_value
        for test in correct([Significance("welch", 0.6, 3), Significance("welch", 0.9, 3)])
    ]
    assert [] == correct([])


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
