"""The smallest difference that a table finds, against exact power and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats

from tablewright.reports.statistics.comparison import compare_tables
from tablewright.reports.statistics.smallest_difference import (
    row_correlations,
    row_deviations,
    smallest_differences,
)
from tests.reports.weights import against_row, factorial_effects

NAN = math.nan


@pytest.mark.parametrize("num_seeds", [3, 5, 8])
def test_of_two_rows_it_has_the_power_of_the_paired_t_test(num_seeds: int):
    """Noncentral t gives 77 to 83 % for the difference that is said to be found in 80 % of tables."""
    (difference,) = smallest_differences(against_row(2, 0), num_seeds=num_seeds, deviation_R=0.4)
    standard_error = 0.4 * math.sqrt(2 / num_seeds)
    limit = stats.t.ppf(0.975, num_seeds - 1)
    power = stats.nct.sf(limit, num_seeds - 1, difference / standard_error)
    assert pytest.approx(0.8, abs=0.03) == power


@pytest.mark.slow
@pytest.mark.parametrize(("num_rows", "num_columns"), [(4, 1), (11, 1), (11, 3)])
def test_it_agrees_with_simulation_to_five_per_cent(num_rows: int, num_columns: int):
    """95 % of it is found in fewer than 80 % of other tables, 105 % of it in more."""
    weights = against_row(num_rows, 0)
    difference = smallest_differences(weights, num_seeds=3, deviation_R=2.0, num_columns=num_columns)[0]
    noise = 2 * np.random.default_rng(7).normal(size=(600, num_columns, num_rows, 3))
    compared = compare_tables(noise, weights)
    limit = stats.t.isf(0.025 / weights.shape[0] / num_columns, compared.df_BCK) * compared.standard_error_BCK
    found = [(compared.estimate_BCK + factor * difference > limit).mean() for factor in (0.95, 1.05)]
    assert found[0] < 0.8 < found[1]


def test_more_seeds_find_less_and_more_tests_need_more():
    """Five seeds find smaller differences than three, and one tested column smaller ones than four."""
    three, five, four_columns = (
        np.median(smallest_differences(against_row(8, 0), num_seeds=n, deviation_R=1.0, num_columns=c))
        for n, c in ((3, 1), (5, 1), (3, 4))
    )
    assert five < 0.8 * three
    assert four_columns > 1.05 * three


def test_it_has_the_unit_of_the_deviation():
    """Twice the deviation is twice the difference, and what seeds give to all rows alike is no deviation."""
    weights = against_row(6, 0)
    plain = smallest_differences(weights, num_seeds=3, deviation_R=1.0)
    np.testing.assert_allclose(2 * plain, smallest_differences(weights, num_seeds=3, deviation_R=2.0))
    shared = smallest_differences(weights, num_seeds=3, deviation_R=2.0, shared=0.75)
    np.testing.assert_allclose(plain, shared)


def test_each_comparison_has_its_own():
    """A row of threefold deviation needs more than the others. Of three factors the interaction of all is a sum of
    eight rows, where a main effect is a fourth of one, and needs four times as much."""
    deviations = np.array([1.0, 1.0, 1.0, 1.0, 3.0])
    usual, *_, noisy = smallest_differences(against_row(5, 0), num_seeds=4, deviation_R=deviations)
    assert noisy > 1.3 * usual
    effects = np.array([*factorial_effects([2, 2, 2]).values()])
    found = smallest_differences(effects, num_seeds=3, deviation_R=1.0)
    assert found[0] == found[1] == found[2]
    assert pytest.approx(4 * found[0], rel=0.02) == found[-1]


def test_deterministic_rows_find_everything():
    """Without any deviation there is no difference too small."""
    assert not smallest_differences(against_row(3, 0), num_seeds=3, deviation_R=0.0).any()


def test_deviations_of_rows_come_from_what_is_recorded():
    """Of many rows with the deviation 2, and a seed's effect of 10, the median of those given is 2; a row without
    seeds is expected to be as the others, and without any row nothing is."""
    generator = np.random.default_rng(0)
    values = 2 * generator.normal(size=(1, 60, 4)) + 10 * generator.normal(size=(1, 1, 4))
    values[0, 7] = NAN
    found = row_deviations(values)[0]
    assert pytest.approx(2.0, rel=0.12) == np.median(found)
    assert pytest.approx(math.sqrt(np.mean(np.delete(found, 7) ** 2))) == found[7]
    assert np.isnan(row_deviations(np.full((1, 3, 4), NAN))).all()


def test_two_rows_share_their_difference():
    """Differences of variance 7 are two rows of variance 3.5 each, times exp of Euler's constant: the variance that is
    as often too high as too low at two degrees of freedom."""
    values = np.array([[[0.5, 0.1, 0.2], [1.5, 2.1, 6.2]]])
    expected = math.sqrt(3.5 * math.exp(np.euler_gamma))
    np.testing.assert_allclose([[expected, expected]], row_deviations(values))


def test_views_of_two_trainings_are_as_noisy_as_the_trainings():
    """What a seed does to both trainings is no deviation, however many views are read from each."""
    two = np.array([[0.5, 0.1, 0.2], [1.5, 2.1, 6.2]])
    expected = row_deviations(two[None])[0, 0]
    views = np.repeat(two + np.array([10.0, 40.0, 0.0]), 2, 0)[None]
    np.testing.assert_allclose([[expected] * 4], row_deviations(views, training_R=[0, 0, 1, 1]))


def test_rows_that_move_alike_have_no_deviation():
    """Three rows at a constant distance from each other find everything, though each scatters over the seeds."""
    values = np.array([0.8, 0.81, 0.83]) + np.array([[[0.0], [0.01], [0.02]]])
    assert pytest.approx(0.0, abs=1e-9) == row_deviations(values).max()


@pytest.mark.parametrize("num_rows", [2, 3])
def test_rows_without_a_seed_in_common_have_the_deviation_of_their_values(num_rows: int):
    """What a seed does to all of them is unknown then, and no deviation is not what is known."""
    values = np.full((1, num_rows, 3 * num_rows), NAN)
    for row in range(num_rows):
        values[0, row, 3 * row : 3 * row + 3] = [0.80, 0.82, 0.81]
    assert row_deviations(values).min() > 0.005


@pytest.mark.parametrize("num_seeds", [3, 5])
def test_two_views_of_one_training_find_what_their_difference_varies_by(num_seeds: int):
    """Of views that move together by 0.02 and apart by 0.001 the power is that of the paired t-test of the latter."""
    generator = np.random.default_rng(2)
    shared, apart = generator.normal(size=num_seeds), generator.normal(size=num_seeds)
    values = np.array([[0.7 + 0.02 * shared, 0.6 + 0.02 * shared + 0.001 * apart]])
    training = [0, 0]
    deviations = row_deviations(values, training_R=training)
    (difference,) = smallest_differences(
        against_row(2, 0),
        num_seeds=num_seeds,
        deviation_R=deviations[0],
        correlation_RR=row_correlations(values, deviations, training)[0],
        training_R=training,
    )
    half_df = (num_seeds - 1) / 2
    deviation = np.std(0.001 * apart, ddof=1) * math.sqrt(half_df / math.exp(special.digamma(half_df)))
    limit = stats.t.ppf(0.975, num_seeds - 1)
    power = stats.nct.sf(limit, num_seeds - 1, difference / deviation * math.sqrt(num_seeds))
    assert pytest.approx(0.8, abs=0.03) == power


def test_other_trainings_do_not_blur_what_two_views_differ_by():
    """Beside four trainings of the deviation 1 the difference of two views that varies by 0.01 stays easy to find."""
    values = np.random.default_rng(3).normal(size=(1, 6, 5))
    values[0, 1] = values[0, 0] + 0.01 * values[0, 1]
    training = [0, 0, 1, 2, 3, 4]
    deviations = row_deviations(values, training_R=training)
    found = smallest_differences(
        against_row(6, 0),
        num_seeds=5,
        deviation_R=deviations[0],
        correlation_RR=row_correlations(values, deviations, training)[0],
        training_R=training,
    )
    assert found[0] < 0.1 < 1 < found[1:].min()


def test_views_that_always_agree_are_told_apart_by_next_to_nothing():
    """Where a difference does not vary, the smallest is found, though other rows of the table vary."""
    correlation = np.eye(4)
    correlation[0, 1] = correlation[1, 0] = 1.0
    found = smallest_differences(
        against_row(4, 0), num_seeds=3, deviation_R=1.0, correlation_RR=correlation, training_R=[0, 0, 2, 3]
    )
    assert found[0] < 0.05 * found[1]
