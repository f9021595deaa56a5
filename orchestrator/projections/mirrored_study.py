"""The studies of Optuna that show a store: what each of their trials is to look like, and how it comes to.

A trial that goes on is a row that says so, and becomes what it has ended as in its place, whoever wrote it: each
process reads the rows anew under the claim, and knows them by an attribute that they are made with. Optuna changes
no trial that has ended, and deletes none, so that a study with one that is wrong, or there twice, is made anew.
"""

from __future__ import annotations

import datetime
import math
import time
import typing
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from pydantic import BaseModel

from tablewright.orchestrator.declared.search import Search
from tablewright.orchestrator.identity import digest_of
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.projections.new_database import is_made_by_another
from tablewright.orchestrator.projections.optuna_rows import add_trials, count_trials
from tablewright.orchestrator.searches.optuna_sampler import TRAINING_ID, directions_of, frozen_trial
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.search_records import SearchTrialRecord
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_folder import TrainingFolder
from tablewright.trainables.contract.method import TrainingConfig
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.value.field_type import arms_of
from tablewright.trainables.value.frozen_model import FrozenModel

SUGGESTION = "suggestion"
"""User attribute of an Optuna trial with its number in the search."""
STATE = "state"
"""User attribute of an Optuna trial with the state that its record has, which has more of them."""
ANSWERED = "answered"
"""User attribute of an Optuna trial that was told without a training of its own."""
CONSTRAINTS = "constraints"
"""User attribute of an Optuna trial that no training can answer."""
STORE = "store"
"""User attribute of an Optuna study with the id of the store that it mirrors."""

MAX_UNNAMED_S, LOOK_AGAIN_S = 20.0, 0.2
"""How long whoever has made a study may take to say whose it is, and how often one who waits for that looks."""

SAME_TIME_S = 1.0
"""Times that differ by less are the same: not every database keeps parts of a second."""

Key = tuple[str, str | int]
"""Tells a trial from the others of its study: its kind, and its training or number."""


@dataclass(frozen=True)
class Times:
    """When a trial began and ended, as far as that is known."""

    began_at: datetime.datetime | None = None
    ended_at: datetime.datetime | None = None

    def put_into(self, trial: FrozenTrial) -> None:
        """Give a trial its times; one of which they are not known has taken none."""
        ended_at = self.ended_at or self.began_at or datetime.datetime.now(datetime.UTC)
        trial.datetime_complete = _in_optunas_clock(ended_at) if trial.state.is_finished() else None
        began_at = self.began_at or (ended_at if trial.state.is_finished() else None)
        trial.datetime_start = _in_optunas_clock(began_at or datetime.datetime.now(datetime.UTC))

    def are_those_of(self, row: FrozenTrial) -> bool:
        """Say whether an ended trial has them."""
        pairs = (self.began_at, row.datetime_start), (self.ended_at, row.datetime_complete)
        return all(known is None or _is_same_time(known, shown) for known, shown in pairs)


def _in_optunas_clock(moment: datetime.datetime) -> datetime.datetime:
    return moment.astimezone().replace(tzinfo=None)


def _is_same_time(known: datetime.datetime, shown: datetime.datetime | None) -> bool:
    return shown is not None and abs((_in_optunas_clock(known) - shown).total_seconds()) <= SAME_TIME_S


