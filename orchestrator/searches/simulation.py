"""A search over curves that are known, by a virtual clock: what it would have found by when, without a training."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tablewright.orchestrator.declared.changes import Changes
from tablewright.orchestrator.declared.search import Search
from tablewright.orchestrator.searches.suggester import Suggester

BOOTSTRAP_DRAWS = 2_000
BAND = (0.1, 0.9)
"""Quantiles over seeds that a band of regret shows."""


class Curves(Protocol):
    """What trainings report, epoch by epoch; a higher score is better."""

    @property
    def num_epochs(self) -> int:
        """Of a whole training."""
        ...

    @property
    def best(self) -> float:
        """The highest final score that is known."""
        ...

    @property
    def worst(self) -> float:
        """A score that is no better than any."""
        ...

    def settle(self, params: Changes) -> Changes:
        """Give the parameters whose curve is known and that come nearest."""
        ...

    def values(self, params: Changes, seed: int) -> Sequence[float]:
        """Give the score after each epoch, as a training with a seed reports it."""
        ...

    def final(self, params: Changes) -> float:
        """Give the score at the end, without the noise of a training where it is known."""
        ...


@dataclass(frozen=True)
class Leg:
    """What a worker is to do next: begin a trial, or go on with one.

    Attributes:
        number: of the trial.
        params: what it tries.
        done_epochs: that its checkpoint has.
    """

    number: int
    params: Changes
    done_epochs: int = 0


class Strategy(Protocol):
    """A search that is asked for work and told of epochs."""

    def ask(self) -> Leg | None:
        """Give the next leg; None where there is none before another trial has reported."""
        ...

    def report(self, number: int, epoch: int, value: float) -> bool:
        """Take up what a trial has reported; false where its worker is to leave it."""
        ...


class OwnSearch:
    """A search of a study, decided by the code that runs it on a store, with its records in memory."""

    def __init__(self, search: Search, num_epochs: int) -> None:
        """Begin with no trial.

        Args:
            search: the declaration; it ends with its `num_trials`.
            num_epochs: of a whole training.
        """
        self._search, self._num_epochs = search, num_epochs
        self._sign = 1 if search.objective.metric.higher_is_better else -1
        self._suggester = Suggester(search)

    def ask(self) -> Leg | None:
        """Let a paused trial go on where one may, else begin one that the method does not refuse."""
        suggester = self._suggester
        if (promoted := suggester.promoted()) is not None:
            return Leg(promoted.number, promoted.params, max(promoted.intermediate_values))
        while not suggester.is_spent:
            record = suggester.suggested()
            try:
                self._search.trial_config(record.params)
            except ValueError:
                suggester.take(record.model_copy(update={"state": "refused"}))
                continue
            known = record.model_copy(update={"training_id": str(record.number)})
            suggester.take(suggester.bounded(known, self._num_epochs))
            return Leg(record.number, record.params)
        return None

    def report(self, number: int, epoch: int, value: float) -> bool:
        """Take up what a trial has reached, and tell what becomes of it."""
        verdict = self._suggester.reported(number, {epoch: self._sign * value}, self._num_epochs)
        if epoch == self._num_epochs:
            self._suggester.told(number, "complete", self._sign * value)
        elif verdict == "pause":
            self._suggester.paused(number)
        elif verdict == "prune":
            self._suggester.told(number, "pruned")
        else:
            return True
        return False


@dataclass(frozen=True)
class Incumbent:
    """What was the best at full budget from some moment on.

    Attributes:
        epochs: that all workers had trained by then.
        score: its final one, without noise where that is known.
        params: what it tries.
    """

    epochs: int
    score: float
    params: Changes


@dataclass(frozen=True)
class Simulated:
    """What a simulated search did.

    Attributes:
        incumbents: the best at full budget, each from when it was known.
        epochs: that all workers trained.
        num_trials: begun.
        num_complete: of those, the ones that reached the last epoch.
    """

    incumbents: tuple[Incumbent, ...]
    epochs: int
    num_trials: int
    num_complete: int

    def epochs_to(self, score: float) -> int | None:
        """Give the epochs of all workers until the incumbent reached a score; None where it never did."""
        return next((found.epochs for found in self.incumbents if found.score >= score), None)

    def score_at(self, epochs: int) -> float | None:
        """Give the incumbent's score after some epochs of all workers; None where none was complete."""
        known = [found.score for found in self.incumbents if found.epochs <= epochs]
        return known[-1] if known else None


