"""Optuna's durable storage: every training of a sweep as a trial, for Optuna's dashboard and importances.

A mirror of the store: it decides nothing, may be lost, and is filled again by the next run. Trials are added
when they have ended. Two kinds of Optuna study are kept:

* one for each `Search`, named `study/search/` and the first digits of its identity: its suggestions;
* one for the tables of each `Study`, named as it is: the planned rows, with the values at the paths that any
  row changes as parameters, and the first metric of their first view as the value.
"""

from __future__ import annotations

import math
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import TrialState
from pydantic import BaseModel

from tablewright.orchestrator.addresses import unreachable_database
from tablewright.orchestrator.identity import digest_of
from tablewright.orchestrator.plan import Plan
from tablewright.orchestrator.records import Store
from tablewright.orchestrator.search import TRAINING_ID, SearchSource, frozen_trial
from tablewright.orchestrator.search_state import is_final
from tablewright.orchestrator.trial import Outcome, Progress, Work
from tablewright.trainables.contract.method import TrainingConfig
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.value.field_type import arms_of
from tablewright.trainables.value.frozen_model import FrozenModel
from tablewright.trainables.value.secret import keep_secret

Storage = BaseStorage

SUGGESTION = "suggestion"
"""User attribute of an Optuna trial with its number in the search."""


def open_storage(url: str) -> Storage:
    """Open Optuna's storage.

    Raises:
        ValueError: the database cannot be opened.
    """
    keep_secret(url)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        return RDBStorage(url)
    except Exception as error:  # SQLAlchemy raises one of many kinds
        raise unreachable_database("--search-storage", url, error) from error


class OptunaMirror:
    """Keeps the trainings of a sweep in Optuna's storage; a `Listener`."""

    def __init__(self, plan: Plan, searches: Sequence[SearchSource], store: Store, storage: Storage) -> None:
        """Add what was recorded before and is not in the storage.

        Args:
            plan: whose planned rows are kept.
            searches: whose suggestions are kept.
            store: of the records.
            storage: from `open_storage`.
        """
        self._searches = [_MirroredSearch(source, storage) for source in searches]
        self._tables = {
            name: rows
            for name in (study.name for study in plan.studies)
            if (rows := _MirroredRows(name, plan, store, storage)).has_any
        }
        for training in plan.trainings.values():
            if training.study in self._tables and store.training(training.training_id).is_done():
                self._tables[training.study].add(training.training_id, training.config, training.label)
        self.add_ended_suggestions()

    def on_start(self, work: Work) -> None:
        """Nothing: a trial is added when it has ended."""

    def on_progress(self, work: Work, progress: Progress) -> None:
        """Nothing: a suggestion's values are added with it."""

    def on_end(self, work: Work, outcome: Outcome) -> None:
        """Add the trial; a training that was merely stopped goes on later."""
        if outcome.state != "stopped" and work.study in self._tables:
            self._tables[work.study].add(
                work.training_id, work.config, work.label, has_failed=outcome.state == "failed"
            )
        self.add_ended_suggestions()

    def add_ended_suggestions(self) -> None:
        """Add the suggestions that ended since; some are answered from the store without a training."""
        for search in self._searches:
            search.add_ended()


class _MirroredSearch:
    """The suggestions of one search."""

    def __init__(self, source: SearchSource, storage: Storage) -> None:
        metric = source.search.objective.metric
        name = f"{source.study_name}/{source.search.name}/{source.search_id[:8]}"
        self._source = source
        self._study = _create_study(name, metric, storage)
        self._added = {
            trial.user_attrs.get(SUGGESTION, trial.number)
            for trial in self._study.get_trials(deepcopy=False)
            if trial.state.is_finished()
        }

    def add_ended(self) -> None:
        for trial in self._source.trials:
            if trial.number not in self._added and is_final(trial):
                frozen = frozen_trial(self._source.search, trial)
                frozen.set_user_attr(SUGGESTION, trial.number)
                self._study.add_trial(frozen)
                self._added.add(trial.number)