@dataclass(frozen=True)
class Wanted:
    """A trial as the store has it.

    Attributes:
        key: that tells it from the others.
        trial: as Optuna is to show it.
        times: of it, as far as they are known.
        is_settled: whether it never changes again, as far as anybody knows.
    """

    key: Key
    trial: FrozenTrial
    times: Times
    is_settled: bool

    def is_shown_by(self, row: FrozenTrial) -> bool:
        """Say whether a trial of Optuna's is as it is to be."""
        are_times_right = not row.state.is_finished() or self.times.are_those_of(row)
        return are_times_right and self.can_become(row) and not self._changes(row)

    def can_become(self, row: FrozenTrial) -> bool:
        """Say whether a trial of Optuna's can still be made what it is to be: one that has ended only in its times."""
        return not row.state.is_finished() or not self._changes(row)

    def _changes(self, row: FrozenTrial) -> bool:
        return (
            row.state != self.trial.state
            or (self.trial.state.is_finished() and not _is_equal(row.values, self.trial.values))
            or any(self.new_steps(row))
            or any(self.new_attributes(row))
        )

    def new_steps(self, row: FrozenTrial) -> Iterator[tuple[int, float]]:
        """Give the values by epoch that a row has not."""
        for step, value in self.trial.intermediate_values.items():
            if step not in row.intermediate_values or not _is_equal([row.intermediate_values[step]], [value]):
                yield step, value

    def new_attributes(self, row: FrozenTrial) -> Iterator[tuple[str, Any]]:
        """Give the attributes that a row has not."""
        for name, value in self.trial.user_attrs.items():
            if row.user_attrs.get(name) != value:
                yield name, value


def _is_equal(shown: Sequence[float] | None, wanted: Sequence[float] | None) -> bool:
    """Compare numbers, of which one that is none is equal to itself."""
    if shown is None or wanted is None or len(shown) != len(wanted):
        return not shown and not wanted
    return all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(shown, wanted, strict=True))


