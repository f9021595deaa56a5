"""Comparisons of rows: cases by hand, what a family is, and how often noise is marked."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from tablewright.reports.statistics.comparison import (
    compare,
    compare_tables,
    correct_p_values,
)
from tests.reports.noise import noise
from tests.reports.weights import against_row, against_row_above, factorial_effects

NAN = math.nan


pytestmark = pytest.mark.filterwarnings("error")


# -- weights -------------------------------------------------------------------------------------


def test_each_row_is_weighed_against_the_reference():
    """The reference is subtracted from every other row, wherever it stands."""
    assert [[1, -1, 0], [0, -1, 1]] == against_row(3, 1).tolist()


def test_each_step_is_weighed_against_the_row_above():
    """The first row stands for itself, each other one is compared with the one before it."""
    assert [[-1, 1, 0], [0, -1, 1]] == against_row_above(3).tolist()


def test_effects_of_two_factors_are_half_sums_and_their_difference():
    """Rows 00, 01, 10, 11: each main effect averages over the other factor, the interaction is what it changes by."""
    effects = {effect: weights.tolist() for effect, weights in factorial_effects([2, 2]).items()}
    assert [(1, 0), (0, 1), (1, 1)] == [*effects]
    assert {
        (1, 0): [-0.5, -0.5, 0.5, 0.5],
        (0, 1): [-0.5, 0.5, -0.5, 0.5],
        (1, 1): [1.0, -1.0, -1.0, 1.0],
    } == effects


def test_a_factor_of_three_levels_has_two_effects():
    """Each further level is compared with the first, and every effect adds up to 0."""
    effects = factorial_effects([3, 2])
    assert [(1, 0), (2, 0), (0, 1), (1, 1), (2, 1)] == [*effects]
    assert [-0.5, -0.5, 0.0, 0.0, 0.5, 0.5] == effects[2, 0].tolist()
    assert not np.abs([weights.sum() for weights in effects.values()]).max() > 1e-12


# -- cases by hand -------------------------------------------------------------------------------


def test_two_rows_are_compared_by_the_paired_t_test():
    """Differences 1, 2, 3: t = 2 / (1 / sqrt 3), and with two degrees of freedom p = 1 - sqrt(12 / 14)."""
    ((found,),) = compare(np.array([[[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]]]), against_row(2, 0))
    assert found is not None
    half_width = 4.302652729911275 / math.sqrt(3)
    assert pytest.approx((2.0, 1 / math.sqrt(3), 2.0)) == (found.estimate, found.standard_error, found.df)
    assert pytest.approx((2 - half_width, 2 + half_width)) == found.interval
    assert pytest.approx(1 - math.sqrt(12 / 14)) == found.p_value == found.corrected_p_value
    assert (3, False) == (found.num_seeds, found.is_significant)


def test_a_difference_that_is_constant_over_seeds_is_evidence():
    """Five seeds that scatter widely and differ by the same 0.05 each leave no doubt of the difference."""
    reference = np.array([0.70, 0.74, 0.69, 0.75, 0.71])
    ((found,),) = compare(np.stack([reference, reference - 0.05])[None], against_row(2, 0))
    assert found is not None
    assert pytest.approx((-0.05, -0.05)) == found.interval
    assert (0.0, True) == (found.corrected_p_value, found.is_significant)


def test_a_deterministic_method_is_significant_where_it_differs():
    """Where nothing varies, another value is another value and the same one is none."""
    values = np.array([[[0.7] * 3, [0.65] * 3, [0.7] * 3]])
    ((other, same),) = compare(values, against_row(3, 0))
    assert other is not None
    assert same is not None
    assert (0.0, 1.0) == (other.p_value, same.p_value)
    assert (True, False) == (other.is_significant, same.is_significant)


def test_only_seeds_in_common_are_paired():
    """The reference lacks seed 0 and the row seed 4: the estimate is that of the three between, and no other."""
    reference, row = [NAN, 0.2, 0.3, 0.4, 0.9], [0.8, 0.25, 0.4, 0.55, NAN]
    ((found,),) = compare(np.array([[reference, row]]), against_row(2, 0))
    assert found is not None
    expected = stats.ttest_rel(row[1:4], reference[1:4])
    assert pytest.approx(0.1) == found.estimate
    assert pytest.approx(expected.pvalue) == found.p_value
    assert found.num_seeds == 3


def test_fewer_than_three_seeds_in_common_are_not_compared():
    """Two seeds in common are too few, however many each row has; other comparisons of the table stay."""
    values = noise(3, 4)[0]
    values[0, 1, :2] = NAN
    ((lost, kept),) = compare(values, against_row(3, 0))
    assert lost is None
    assert kept is not None
    assert [[None, None]] == compare(np.full((1, 3, 3), NAN), against_row(3, 0))
    assert [[None, None]] == compare(values[..., 2:], against_row(3, 0))


def test_p_values_are_corrected_by_holm():
    """Of three, the smallest counts three times, the next twice; none gets smaller than the one before it, none above
    1, and what was not tested counts for nothing."""
    families = np.array([[0.04, 0.01, 0.03], [0.6, 0.9, NAN]])
    np.testing.assert_allclose([[0.06, 0.03, 0.06], [1.0, 1.0, NAN]], correct_p_values(families))
    np.testing.assert_allclose([[0.12, 0.05, 0.12]], correct_p_values(families[:1], np.array([5])))


# -- the family ----------------------------------------------------------------------------------


def test_the_family_is_the_whole_table():
    """The smallest p-value counts as often as there are comparisons in all columns together."""
    columns = compare(noise(6, 4, num_columns=3)[0], against_row(6, 0))
    smallest = min(
        (found for column in columns for found in column if found), key=lambda found: found.p_value
    )
    assert pytest.approx(min(1.0, 15 * smallest.p_value)) == smallest.corrected_p_value


def test_a_better_row_changes_its_own_comparison_alone():
    """A constant added to a row moves its estimate and interval by that, and no other number of the table."""
    values = noise(6, 4)[0]
    (plain,) = compare(values, against_row(6, 0))
    values[0, 5] += 2
    (raised,) = compare(values, against_row(6, 0))
    for before, after, added in zip(plain, raised, (0, 0, 0, 0, 2), strict=True):
        assert before is not None
        assert after is not None
        assert pytest.approx(before.estimate + added) == after.estimate
        assert pytest.approx(np.add(before.interval, added)) == after.interval
        assert pytest.approx((before.standard_error, before.df)) == (after.standard_error, after.df)


def test_equal_input_gives_equal_bits():
    """The same table, asked again, gives the very same numbers; there is no chance in a comparison."""
    values = noise(7, 3, num_columns=2)[0]
    assert compare(values, against_row(7, 0)) == compare(values.copy(), against_row(7, 0))


def test_rows_of_one_training_do_not_support_each_other():
    """The effect of a training, averaged over three views of it that say the same, is known as that of one view."""
    values, effect = noise(4, 3)[0], factorial_effects([2, 2])[1, 0]
    once = compare(values, effect[None])[0][0]
    thrice, number = np.repeat(values, 3, 1), np.repeat(np.arange(4), 3)
    joined = compare(thrice, np.repeat(effect, 3)[None] / 3, training_R=number)[0][0]
    apart = compare(thrice, np.repeat(effect, 3)[None] / 3)[0][0]
    assert once is not None
    assert joined is not None
    assert apart is not None
    assert pytest.approx(once.standard_error) == joined.standard_error
    assert apart.standard_error < 0.7 * joined.standard_error


def test_views_of_one_training_are_compared_as_pairs():
    """A difference of two views that hardly varies is found by its own paired t-test, however much trainings vary."""
    values = noise(6, 5)[0]
    values[0, 1] = values[0, 0] + 0.1 + 0.01 * noise(1, 5)[0, 0, 0]
    ((found, *others),) = compare(values, against_row(6, 0), training_R=[0, 0, 1, 2, 3, 4])
    assert found is not None
    expected = stats.ttest_rel(values[0, 1], values[0, 0])
    assert pytest.approx((expected.pvalue, 4.0)) == (found.p_value, found.df)
    assert found.is_significant
    assert not any(other is not None and other.is_significant for other in others)


def test_coarse_views_that_differ_by_one_step_are_no_evidence():
    """One query of a hundred, three times over, is what chance does to two views; three of them are not."""
    values = np.array([0.70, 0.72, 0.77])
    for steps, is_found in ((1, False), (3, True)):
        both = np.stack([values, values + steps / 100])[None]
        ((found,),) = compare(both, against_row(2, 0), training_R=[0, 0])
        assert found is not None
        assert is_found == found.is_significant


def test_what_cannot_be_compared_is_refused_with_every_fault():
    """Weights that do not add up to 0 and infinite values are named together; shapes that do not fit are named."""
    values = noise(3, 3)[0]
    values[0, 0, 0] = np.inf
    with pytest.raises(
        ValueError, match=r"infinite.*one training number; got 2.*number 1 has \[1\.0, 1\.0, 0\.0\]"
    ):
        compare(values, np.array([[1.0, -1.0, 0.0], [1.0, 1.0, 0.0]]), training_R=[0, 1])
    with pytest.raises(ValueError, match=r"\(1, 3, 3\) and \(3, 4\)"):
        compare(values, against_row(4, 0))


# -- error rates ---------------------------------------------------------------------------------


def false_and_found(values: np.ndarray, weights: np.ndarray, effect: float) -> tuple[float, float]:
    """Share of tables with a mark in noise, and of those in which the first comparison's effect is marked."""
    false = (compare_tables(values, weights).corrected_p_value_BCK < 0.05).any((1, 2)).mean()
    better = values + effect * weights[0][:, None] * (weights[0][:, None] > 0)
    found = (compare_tables(better, weights).corrected_p_value_BCK[:, :, 0] < 0.05).mean()
    return float(false), float(found)


