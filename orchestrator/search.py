"""Optuna: what a search tries next, and a durable study in which every training is a trial.

The only file that imports optuna. Optuna's storage is a projection: every suggestion is in the store too,
and a storage that was lost is filled again from there. Two kinds of Optuna study are kept:

* one for each `Search`, named `study/search`, whose trials are suggested; the declared config is the first;
* one for the tables of each `Study`, named as it is, whose trials are the planned rows, enqueued. Its value
  is the first metric of the first view, for dashboards and importances only: nothing is suggested from it.
"""

from __future__ import annotations

import types
import typing
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, cast

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, GPSampler, QMCSampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial, Trial, TrialState
from pydantic import BaseModel

from orchestrator.identity import digest_of, training_id, view_id
from orchestrator.plan import DescribeData, Plan
from orchestrator.records import SearchTrialRecord, Store
from orchestrator.study import Changes, Choice, FloatRange, Range, Search, When
from orchestrator.trial import Outcome, Progress, Work, views_by_id
from trainables.contract import DatasetFacts, FrozenModel

DUPLICATES_ALLOWED = 4
"""A search ends when it has made this many times its number of trials in suggestions; a small space is
exhausted by then."""

OPTUNA_STATES = {
    "running": TrialState.RUNNING,
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "fail": TrialState.FAIL,
}

TRAINING_ID = "training_id"
"""User attribute of an Optuna trial that names its training."""