class MirroredStudy(ABC):
    """One study of Optuna that mirrors a part of the store."""

    def __init__(self, name: str, metric: Metric, store: Store, owner: str, storage: RDBStorage) -> None:
        """Read nothing yet.

        Args:
            name: of the study.
            metric: that is its value.
            store: that it mirrors.
            owner: the id of that store.
            storage: of Optuna.
        """
        self.name = name
        self._metric, self._store, self._owner, self._storage = metric, store, owner, storage
        is_higher = metric.higher_is_better
        self._directions = [StudyDirection.MAXIMIZE if is_higher else StudyDirection.MINIMIZE]
        self._study: optuna.Study | None = None
        self._study_id, self._is_open = 0, False
        self._present: set[Key] = set()
        self._rows: dict[Key, FrozenTrial] = {}  # of those that are present, the ones that may change
        self._num_trials, self._has_doubles = 0, False
        self._settled: set[Key] = set()

    @abstractmethod
    def _key(self, trial: FrozenTrial) -> Key | None:
        """Tell a trial that is there; None for one that is none of ours."""

    @abstractmethod
    def _wanted(self, ended: set[str]) -> Iterator[Wanted]:
        """Give the trials that the store has, but for those that are settled."""

    @abstractmethod
    def what(self, key: Key) -> str:
        """Say for people what a trial is."""

    def read(self) -> None:
        """Read what is there; makes nothing."""
        known = set(optuna.get_all_study_names(self._storage))
        if self.name in known:
            owner = self._load(self.name).user_attrs.get(STORE, self._owner)
            if owner != self._owner:  # a lab's storage holds the studies of several stores
                self.name = f"{self.name}@{self._owner[:8]}"
        self._study = self._load(self.name) if self.name in known else None
        if self._study is not None and STORE not in self._study.user_attrs and not self._study.get_trials():
            self._study = None  # somebody is about to say whose it is; one of an earlier version has trials
        self._present, self._rows = set(), {}
        self._num_trials, self._has_doubles, self._is_open = 0, False, False
        if self._study is None:
            return
        self._study_id = self._storage.get_study_id_from_name(self.name)
        for trial in self._storage.get_all_trials(self._study_id, deepcopy=False):
            self._num_trials += 1
            if (key := self._key(trial)) is not None:
                self._has_doubles |= key in self._present
                self._keep(key, trial)

    def read_again(self) -> bool:
        """Read what others may have written since; false where nobody has."""
        self.read()
        return True

    def _keep(self, key: Key, trial: FrozenTrial) -> None:
        """Know that a trial is there; of one that never changes again no more than that, as there may be very many."""
        self._present.add(key)
        if key in self._settled:
            self._rows.pop(key, None)
        else:
            self._rows[key] = trial

    def _load(self, name: str) -> optuna.Study:
        return optuna.load_study(study_name=name, storage=self._storage)

    def _is_settled(self, key: Key) -> bool:
        return key in self._settled and key in self._present

    def lacking(self, ended: set[str]) -> list[Wanted]:
        """Give what is to be written."""
        lacking: list[Wanted] = []
        for wanted in self._wanted(ended):
            row = self._rows.get(wanted.key)
            if row is None or not wanted.is_shown_by(row):
                lacking.append(wanted)
            elif wanted.is_settled:
                self._settled.add(wanted.key)
                self._keep(wanted.key, row)
        return lacking

    def must_begin_anew(self, lacking: Sequence[Wanted] = ()) -> bool:
        """Say whether a trial is there twice, or has ended as something that it was not."""
        rows = ((wanted, self._rows.get(wanted.key)) for wanted in lacking)
        return self._has_doubles or any(row is not None and not it.can_become(row) for it, row in rows)

    def begin_anew(self) -> None:
        """Delete what is there."""
        if self._study is not None:
            optuna.delete_study(study_name=self.name, storage=self._storage)
        self._study, self._is_open = None, False
        self._present, self._rows, self._settled = set(), {}, set()
        self._num_trials, self._has_doubles = 0, False

    def has(self, wanted: Wanted) -> bool:
        """Say whether a trial is there, which may be brought up to date."""
        return wanted.key in self._rows

    def add(self, some: Sequence[Wanted]) -> None:
        """Add trials that are not there, all or none, to a storage that takes many."""
        self._open()
        add_trials(self._storage, self._study_id, [wanted.trial for wanted in some])
        self._num_trials += len(some)
        for wanted in some:
            self._note(wanted)

    def write(self, wanted: Wanted) -> bool:
        """Add a trial, or bring the one that is there up to date; true where it was added."""
        row = self._rows.get(wanted.key)
        if row is None:
            self._open()
            self._storage.create_new_trial(self._study_id, template_trial=wanted.trial)
            self._num_trials += 1
        else:
            self._bring_up(row, wanted)
        self._note(wanted)
        return row is None

    def _note(self, wanted: Wanted) -> None:
        if wanted.is_settled:
            self._settled.add(wanted.key)
        self._keep(wanted.key, wanted.trial)

    def _open(self) -> None:
        """Make the study where there is none, and say whose it is."""
        if self._is_open:
            return
        study = self._study = self._study or self._made()
        self._study_id = self._storage.get_study_id_from_name(self.name)
        if STORE not in study.user_attrs:
            study.set_user_attr(STORE, self._owner)
        self._is_open = True

    def _bring_up(self, row: FrozenTrial, wanted: Wanted) -> None:
        """Change a trial that goes on; what has ended comes last, since nothing of it can be changed but its times."""
        storage, trial = self._storage, wanted.trial
        trial.number = row.number
        trial_id = storage.get_trial_id_from_study_id_trial_number(self._study_id, row.number)
        if not row.state.is_finished():
            for step, value in wanted.new_steps(row):
                storage.set_trial_intermediate_value(trial_id, step, value)
            for name, value in wanted.new_attributes(row):
                storage.set_trial_user_attr(trial_id, name, value)
            if row.state != trial.state:
                storage.set_trial_state_values(trial_id, trial.state, trial.values)
        if trial.state.is_finished():
            self._set_times(trial_id, trial)

    def _set_times(self, trial_id: int, trial: FrozenTrial) -> None:
        """Say when a trial began and ended: Optuna takes the moment at which it is told, which may be days later."""
        began_at, ended_at = (
            moment.astimezone(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
            for moment in (trial.datetime_start, trial.datetime_complete)
            if moment is not None
        )
        with self._storage.engine.begin() as connection:
            connection.exec_driver_sql(
                f"UPDATE trials SET datetime_start = '{began_at}', datetime_complete = '{ended_at}' "
                f"WHERE trial_id = {trial_id}"
            )

    def _made(self) -> optuna.Study:
        """Make the study; where another store has made one of that name at this moment, one of another name."""
        try:
            return self._create()
        except Exception as error:  # Optuna's own, or its database's
            if not is_made_by_another(error):
                raise
            plain_name, until_s = self.name, time.monotonic() + MAX_UNNAMED_S
            while time.monotonic() < until_s:
                self.read()
                if self._study is not None:
                    return self._study
                if self.name != plain_name:
                    return self._create()
                time.sleep(LOOK_AGAIN_S)
            return self._load(self.name)  # whoever made it has died before it said whose it is

    def _create(self) -> optuna.Study:
        return optuna.create_study(
            study_name=self.name,
            storage=self._storage,
            directions=self._directions,
        )


@dataclass(frozen=True)
class RecordedSearch:
    """A search as the store has it.

    Attributes:
        study: that declares it.
        search: the declaration.
        search_id: under which its suggestions lie in the store.
    """

    study: str
    search: Search
    search_id: str


SHOWN_STATES: Mapping[str, TrialState] = {
    "running": TrialState.RUNNING,
    "paused": TrialState.WAITING,
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "refused": TrialState.FAIL,
    "fail": TrialState.FAIL,
}


class MirroredSearch(MirroredStudy):
    """The suggestions of one search."""

    def __init__(self, source: RecordedSearch, store: Store, owner: str, storage: RDBStorage) -> None:
        """Read what is there; the arguments are those of `MirroredStudy`, but for the search."""
        metric = source.search.objective.metric
        name = f"{source.study}/{source.search.name}/{source.search_id[:8]}"
        super().__init__(name, metric, store, owner, storage)
        self._directions = directions_of(source.search)
        self._source = source
        self.read()

    def what(self, key: Key) -> str:
        """Say for people what a trial is."""
        return f"suggestion {key[1]}"

    def _key(self, trial: FrozenTrial) -> Key | None:
        return "suggestion", trial.user_attrs.get(SUGGESTION, trial.number)

    def _wanted(self, ended: set[str]) -> Iterator[Wanted]:
        for number in self._store.search_trial_numbers(self._source.search_id):
            key: Key = ("suggestion", number)
            if self._is_settled(key):
                continue
            try:
                record = self._store.search_trial(self._source.search_id, number)
                if record is not None:
                    yield self._shown(key, record)
            except (ValueError, KeyError):  # the sweep names what cannot be used of a search
                continue

    def _shown(self, key: Key, record: SearchTrialRecord) -> Wanted:
        """Give a suggestion as Optuna's dashboard is to show it.

        What waits, to be promoted or to be tried again by the next run, is a waiting trial. One that was given up
        has the value that it had come to, as where Optuna itself has pruned it.
        """
        trial, is_over = frozen_trial(self._source.search, record), record.is_final
        trial.state = (
            SHOWN_STATES[record.state] if is_over or record.state == "running" else TrialState.WAITING
        )
        if trial.state == TrialState.FAIL:
            trial.values = None
        if trial.state == TrialState.PRUNED and record.intermediate_values:
            last = record.intermediate_values[max(record.intermediate_values)]
            trial.value = last if math.isfinite(last) else None
        trial.user_attrs |= {
            SUGGESTION: record.number,
            STATE: "refused" if record.is_refused else record.state,
        }
        if record.is_refused:
            trial.user_attrs[CONSTRAINTS] = "not met: no training can answer it"
        if record.is_answered:
            trial.user_attrs[ANSWERED] = True
        times = self._times(record) if is_over else Times(record.suggested_at)
        times.put_into(trial)
        return Wanted(key, trial, times, is_over)

    def _times(self, record: SearchTrialRecord) -> Times:
        """Say when a suggestion began and ended: its training where that has a record, else it itself."""
        try:
            training = self._store.training(record.training_id).record() if record.training_id else None
        except DamagedFile:
            training = None
        began_at, ended_at = record.suggested_at, record.ended_at
        if training is not None and not record.is_answered:
            began_at = max(filter(None, (began_at, training.started_at)))
            ended_at = max(began_at, ended_at or training.ended_at)
        return Times(began_at, ended_at)


class MirroredRows(MirroredStudy):
    """The planned rows of one study's tables."""

    def __init__(self, name: str, plan: Plan, store: Store, owner: str, storage: RDBStorage) -> None:
        """Read what is there; the arguments are those of `MirroredStudy`, but for the plan with the rows."""
        cells = [cell for cell in plan.cells if cell.study == name]
        # What is only measured together with others has no value of its own.
        alone = [cell for cell in cells if not cell.partner_ids]
        self._views = {cell.training_id: cell.view_id for cell in reversed(alone)}
        self.has_any = bool(self._views)
        if not self.has_any:
            return
        super().__init__(name, plan.tables[alone[0].study, alone[0].table].metrics[0], store, owner, storage)
        self._paths = _changed_paths(plan, name)
        self._plan = plan
        self.read()
        self._leave_to_other_choices()

    def read_again(self) -> bool:
        """Read what others have added; a row is written once, when its training has ended."""
        if self._study is not None and count_trials(self._storage, self._study_id) == self._num_trials:
            return False
        return super().read_again()

    def _leave_to_other_choices(self) -> None:
        """Take a study of another name where a field has been given more choices since.

        Optuna takes the choices of a parameter once and for all.
        """
        configs = [self._plan.trainings[identity].config for identity in self._views]
        choices = _choices(configs, self._paths)
        for trial in [] if self._study is None else self._study.get_trials(deepcopy=False):
            for path, known in trial.distributions.items():
                if not isinstance(known, CategoricalDistribution) or path not in choices:
                    continue
                if tuple(known.choices) != tuple(choices[path]):
                    self.name = f"{self.name}/{digest_of(dict(choices))[:8]}"
                    self.read()
                    return

    def what(self, key: Key) -> str:
        """Say for people what a trial is."""
        return f"training {str(key[1])[:8]}"

    def _key(self, trial: FrozenTrial) -> Key | None:
        identity = trial.user_attrs.get(TRAINING_ID)
        return None if identity is None else ("training", identity)

    def _wanted(self, ended: set[str]) -> Iterator[Wanted]:
        for identity in self._plan.trainings:
            key: Key = ("training", identity)
            if identity not in ended or identity not in self._views or self._is_settled(key):
                continue
            try:
                wanted = self._shown(key, identity)
            except DamagedFile:  # the tables name it
                continue
            if wanted is not None:
                yield wanted

    def _shown(self, key: Key, identity: str) -> Wanted | None:
        """Give an ended training as it is to be shown; None where it has neither a value nor a failure."""
        folder = self._store.training(identity)
        measurement = folder.measurement(self._views[identity])
        if measurement is None:
            if folder.failure_message() is None:
                return None
            return self._as(key, identity, TrialState.FAIL, None, _times_of_failure(folder))
        value, record = measurement.metrics.get(self._metric.name, math.nan), folder.record()
        if not math.isfinite(value):
            return None
        times = Times() if record is None else Times(record.started_at, record.ended_at)
        return self._as(key, identity, TrialState.COMPLETE, value, times)

    def _as(self, key: Key, identity: str, state: TrialState, value: float | None, times: Times) -> Wanted:
        training = self._plan.trainings[identity]
        params = dict(_row_params(training.config, self._paths))
        trial = optuna.trial.create_trial(
            state=state,
            value=value,
            params={path: value for path, (value, _) in params.items()},
            distributions={path: kind for path, (_, kind) in params.items()},
            user_attrs={TRAINING_ID: identity, "row": training.label},
        )
        times.put_into(trial)
        return Wanted(key, trial, times, is_settled=state == TrialState.COMPLETE)


def _times_of_failure(folder: TrainingFolder) -> Times:
    try:
        failure = folder.failure()
    except DamagedFile:
        failure = None
    return Times(ended_at=None if failure is None else failure.failed_at)


def _changed_paths(plan: Plan, study: str) -> tuple[str, ...]:
    changed = {
        path
        for (owner, _), table in plan.tables.items()
        if owner == study
        for row in table.trained_rows
        for path in (*row.changes, *(path for dataset in table.datasets for path in dataset.changes))
    }
    # A best row is planned when its search has ended; the rows before it have the same parameters.
    changed.update(
        path for it in plan.studies if it.name == study for search in it.all_searches for path in search.space
    )
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
