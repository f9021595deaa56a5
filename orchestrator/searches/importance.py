"""How much each parameter of a search mattered, by two measures that Optuna has, with how sure each is.

fANOVA (Hutter et al., ICML 2014) shares out the variance of the objective over the whole space, by a forest that is
fitted to the trials; PED-ANOVA (Watanabe et al., IJCAI 2023) says which parameters set the best quarter of
the trials apart from all. Both are made again for trials that are drawn from all with replacement: from few trials
either may say anything, and the spread shows it.

The values are those at the end of the training, as long as enough trials got there. Where a pruner leaves most of them
early, those few are also the best, among which what matters most differs least; then trials are compared by their
values at the latest epoch that enough of them have reached.

Optuna's fANOVA weighs a logarithmic range as a linear one; here it is given the logarithms, which are what was sampled.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, create_trial

from tablewright.orchestrator.declared.ranges import Choice, Range, When, range_of
from tablewright.orchestrator.searches.search_result import SearchResult, SearchTrial

FANOVA, PED_ANOVA = "fANOVA", "PED-ANOVA"
MIN_COMPLETE = 4
"""Complete trials with different parameters below which importances would be made of nothing."""

MIN_AT_EPOCH = 8
"""Fewer complete trials than these are compared at an earlier epoch, where so many have reached one."""

NUM_REPLICATES = 20
NUM_TREES = 8
"""Of one forest; all replicates together have more than twice Optuna's 64."""

MAX_DRAWN = 100
"""Trials of a draw, which bounds the time of a forest; the spread of fewer is rather too wide than too narrow."""

MAX_DEPTH = 64
TARGET_QUANTILE = 0.25
"""PED-ANOVA's best trials: Optuna's tenth would be one or two of a search of 20."""