@pytest.mark.slow
def test_noise_is_rarely_marked_and_a_clear_difference_mostly():
    """Ten rows at three seeds: below 4 % of noise tables have a mark, and four deviations are found in over 85 %."""
    false, found = false_and_found(0.84 * noise(11, 3, num_tables=500), against_row(11, 0), 4.0)
    assert false < 0.04
    assert found > 0.85


@pytest.mark.slow
@pytest.mark.parametrize("noisy", [0, 5])
@pytest.mark.parametrize("make_weights", [lambda: against_row(11, 0), lambda: against_row_above(11)])
def test_one_noisy_row_does_not_mark_the_table(noisy: int, make_weights):
    """A reference, row or step of fourfold deviation gives false marks in below 11 % of tables, where one variance for
    all rows gives over 20 %."""
    values = noise(11, 3, num_tables=500)
    values[:, :, noisy] *= 4
    false, _ = false_and_found(values, make_weights(), 0.0)
    assert false < 0.11


@pytest.mark.slow
def test_correlated_columns_do_not_multiply_false_marks():
    """Four columns, all tested, have below 5 % of false tables together, where four tables of their own have 16 %."""
    values = noise(11, 3, num_tables=300, num_columns=4) + noise(11, 3, num_tables=300)
    false, _ = false_and_found(values, against_row(11, 0), 0.0)
    assert false < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("step", [0.0, 0.5])
@pytest.mark.parametrize("correlation", [0.0, 0.9, 0.99])
def test_views_of_one_training_are_rarely_marked_in_noise(correlation: float, step: float):
    """Four views of the reference's training beside five others, fine or in steps: below 6 % of tables."""
    training = np.array([0, 0, 0, 0, 1, 2, 3, 4, 5])
    shared, own = (
        noise(6, 3, num_tables=300)[:, :, training],
        np.random.default_rng(1).normal(size=(300, 1, 9, 3)),
    )
    values = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own
    values = np.round(values / step) * step if step else values
    compared = compare_tables(values, against_row(9, 0), training_R=training)
    assert (compared.corrected_p_value_BCK < 0.05).any((1, 2)).mean() < 0.06
