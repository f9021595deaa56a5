"""How many epochs searches need to come within 1 % of the best, beside those that people have without Tablewright.

Four virtual workers train by curves that are known (`learning_curves`); an epoch takes a unit of time, and going on
from a checkpoint none. Counted are the epochs of all workers until the incumbent, the configuration with the best value
at the end of a whole training, has a true final score within 1 % of the best known. A search ends there, or at its cap.
Ours is the code that a sweep runs; of Ray Tune and Optuna it is theirs too.

    python benchmarks/bench_search.py [--seeds 20] [--curves branin,hartmann,crossing,mdpr,mancs] [--methods ours,…]
        [--syne-tune PYTHON]

`--syne-tune` names an interpreter that has the package `syne-tune`; without it Syne Tune is left out.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, nullcontext
from functools import partial

import numpy as np
import optuna
from curve_searches import function_search
from demo_curves import DemoCurves, demo_curves
from learning_curves import FunctionCurves, function_curves
from search_peers import OptunaAlone, StockTune, SyneTune

from tablewright.orchestrator.declared.pruners import Halving, Hyperband, Median, Pruner
from tablewright.orchestrator.declared.samplers import Gp, Sampler, Tpe
from tablewright.orchestrator.searches.simulation import (
    OwnSearch,
    Simulated,
    Strategy,
    median_with_interval,
    regret_at,
    simulate,
)

WITHIN = 0.01
TRAININGS = 60
"""Of the cap: as many whole trainings as the built-in searches make."""
SHARES = (1 / 8, 1 / 4, 1 / 2, 1)
"""Of the cap, at which the regret is shown."""

Task = FunctionCurves | DemoCurves

OURS: dict[str, tuple[Sampler, Pruner | None]] = {
    "ours: TPE, no pruner": (Tpe(), None),
    "ours: TPE, Median()": (Tpe(), Median()),
    "ours: TPE, Hyperband()": (Tpe(), Hyperband()),
    "ours: TPE, Halving(promotes=False)": (Tpe(), Halving(promotes=False)),
    "ours: TPE, Halving()": (Tpe(), Halving()),
    "ours: TPE, Halving(forecasts=False)": (Tpe(), Halving(forecasts=False)),
    "ours: GP, no pruner": (Gp(), None),
    "ours: GP, Median()": (Gp(), Median()),
    "ours: GP, Hyperband()": (Gp(), Hyperband()),
    "ours: GP, Halving()": (Gp(), Halving()),
}


def _tune(curves: Task, seed: int, reduction_factor: int) -> Strategy:
    return StockTune(curves.space, curves.num_epochs, seed, reduction_factor)


def _optuna(
    curves: Task,
    seed: int,
    pruner: Callable[[], optuna.pruners.BasePruner],
    sampler: Callable[..., optuna.samplers.BaseSampler] = optuna.samplers.TPESampler,
) -> Strategy:
    return OptunaAlone(curves.space, curves.num_epochs, sampler(seed=seed), pruner())


PEERS: dict[str, Callable[[Task, int], Strategy]] = {
    "stock Tune: OptunaSearch, ASHAScheduler": partial(_tune, reduction_factor=4),
    "the same, reduction_factor=3": partial(_tune, reduction_factor=3),
    "Optuna alone: TPE": partial(_optuna, pruner=optuna.pruners.NopPruner),
    "Optuna alone: TPE, SuccessiveHalvingPruner": partial(
        _optuna, pruner=optuna.pruners.SuccessiveHalvingPruner
    ),
    "Optuna alone: GP": partial(_optuna, pruner=optuna.pruners.NopPruner, sampler=optuna.samplers.GPSampler),
}
SYNE_TUNE = "Syne Tune: ASHA, random draws"


def all_curves() -> dict[str, Task]:
    """Give every task by its name."""
    return {**function_curves(), **demo_curves()}


def cap_of(curves: Task) -> int:
    """Give the epochs that a search may use: the whole table of recorded curves, else 60 whole trainings."""
    num = len(curves.curves) if isinstance(curves, DemoCurves) else TRAININGS
    return num * curves.num_epochs


def run(task: str, method: str, seed: int, syne_tune: str) -> Simulated:
    """Simulate one search."""
    curves = all_curves()[task]
    cap = cap_of(curves)
    if method in OURS:
        sampler, pruner = OURS[method]
        if isinstance(curves, DemoCurves):
            search = curves.search(seed, num_trials=cap, pruner=pruner, sampler=sampler)
        else:
            space = dict(curves.space)
            search = function_search(task, space, seed, num_trials=cap, pruner=pruner, sampler=sampler)
        strategy = OwnSearch(search, curves.num_epochs)
    elif method == SYNE_TUNE:
        strategy = SyneTune(curves.space, curves.num_epochs, seed, syne_tune)
    else:
        strategy = PEERS[method](curves, seed)
    with closing(strategy) if isinstance(strategy, SyneTune) else nullcontext():
        return simulate(
            strategy,
            curves,
            seed=seed,
            budget_epochs=cap,
            enough=curves.best * (1 - WITHIN),
            max_trials=2 * len(curves.curves) if isinstance(curves, DemoCurves) else None,
        )


def row(task: str, method: str, runs: list[Simulated]) -> str:
    """Give a line of the table."""
    curves = all_curves()[task]
    cap = cap_of(curves)
    reached = [found.epochs_to(curves.best * (1 - WITHIN)) for found in runs]
    median, low, high = median_with_interval(reached, cap=cap, generator=np.random.default_rng(0))
    num_reached = sum(epochs is not None for epochs in reached)
    regrets = [regret_at(runs, curves, int(cap * share)) for share in SHARES]
    shown = " | ".join(f"{mean:.3f} ({from_:.3f}–{to:.3f})" for mean, from_, to in regrets)
    return f"| {method} | {median:,.0f} ({low:,.0f}–{high:,.0f}) | {num_reached} of {len(runs)} | {shown} |"


def main() -> None:
    """Print a table for each kind of curves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--curves", default=",".join(all_curves()))
    parser.add_argument("--methods", default="", help="parts of their names, with semicolons between")
    parser.add_argument("--syne-tune", default="", metavar="PYTHON")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    given = parser.parse_args()
    methods = [*PEERS, *([SYNE_TUNE] if given.syne_tune else []), *OURS]
    if given.methods:
        methods = [name for name in methods if any(part in name for part in given.methods.split(";"))]
    if not given.syne_tune:
        print("Syne Tune is left out: --syne-tune names an interpreter that has the package `syne-tune`.\n")
    begun_s = time.monotonic()
    with ProcessPoolExecutor(given.processes) as pool:
        for task in given.curves.split(","):
            cap = cap_of(all_curves()[task])
            print(f"{task}: epochs to within 1 %, of at most {cap:,}; regret (10 to 90 % of seeds) after")
            print(
                "| method | epochs (95 %) | reached | "
                + " | ".join(f"{cap * share:,.0f}" for share in SHARES)
                + " |"
            )
            print("|:--|--:|--:|" + "--:|" * len(SHARES))
            for method in methods:
                runs = list(
                    pool.map(partial(run, task, method, syne_tune=given.syne_tune), range(given.seeds))
                )
                print(row(task, method, runs), flush=True)
            print()
    print(f"{time.monotonic() - begun_s:.0f} s")


if __name__ == "__main__":
    main()