@dataclass(frozen=True)
class Importance:
    """How much one parameter mattered by one measure.

    Attributes:
        path: dotted.
        shares: of all parameters' importance, in [0, 1]; one a replicate.
    """

    path: str
    shares: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over the replicates."""
        return float(np.mean(self.shares))

    @property
    def interval(self) -> tuple[float, float]:
        """Between which nine of ten replicates lie."""
        low, high = np.quantile(self.shares, (0.05, 0.95))
        return float(low), float(high)


@dataclass(frozen=True)
class Importances:
    """How much the parameters of a search mattered.

    Attributes:
        by_measure: name of the measure -> its parameters, the most important first. fANOVA has none that is
            searched beside some values of another only.
        num_trials: that they are made from.
        epoch: after which their values were compared; None is at the end of each training.
        lack: why there are none; empty where there are.
    """

    by_measure: Mapping[str, tuple[Importance, ...]]
    num_trials: int
    epoch: int | None = None
    lack: str = ""


def importances_of(result: SearchResult) -> Importances:
    """Measure how much the parameters of a search mattered; equal trials give equal numbers."""
    compared, epoch = _compared(result)
    num_trials = len(compared)
    which = "complete trials" if epoch is None else f"trials that have a value after epoch {epoch}"
    if num_trials < MIN_COMPLETE:
        lack = (
            f"{num_trials} different {which} say nothing of it; {MIN_COMPLETE} are the least, or {MIN_AT_EPOCH} that "
            "have a value after the same epoch"
        )
        return Importances({}, num_trials, lack=lack)
    if len({value for _, value in compared}) == 1:
        return Importances({}, num_trials, lack=f"all {num_trials} {which} have the same value there")
    space = {path: declared for path, declared in result.space.items() if not _is_single(declared)}
    if len(space) < 2:
        return Importances({}, num_trials, lack="the search has one parameter")
    names = {path: _as_told(range_of(declared)) for path, declared in space.items()}
    told = [
        create_trial(
            value=value,
            params={path: names[path].told(value) for path, value in trial.params.items() if path in names},
            distributions={path: names[path].distribution for path in trial.params if path in names},
        )
        for trial, value in compared
    ]
    shared = [path for path, declared in space.items() if not isinstance(declared, When)]
    is_higher_better = result.search.objective.metric.higher_is_better
    by_measure = {
        FANOVA: _replicated(told, shared, is_higher_better, FANOVA),
        PED_ANOVA: _replicated(told, list(space), is_higher_better, PED_ANOVA),
    }
    found = {measure: some for measure, some in by_measure.items() if some}
    lack = "" if found else "in no draw from its trials did any parameter tell them apart"
    return Importances(found, num_trials, epoch, lack)


def _compared(result: SearchResult) -> tuple[list[tuple[SearchTrial, float]], int | None]:
    """Give different trials with the values that are compared, and after which epoch; None is at their end."""
    trials = {
        tuple(trial.params.items()): trial
        for trial in result.trials
        if trial.outcome not in ("refused", "failed")
        and all(result.has(trial, path) for path in trial.params)
    }.values()
    ended = [(trial, trial.value) for trial in trials if trial.value is not None]
    if len(ended) >= MIN_AT_EPOCH:
        return ended, None
    for epoch in sorted({epoch for trial in trials for epoch in trial.reported}, reverse=True):
        there = [(trial, trial.reported[epoch]) for trial in trials if epoch in trial.reported]
        if len(there) >= MIN_AT_EPOCH:
            return there, epoch
    return ended, None


@dataclass(frozen=True)
class _AsTold:
    """A range as the measures are told of it: the logarithm of a number that is searched by it."""

    distribution: BaseDistribution
    is_log: bool = False

    def told(self, value: Any) -> Any:
        return math.log(value) if self.is_log else value


def _as_told(declared: Range) -> _AsTold:
    if isinstance(declared, Choice):
        return _AsTold(CategoricalDistribution(tuple(declared.values)))
    low, high = float(declared.low), float(declared.high)
    if declared.log:
        return _AsTold(FloatDistribution(math.log(low), math.log(high)), is_log=True)
    return _AsTold(FloatDistribution(low, high))


def _is_single(declared: Range | When) -> bool:
    searched = range_of(declared)
    return len(searched.values) == 1 if isinstance(searched, Choice) else searched.low == searched.high


def _replicated(
    trials: Sequence[FrozenTrial], paths: Sequence[str], is_higher_better: bool, measure: str
) -> tuple[Importance, ...]:
    """Measure draws from the trials, each by an evaluator of another seed; those that tell nothing are left out."""
    if len(paths) < 2:
        return ()
    shares: dict[str, list[float]] = {path: [] for path in paths}
    rng = np.random.default_rng(0)
    for seed in range(NUM_REPLICATES):
        drawn = [trials[index] for index in rng.integers(len(trials), size=min(len(trials), MAX_DRAWN))]
        found = _measured(drawn, paths, is_higher_better, measure, seed)
        whole = sum(found.values())
        if not whole > 0:
            continue
        for path in paths:
            shares[path].append(found.get(path, 0.0) / whole)
    measured = [Importance(path, tuple(some)) for path, some in shares.items() if some]
    return tuple(sorted(measured, key=lambda importance: -importance.mean))


def _measured(
    trials: Sequence[FrozenTrial], paths: Sequence[str], is_higher_better: bool, measure: str, seed: int
) -> dict[str, float]:
    # It loads scikit-learn, for a second that no sweep without a search should wait.
    from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator

    there = [path for path in paths if any(path in trial.params for trial in trials)]
    evaluator = (
        FanovaImportanceEvaluator(n_trees=NUM_TREES, max_depth=MAX_DEPTH, seed=seed)
        if measure == FANOVA
        else PedAnovaImportanceEvaluator(target_quantile=TARGET_QUANTILE)
    )
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # few trials are told by the spread
            study = optuna.create_study(direction="maximize" if is_higher_better else "minimize")
            study.add_trials(trials)
            return evaluator.evaluate(study, there)
    except RuntimeError:  # in none of its trees did any two trials differ
        return {}
    finally:
        optuna.logging.set_verbosity(verbosity)
