"""What a search tries next: Optuna's samplers are asked with the trials that are recorded.

Nothing is kept between two questions, so that no database decides what a search does, and one that goes on suggests
what it would have suggested.
"""

from __future__ import annotations

import itertools
import statistics
import warnings
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, nullcontext
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
from threadpoolctl import threadpool_limits

from tablewright.orchestrator.declared.changes import Changes
from tablewright.orchestrator.declared.ranges import Choice, FloatRange, Range, is_searched, range_of
from tablewright.orchestrator.declared.samplers import CmaEs, Gp, Nsga2, Nsga3, Qmc, Random, Sampler, Tpe
from tablewright.orchestrator.declared.search import Search
from tablewright.orchestrator.searches.genetic_samplers import (
    GeneticSampler,
    attributes_of,
    genetic_sampler,
    kept_by,
)
from tablewright.orchestrator.store.search_records import SearchTrialRecord
from tablewright.trainables.contract.method import SEED_LIMIT

OPTUNA_STATES = {
    "running": TrialState.RUNNING,
    "paused": TrialState.PRUNED,  # it has told what it has reached, and may never go on
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "refused": TrialState.FAIL,
    "fail": TrialState.FAIL,
}

CONSTRAINTS = "constraints"
"""System attribute of an Optuna trial: by how much it breaks each constraint, at most 0 where it keeps it."""

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


def suggest(
    search: Search,
    trials: Iterable[SearchTrialRecord],
    learnt: Sequence[SearchTrialRecord] = (),
    draw: int = 0,
    broken: Sequence[Changes] = (),
) -> Suggestion:
    """Ask the sampler of a search for what comes after these trials.

    Args:
        search: the declaration; its sampler is one that draws.
        trials: that it has made, in order.
        learnt: complete trials of elsewhere, from which it learns; they are none of its own.
        draw: how many were drawn in this place already, and are none that can be tried.
        broken: of these draws those that break a constraint.
    """
    known = list(trials)
    # A search that goes on must not draw its first random numbers again.
    seed = (search.sampler_seed * 1_000_003 + len(known) + draw * 7_919_993) % SEED_LIMIT
    # SciPy, on which these two stand, takes longer to load than a sweep to plan.
    if isinstance(search.chosen_sampler, CmaEs):
        from tablewright.orchestrator.searches.cma_es import suggest_by_cma_es

        return Suggestion(*suggest_by_cma_es(search, search.chosen_sampler, known, learnt, seed))
    if isinstance(search.chosen_sampler, Qmc):
        from tablewright.orchestrator.searches.quasi_random import suggest_quasi_random

        return Suggestion(*suggest_quasi_random(search, known, draw))
    return _suggest_by_optuna(search, known, learnt, broken, seed)


def _suggest_by_optuna(
    search: Search,
    known: Sequence[SearchTrialRecord],
    learnt: Sequence[SearchTrialRecord],
    broken: Sequence[Changes],
    seed: int,
) -> Suggestion:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings(), _alone_on_a_core(search.chosen_sampler):
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = _optunas(search.chosen_sampler, known, broken, seed)
        study = optuna.create_study(directions=directions_of(search), sampler=sampler)
        study.add_trials(_lessons(search, sampler, learnt, known, broken))
        trial = study.ask()
        params: dict[str, Any] = {}
        for path, declared in search.space_in_order():
            if is_searched(declared, params):
                params[path] = _suggested(trial, path, range_of(declared))
    if not isinstance(sampler, GeneticSampler):
        return Suggestion(params, {})  # the others find all that they need in the trials' values
    attributes = study.get_trials(deepcopy=False)[-1].system_attrs
    return Suggestion(params, kept_by(sampler, attributes))


@contextmanager
def _alone_on_a_core(sampler: Sampler) -> Generator[None]:
    """Keep a Gaussian process to one thread: its matrices are so small that two take it four times as long."""
    with threadpool_limits(1) if isinstance(sampler, Gp) else nullcontext():
        yield


def directions_of(search: Search) -> list[StudyDirection]:
    """Say of each objective what Optuna is to make of it."""
    return [
        StudyDirection.MAXIMIZE if is_higher else StudyDirection.MINIMIZE
        for is_higher in search.are_higher_better
    ]


