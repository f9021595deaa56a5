"""Searches that people have without Tablewright, asked through the same four virtual workers."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import Trial, TrialState

from tablewright.orchestrator.declared.ranges import Choice, FloatRange, Range
from tablewright.orchestrator.searches.simulation import Leg


def distributions(space: Mapping[str, Range]) -> dict[str, BaseDistribution]:
    """Give a space as Optuna and OptunaSearch take it."""
    return {path: _distribution(declared) for path, declared in space.items()}


def _distribution(declared: Range) -> BaseDistribution:
    if isinstance(declared, Choice):
        return CategoricalDistribution(tuple(declared.values))
    if isinstance(declared, FloatRange):
        return FloatDistribution(declared.low, declared.high, log=declared.log)
    return IntDistribution(declared.low, declared.high, log=declared.log, step=declared.step)


class OptunaAlone:
    """A user's loop on Optuna: `ask`, `report`, `should_prune`, `tell`."""

    def __init__(
        self, space: Mapping[str, Range], num_epochs: int, sampler: BaseSampler, pruner: BasePruner
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space, self._num_epochs = distributions(space), num_epochs
        self._study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
        self._open: dict[int, Trial] = {}

    def ask(self) -> Leg:
        """Begin a trial."""
        trial = self._study.ask(self._space)
        self._open[trial.number] = trial
        return Leg(trial.number, trial.params)

    def report(self, number: int, epoch: int, value: float) -> bool:
        """Say whether a trial goes on."""
        trial = self._open[number]
        trial.report(value, epoch)
        if epoch == self._num_epochs:
            self._study.tell(self._open.pop(number), value)
            return False
        if trial.should_prune():
            self._study.tell(self._open.pop(number), state=TrialState.PRUNED)
            return False
        return True


class StockTune:
    """Ray Tune's OptunaSearch and ASHAScheduler, called in the order in which its controller calls them.

    The objects are Tune's own; the controller's part is `TuneController._process_trial_result` of Ray 2.60: the
    scheduler decides; the search hears of an epoch unless the trial ends with it; then both hear `complete`.
    """

    METRIC = "score"

    def __init__(
        self, space: Mapping[str, Range], num_epochs: int, seed: int, reduction_factor: int = 4
    ) -> None:
        from ray.tune.schedulers import ASHAScheduler
        from ray.tune.search.optuna import OptunaSearch

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._num_epochs = num_epochs
        self._search = OptunaSearch(
            cast(Any, distributions(space)), metric=self.METRIC, mode="max", seed=seed
        )
        self.scheduler = ASHAScheduler(
            metric=self.METRIC, mode="max", max_t=num_epochs, reduction_factor=reduction_factor
        )
        self._trials: dict[int, Any] = {}

    def ask(self) -> Leg:
        """Begin a trial."""
        number = len(self._trials)
        params = self._search.suggest(str(number))
        trial = SimpleNamespace(trial_id=str(number))
        self._trials[number] = trial
        self.scheduler.on_trial_add(cast(Any, None), cast(Any, trial))
        return Leg(number, cast("dict[str, Any]", params))

    def report(self, number: int, epoch: int, value: float) -> bool:
        """Say whether a trial goes on."""
        trial = self._trials[number]
        result = {"training_iteration": epoch, self.METRIC: value}
        decision = self.scheduler.on_trial_result(cast(Any, None), trial, result)
        if decision == self.scheduler.CONTINUE:
            self._search.on_trial_result(trial.trial_id, result)
            return True
        self.scheduler.on_trial_complete(cast(Any, None), trial, result)
        self._search.on_trial_complete(trial.trial_id, result)
        return False


class SyneTune:
    """Syne Tune's ASHA with random draws, in a process of an interpreter that has it; 0.16 has no promoting type."""

    def __init__(self, space: Mapping[str, Range], num_epochs: int, seed: int, python: str) -> None:
        self._process = subprocess.Popen(
            [python, str(Path(__file__).parent / "syne_tune_asha.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
        )
        self._num_asked = 0
        given = {path: _syne_tune_domain(declared) for path, declared in space.items()}
        self._write({"seed": seed, "num_epochs": num_epochs, "space": given})

    def _write(self, message: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def _answer(self, request: Any) -> Any:
        self._write(request)
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def ask(self) -> Leg:
        """Begin a trial."""
        self._num_asked += 1
        return Leg(self._num_asked - 1, self._answer("ask"))

    def report(self, number: int, epoch: int, value: float) -> bool:
        """Say whether a trial goes on."""
        return self._answer([number, epoch, value])

    def close(self) -> None:
        """End its process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def _syne_tune_domain(declared: Range) -> tuple[str, list[Any]]:
    if isinstance(declared, Choice):
        return "choice", list(declared.values)
    kind = "randint" if not isinstance(declared, FloatRange) else "loguniform" if declared.log else "uniform"
    return kind, [declared.low, declared.high]
