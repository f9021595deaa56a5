"""The virtual clock: what is counted, what costs nothing, and that a search over known curves is the product's."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from tablewright.orchestrator.declared.ranges import FloatRange
from tablewright.orchestrator.searches.recorded_curves import RecordedCurve, RecordedCurves
from tablewright.orchestrator.searches.simulation import Leg, median_with_interval, regret_at, simulate

SPACE = {"x": FloatRange(0.0, 1.0)}


def curves_of(*finals: float) -> RecordedCurves:
    """Curves of three epochs that rise to a final value each, at even places of the range."""
    places = np.linspace(0, 1, len(finals))
    return RecordedCurves(
        SPACE,
        tuple(
            RecordedCurve({"x": float(x)}, (final / 3, final / 2, final))
            for x, final in zip(places, finals, strict=True)
        ),
    )


class InTurn:
    """Tries given points one after another, and leaves each after a given epoch."""

    def __init__(self, points: list[float], leaves_after: Mapping[int, int] | None = None) -> None:
        self.points, self.leaves_after = points, leaves_after or {}
        self.heard: list[tuple[int, int, float]] = []
        self._next = 0

    def ask(self) -> Leg | None:
        if self._next == len(self.points):
            return None
        self._next += 1
        return Leg(self._next - 1, {"x": self.points[self._next - 1]})

    def report(self, number: int, epoch: int, value: float) -> bool:
        self.heard.append((number, epoch, value))
        return epoch < self.leaves_after.get(number, 99)


def run(strategy: Any, curves: RecordedCurves, num_workers: int = 1, budget: int = 100):
    return simulate(strategy, curves, seed=0, budget_epochs=budget, num_workers=num_workers)


def test_epochs_of_all_workers_are_counted_until_a_training_is_whole():
    """Two workers side by side have used five epochs when the first of them has ended, and six at the end."""
    found = run(InTurn([0.0, 1.0]), curves_of(0.3, 0.9), num_workers=2)
    assert [(5, 0.3), (6, 0.9)] == [(best.epochs, best.score) for best in found.incumbents]
    assert (5, 6, None) == (found.epochs_to(0.2), found.epochs_to(0.9), found.epochs_to(1.0))
    assert (None, 0.3, 0.9) == (found.score_at(4), found.score_at(5), found.score_at(99))


def test_what_was_left_early_is_no_incumbent():
    """Only a whole training says what its parameters are worth."""
    found = run(InTurn([0.0, 1.0], {1: 2}), curves_of(0.3, 0.9))
    assert [0.3] == [best.score for best in found.incumbents]
    assert (2, 1, 5) == (found.num_trials, found.num_complete, found.epochs)


def test_what_a_table_of_curves_has_told_already_costs_nothing():
    """A suggestion that falls on a trained config is answered by its record, and goes on from where that ended."""
    strategy = InTurn([0.0, 0.1, 0.05], {0: 2, 1: 2})
    assert 3 == run(strategy, curves_of(0.3, 0.9)).epochs
    assert [(0, 1), (0, 2), (1, 1), (1, 2), (2, 1), (2, 2), (2, 3)] == [it[:2] for it in strategy.heard]


def test_a_budget_ends_a_search():
    """No epoch is trained beyond it."""
    assert 4 == run(InTurn([0.0, 1.0]), curves_of(0.3, 0.9), budget=4).epochs


def test_a_seed_that_did_not_get_there_counts_as_the_cap():
    """The median of epochs is not that of the lucky ones."""
    generator = np.random.default_rng(0)
    median, low, high = median_with_interval([10, None, None], cap=100, generator=generator)
    assert (100, True) == (median, low <= median <= high)


def test_regret_falls_from_that_of_the_worst_to_nothing():
    """Before anything is known a search is as bad as the worst of the table."""
    curves = curves_of(0.3, 0.9)
    runs = [run(InTurn([0.0, 1.0]), curves), run(InTurn([1.0]), curves)]
    assert pytest.approx((0.6, 0.6, 0.6)) == regret_at(runs, curves, 2)
    assert pytest.approx(0.3) == regret_at(runs, curves, 3)[0]
    assert pytest.approx((0.0, 0.0, 0.0)) == regret_at(runs, curves, 6)