def _lessons(
    search: Search,
    sampler: BaseSampler,
    learnt: Sequence[SearchTrialRecord],
    known: Sequence[SearchTrialRecord],
    broken: Sequence[Changes],
) -> list[FrozenTrial]:
    """Give what a sampler learns from: trials, and by how much each breaks what is declared.

    What the method refuses, or fails at, breaks a constraint that nobody has declared, by one. Optuna's TPE takes no
    notice of a trial that has failed, but learns from one without a value that breaks a constraint. The genetic
    samplers take complete trials alone, which break none.
    """
    trials = [*learnt, *known]
    lessons = [frozen_trial(search, trial) for trial in trials]
    if isinstance(sampler, GeneticSampler):
        for trial, lesson in zip(trials, lessons, strict=True):
            lesson.system_attrs = attributes_of(sampler, trial)
        return lessons
    violations = search.violations()
    has_barred = any(map(_is_barred, known))
    for trial, lesson in zip(trials, lessons, strict=True):
        lesson.state = TrialState.PRUNED if _is_barred(trial) else lesson.state
        if search.constraints or has_barred:
            of_method = [float(_is_barred(trial))] if has_barred else []
            lesson.system_attrs = {CONSTRAINTS: [*violations(trial.params), *of_method]}
    if not _is_at_random(search.chosen_sampler, trials):  # what is drawn at random learns nothing
        lessons += [
            optuna.trial.create_trial(
                state=TrialState.PRUNED,
                params=dict(params),
                distributions={path: _distribution(range_of(search.space[path])) for path in params},
                system_attrs={CONSTRAINTS: [*violations(params), *([0.0] if has_barred else [])]},
            )
            for params in broken
        ]
    if isinstance(sampler, GPSampler):
        barred = [*map(_is_barred, trials), *(True for _ in lessons[len(trials) :])]
        _complete_by_mean(
            [lesson for lesson, is_barred in zip(lessons, barred, strict=True) if is_barred], lessons
        )
    return lessons


def _is_barred(trial: SearchTrialRecord) -> bool:
    """Say whether the method cannot do what a trial asks for: it has refused it, or failed at it."""
    return trial.is_refused or trial.state == "fail"


def _complete_by_mean(barred: Sequence[FrozenTrial], lessons: Sequence[FrozenTrial]) -> None:
    """Give trials without a value the mean of all that have one, as Optuna's Gaussian process knows no others.

    That says neither good nor bad of them, so that it is the constraint that they break which keeps it away. Told
    nothing it would come back to the best of what is refused for ever.
    """
    known = [lesson.values for lesson in lessons if lesson.state == TrialState.COMPLETE]
    for lesson in barred if known else ():
        lesson.state = TrialState.COMPLETE
        lesson.values = [statistics.fmean(of_one) for of_one in zip(*known, strict=True)]


def _is_at_random(sampler: Sampler, known: Sequence[SearchTrialRecord]) -> bool:
    """Say whether a sampler learns from nothing yet; what was refused is nothing to begin with."""
    num_random = sampler.num_startup_trials if isinstance(sampler, Tpe | Gp) else 0
    return sum(not _is_barred(trial) for trial in known) < num_random


def frozen_trial(search: Search, trial: SearchTrialRecord) -> FrozenTrial:
    """Give a suggestion as Optuna keeps it."""
    return optuna.trial.create_trial(
        state=OPTUNA_STATES[trial.state],
        value=None if trial.values else trial.value,
        values=trial.values or None,
        params=trial.params,
        distributions={path: _distribution(range_of(search.space[path])) for path in trial.params},
        user_attrs={TRAINING_ID: trial.training_id},
        intermediate_values=_means_so_far(trial) if trial.parts else trial.intermediate_values,
    )


def _means_so_far(trial: SearchTrialRecord) -> dict[int, float]:
    """Give the mean over the first training of a trial, the first two and so on, as long as they have a value."""
    values = itertools.takewhile(lambda value: value is not None, (part.value for part in trial.parts))
    sums = itertools.accumulate(value for value in values if value is not None)
    return {number: total / number for number, total in enumerate(sums, start=1)}


def _optunas(
    sampler: Sampler, known: Sequence[SearchTrialRecord], broken: Sequence[Changes], seed: int
) -> BaseSampler:
    num_barred = sum(map(_is_barred, known))
    if isinstance(sampler, Random):
        return RandomSampler(seed=seed)
    if isinstance(sampler, Gp):
        return GPSampler(seed=seed, n_startup_trials=sampler.num_startup_trials + num_barred + len(broken))
    if isinstance(sampler, Nsga2 | Nsga3):
        return genetic_sampler(sampler, known, seed)
    assert isinstance(sampler, Tpe), f"{sampler} draws nothing by Optuna"
    return TPESampler(
        seed=seed,
        n_startup_trials=sampler.num_startup_trials + num_barred,
        multivariate=True,
        group=True,
        constant_liar=True,
    )


def _distribution(declared: Range) -> BaseDistribution:
    if isinstance(declared, Choice):
        return CategoricalDistribution(tuple(declared.values))
    if isinstance(declared, FloatRange):
        return FloatDistribution(declared.low, declared.high, log=declared.log, step=declared.step)
    return IntDistribution(declared.low, declared.high, log=declared.log, step=declared.step)


def _suggested(trial: Trial, path: str, declared: Range) -> Any:
    if isinstance(declared, Choice):
        return trial.suggest_categorical(path, tuple(declared.values))
    if isinstance(declared, FloatRange):
        value = trial.suggest_float(path, declared.low, declared.high, log=declared.log, step=declared.step)
        return declared.on_step(value)
    return trial.suggest_int(path, declared.low, declared.high, log=declared.log, step=declared.step)
