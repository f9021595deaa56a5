"""What rows vary by from seed to seed: exact cases, symmetries, and rows that stand out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tablewright.reports.statistics.seed_noise import seed_noise
from tests.reports.noise import noise
from tests.reports.weights import against_row

pytestmark = pytest.mark.filterwarnings("error")


def test_two_rows_are_judged_by_their_differences_alone():
    """Differences 1, 2, 6 have the sample variance 7 and two degrees of freedom, and nobody else to ask."""
    values = np.array([[[[0.5, 0.1, 0.2], [1.5, 2.1, 6.2]]]])
    found = seed_noise(values, against_row(2, 0))
    assert pytest.approx(7**0.5) == found.deviation_BCK.item()
    assert found.df_BCK.item() == 2


def test_what_a_seed_does_to_all_rows_alike_is_no_noise():
    """A seed that raises every row by the same amount changes nothing, however large the amount."""
    values = noise(8, 4)
    raised = values + 10 * np.random.default_rng(1).normal(size=(1, 1, 1, 4))
    plain, same = (seed_noise(some, against_row(8, 2)) for some in (values, raised))
    np.testing.assert_allclose(plain.deviation_BCK, same.deviation_BCK, rtol=1e-6)
    np.testing.assert_allclose(plain.df_BCK, same.df_BCK, rtol=1e-6)


def test_noise_has_the_unit_of_the_values():
    """A thousandfold value has a thousandfold deviation, known as well as before; also where squares overflow."""
    values = noise(5, 3)
    plain, thousandfold, huge = (seed_noise(values * factor, np.eye(5)) for factor in (1, 1e3, 1e200))
    np.testing.assert_allclose(1e3 * plain.deviation_BCK, thousandfold.deviation_BCK)
    np.testing.assert_allclose(plain.df_BCK, thousandfold.df_BCK)
    np.testing.assert_allclose(1e200 * plain.deviation_BCK, huge.deviation_BCK)


def test_the_order_of_rows_and_seeds_says_nothing():
    """Rows in another order have the same noise in that order; seeds in another order change nothing."""
    values, rows, seeds = noise(6, 4), np.array([3, 0, 5, 1, 4, 2]), np.array([2, 0, 3, 1])
    plain, mixed = (seed_noise(some, np.eye(6)) for some in (values, values[:, :, rows][..., seeds]))
    np.testing.assert_allclose(plain.deviation_BCK[..., rows], mixed.deviation_BCK, rtol=1e-9)
    np.testing.assert_allclose(plain.df_BCK[..., rows], mixed.df_BCK, rtol=1e-9)


def test_rows_lend_each_other_what_they_know():
    """Three seeds know a deviation with 2 degrees of freedom; among 60 rows alike a difference has over 8."""
    values = np.random.default_rng(0).normal(size=(20, 1, 60, 3))
    found = seed_noise(values, against_row(60, 0))
    assert np.median(found.df_BCK) > 8
    assert pytest.approx(2**0.5, rel=0.1) == np.median(found.deviation_BCK)


def test_a_row_that_stands_out_is_judged_by_its_own_seeds():
    """A row of fiftyfold deviation has its own sample deviation and hardly more than its own degrees of freedom, and
    leaves the others as they would be without it."""
    values = noise(10, 4)
    noisy = values.copy()
    noisy[:, :, 9] *= 50
    with_it, without = seed_noise(noisy, np.eye(10)), seed_noise(values[:, :, :9], np.eye(9))
    assert pytest.approx(noisy[0, 0, 9].std(ddof=1), rel=0.15) == with_it.deviation_BCK[0, 0, 9]
    assert with_it.df_BCK[0, 0, 9] < 3.6
    np.testing.assert_allclose(with_it.deviation_BCK[..., :9], without.deviation_BCK, rtol=0.15)


def test_a_row_that_hardly_varies_by_chance_is_not_believed():
    """Three equal values among rows that vary say that digits are few, not that this row has no noise."""
    values = noise(10, 3)
    values[:, :, 4] = 0.25
    found = seed_noise(values, np.eye(10)).deviation_BCK[0, 0]
    assert found[4] > 0.4 * np.median(found)


def test_other_columns_tell_of_a_row_that_stands_out():
    """A row that is fourfold in three columns may be so in the fourth, where it is quiet."""
    values = noise(10, 3, num_columns=4)
    values[:, 1:, 9] *= 4
    alone, together = seed_noise(values[:, :1], np.eye(10)), seed_noise(values, np.eye(10))
    assert together.deviation_BCK[0, 0, 9] > 1.3 * alone.deviation_BCK[0, 0, 9]


def test_a_column_that_repeats_another_adds_little():
    """Two metrics that say the same are not two witnesses."""
    values = noise(10, 3)
    alone = seed_noise(values, against_row(10, 0))
    twice = seed_noise(np.concatenate([values, 7 * values], 1), against_row(10, 0))
    np.testing.assert_allclose(twice.deviation_BCK[:, 1:], 7 * twice.deviation_BCK[:, :1])
    np.testing.assert_allclose(twice.deviation_BCK[:, :1], alone.deviation_BCK, rtol=0.05)
    np.testing.assert_allclose(twice.df_BCK[:, :1], alone.df_BCK, rtol=0.1)


def test_rows_of_one_training_are_one_witness():
    """Four trainings that are each read three times say as much as four, and twelve trainings say more."""
    values = noise(4, 3)
    repeated, number = np.repeat(values, 3, 2), np.repeat(np.arange(4), 3)
    once = seed_noise(values, np.eye(4))
    thrice = seed_noise(repeated, np.eye(12), training_R=number)
    np.testing.assert_allclose(np.repeat(once.deviation_BCK, 3, 2), thrice.deviation_BCK)
    np.testing.assert_allclose(np.repeat(once.df_BCK, 3, 2), thrice.df_BCK)
    assert (thrice.df_BCK < seed_noise(repeated, np.eye(12)).df_BCK).all()


def test_a_missing_seed_costs_little():
    """One hole in a large table leaves the deviations of the other rows nearly as they were."""
    values = noise(12, 5)
    with_hole = values.copy()
    with_hole[0, 0, 3, 2] = np.nan
    whole, holed = (seed_noise(some, np.eye(12)).deviation_BCK for some in (values, with_hole))
    np.testing.assert_allclose(np.delete(whole, 3, 2), np.delete(holed, 3, 2), rtol=0.1)


@pytest.mark.parametrize("num_rows", [1, 2, 3, 6])
def test_where_nothing_varies_there_is_no_noise(num_rows: int):
    """A deterministic method has the deviation 0, whatever its rows reach, and whatever a seed does to all of them."""
    values = np.arange(num_rows)[:, None] + np.array([0.1, 0.5, 0.2])
    found = seed_noise(values[None, None], against_row(num_rows, 0))
    assert not found.deviation_BCK.any()
    assert np.isfinite(found.df_BCK).all()


def test_where_nothing_is_measured_nothing_breaks():
    """Columns without a value, and tables without rows to compare, give numbers all the same."""
    for values in (np.full((1, 2, 4, 3), np.nan), np.zeros((1, 0, 4, 3)), np.zeros((1, 2, 4, 0))):
        found = seed_noise(values, against_row(4, 0))
        assert (*values.shape[:2], 3) == found.deviation_BCK.shape
        assert np.isfinite(found.deviation_BCK).all()
        assert np.isfinite(found.df_BCK).all()


def test_t_statistics_have_the_tails_that_they_claim():
    """Where rows differ as the prior expects, 95 % intervals of noise miss 0 in 2 to 6 % of cases."""
    generator = np.random.default_rng(0)
    deviation = np.exp(generator.normal(0, 0.35, (300, 1, 11, 1)))
    values = generator.normal(size=(300, 1, 11, 3)) * deviation
    found = seed_noise(values, against_row(11, 0))
    error = (values[:, :, 1:] - values[:, :, :1]).mean(3)
    p_value = 2 * stats.t.sf(np.abs(error) * 3**0.5 / found.deviation_BCK, found.df_BCK)
    assert 0.02 < (p_value < 0.05).mean() < 0.06