def open_storage(url: str) -> BaseStorage:
    """Open Optuna's storage.

    Raises:
        ValueError: the database cannot be opened.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    try:
        return RDBStorage(url)
    except Exception as error:  # SQLAlchemy raises one of many kinds
        raise ValueError(
            f"--search-storage {url!r} cannot be opened ({error}). "
            "Give a database such as sqlite:///runs/optuna.db or postgresql://user@host/name."
        ) from error


def search_id(search: Search, data: DatasetFacts) -> str:
    """Identify a search by everything that decides its suggestions, but not by how many it makes."""
    space = {
        path: [declared.path, list(declared.values), *_range_key(declared.range)]
        if isinstance(declared, When)
        else _range_key(declared)
        for path, declared in search.space.items()
    }
    declared = search.trial_config({})
    objective = [search.objective.metric.name, view_id(search.objective.view)]
    sampler = [search.sampler, search.pruner, search.sampler_seed]
    return digest_of([training_id(declared, data.fingerprint), space, objective, sampler])


def _range_key(declared: Range) -> list[Any]:
    if isinstance(declared, Choice):
        return ["choice", list(declared.values)]
    if isinstance(declared, FloatRange):
        return ["float", declared.low, declared.high, declared.log]
    return ["int", declared.low, declared.high, declared.step]


def _distribution(declared: Range) -> BaseDistribution:
    if isinstance(declared, Choice):
        return CategoricalDistribution(declared.values)
    if isinstance(declared, FloatRange):
        return FloatDistribution(declared.low, declared.high, log=declared.log)
    return IntDistribution(declared.low, declared.high, step=declared.step)


def _suggest(trial: Trial, path: str, declared: Range) -> Any:
    if isinstance(declared, Choice):
        return trial.suggest_categorical(path, declared.values)
    if isinstance(declared, FloatRange):
        return trial.suggest_float(path, declared.low, declared.high, log=declared.log)
    return trial.suggest_int(path, declared.low, declared.high, step=declared.step)


def _sampler(search: Search, num_trials_so_far: int) -> BaseSampler:
    # A search that goes on must not draw its first random numbers again.
    seed = search.sampler_seed * 1_000_003 + num_trials_so_far
    if search.sampler == "random":
        return RandomSampler(seed=seed)
    if search.sampler == "gp":
        return GPSampler(seed=seed)
    if search.sampler == "qmc":
        return QMCSampler(seed=search.sampler_seed, scramble=True)
    return TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True)


def _pruner(name: Literal["median", "hyperband"] | None) -> optuna.pruners.BasePruner:
    if name == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1)
    return optuna.pruners.HyperbandPruner() if name == "hyperband" else optuna.pruners.NopPruner()


class SearchSource:
    """One running search: suggests work and tells Optuna and the store what became of it."""

    def __init__(
        self,
        study: str,
        search: Search,
        describe_data: DescribeData,
        store: Store,
        storage: BaseStorage,
        *,
        max_open: Callable[[], int],
    ) -> None:
        """Open the search and take up what an earlier run left open.

        Args:
            study: name of the study that declares the search.
            search: the declaration.
            describe_data: finds a config's data set.
            store: keeps every suggestion.
            storage: Optuna's, from `open_storage`.
            max_open: gives how many suggestions may be open at a time; a sampler learns nothing from
                open ones.
        """
        self.search = search
        self._study_name = study
        self._data = describe_data(search.trial_config({}))
        self._id = search_id(search, self._data)
        self._store = store
        self._max_open = max_open
        self._live: dict[int, Trial] = {}
        self._trials = {trial.number: trial for trial in store.search_trials(self._id)}
        self._optuna = self._open_optuna(storage)
        self._open = {trial.number for trial in self._trials.values() if trial.state == "running"}
        self._to_resume = sorted(self._open)

    # -- suggesting

    def next_work(self) -> Work | None:
        """Give the next suggestion that needs a training or a measurement."""
        while self._to_resume:
            number = self._to_resume.pop(0)
            work = self._work(self._trials[number])
            if not self._is_answered(number, work):
                return work
        while len(self._open) < self._max_open() and not self._is_spent():
            number = self._suggest()
            if number is None:
                continue
            work = self._work(self._trials[number])
            if not self._is_answered(number, work):
                return work
        return None

    def is_finished(self) -> bool:
        """Say whether all trials are told."""
        return not self._open and self._is_spent()

    def _is_spent(self) -> bool:
        trained = {trial.training_id for trial in self._trials.values()} - {""}  # "" was refused
        is_exhausted = len(self._trials) >= DUPLICATES_ALLOWED * self.search.num_trials
        return len(trained) >= self.search.num_trials or is_exhausted

    def _suggest(self) -> int | None:
        if not self._trials:
            self._optuna.enqueue_trial(self.search.declared_params())
        self._optuna.sampler = _sampler(self.search, len(self._trials))
        trial = self._optuna.ask()
        params = self._ask_params(trial)
        try:
            config = self.search.trial_config(params)
        except ValueError:  # a combination that the method refuses, such as t0 >= t1
            self._optuna.tell(trial, state=TrialState.FAIL)
            self._keep(SearchTrialRecord(number=trial.number, params=params, training_id="", state="fail"))
            return None
        identity = training_id(config, self._data.fingerprint)
        trial.set_user_attr(TRAINING_ID, identity)
        self._open.add(trial.number)
        self._live[trial.number] = trial
        self._keep(
            SearchTrialRecord(number=trial.number, params=params, training_id=identity, state="running")
        )
        return trial.number

    def _ask_params(self, trial: Trial) -> dict[str, Any]:
        params: dict[str, Any] = {}
        for path, declared in self.search.space.items():
            if isinstance(declared, When):
                if params.get(declared.path) not in declared.values:
                    continue
                declared = declared.range
            params[path] = _suggest(trial, path, declared)
        return params

    def _work(self, trial: SearchTrialRecord) -> Work:
        config = self.search.trial_config(trial.params)
        objective = self.search.objective
        return Work(
            training_id=trial.training_id,
            config=config,
            data=self._data,
            views=views_by_id(objective.view),
            label=f"{self.search.name}: trial {trial.number}",
            study=self._study_name,
            watch=objective if self.search.pruner else None,
            parameters=trial.params,
        )

    def _is_answered(self, number: int, work: Work) -> bool:
        measurement = self._store.training(work.training_id).measurement(view_id(self.search.objective.view))
        if measurement is None:
            return False
        self._tell(number, "complete", measurement.metrics[self.search.objective.metric.name])
        return True

    # -- learning

    def on_progress(self, work: Work, progress: Progress) -> bool:
        """Report the watched value; true where the pruner has given the trial up."""
        if progress.watched is None:
            return False
        is_hopeless = False
        for number in self._numbers_of(work.training_id):
            kept = self._trials[number]
            values = {**kept.intermediate_values, progress.report.epoch: progress.watched}
            self._keep(kept.model_copy(update={"intermediate_values": values}))
            trial = self._live_trial(number)
            trial.report(progress.watched, progress.report.epoch)
            is_last = progress.report.epoch >= progress.report.num_epochs
            is_hopeless = is_hopeless or (trial.should_prune() and not is_last)
        return is_hopeless

    def on_end(self, work: Work, outcome: Outcome) -> None:
        """Tell how a suggestion ended; one that was merely stopped stays open for the next run."""
        if outcome.state == "stopped":
            return
        measurement = self._store.training(work.training_id).measurement(view_id(self.search.objective.view))
        for number in self._numbers_of(work.training_id):
            if outcome.state == "done" and measurement is not None:
                self._tell(number, "complete", measurement.metrics[self.search.objective.metric.name])
            else:
                self._tell(number, "pruned" if outcome.state == "pruned" else "fail", None)

    def _numbers_of(self, identity: str) -> list[int]:
        return [number for number in sorted(self._open) if self._trials[number].training_id == identity]

    def _live_trial(self, number: int) -> Trial:
        if number not in self._live:  # taken up from an earlier run
            frozen = self._optuna.get_trials(deepcopy=False)[number]
            self._live[number] = Trial(self._optuna, frozen._trial_id)  # pyright: ignore[reportPrivateUsage]
        return self._live[number]

    def _tell(self, number: int, state: Literal["complete", "pruned", "fail"], value: float | None) -> None:
        self._open.discard(number)
        self._live.pop(number, None)
        self._keep(self._trials[number].model_copy(update={"state": state, "value": value}))
        self._optuna.tell(number, value, state=OPTUNA_STATES[state])

    def _keep(self, trial: SearchTrialRecord) -> None:
        self._trials[trial.number] = trial
        self._store.write_search_trial(self._id, trial)

    def best(self) -> Changes | None:
        """Give the parameters of the best complete trial; None while there is none."""
        complete = [trial for trial in self._trials.values() if trial.value is not None]
        if not complete:
            return None
        sign = 1 if self.search.objective.metric.higher_is_better else -1
        best = max(complete, key=lambda trial: (sign * cast(float, trial.value), -trial.number))
        return best.params

    # -- Optuna's storage, a projection

    def _open_optuna(self, storage: BaseStorage) -> optuna.Study:
        higher_is_better = self.search.objective.metric.higher_is_better
        study = optuna.create_study(
            study_name=f"{self._study_name}/{self.search.name}/{self._id[:8]}",
            storage=storage,
            direction="maximize" if higher_is_better else "minimize",
            pruner=_pruner(self.search.pruner),
            load_if_exists=True,
        )
        known = {trial.number: trial for trial in study.get_trials(deepcopy=False)}
        for number, trial in known.items():
            if number not in self._trials:  # asked, and killed before it was kept: it was never trained
                if not trial.state.is_finished():
                    study.tell(number, state=TrialState.FAIL)
                self._keep(SearchTrialRecord(number=number, params={}, training_id="", state="fail"))
            elif self._trials[number].state != "running" and not trial.state.is_finished():
                kept = self._trials[number]
                study.tell(number, kept.value, state=OPTUNA_STATES[kept.state])
        for number in range(len(known), max(self._trials, default=-1) + 1):
            study.add_trial(self._frozen_trial(number))  # the storage was lost
        return study

    def _frozen_trial(self, number: int) -> FrozenTrial:
        kept = self._trials.get(number)
        if kept is None:
            return optuna.trial.create_trial(state=TrialState.FAIL)
        return optuna.trial.create_trial(
            state=OPTUNA_STATES[kept.state],
            value=kept.value,
            params=kept.params,
            distributions={path: self._distribution_at(path) for path in kept.params},
            user_attrs={TRAINING_ID: kept.training_id},
            intermediate_values=kept.intermediate_values,
        )

    def _distribution_at(self, path: str) -> BaseDistribution:
        declared = self.search.space[path]
        return _distribution(declared.range if isinstance(declared, When) else declared)


class PlannedTrials:
    """Keeps the planned rows of a sweep in Optuna, one study for each of ours; a `Listener`."""

    def __init__(self, plan: Plan, store: Store, storage: BaseStorage) -> None:
        """Add the trials of trainings that were recorded before and are not in the storage."""
        self._store = store
        self._trials: dict[str, Trial] = {}
        self._studies: dict[str, optuna.Study] = {}
        self._metrics: dict[str, tuple[str, str]] = {}
        self._paths: dict[str, tuple[str, ...]] = {}
        for study in plan.studies:
            cells = [cell for cell in plan.cells if cell.study == study.name]
            metric = plan.tables[cells[0].study, cells[0].table].metrics[0]
            self._studies[study.name] = optuna.create_study(
                study_name=study.name,
                storage=storage,
                direction="maximize" if metric.higher_is_better else "minimize",
                load_if_exists=True,
            )
            for cell in cells:
                self._metrics.setdefault(cell.training_id, (cell.view_id, metric.name))
            changed = {
                path
                for (owner, _), table in plan.tables.items()
                if owner == study.name
                for row in table.trained_rows
                for path in (*row.changes, *(path for dataset in table.datasets for path in dataset.changes))
            }
            self._paths[study.name] = (*sorted(changed), "seed")
        self._told = {
            name: {
                trial.user_attrs.get(TRAINING_ID)
                for trial in study.get_trials(deepcopy=False)
                if trial.state == TrialState.COMPLETE
            }
            for name, study in self._studies.items()
        }
        for training in plan.trainings.values():
            is_told = training.training_id in self._told[training.study]
            if not is_told and store.training(training.training_id).is_done():
                work = Work(
                    training.training_id, training.config, training.data, {}, training.label, training.study
                )
                self.on_start(work)
                self.on_end(work, Outcome("done"))

    def on_start(self, work: Work) -> None:
        """Enqueue the row and take it up; a training that goes on keeps its trial."""
        is_known = work.training_id in self._trials or work.training_id not in self._metrics
        if is_known or work.training_id in self._told[work.study]:
            return
        study = self._studies[work.study]
        for frozen in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if frozen.user_attrs.get(TRAINING_ID) == work.training_id:
                trial = Trial(study, frozen._trial_id)  # pyright: ignore[reportPrivateUsage]
                self._trials[work.training_id] = trial
                return
        params = dict(_row_params(work.config, self._paths[work.study]))
        values = {path: value for path, (value, _) in params.items()}
        study.enqueue_trial(values, user_attrs={TRAINING_ID: work.training_id, "row": work.label})
        self._trials[work.training_id] = study.ask({path: kind for path, (_, kind) in params.items()})

    def on_progress(self, work: Work, progress: Progress) -> None:
        """Nothing: a planned row is never pruned."""

    def on_end(self, work: Work, outcome: Outcome) -> None:
        """Tell the row's value; a training that was merely stopped stays open."""
        trial = self._trials.get(work.training_id)
        if trial is None or outcome.state == "stopped":
            return
        del self._trials[work.training_id]
        view, metric = self._metrics[work.training_id]
        measurement = self._store.training(work.training_id).measurement(view)
        if outcome.state == "done" and measurement is not None:
            self._studies[work.study].tell(trial, measurement.metrics[metric])
            self._told[work.study].add(work.training_id)
        else:
            self._studies[work.study].tell(trial, state=TrialState.FAIL)