def simulate(
    strategy: Strategy,
    curves: Curves,
    *,
    seed: int,
    budget_epochs: int,
    num_workers: int = 4,
    enough: float = float("inf"),
    max_trials: int | None = None,
) -> Simulated:
    """Let workers train by the curves until the budget is used, or nothing is left to do.

    An epoch takes a unit of time, and going on from a checkpoint none. An epoch that an earlier
    trial with the same settled parameters has trained is not counted again: the store answers it.

    Args:
        strategy: decides.
        curves: answer.
        seed: of the trainings' noise.
        budget_epochs: how many all workers may train together.
        num_workers: that train at the same time.
        enough: the score of an incumbent that ends it.
        max_trials: that are begun; None is as many as epochs. A table of curves answers some without an epoch.
    """
    most = budget_epochs if max_trials is None else max_trials
    clock, order, used = 0, 0, 0
    running: list[tuple[int, int, int, Leg, int]] = []  # until when, order, worker, leg, epochs done
    idle = list(range(num_workers))
    trained: dict[str, int] = {}
    known: dict[int, tuple[Changes, Sequence[float]]] = {}
    numbers: set[int] = set()
    incumbents: list[Incumbent] = []
    best_seen, num_complete = -np.inf, 0
    while True:
        while idle and len(numbers) < most and (leg := strategy.ask()) is not None:
            numbers.add(leg.number)
            heapq.heappush(running, (clock + 1, order, idle.pop(0), leg, leg.done_epochs))
            order += 1
        if not running:
            break
        clock, _, worker, leg, done = heapq.heappop(running)
        if leg.number not in known:
            settled = curves.settle(leg.params)
            known[leg.number] = settled, curves.values(settled, seed)
        settled, values = known[leg.number]
        key = json.dumps(dict(settled), sort_keys=True)
        while True:
            done += 1
            is_new = done > trained.get(key, 0)
            if is_new:
                trained[key] = done
                used += 1
            goes_on = strategy.report(leg.number, done, values[done - 1])
            if done == curves.num_epochs:
                num_complete += 1
                if values[-1] > best_seen:
                    best_seen = values[-1]
                    incumbents.append(Incumbent(used, curves.final(settled), leg.params))
            if not goes_on or done == curves.num_epochs or is_new:
                break
        is_enough = bool(incumbents) and incumbents[-1].score >= enough
        if used >= budget_epochs or is_enough:
            break
        if goes_on and done < curves.num_epochs:
            heapq.heappush(running, (clock + 1, order, worker, leg, done))
            order += 1
        else:
            idle.append(worker)
    return Simulated(tuple(incumbents), used, len(numbers), num_complete)


def median_with_interval(
    epochs: Iterable[int | None], *, cap: int, generator: np.random.Generator
) -> tuple[float, float, float]:
    """Give the median over seeds and its 95 % interval by bootstrap; what was not reached counts as the cap."""
    found = np.array([cap if value is None else value for value in epochs], dtype=float)
    drawn = np.median(generator.choice(found, (BOOTSTRAP_DRAWS, len(found))), axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(np.median(found)), float(low), float(high)


def regret_at(runs: Sequence[Simulated], curves: Curves, epochs: int) -> tuple[float, float, float]:
    """Give the mean regret over seeds after some epochs, and its band; one without a result has that of the worst."""
    scores = [run.score_at(epochs) for run in runs]
    regrets = np.array([curves.best - (curves.worst if score is None else score) for score in scores])
    low, high = np.quantile(regrets, BAND)
    return float(regrets.mean()), float(low), float(high)
