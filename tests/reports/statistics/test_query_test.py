"""Tests over queries: against the t-test over identities, and against simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from tablewright.reports.statistics.query_test import compare_queries


def test_equally_many_queries_of_each_identity_give_the_t_test_over_identities():
    """Two queries each of identities with mean differences 1, 2 and 6: the paired t-test of these three."""
    row = np.array([1.5, 0.5, 2.0, 2.0, 9.0, 3.0])
    found = compare_queries(row, np.zeros(6), np.array([7, 7, 3, 3, 5, 5]))
    assert found is not None
    expected = stats.ttest_1samp([1.0, 2.0, 6.0], 0.0)
    assert pytest.approx((3.0, 2.0)) == (found.estimate, found.df)
    assert pytest.approx(expected.pvalue) == found.p_value
    assert pytest.approx(tuple(expected.confidence_interval())) == found.interval
    assert (6, 3) == (found.num_queries, found.num_identities)


def test_unequal_identities_by_hand():
    """One identity of three queries with residuals that add up to -1.5, one of one with 1.5: of four queries.

    The variance is ((-1.5)² / (1 - 3/4) + 1.5² / (1 - 1/4)) / 4² = (9 + 3) / 16.
    """
    found = compare_queries(np.array([0.0, 0.5, 1.0, 2.5]), np.zeros(4), np.array([1, 1, 1, 2]))
    assert found is not None
    assert pytest.approx((1.0, math.sqrt(12 / 16))) == (found.estimate, found.standard_error)
    assert found.df == pytest.approx(1.0)


def test_the_order_of_queries_and_names_of_identities_say_nothing():
    """Queries in another order, and identities with names, give the same."""
    generator = np.random.default_rng(0)
    row, reference, identity = (
        generator.normal(size=30),
        generator.normal(size=30),
        generator.integers(6, size=30),
    )
    order = generator.permutation(30)
    names = np.array(["a", "b", "c", "d", "e", "f"])[identity]
    plain = compare_queries(row, reference, identity)
    mixed = compare_queries(row[order], reference[order], names[order])
    assert plain is not None
    assert mixed is not None
    assert pytest.approx((plain.estimate, plain.p_value, plain.df)) == (
        mixed.estimate,
        mixed.p_value,
        mixed.df,
    )


def test_one_identity_says_nothing():
    """Queries of one identity are one witness, and of no queries none."""
    assert compare_queries(np.arange(5.0), np.zeros(5), np.zeros(5)) is None
    assert compare_queries(np.zeros(0), np.zeros(0), np.zeros(0)) is None


def test_where_all_queries_differ_alike_there_is_no_doubt():
    """The same difference in every query is certain, and no difference in any is none."""
    reference, identity = np.array([0.5, 0.25, 0.75, 1.0]), np.array([1, 1, 2, 3])
    other, same = (compare_queries(reference + added, reference, identity) for added in (0.125, 0.0))
    assert other is not None
    assert same is not None
    assert (0.0, 1.0) == (other.p_value, same.p_value)
    assert (0.125, 0.125) == other.interval


@pytest.mark.slow
def test_queries_that_go_together_are_not_counted_as_many():
    """Twelve identities of 1 to 20 queries that share half of their variance: 2 to 8 % of tests find something where
    there is nothing, and those over queries alone over 20 %."""
    generator = np.random.default_rng(0)
    sizes = np.array([1, 1, 2, 2, 3, 3, 5, 5, 8, 8, 12, 20])
    identity = np.repeat(np.arange(12), sizes)
    robust: list[bool] = []
    naive: list[bool] = []
    for _ in range(1_000):
        difference = generator.normal(size=12)[identity] + generator.normal(size=len(identity))
        found = compare_queries(difference, np.zeros(len(identity)), identity)
        assert found is not None
        robust.append(found.p_value < 0.05)
        naive.append(stats.ttest_1samp(difference, 0.0).pvalue < 0.05)
    assert 0.02 < np.mean(robust) < 0.08
    assert np.mean(naive) > 0.2
