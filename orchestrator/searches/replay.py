"""Samplers and pruners tried on the recorded curves of a search, by the code that runs searches, without a training."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from tablewright.orchestrator.declared.pruners import Halving, Hyperband, Median, Pruner
from tablewright.orchestrator.declared.samplers import Random, Sampler, Tpe
from tablewright.orchestrator.declared.search import Search
from tablewright.orchestrator.searches.recorded_curves import FoundCurves
from tablewright.orchestrator.searches.simulation import (
    OwnSearch,
    Simulated,
    median_with_interval,
    regret_at,
    simulate,
)

NUM_SEEDS, NUM_WORKERS = 20, 4
WITHIN = 0.01
"""Of the best known score: what counts as having found it."""
NUM_BUDGETS = 24
"""Points of a curve of regret."""

WAYS: Mapping[str, tuple[Sampler, Pruner | None]] = {
    "Random(), no pruner": (Random(), None),
    "Tpe(), no pruner": (Tpe(), None),
    "Tpe(), Median()": (Tpe(), Median()),
    "Tpe(), Hyperband()": (Tpe(), Hyperband()),
    "Tpe(), Halving(promotes=False)": (Tpe(), Halving(promotes=False)),
    "Tpe(), Halving()": (Tpe(), Halving()),
}


@dataclass(frozen=True)
class ReplayedWay:
    """What one sampler and pruner came to, over all seeds.

    Attributes:
        name: as it is written in a study.
        is_declared: whether it is the way of the search itself.
        epochs: median until the incumbent is within 1 % of the best known, and its 95 % interval.
        num_reached: seeds that got there; the others count as the whole budget.
        regrets: epochs of all workers -> mean regret, and the band over seeds; in the unit of the objective.
    """

    name: str
    is_declared: bool
    epochs: tuple[float, float, float]
    num_reached: int
    regrets: Mapping[int, tuple[float, float, float]]


@dataclass(frozen=True)
class Replay:
    """A search replayed.

    Attributes:
        search: its name.
        num_curves: that answered.
        num_unfinished: trainings that were left early, and did not.
        num_epochs: of a whole training.
        num_seeds: of each way.
        ways: each with what it came to.
        trained_s: wall time that the simulated workers would have trained.
        replayed_s: wall time that it took.
    """

    search: str
    num_curves: int
    num_unfinished: int
    num_epochs: int
    num_seeds: int
    ways: tuple[ReplayedWay, ...]
    trained_s: float
    replayed_s: float

    @property
    def times_faster(self) -> float:
        """How many times faster than the trainings."""
        return self.trained_s / self.replayed_s


def replay(
    search: Search,
    found: FoundCurves,
    *,
    num_seeds: int = NUM_SEEDS,
    on_way: Callable[[str], None] = lambda name: None,
) -> Replay:
    """Replay a search by its own way and by the usual ones.

    Args:
        search: the declaration.
        found: the curves that answer.
        num_seeds: of the sampler, for each way.
        on_way: hears the name of each way before it begins.
    """
    curves = found.curves
    budget = len(curves.curves) * curves.num_epochs
    budgets = sorted({int(share) for share in np.linspace(curves.num_epochs, budget, NUM_BUDGETS)})
    begun_s, trained_epochs = time.monotonic(), 0
    ways: list[ReplayedWay] = []
    for name, (sampler, pruner), is_declared in _ways(search):
        on_way(name)
        runs: list[Simulated] = []
        for seed in range(num_seeds):
            tried = replace(
                search, sampler=sampler, pruner=pruner, sampler_seed=seed, num_trials=2 * len(curves.curves)
            )
            runs.append(
                simulate(
                    OwnSearch(tried, curves.num_epochs),
                    curves,
                    seed=seed,
                    budget_epochs=budget,
                    num_workers=NUM_WORKERS,
                    max_trials=2 * len(curves.curves),
                )
            )
        trained_epochs += sum(run.epochs for run in runs)
        goal = curves.best - WITHIN * abs(curves.best)
        ways.append(
            ReplayedWay(
                name,
                is_declared,
                median_with_interval(
                    [run.epochs_to(goal) for run in runs], cap=budget, generator=np.random.default_rng(0)
                ),
                sum(run.epochs_to(goal) is not None for run in runs),
                {epochs: regret_at(runs, curves, epochs) for epochs in budgets},
            )
        )
    return Replay(
        search.name,
        len(curves.curves),
        found.num_unfinished,
        curves.num_epochs,
        num_seeds,
        tuple(ways),
        trained_epochs * found.epoch_s / NUM_WORKERS,
        time.monotonic() - begun_s,
    )


def _ways(search: Search) -> list[tuple[str, tuple[Sampler, Pruner | None], bool]]:
    declared = (search.chosen_sampler, search.pruner)
    ways = [(name, way, way == declared) for name, way in WAYS.items()]
    if declared not in WAYS.values():
        ways.insert(0, (f"{search.chosen_sampler}, {search.pruner or 'no pruner'}", declared, True))
    return ways
