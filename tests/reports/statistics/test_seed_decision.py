"""Seeds until decided: which rows go on, what is waited for, and that nothing decided changes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tablewright.reports.statistics.comparison import compare
from tablewright.reports.statistics.seed_decision import SeedDecision, decide_seeds, decide_tables
from tests.reports.noise import noise
from tests.reports.weights import against_row

NAN = math.nan
WEIGHTS = against_row(5, 0)


pytestmark = pytest.mark.filterwarnings("error")


def decide(values: np.ndarray, num_seeds: np.ndarray | int, *, most: int = 10) -> SeedDecision:
    """Decide on so many seeds of each row, the others not measured yet."""
    known = np.arange(values.shape[2]) < np.broadcast_to(num_seeds, values.shape[:2])[..., None]
    return decide_seeds(np.where(known, values, NAN), WEIGHTS, first=3, most=most)


def test_before_the_first_look_every_row_needs_its_first_seeds():
    """While a row has two of three seeds nothing is decided, and nothing beyond three is asked for."""
    values = noise()[0]
    decision = decide(values, np.array([[3, 3, 2, 3, 3]]))
    assert [[3] * 5] == decision.num_seeds_CR.tolist()
    assert decision.is_open_CK.all()
    assert [[None] * 4] == decision.comparisons


def test_a_row_far_off_is_found_at_the_first_look_and_trained_no_more():
    """Found at three seeds, a row gets no fourth, while the reference goes on for those that are open."""
    values = noise(seed=2)[0]
    values[0, 1] += 60
    decision = decide(values, 3)
    (found, *others) = decision.comparisons[0]
    assert found is not None
    assert (True, 3) == (found.is_significant, found.num_seeds)
    assert not decision.is_open_CK[0, 0]
    assert decision.is_open_CK[0, 1:].any()
    assert (3, 4) == (decision.num_seeds_CR[0, 1], decision.num_seeds_CR[0, 0])
    assert not any(other is None or other.is_significant for other in others)


def test_what_is_given_up_is_trained_no_more():
    """A row that has the reference's mean after three seeds would hardly be found at ten, and gets no fourth."""
    values = noise(seed=2)[0]
    values[0, 3] += values[0, 0, :3].mean() - values[0, 3, :3].mean()
    decision = decide(values, 3)
    assert not decision.is_open_CK[0, 2]
    assert decision.num_seeds_CR[0, 3] == 3


def test_a_sweep_that_follows_the_decisions_comes_to_an_end():
    """Training what is asked for, look after look, ends with every comparison closed and no row beyond ten seeds."""
    values, num_seeds = noise(seed=1)[0] + 1.5 * np.arange(5)[:, None], np.full((1, 5), 3)
    for _ in range(10):
        decision = decide(values, num_seeds)
        if (decision.num_seeds_CR <= num_seeds).all():
            break
        assert (decision.num_seeds_CR <= num_seeds + 1).all()
        num_seeds = np.maximum(num_seeds, decision.num_seeds_CR)
    assert not decision.is_open_CK.any()
    assert num_seeds.max() <= 10


@pytest.mark.parametrize("seed", range(5))
def test_what_is_decided_never_changes(seed: int):
    """A comparison that was closed at a look is the same at every later one, and with seeds that others asked for."""
    values = noise(seed=seed)[0] + np.arange(5)[:, None]
    closed: dict[int, object] = {}
    num_seeds = np.full((1, 5), 3)
    for _ in range(8):
        decision = decide(values, num_seeds)
        for index in np.flatnonzero(~decision.is_open_CK[0]):
            assert (
                closed.setdefault(int(index), decision.comparisons[0][index])
                == decision.comparisons[0][index]
            )
        num_seeds = decision.num_seeds_CR
    assert [closed[index] for index in range(4)] == decide(values, 10).comparisons[0]


def test_one_look_alone_is_the_plain_test():
    """Where the first look is the last, all of the 5 % are spent there: the p-values are those of `compare`."""
    values = noise()[0][..., :5]
    decision = decide_seeds(values, WEIGHTS, first=5, most=5)
    assert compare(values, WEIGHTS) == decision.comparisons
    assert not decision.is_open_CK.any()


def test_an_early_look_spends_little():
    """By three of ten seeds (3 / 10)³ of the level may be spent, so p-values count 1 / 0.027 times as much."""
    values = noise(seed=2)[0]
    values[0, 1] += 60
    plain, sequential = compare(values[..., :3], WEIGHTS)[0][0], decide(values, 3).comparisons[0][0]
    assert plain is not None
    assert sequential is not None
    assert pytest.approx(plain.corrected_p_value / 0.027) == sequential.corrected_p_value
    assert pytest.approx(plain.p_value) == sequential.p_value


def test_lost_seeds_are_not_waited_for():
    """A training that fails for good leaves a hole; its row goes on with the seeds that it has, and a row that lost all
    is given up."""
    values = noise()[0]
    values[0, 2, 1] = NAN
    values[0, 4] = NAN
    waiting = decide_seeds(values, WEIGHTS, first=3, most=10)
    going = decide_seeds(values, WEIGHTS, first=3, most=10, is_lost_CRN=np.isnan(values))
    assert waiting.is_open_CK.all()
    assert not going.is_open_CK.any()
    assert going.comparisons[0][3] is None
    found = going.comparisons[0][1]
    assert found is not None
    assert going.num_seeds_CR[0, 2] - 1 == found.num_seeds >= 3


def test_deterministic_rows_are_decided_at_the_first_look():
    """Where nothing varies a difference is found and its absence known at once."""
    values = np.full((1, 5, 10), 0.5)
    values[0, 1] = 0.6
    decision = decide_seeds(values, WEIGHTS, first=3, most=10)
    assert [[3] * 5] == decision.num_seeds_CR.tolist()
    assert [True, False, False, False] == [
        bool(found and found.is_significant) for found in decision.comparisons[0]
    ]


@pytest.mark.parametrize(("first", "most"), [(2, 10), (5, 4)])
def test_looks_out_of_order_are_refused(first: int, most: int):
    """Two seeds are no look, and the last look is not before the first."""
    with pytest.raises(ValueError, match=f"first={first}, most={most}"):
        decide_seeds(noise()[0], WEIGHTS, first=first, most=most)


@pytest.mark.slow
def test_looking_often_marks_no_more_noise_and_saves_seeds():
    """Of 200 noise tables below 4 % have a mark in eight looks, at below half of the trainings; looking eight times at
    5 % each marks several times as many."""
    values = noise(num_tables=200)
    decided = decide_tables(values, WEIGHTS, first=3)
    assert (decided.compared.corrected_p_value_BCK < 0.05).any((1, 2)).mean() < 0.04
    assert decided.num_seeds_BCR.mean() < 5


@pytest.mark.slow
def test_a_difference_of_two_deviations_is_mostly_found():
    """With at most ten seeds, two deviations are found in over three quarters of tables."""
    values = 0.84 * noise(num_tables=200)
    values[:, :, 1] += 2
    decided = decide_tables(values, WEIGHTS, first=3)
    assert (decided.compared.corrected_p_value_BCK[:, 0, 0] < 0.05).mean() > 0.75