def _row_params(
    config: BaseModel, paths: Sequence[str]
) -> Iterator[tuple[str, tuple[Any, BaseDistribution]]]:
    """Give the values of a row at the paths that any row changes, each with a distribution that holds it.

    A storage takes one kind of distribution for each path for ever, so the kind follows from the field's
    declaration, never from the values at hand.
    """
    for path in paths:
        *parents, name = path.split(".")
        owner: Any = config
        for parent in parents:
            owner = getattr(owner, parent, None)
        if not isinstance(owner, FrozenModel) or name not in type(owner).model_fields:
            continue  # the component is off in this row, or of a kind that has no such field
        value, annotation = getattr(owner, name), type(owner).model_fields[name].annotation
        if isinstance(value, FrozenModel) or (value is None and _holds_model(annotation)):
            yield path, ("off" if value is None else "on", CategoricalDistribution(("off", "on")))
        elif isinstance(value, bool):
            yield path, (value, CategoricalDistribution((False, True)))
        elif typing.get_origin(annotation) is Literal:
            yield path, (value, CategoricalDistribution(typing.get_args(annotation)))
        elif isinstance(value, int):
            yield path, (value, IntDistribution(min(0, value), max(1, value)))
        elif isinstance(value, float):
            yield path, (value, FloatDistribution(min(0.0, value), max(1.0, value)))


def _holds_model(annotation: Any) -> bool:
    members = typing.get_args(annotation) if isinstance(annotation, types.UnionType) else ()
    return any(isinstance(member, type) and issubclass(member, FrozenModel) for member in members)
