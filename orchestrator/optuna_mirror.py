"""Optuna's durable storage: every training of a sweep as a trial, for Optuna's dashboard and importances.

A mirror of the store: it decides nothing, may be lost, and is filled again by the next run. Trials are added when
they have ended, by a thread that no training waits for. Two kinds of Optuna study are kept:

* one for each `Search`, named `study/search/` and the first digits of its identity: its suggestions;
* one for the tables of each `Study`, named as it is: the planned rows, with the values at the paths that any
  row changes as parameters, and the first metric of their first view as the value.

Any number of sweeps write to one storage: what a study lacks is looked up again, and added under a claim of the
store. Optuna deletes no trial, so that a study that has one twice is made anew.
"""

from __future__ import annotations

import math
import os
import time
import typing
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
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

from tablewright.orchestrator.addresses import (
    database_url,
    refuse_absent_driver,
    unreachable_database,
    why_unreachable,
)
from tablewright.orchestrator.claims import Claims
from tablewright.orchestrator.identity import digest_of
from tablewright.orchestrator.new_database import is_made_by_another, make_database, while_it_is_made
from tablewright.orchestrator.optuna_sampler import TRAINING_ID, directions_of, frozen_trial
from tablewright.orchestrator.plan import Plan
from tablewright.orchestrator.projection_thread import DATABASE_ENVIRONMENT, ProjectionThread
from tablewright.orchestrator.records import DamagedFile, Store
from tablewright.orchestrator.search import Search
from tablewright.orchestrator.search_state import is_final
from tablewright.orchestrator.trial import Outcome, Progress, Work
from tablewright.trainables.contract.method import TrainingConfig
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.value.field_type import arms_of
from tablewright.trainables.value.frozen_model import FrozenModel
from tablewright.trainables.value.secret import keep_secret

OPTION = "--search-storage"
CLAIM = "projection-optuna"
CLAIM_PATIENCE_S = 5.0
"""For so long the thread waits for another sweep that writes to the same storage, before it looks anew."""

SUGGESTION = "suggestion"
"""User attribute of an Optuna trial with its number in the search."""
STORE = "store"
"""User attribute of an Optuna study with the id of the store that it mirrors."""

MAX_UNNAMED_S, LOOK_AGAIN_S = 60.0, 0.2
"""How long whoever has made a study may take to say whose it is, and how often one who waits for that looks."""


def open_storage(url: str) -> RDBStorage:
    """Open Optuna's storage, and make its tables where there are none.

    Raises:
        ValueError: the database cannot be opened.
    """
    keep_secret(url)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for name, value in DATABASE_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        make_database(url, lambda aside: RDBStorage(aside).engine.dispose())
        return while_it_is_made(lambda: RDBStorage(database_url(url)))
    except Exception as error:  # SQLAlchemy raises one of many kinds
        raise unreachable_database(OPTION, url, error) from error


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


