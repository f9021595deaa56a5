"""Bold rows: the best one and those that cannot be told from it."""

from __future__ import annotations

import numpy as np
import pytest

from tablewright.reports.statistics.best_rows import best_rows, best_rows_of_tables
from tests.reports.noise import noise

pytestmark = pytest.mark.filterwarnings("error")


def test_a_row_that_is_clearly_ahead_is_bold_alone():
    """A lead of twelve deviations leaves nobody beside it; where less is better the last row is the best one."""
    values = noise(6, 3)[0] + 12 * np.arange(6)[:, None]
    assert [[False] * 5 + [True]] == best_rows(values, [True]).tolist()
    assert [[True] + [False] * 5] == best_rows(values, [False]).tolist()


def test_rows_that_cannot_be_told_apart_are_all_bold():
    """Two rows far ahead of the others and near each other are both bold, and none of the others is."""
    values = noise(6, 3)[0]
    values[0, [1, 4]] += 12
    assert [1, 4] == np.flatnonzero(best_rows(values, [True])[0]).tolist()


def test_each_column_has_its_own_best():
    """Columns of other directions and scales are judged side by side."""
    values = noise(5, 3, num_columns=2)[0]
    values[0, 2] += 20
    values[1, 3] -= 20
    values[1] *= 1000
    assert [[2], [3]] == [np.flatnonzero(row).tolist() for row in best_rows(values, [True, False])]


def test_with_fewer_than_three_seeds_nothing_is_bold():
    """Two seeds of each row say nothing, whatever the lead."""
    assert not best_rows(noise(4, 2)[0] + 100 * np.arange(4)[:, None], [True]).any()
    assert not best_rows(noise(4, 1)[0], [True]).any()
    assert not best_rows(np.full((2, 4, 3), np.nan), [True, True]).any()


def test_rows_with_too_few_seeds_take_no_part():
    """A row of two seeds is not bold and keeps no other from being so; a row that is left alone is best of nothing."""
    values = noise(3, 3)[0] + 50 * np.arange(3)[:, None]
    values[0, 2, 0] = np.nan
    assert [[False, True, False]] == best_rows(values, [True]).tolist()
    values[0, 1, 0] = np.nan
    assert not best_rows(values, [True]).any()


def test_where_nothing_varies_equals_are_equal():
    """Of a deterministic method's rows the best value is bold, twice if it stands twice."""
    values = np.array([[[0.7] * 3, [0.65] * 3, [0.7] * 3]])
    assert [[True, False, True]] == best_rows(values, [True]).tolist()


def test_a_noisy_leader_does_not_hide_that_others_are_behind():
    """Where the highest mean is that of a row too noisy to tell, the second leaves out the rows that it beats."""
    values = 0.1 * noise(8, 4)[0]
    values[0, 1] += 5
    values[0, 0] = [30.0, -22.0, 25.0, -7.0]
    assert [0, 1] == np.flatnonzero(best_rows(values, [True])[0]).tolist()


def test_the_order_of_rows_says_nothing():
    """Rows in another order are bold in that order."""
    values, order = noise(9, 3)[0] + np.arange(9)[:, None], np.random.default_rng(1).permutation(9)
    assert best_rows(values, [True])[:, order].tolist() == best_rows(values[:, order], [True]).tolist()


@pytest.mark.slow
@pytest.mark.parametrize(("num_columns", "noisy"), [(1, None), (4, None), (1, 3)])
def test_the_truly_best_row_is_bold_in_nearly_all_tables(num_columns: int, noisy: int | None):
    """Among rows that are all as good, one of them chosen beforehand is left out anywhere in below 7 % of 400 tables
    (5 % and the chance of 400), also if it is the one of fourfold deviation."""
    values = noise(6, 3, num_tables=400, num_columns=num_columns)
    if noisy is not None:
        values[:, :, noisy] *= 4
    is_left_out = ~best_rows_of_tables(values)[..., 3]
    assert is_left_out.any(1).mean() < 0.07


def test_few_rows_are_bold_beside_a_clear_leader():
    """A lead of four deviations at five seeds leaves ten others at most half a row, on average."""
    values = noise(11, 5, num_tables=100)
    values[:, :, 4] += 4
    assert best_rows_of_tables(values).sum(2).mean() < 1.5


def test_a_view_that_always_lies_below_another_is_not_bold_beside_it():
    """Two views of one training move together, and one that is 0.1 lower with every seed can be told from it."""
    values = noise(6, 5)[0]
    values[0, 0] += 5
    values[0, 1] = values[0, 0] - 0.1 + 0.01 * noise(1, 5)[0, 0, 0]
    training = [0, 0, 1, 2, 3, 4]
    assert [True, False, False, False, False, False] == best_rows(values, [True], training_R=training)[
        0
    ].tolist()
    assert [True, True, False, False, False, False] == best_rows(values, [True])[0].tolist()


@pytest.mark.slow
@pytest.mark.parametrize("step", [0.0, 0.5])
@pytest.mark.parametrize("training", [[0] * 9, [0, 0, 0, 0, 1, 2, 3, 4, 5], [0, 0, 0, 1, 1, 1, 2, 2, 2]])
def test_the_truly_best_view_is_bold_in_nearly_all_tables(training: list[int], step: float):
    """Of views that are all as good, fine or in steps, the first is left out in below 7 % of 400 tables (5 % and the
    chance of 400)."""
    shared, own = (
        noise(6, 3, num_tables=400)[:, :, training],
        np.random.default_rng(1).normal(size=(400, 1, 9, 3)),
    )
    values = np.sqrt(0.9) * shared + np.sqrt(0.1) * own
    values = np.round(values / step) * step if step else values
    assert 1 - best_rows_of_tables(values, training_R=training)[:, 0, 0].mean() < 0.07