class _MirroredRows:
    """The planned rows of one study's tables."""

    def __init__(self, name: str, plan: Plan, store: Store, storage: Storage) -> None:
        self._store = store
        cells = [cell for cell in plan.cells if cell.study == name]
        # What is only measured together with others has no value of its own.
        alone = [cell for cell in cells if not cell.partner_ids]
        self._views = {cell.training_id: cell.view_id for cell in reversed(alone)}
        self.has_any = bool(self._views)
        if not self.has_any:
            return
        self._metric = plan.tables[alone[0].study, alone[0].table].metrics[0]
        self._paths = _changed_paths(plan, name)
        configs = [plan.trainings[identity].config for identity in self._views]
        self._study = self._open(name, _choices(configs, self._paths), storage)
        self._added = {
            trial.user_attrs.get(TRAINING_ID)
            for trial in self._study.get_trials(deepcopy=False)
            if trial.state == TrialState.COMPLETE
        }

    def _open(self, name: str, choices: Mapping[str, Sequence[Any]], storage: Storage) -> optuna.Study:
        """Open the study; a field that has been given more choices since needs one of another name.

        Optuna takes the choices of a parameter once and for all.
        """
        study = _create_study(name, self._metric, storage)
        for trial in study.get_trials(deepcopy=False):
            for path, known in trial.distributions.items():
                if not isinstance(known, CategoricalDistribution) or path not in choices:
                    continue
                if tuple(known.choices) != tuple(choices[path]):
                    return _create_study(f"{name}/{digest_of(dict(choices))[:8]}", self._metric, storage)
        return study

    def add(self, training_id: str, config: TrainingConfig, label: str, *, has_failed: bool = False) -> None:
        """Add a training that ended, unless it is there or is measured only together with others."""
        if training_id in self._added or training_id not in self._views:
            return
        measurement = self._store.training(training_id).measurement(self._views[training_id])
        value = math.nan if measurement is None else measurement.metrics.get(self._metric.name, math.nan)
        if not math.isfinite(value) and not has_failed:
            return
        params = dict(_row_params(config, self._paths))
        self._study.add_trial(
            optuna.trial.create_trial(
                state=TrialState.FAIL if has_failed else TrialState.COMPLETE,
                value=None if has_failed else value,
                params={path: value for path, (value, _) in params.items()},
                distributions={path: kind for path, (_, kind) in params.items()},
                user_attrs={TRAINING_ID: training_id, "row": label},
            )
        )
        if not has_failed:
            self._added.add(training_id)


def _create_study(name: str, metric: Metric, storage: Storage) -> optuna.Study:
    direction = "maximize" if metric.higher_is_better else "minimize"
    return optuna.create_study(study_name=name, storage=storage, direction=direction, load_if_exists=True)


def _changed_paths(plan: Plan, study: str) -> tuple[str, ...]:
    changed = {
        path
        for (owner, _), table in plan.tables.items()
        if owner == study
        for row in table.trained_rows
        for path in (*row.changes, *(path for dataset in table.datasets for path in dataset.changes))
    }
    return (*sorted(changed), "seed")


def _choices(configs: Sequence[TrainingConfig], paths: Sequence[str]) -> dict[str, Sequence[Any]]:
    choices: dict[str, Sequence[Any]] = {}
    for config in configs:
        for path, (_, kind) in _row_params(config, paths):
            if isinstance(kind, CategoricalDistribution):
                choices[path] = kind.choices
    return choices


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
        names = _names_beside_models(annotation)
        if names:
            if value in names:  # a model in a name's place is none of any list of choices
                yield path, (value, CategoricalDistribution(names))
        elif isinstance(value, FrozenModel) or (value is None and _holds_model(annotation)):
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
    members = arms_of(annotation)
    return len(members) > 1 and any(
        isinstance(member, type) and issubclass(member, FrozenModel) for member in members
    )


def _names_beside_models(annotation: Any) -> tuple[str, ...]:
    """Give the names of a field that takes a name or a model, such as a data set's."""
    arms = arms_of(annotation) if _holds_model(annotation) else ()
    return tuple(name for arm in arms if typing.get_origin(arm) is Literal for name in typing.get_args(arm))