class OptunaMirror(ProjectionThread):
    """Keeps the trainings of a sweep in Optuna's storage; a `Listener` that never blocks the driver and never raises.

    Attributes:
        warnings: what could not be written, one sentence each; also told to `logging`.
        num_added: trials that were written.
    """

    def __init__(self, url: str, store: Store) -> None:
        """Open nothing yet.

        Args:
            url: of Optuna's database.
            store: of the records.

        Raises:
            ValueError: a package is absent without which the database cannot be reached.
        """
        super().__init__("Optuna's storage", url)
        refuse_absent_driver(OPTION, url)
        self.num_added = 0
        self._store, self._claims = store, Claims(store)
        self._plan: Plan | None = None
        self._searches: list[RecordedSearch] = []
        self._ended: set[str] = set()
        self._is_rebuilt, self._rebuilt = False, set[str]()
        self._is_stale = True
        self._mirrored: list[_MirroredStudy] = []

    # -- called by the driver

    def begin(
        self,
        plan: Plan,
        searches: Iterable[RecordedSearch],
        ended_ids: Iterable[str],
        *,
        is_rebuilt: bool = False,
    ) -> None:
        """Add what was recorded before and is not in the storage.

        Args:
            plan: whose planned rows are kept.
            searches: whose suggestions are kept.
            ended_ids: trainings of the plan that are recorded, or have failed.
            is_rebuilt: whether studies that are there are made anew, from the store alone.
        """
        self._searches, self._is_rebuilt = list(searches), is_rebuilt
        self.follow(plan, ended_ids)
        self._start_thread()

    def follow(self, plan: Plan, ended_ids: Iterable[str]) -> None:
        """Keep the rows of a plan that has grown."""
        with self._lock:
            self._plan, self._is_stale = plan, True
            self._ended.update(ended_ids)

    def on_start(self, work: Work) -> None:
        """Nothing: a trial is added when it has ended."""

    def on_progress(self, work: Work, progress: Progress) -> None:
        """Nothing: a suggestion's values are added with it."""

    def on_end(self, work: Work, outcome: Outcome) -> None:
        """Add the trial; a training that was merely stopped goes on later."""
        with self._lock:
            self._is_stale = True
            if outcome.state not in ("stopped", "paused"):
                self._ended.add(work.training_id)

    def end(self) -> None:
        """Write what waits, as long as anything is being written."""
        self._end_thread()

    # -- the thread

    def _connect(self) -> None:
        storage = open_storage(self._url)
        with self._lock:
            plan, self._is_stale = self._plan, True
        assert plan is not None, "begin gives the plan"
        owner = self._store.shared_id()
        self._mirrored = [_MirroredSearch(search, self._store, owner, storage) for search in self._searches]
        self._mirrored += self._mirrored_rows(plan, owner, storage)
        self._connected = plan, owner, storage

    def _mirrored_rows(self, plan: Plan, owner: str, storage: RDBStorage) -> list[_MirroredRows]:
        rows = (_MirroredRows(study.name, plan, self._store, owner, storage) for study in plan.studies)
        return [mirrored for mirrored in rows if mirrored.has_any]

    def _deliver(self) -> bool:
        with self._lock:
            if not self._is_stale:
                return False
            plan, ended, self._is_stale = self._plan, set(self._ended), False
        try:
            connected, owner, storage = self._connected
            if plan is not None and plan is not connected:
                searches = [it for it in self._mirrored if isinstance(it, _MirroredSearch)]
                self._mirrored = [*searches, *self._mirrored_rows(plan, owner, storage)]
                self._connected = plan, owner, storage
            is_whole = all([self._fill(mirrored, ended) for mirrored in self._mirrored])
        except BaseException:
            self._is_stale = True
            raise
        if not is_whole:
            self._is_stale = True
        return not is_whole

    def _fill(self, mirrored: _MirroredStudy, ended: set[str]) -> bool:
        """Add what a study lacks; false where another sweep is writing now."""
        is_to_rebuild = self._is_rebuilt and mirrored.name not in self._rebuilt
        if not is_to_rebuild and not mirrored.has_doubles() and not mirrored.lacking(ended):
            return True
        with self._claims.held(CLAIM, CLAIM_PATIENCE_S) as claim:
            if claim is None:
                return False
            mirrored.read()  # another sweep may have added since
            if is_to_rebuild or mirrored.has_doubles():
                mirrored.begin_anew()
            for key, trial in mirrored.lacking(ended).items():
                what = f"{mirrored.what(key)} of {mirrored.name}"
                self._attempt(what, what, lambda key=key, trial=trial: self._add(mirrored, key, trial))
        self._rebuilt.add(mirrored.name)
        return True

    def _add(self, mirrored: _MirroredStudy, key: Key, trial: FrozenTrial) -> None:
        mirrored.add(key, trial)
        self.num_added += 1

    def _close(self) -> None:
        self._connected[2].engine.dispose()

    def _is_reachable(self) -> bool:
        try:
            open_storage(self._url)
        except ValueError:
            return False
        return True

    def _why(self, error: Exception) -> str:
        return str(error) if isinstance(error, DamagedFile) else why_unreachable(self._url, error)


# -- the studies of Optuna ---------------------------------------------------------------------------

Key = tuple[str, str | int]
"""Tells a trial from the others of its study: its state or kind, and its training or number."""


