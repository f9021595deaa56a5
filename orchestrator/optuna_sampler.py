"""What a search tries next: Optuna's samplers are asked with the trials that are recorded.

Nothing is kept between two questions, so that no database decides what a search does, and one that goes on suggests
what it would have suggested.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from tablewright.orchestrator.ranges import Choice, FloatRange, Range, range_of
from tablewright.orchestrator.records import SearchTrialRecord
from tablewright.orchestrator.samplers import Gp, Random, Sampler
from tablewright.orchestrator.search import Search, is_searched
from tablewright.trainables.contract.method import SEED_LIMIT

OPTUNA_STATES = {
    "running": TrialState.RUNNING,
    "paused": TrialState.PRUNED,  # it has told what it has reached, and may never go on
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "refused": TrialState.FAIL,
    "fail": TrialState.FAIL,
}

TRAINING_ID = "training_id"
"""User attribute of an Optuna trial that names its training."""


@dataclass(frozen=True)
class Suggestion:
    """What a sampler wants tried.

    Attributes:
        params: dotted path -> value.
        sampler_state: what the sampler is to find again with this trial.
    """

    params: Mapping[str, Any]
    sampler_state: Mapping[str, Any]


def suggest(search: Search, trials: Iterable[SearchTrialRecord]) -> Suggestion:
    """Ask the sampler of a search for what comes after these trials."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    known = list(trials)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.create_study(
            directions=directions_of(search),
            # A search that goes on must not draw its first random numbers again.
            sampler=_optunas(search.sampler, (search.sampler_seed * 1_000_003 + len(known)) % SEED_LIMIT),
        )
        study.add_trials([frozen_trial(search, trial) for trial in known])
        trial = study.ask()
        params: dict[str, Any] = {}
        for path, declared in search.space_in_order():
            if is_searched(declared, params):
                params[path] = _suggested(trial, path, range_of(declared))
        kept = study.get_trials(deepcopy=False)[-1].system_attrs
    return Suggestion(params, dict(kept))


def directions_of(search: Search) -> list[StudyDirection]:
    """Say of each objective what Optuna is to make of it."""
    return [
        StudyDirection.MAXIMIZE if is_higher else StudyDirection.MINIMIZE
        for is_higher in search.are_higher_better
    ]


def frozen_trial(search: Search, trial: SearchTrialRecord) -> FrozenTrial:
    """Give a suggestion as Optuna keeps it."""
    return optuna.trial.create_trial(
        state=OPTUNA_STATES[trial.state],
        value=None if trial.values else trial.value,
        values=trial.values or None,
        params=trial.params,
        distributions={path: _distribution(range_of(search.space[path])) for path in trial.params},
        user_attrs={TRAINING_ID: trial.training_id},
        system_attrs=dict(trial.sampler_state),
        intermediate_values=_means_so_far(trial) if trial.parts else trial.intermediate_values,
    )


def _means_so_far(trial: SearchTrialRecord) -> dict[int, float]:
    """Give the mean over the first training of a trial, the first two and so on, as long as they have a value."""
    values = itertools.takewhile(lambda value: value is not None, (part.value for part in trial.parts))
    sums = itertools.accumulate(value for value in values if value is not None)
    return {number: total / number for number, total in enumerate(sums, start=1)}


def _optunas(sampler: Sampler, seed: int) -> BaseSampler:
    if isinstance(sampler, Random):
        return RandomSampler(seed=seed)
    if isinstance(sampler, Gp):
        return GPSampler(seed=seed, n_startup_trials=sampler.num_startup_trials)
    return TPESampler(
        seed=seed,
        n_startup_trials=sampler.num_startup_trials,
        multivariate=True,
        group=True,
        constant_liar=True,
    )


def _distribution(declared: Range) -> BaseDistribution:
    if isinstance(declared, Choice):
        return CategoricalDistribution(tuple(declared.values))
    if isinstance(declared, FloatRange):
        return FloatDistribution(declared.low, declared.high, log=declared.log)
    return IntDistribution(declared.low, declared.high, log=declared.log, step=declared.step)


def _suggested(trial: Trial, path: str, declared: Range) -> Any:
    if isinstance(declared, Choice):
        return trial.suggest_categorical(path, tuple(declared.values))
    if isinstance(declared, FloatRange):
        return trial.suggest_float(path, declared.low, declared.high, log=declared.log)
    return trial.suggest_int(path, declared.low, declared.high, log=declared.log, step=declared.step)