class _MirroredStudy(ABC):
    """One study of Optuna that mirrors a part of the store."""

    def __init__(self, name: str, metric: Metric, store: Store, owner: str, storage: RDBStorage) -> None:
        self.name = name
        self._metric, self._store, self._owner, self._storage = metric, store, owner, storage
        is_higher = metric.higher_is_better
        self._directions = [StudyDirection.MAXIMIZE if is_higher else StudyDirection.MINIMIZE]
        self._study: optuna.Study | None = None
        self._known: Counter[Key] = Counter()

    @abstractmethod
    def _key(self, trial: FrozenTrial) -> Key | None:
        """Tell a trial that is there; None for one that is none of ours."""

    @abstractmethod
    def _wanted(self, ended: set[str], known: set[Key]) -> Iterator[tuple[Key, FrozenTrial]]:
        """Give the trials that the store has and are not known."""

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
        trials = [] if self._study is None else self._study.get_trials(deepcopy=False)
        self._known = Counter(key for trial in trials if (key := self._key(trial)) is not None)

    def _load(self, name: str) -> optuna.Study:
        return optuna.load_study(study_name=name, storage=self._storage)

    def has_doubles(self) -> bool:
        """Say whether a trial is there twice, as two sweeps of earlier versions wrote it."""
        return any(number > 1 for number in self._known.values())

    def lacking(self, ended: set[str]) -> dict[Key, FrozenTrial]:
        """Give what is to be added."""
        return dict(self._wanted(ended, set(self._known)))

    def begin_anew(self) -> None:
        """Delete what is there."""
        if self._study is not None:
            optuna.delete_study(study_name=self.name, storage=self._storage)
        self._study, self._known = None, Counter()

    def add(self, key: Key, trial: FrozenTrial) -> None:
        """Add a trial."""
        study = self._study = self._study or self._made()
        if STORE not in study.user_attrs:
            study.set_user_attr(STORE, self._owner)
        study.add_trial(trial)
        self._known[key] += 1

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


class _MirroredSearch(_MirroredStudy):
    """The suggestions of one search."""

    def __init__(self, source: RecordedSearch, store: Store, owner: str, storage: RDBStorage) -> None:
        metric = source.search.objective.metric
        name = f"{source.study}/{source.search.name}/{source.search_id[:8]}"
        super().__init__(name, metric, store, owner, storage)
        self._directions = directions_of(source.search)
        self._source = source
        self.read()

    def what(self, key: Key) -> str:
        return f"suggestion {key[1]}"

    def _key(self, trial: FrozenTrial) -> Key | None:
        if not trial.state.is_finished():
            return None
        return "suggestion", trial.user_attrs.get(SUGGESTION, trial.number)

    def _wanted(self, ended: set[str], known: set[Key]) -> Iterator[tuple[Key, FrozenTrial]]:
        for number in self._store.search_trial_numbers(self._source.search_id):
            key: Key = ("suggestion", number)
            if key in known:
                continue
            try:
                trial = self._store.search_trial(self._source.search_id, number)
                if trial is None or not is_final(trial):
                    continue
                frozen = frozen_trial(self._source.search, trial)
            except (ValueError, KeyError):  # the sweep names what cannot be used of a search
                continue
            frozen.set_user_attr(SUGGESTION, number)
            yield key, frozen


class _MirroredRows(_MirroredStudy):
    """The planned rows of one study's tables."""

    def __init__(self, name: str, plan: Plan, store: Store, owner: str, storage: RDBStorage) -> None:
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
        return f"training {str(key[1])[:8]}"

    def _key(self, trial: FrozenTrial) -> Key | None:
        identity = trial.user_attrs.get(TRAINING_ID)
        return None if identity is None else (trial.state.name, identity)

    def _wanted(self, ended: set[str], known: set[Key]) -> Iterator[tuple[Key, FrozenTrial]]:
        for identity in self._plan.trainings:
            if (
                identity not in ended
                or identity not in self._views
                or (TrialState.COMPLETE.name, identity) in known
            ):
                continue
            try:
                value, has_failed = self._outcome(identity)
            except DamagedFile:  # the tables name it
                continue
            state = TrialState.FAIL if has_failed else TrialState.COMPLETE
            key: Key = (state.name, identity)
            if key not in known and (has_failed or math.isfinite(value)):
                yield key, self._trial(identity, state, value)

    def _outcome(self, identity: str) -> tuple[float, bool]:
        """Give the value of an ended training, NaN where it has none, and whether it has failed."""
        folder = self._store.training(identity)
        measurement = folder.measurement(self._views[identity])
        if measurement is not None:
            return measurement.metrics.get(self._metric.name, math.nan), False
        return math.nan, folder.failure_message() is not None

    def _trial(self, identity: str, state: TrialState, value: float) -> FrozenTrial:
        training = self._plan.trainings[identity]
        params = dict(_row_params(training.config, self._paths))
        return optuna.trial.create_trial(
            state=state,
            value=value if state == TrialState.COMPLETE else None,
            params={path: value for path, (value, _) in params.items()},
            distributions={path: kind for path, (_, kind) in params.items()},
            user_attrs={TRAINING_ID: identity, "row": training.label},
        )


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
        path for it in plan.studies if it.name == study for search in it.searches for path in search.space
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
