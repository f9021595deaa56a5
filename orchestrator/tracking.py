"""MLflow: a projection of the store that people browse. The only file that imports mlflow.

One sweep is one parent run, one training one run below it, found again by their tags whenever the sweep
is run again. MLflow decides nothing: while its server is away trainings go on, and what it has missed, or
lost altogether, is written again from the store.

    experiment `tablewright`
      <sweep>                         tag tablewright.sweep; artifacts `tables/…`
        <training's label>            tag tablewright.training_id; parameters: the config by dotted path;
                                      data set; git commit; metrics by epoch, `system/…` among them;
                                      measurements such as `test.map`, `test.attended.flip.rank1`,
                                      `test.ensemble-3-1a2b3c.map`, `test.num_measured`;
                                      artifacts `pictures/…`

All calls of MLflow are made by one thread, which the driver never waits for before the end of the sweep. Any
number of sweeps of one store write to it: what is to be made is looked up again first, under a claim of the store,
and each training's run is written by the one driver that its tag names, as long as that lives.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import logging
import os
import platform
import re
import tempfile
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
import psutil

from tablewright.orchestrator.addresses import (
    DATABASE_SCHEMES,
    causes_of,
    database_url,
    refuse_absent_driver,
    scheme_of,
    sqlite_path,
    why_unreachable,
)
from tablewright.orchestrator.claims import Claims, training_claim
from tablewright.orchestrator.foreign_runs import ForeignRun
from tablewright.orchestrator.identity import digest_of
from tablewright.orchestrator.new_database import make_database, while_it_is_made
from tablewright.orchestrator.projection_thread import (
    DATABASE_ENVIRONMENT,
    FLUSH_EVERY_S,
    ProjectionThread,
)
from tablewright.orchestrator.provenance import git_commit
from tablewright.orchestrator.records import (
    DamagedFile,
    DataRecord,
    Measurement,
    Store,
    TrainingFolder,
    TrainingRecord,
)
from tablewright.orchestrator.trial import Outcome, Progress, Work
from tablewright.orchestrator.user import user_name
from tablewright.trainables.contract.data import DatasetFacts
from tablewright.trainables.contract.run import EpochReport
from tablewright.trainables.contract.view import EvaluationView
from tablewright.trainables.value.refusal import guess
from tablewright.trainables.value.secret import keep_secret, masked, masked_in, without_credentials

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

EXPERIMENT = "tablewright"

SWEEP = "tablewright.sweep"
TRAINING_ID = "tablewright.training_id"
STORE = "tablewright.store"
"""The store's own id; runs of earlier versions have its path there."""
STORE_URL = "tablewright.store_url"
DRIVER = "tablewright.driver"
"""Who writes a run; of a sweep's own run all who do, one a line."""
TABLES = "tablewright.tables"
"""Digest of the tables that are attached."""
STATE = "tablewright.state"
FAILURE = "tablewright.failure"
PICTURE_WARNING = "tablewright.picture_warning"
WARNINGS = "tablewright.warnings"
DAMAGED = "tablewright.damaged"
RECORDED_AT = "tablewright.recorded_at"
NUM_VIEWS = "tablewright.num_views"
PARENT = "mlflow.parentRunId"

EPOCH_MARK = "epoch_wall_s"
"""The metric that is there exactly where an epoch is logged."""

OPTION = "--tracking-uri"
CLAIM = "projection-mlflow"
CLAIM_PATIENCE_S = 60.0
"""For so long the thread waits while another sweep of the store makes runs, before it takes MLflow for failing."""
MAX_WAITING_EPOCHS = 10_000
"""Kept in memory while the server is away; the store has the others."""

PAGE_LENGTH = 1000
MAX_METRICS_PER_BATCH = 1000
MAX_PARAMS_PER_BATCH = 100
MAX_PARAM_LENGTH = 6000
MAX_TAG_LENGTH = 5000
MAX_DIGEST_LENGTH = 36

ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds; stock is 120, and the last ones are waited for
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # the thread tries again itself, quietly
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # a line for each run
    **DATABASE_ENVIRONMENT,
}
"""Set for this process where the user has not."""

FINISHED, FAILED, KILLED, RUNNING = "FINISHED", "FAILED", "KILLED", "RUNNING"
STATUS_OF = {
    "done": FINISHED,
    "failed": FAILED,
    "stopped": KILLED,
    "pruned": KILLED,
    "paused": KILLED,
    "cancelled": KILLED,
}

logger = logging.getLogger(__name__)


# -- how things are named in MLflow ----------------------------------------------------------------


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Give a config as MLflow's parameters: dotted path -> text."""
    flat: dict[str, str] = {}
    for name, value in config.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{path}.")  # pyright: ignore[reportUnknownArgumentType]
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            flat[_allowed(path)] = masked(text)[:MAX_PARAM_LENGTH]
    return flat


def view_prefix(view: EvaluationView) -> str:
    """Name a view as the front of its metrics; see `EvaluationView.short_name`."""
    return _allowed(view.short_name)


def ensemble_suffix(partner_ids: Sequence[str]) -> str:
    """Name an ensemble by its size and its partners, such as `.ensemble-3-1a2b3c`; empty for one training.

    Several ensembles may have the same first training, in whose run they stand.
    """
    return f".ensemble-{len(partner_ids) + 1}-{digest_of(partner_ids)[:6]}" if partner_ids else ""


def data_suffix(measurement: Measurement, record: TrainingRecord) -> str:
    """Name the data set that was measured on where it is not the training's, such as `.on-Market-1501_500k`."""
    is_other = measurement.data_label not in ("", record.data.label)
    measured_on = measurement.measured_on.items()
    if measured_on and measured_on <= record.data.split_fingerprints.items():
        is_other = False  # the training's images, by another label
    return f".on-{measurement.data_label}" if is_other else ""


def _allowed(name: str) -> str:
    """Replace what MLflow refuses in a name."""
    return re.sub(r"[^/\w.\- :]", "_", name)[:250]


def _is_same_place(place: str, url: str) -> bool:
    """Say whether two addresses are of one store: a folder may be told relative to another, and through links."""
    place, url = (text.removeprefix("file://").rstrip("/") for text in (place, url))
    is_local = "://" not in place and "://" not in url and place.startswith("/")
    return bool(place) and (place == url or (is_local and Path(place).resolve() == Path(url).resolve()))


def _content_of(url: str) -> bytes:
    filesystem, path = fsspec.core.url_to_fs(url)
    return filesystem.cat_file(path)


def _this_process() -> str:
    process = psutil.Process()
    return f"{platform.node()} {process.pid} {process.create_time():.0f}"


def _is_dead(driver: str) -> bool:
    """Say whether a driver, as `_this_process` named it, ran on this machine and runs no more."""
    host, _, rest = driver.partition(" ")
    pid, _, created = rest.partition(" ")
    if host != platform.node() or not pid.isdigit():
        return False
    try:
        return f"{psutil.Process(int(pid)).create_time():.0f}" != created
    except psutil.NoSuchProcess:
        return True


# -- what waits to be written ----------------------------------------------------------------------


@dataclass
class _Subject:
    """What a run says of its training, live or from its record."""

    training_id: str
    label: str
    study: str
    method: str
    config: Mapping[str, Any]
    data: DatasetFacts | DataRecord
    commit: str
    started_at_ms: int

    @staticmethod
    def of_work(work: Work, started_at_ms: int) -> _Subject:
        return _Subject(
            work.training_id,
            work.label,
            work.study,
            work.config.METHOD,
            work.config.model_dump(mode="json"),
            work.data,
            git_commit(),
            started_at_ms,
        )

    @staticmethod
    def of_record(record: TrainingRecord) -> _Subject:
        started_at_ms = _ms(record.started_at)
        return _Subject(
            record.training_id,
            record.label,
            record.study,
            record.method,
            record.config,
            record.data,
            record.git_commit,
            started_at_ms,
        )

    def tags(self) -> dict[str, str]:
        return {
            TRAINING_ID: self.training_id,
            "tablewright.study": self.study,
            "tablewright.method": self.method,
            **_source_tags(self.commit),
        }


def _source_tags(commit: str) -> dict[str, str]:
    source = {"mlflow.source.name": "sweep.py", "mlflow.source.type": "LOCAL", "mlflow.user": user_name()}
    return source | ({"mlflow.source.git.commit": commit} if commit else {})


@dataclass
class _Waiting:
    """What the driver has told of a training and MLflow has not heard yet."""

    work: Work
    at_ms: int
    epochs: dict[int, tuple[int, Progress]] = field(default_factory=dict[int, tuple[int, Progress]])
    outcome: Outcome | None = None
    ended_at_ms: int = 0

    def followed_by(self, later: _Waiting) -> _Waiting:
        """Join it with what was told since."""
        epochs = {**later.epochs, **self.epochs}  # a repeated epoch keeps the time of the first report
        return replace(later, at_ms=self.at_ms, epochs=epochs)


def _now_ms() -> int:
    return int(time.time() * 1000)


class Tracker(ProjectionThread):
    """Follows a sweep for MLflow; a `Listener` that never blocks the driver and never raises.

    Attributes:
        warnings: what could not be logged, one sentence each; also told to `logging`.
    """

    def __init__(self, tracking_uri: str, store: Store, *, experiment: str = EXPERIMENT) -> None:
        """Open nothing yet.

        Args:
            tracking_uri: of MLflow's server or database.
            store: the records that MLflow is to show.
            experiment: the experiment in MLflow that holds all runs.

        Raises:
            ValueError: a package is absent without which the database cannot be reached.
        """
        keep_secret(tracking_uri)
        super().__init__("MLflow", tracking_uri)
        refuse_absent_driver(OPTION, tracking_uri)
        self._store, self._experiment = store, experiment
        self._waiting: dict[str, _Waiting] = {}
        self._num_waiting_epochs = 0
        self._active: set[str] = set()
        self._recorded: dict[str, None] = {}
        self._unchecked: deque[str] = deque()
        self._sweep_name = ""
        self._parameters: dict[str, str] = {}
        self._begun_at_ms = 0
        self._was_stopped = False
        self._is_complete: bool | None = False
        self._table_files: Mapping[str, str] = {}
        self._projection: _Projection | None = None
        self._changed_ids: set[str] = set()

    # -- called by the driver

    def begin(self, sweep_name: str, parameters: Mapping[str, object]) -> None:
        """Open or continue the run of a sweep, and put right what a killed driver has left behind.

        Args:
            sweep_name: the sweep's run is found again by it.
            parameters: what to say of the sweep; they may be others the next time.
        """
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        self._sweep_name, self._begun_at_ms = sweep_name, _now_ms()
        self._parameters = {f"tablewright.{name}": str(value) for name, value in parameters.items()}
        self._start_thread()

    def reconcile(self, training_ids: Iterable[str]) -> None:
        """Log from the store what MLflow lacks of recorded trainings."""
        with self._lock:
            new = [identity for identity in training_ids if identity not in self._recorded]
            self._recorded.update(dict.fromkeys(new))
            self._unchecked.extend(new)

    def on_start(self, work: Work) -> None:
        """An attempt begins."""
        with self._lock:
            self._active.add(work.training_id)
            self._add(_Waiting(work, _now_ms()))

    def on_progress(self, work: Work, progress: Progress) -> None:
        """An epoch ended."""
        with self._lock:
            if self._num_waiting_epochs < MAX_WAITING_EPOCHS:
                self._num_waiting_epochs += 1
                self._add(_Waiting(work, _now_ms(), {progress.report.epoch: (_now_ms(), progress)}))

    def on_end(self, work: Work, outcome: Outcome) -> None:
        """No further attempt is made in this sweep."""
        with self._lock:
            self._active.discard(work.training_id)
            self._was_stopped |= outcome.state == "stopped"
            if outcome.state == "done":
                self._recorded[work.training_id] = None
            self._add(_Waiting(work, _now_ms(), outcome=outcome, ended_at_ms=_now_ms()))

    def log_tables(self, files: Mapping[str, str]) -> None:
        """Attach finished tables to the sweep's run when it ends: artifact path -> path or URL."""
        self._table_files = dict(files)

    def end(self, *, succeeded: bool | None) -> None:
        """Deliver what waits and end the sweep's run.

        Waits as long as runs are being delivered, and gives up soon where the server is away.

        Args:
            succeeded: whether every cell is filled; None where nobody has looked, and a run that is there keeps
                its state.
        """
        self._is_complete = succeeded
        self._end_thread()

    @property
    def num_changed(self) -> int:
        """Runs that were made or written to."""
        return len(self._changed_ids)

    def _end_at_exit(self) -> None:
        """End the runs of a sweep whose driver raised, so that none stays RUNNING."""
        self._was_stopped = True
        self.end(succeeded=False)

    # -- shared by the driver and the thread

    def _add(self, later: _Waiting) -> None:
        earlier = self._waiting.get(later.work.training_id)
        self._waiting[later.work.training_id] = later if earlier is None else earlier.followed_by(later)

    def _take(self) -> list[_Waiting]:
        with self._lock:
            taken = list(self._waiting.values())
            self._waiting.clear()
            self._num_waiting_epochs = 0
            return taken

    def _give_back(self, untold: Iterable[_Waiting]) -> None:
        with self._lock:
            for waiting in untold:
                identity = waiting.work.training_id
                later = self._waiting.get(identity)
                self._waiting[identity] = waiting if later is None else waiting.followed_by(later)
                self._num_waiting_epochs += len(waiting.epochs)

    # -- the thread

    def _connect(self) -> None:
        projection = _Projection(self._url, self._store, self._experiment, self._warn, self._changed_ids)
        projection.open_sweep(self._sweep_name, self._parameters, self._begun_at_ms)
        with self._lock:
            live = self._active | set(self._waiting)
            self._unchecked = deque(self._recorded)
        projection.end_left_behind(live)
        self._projection = projection

    @property
    def _connected(self) -> _Projection:
        assert self._projection is not None, "it is connected before anything is delivered"
        return self._projection

    def _deliver(self) -> bool:
        taken = deque(self._take())
        try:
            while taken:
                identity = taken[0].work.training_id
                self._attempt(identity, _run_of(identity), lambda: self._connected.write(taken[0]))
                taken.popleft()
        finally:
            self._give_back(taken)
        self._check_recorded(self._connected)
        return bool(self._unchecked)

    def _check_recorded(self, projection: _Projection) -> None:
        """Log again what MLflow lacks of recorded trainings, as long as nothing newer waits."""
        until_s = time.monotonic() + FLUSH_EVERY_S
        while self._unchecked and time.monotonic() < until_s:
            identity = self._unchecked[0]
            with self._lock:
                is_live = identity in self._active or identity in self._waiting
            if not is_live:
                self._attempt(identity, _run_of(identity), lambda it=identity: projection.reconcile(it))
            self._unchecked.popleft()

    def _close(self) -> None:
        for training_id in self._active:  # their backend raised
            self._connected.settle(training_id)
        status = FINISHED if self._is_complete else KILLED if self._was_stopped else FAILED
        self._connected.close_sweep(None if self._is_complete is None else status, self._table_files)

    def _is_reachable(self) -> bool:
        return self._connected.is_reachable()

    def _why(self, error: Exception) -> str:
        return _why(error, self._url)


def _run_of(training_id: str) -> str:
    return f"the run of training {training_id[:8]}"


# -- what the thread writes --------------------------------------------------------------------------


@dataclass
class _ChildRun:
    """What is known of a training's run in MLflow.

    Attributes:
        is_ours: it was logged from this store.
        driver: that writes it, as `_this_process` names it; empty in runs of earlier versions.
        recorded_at: of the record it shows; empty while it shows none.
        num_views: measured views it shows.
        epochs: those that are logged; None while nobody has asked.
    """

    run_id: str
    status: str
    parent_id: str
    is_ours: bool
    driver: str = ""
    recorded_at: str = ""
    num_views: int = 0
    has_failure: bool = False
    has_data: bool = False
    is_described: bool = False
    params: set[str] = field(default_factory=set[str])
    metrics: set[str] = field(default_factory=set[str])
    epochs: set[int] | None = None


def _shows(run: _ChildRun, record: TrainingRecord | None) -> bool:
    """Say whether a run can be that of a record; a store that was moved keeps its runs."""
    return record is not None and run.recorded_at in ("", record.ended_at.isoformat())


class _Projection:
    """The runs of a store in MLflow. Every method calls the server and may raise what that raises.

    What a call that failed has written is found by reading everything again in a new projection.
    """

    def __init__(
        self, uri: str, store: Store, experiment: str, warn: Callable[[str], None], changed_ids: set[str]
    ) -> None:
        self._store, self._warn, self._changed_ids = store, warn, changed_ids
        self._store_id = store.shared_id()
        self._claims = Claims(store)
        self._client = _open_client(uri)
        self._experiment_id = self._open_experiment(experiment, uri)
        self._places: dict[str, bool] = {}
        self._parent_id = ""
        self._has_entered = False
        self._takes_pictures = True
        self._read_all()
        if self._is_to_be_put_right():
            with self._alone():
                self._read_all()  # another sweep may have put it right since
                self._tag_by_id()
                self._merge_doubles()
                self._merge_parents()

    def _open_experiment(self, name: str, uri: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            is_server = uri.startswith(("http://", "https://"))
            artifacts = None if is_server else f"{without_credentials(self._store.url)}/mlartifacts"
            try:
                return self._client.create_experiment(name, artifact_location=artifacts)
            except Exception:
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    raise
        return found.experiment_id

    @contextmanager
    def _alone(self) -> Generator[None]:
        """Be for a moment the only one of the store's sweeps that makes, merges or deletes runs."""
        with self._claims.held(CLAIM, CLAIM_PATIENCE_S) as claim:
            if claim is None:
                raise TimeoutError("another sweep of this store has been making runs all the time")
            yield

    def _read_all(self) -> None:
        self._children: dict[str, _ChildRun] = {}
        self._doubles: dict[str, list[_ChildRun]] = {}
        self._parents: dict[str, Run] = {}
        self._tagged_by_path: list[str] = []
        for run in self._runs_where(""):
            self._keep(run)

    def _runs_where(self, condition: str) -> Iterator[Run]:
        token: str | None = None
        while True:
            page = self._client.search_runs(
                [self._experiment_id],
                filter_string=condition,
                max_results=PAGE_LENGTH,
                page_token=token,
                order_by=["attributes.start_time ASC"],
            )
            yield from page
            token = page.token
            if not token:
                return

    def _is_ours(self, tags: Mapping[str, str]) -> bool:
        """Say whether a run is of this store; earlier versions told it by one of its paths."""
        place = tags.get(STORE, "")
        if place not in self._places:
            self._places[place] = place == self._store_id or _is_same_place(place, self._store.url)
        return self._places[place]

    def _keep(self, run: Run) -> None:
        tags: dict[str, str] = run.data.tags
        is_ours = self._is_ours(tags)
        if is_ours and tags[STORE] != self._store_id:
            self._tagged_by_path.append(run.info.run_id)
        if SWEEP in tags and is_ours:
            self._parents[run.info.run_id] = run
        identity = tags.get(TRAINING_ID)
        if identity is None or not (is_ours or run.info.status == FINISHED):
            return
        child = self._child_of(run)
        known = self._children.get(identity)
        if known is not None and known.is_ours:
            if is_ours:
                self._doubles.setdefault(identity, [known]).append(child)
        elif known is None or is_ours:
            self._children[identity] = child

    def _child_of(self, run: Run) -> _ChildRun:
        tags: dict[str, str] = run.data.tags
        return _ChildRun(
            run.info.run_id,
            run.info.status,
            tags.get(PARENT, ""),
            self._is_ours(tags),
            tags.get(DRIVER, ""),
            tags.get(RECORDED_AT, ""),
            int(tags.get(NUM_VIEWS, 0)),
            FAILURE in tags,
            bool(run.inputs and run.inputs.dataset_inputs),
            params=set(run.data.params),
            metrics=set(run.data.metrics),
        )

    def is_reachable(self) -> bool:
        """Say whether the server answers at all."""
        try:
            self._client.get_experiment(self._experiment_id)
        except Exception:  # whichever of the many ways in which it may not
            return False
        return True

    # -- what sweeps of earlier versions, or two at once, have left

    def _is_to_be_put_right(self) -> bool:
        names = [run.data.tags[SWEEP] for run in self._parents.values()]
        return bool(self._tagged_by_path or self._doubles) or len(names) > len(set(names))

    def _tag_by_id(self) -> None:
        for run_id in self._tagged_by_path:
            self._log(run_id, tags=self._store_tags())

    def _store_tags(self) -> dict[str, str]:
        return {STORE: self._store_id, STORE_URL: self._store.url}

    def _merge_doubles(self) -> None:
        """Keep of several runs of one training the whole one; what another driver writes now is left alone."""
        for identity, runs in self._doubles.items():
            kept = self._children[identity] = max(runs, key=lambda run: self._worth(identity, run))
            for run in runs:
                if run is not kept and not self._is_anothers(run):
                    self._client.delete_run(run.run_id)
                    self._changed_ids.add(identity)

    def _worth(self, identity: str, run: _ChildRun) -> tuple[bool, bool, int, int]:
        try:
            is_whole = run.status == FINISHED and _shows(run, self._store.training(identity).record())
        except DamagedFile:
            is_whole = False
        return is_whole, self._is_anothers(run), run.num_views, len(run.metrics)

    def _merge_parents(self) -> None:
        """Keep of several runs of one sweep the oldest."""
        kept: dict[str, str] = {}
        for run_id, run in list(self._parents.items()):
            first = kept.setdefault(run.data.tags[SWEEP], run_id)
            if first == run_id or self._living_drivers(run):
                continue
            for child in self._children.values():
                if child.parent_id == run_id:
                    self._log(child.run_id, tags={PARENT: first})
                    child.parent_id = first
            self._client.delete_run(run_id)
            del self._parents[run_id]

    # -- who writes

    def _is_anothers(self, run: _ChildRun) -> bool:
        """Say whether another driver, which lives, writes a run now."""
        if run.status != RUNNING or not run.is_ours:
            return False
        if run.driver:
            return run.driver != _this_process() and self._lives(run.driver)
        parent = self._parents.get(run.parent_id)
        return parent is not None and parent.info.status == RUNNING and bool(self._living_drivers(parent))

    def _living_drivers(self, parent: Run) -> list[str]:
        """Give the other drivers that write below a sweep's run."""
        drivers = parent.data.tags.get(DRIVER, "").splitlines()
        return [driver for driver in drivers if driver != _this_process() and self._lives(driver)]

    def _lives(self, driver: str) -> bool:
        """Say whether a driver runs; one of another machine does while a training of its is claimed by the living."""
        if driver.partition(" ")[0] == platform.node():
            return not _is_dead(driver)
        runs = [*self._children.items(), *((it, run) for it, runs in self._doubles.items() for run in runs)]
        return any(
            run.status == RUNNING
            and run.driver == driver
            and self._claims.owner(training_claim(identity)) is not None
            for identity, run in runs
        )

    # -- the sweep's own run

    def open_sweep(self, name: str, parameters: Mapping[str, str], begun_at_ms: int) -> None:
        """Find or make the sweep's run; one that is there is written to when a training of this driver begins."""
        self._sweep_tags = {**parameters, **self._store_tags(), SWEEP: name, **_source_tags(git_commit())}
        if self._find_parent(name):
            return
        with self._alone():
            for run in self._runs_where(f"tags.`{SWEEP}` != ''"):
                self._keep(run)
            if not self._find_parent(name):
                tags = {**self._sweep_tags, DRIVER: _this_process()}
                self._parent_id = self._new_run(name, tags, begun_at_ms)
                self._has_entered = True

    def _find_parent(self, name: str) -> bool:
        self._parent_id = next(
            (run_id for run_id, run in self._parents.items() if run.data.tags[SWEEP] == name), ""
        )
        return bool(self._parent_id)

    def _enter(self) -> None:
        """Say in the sweep's run that this driver trains, beside those that do already."""
        if self._has_entered:
            return
        with self._alone():
            run = self._client.get_run(self._parent_id)
            drivers = [*self._living_drivers(run), _this_process()]
            self._log(
                self._parent_id, tags={**self._sweep_tags, DRIVER: "\n".join(drivers)[-MAX_TAG_LENGTH:]}
            )
            if run.info.status != RUNNING:
                self._client.update_run(self._parent_id, status=RUNNING)
        self._has_entered = True

    def _leave(self, status: str | None) -> None:
        """End the sweep's run, unless another driver goes on with it."""
        run = self._client.get_run(self._parent_id)
        others = self._living_drivers(run)
        if _this_process() in run.data.tags.get(DRIVER, "").splitlines():
            with self._alone():
                others = self._living_drivers(self._client.get_run(self._parent_id))
                if others:
                    self._log(self._parent_id, tags={DRIVER: "\n".join(others)})
                else:
                    self._client.delete_tag(self._parent_id, DRIVER)
        if status is None and run.info.status == RUNNING and not others:
            status = FINISHED
        if status is not None and not others and run.info.status != status:
            self._client.set_terminated(self._parent_id, status)

    def end_left_behind(self, live: set[str]) -> None:
        """End what a killed driver has left RUNNING; a training that goes on opens its run again."""
        for run_id, run in self._parents.items():
            is_left = run_id != self._parent_id and run.info.status == RUNNING
            if is_left and not self._living_drivers(run):
                self._client.set_terminated(run_id, KILLED)
        for identity, run in list(self._children.items()):
            is_left = run.is_ours and run.status == RUNNING and identity not in live
            if is_left and not self._is_anothers(run):
                self.settle(identity)

    def close_sweep(self, status: str | None, table_files: Mapping[str, str]) -> None:
        """Log the finished tables, unless they are there, and end the sweep's run.

        Args:
            status: that the sweep ended with; None leaves what is there.
            table_files: artifact path -> path or URL.
        """
        contents = {name: _content_of(url) for name, url in table_files.items()}
        digest = digest_of({name: hashlib.sha256(content).hexdigest() for name, content in contents.items()})
        if contents and self._client.get_run(self._parent_id).data.tags.get(TABLES) != digest:
            with tempfile.TemporaryDirectory(prefix="tablewright-mlflow-") as folder:
                for name, content in contents.items():
                    path = Path(folder) / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)
                try:
                    self._client.log_artifacts(self._parent_id, folder, "tables")
                    self._log(self._parent_id, tags={TABLES: digest})
                except Exception as error:  # its files may lie elsewhere than its numbers
                    self._warn(f"MLflow did not take the tables as artifacts: {_why(error)}")
        self._leave(status)

    # -- the runs of trainings

    def write(self, waiting: _Waiting) -> None:
        """Log what the driver told of a training; one that another driver writes is left to that."""
        work, outcome = waiting.work, waiting.outcome
        folder = self._store.training(work.training_id)
        self._enter()
        run = self._current(work.training_id)
        if run is not None and run.status == FINISHED and not _shows(run, folder.record()):
            self._forget(work.training_id, run)  # the record that it shows was deleted, or is another store's
            run = None
        subject = _Subject.of_work(work, waiting.at_ms)
        run = self._find_or_create(subject) if run is None else run
        if self._is_anothers(run):
            return
        self._changed_ids.add(work.training_id)
        if outcome is None and (run.status, run.driver) != (RUNNING, _this_process()):
            tags = {PARENT: self._parent_id, STATE: "running", DRIVER: _this_process()}
            self._log(run.run_id, tags={**tags, **self._store_tags()})
            self._client.update_run(run.run_id, status=RUNNING)
            run.status, run.driver, run.is_ours = RUNNING, _this_process(), True
        self._describe(run, subject)
        self._log_epochs(
            run,
            [
                (epoch, at_ms, _epoch_values(progress, work))
                for epoch, (at_ms, progress) in waiting.epochs.items()
            ],
        )
        if outcome is None:
            return
        # A training that was stopped here may have been ended by another driver.
        record = folder.record() if outcome.state in ("done", "stopped", "paused") else None
        if record is not None:
            self._complete(folder, record)
        else:
            self._end(run, outcome, folder, waiting.ended_at_ms)

    def reconcile(self, training_id: str) -> None:
        """Make the run of a recorded training whole; cheap where it is."""
        folder = self._store.training(training_id)
        run = self._current(training_id)
        if run is not None and run.status == FINISHED:
            if run.parent_id not in {self._parent_id, *self._parents}:  # the sweep's run was deleted
                self._log(run.run_id, tags={PARENT: self._parent_id})
                run.parent_id = self._parent_id
                self._changed_ids.add(training_id)
            if run.num_views >= len(folder.measured_views()):
                return
        if (record := folder.record()) is not None:
            self._complete(folder, record)

    def settle(self, training_id: str) -> None:
        """End the run of a training that nobody trains now."""
        folder = self._store.training(training_id)
        if (record := folder.record()) is not None:
            self._complete(folder, record)
        elif (run := self._children.get(training_id)) is not None and not self._is_anothers(run):
            self._end(run, Outcome("stopped"), folder, _now_ms())

    def _current(self, training_id: str) -> _ChildRun | None:
        """Give a training's run, read anew where another driver may have written to it since."""
        run = self._children.get(training_id)
        if run is None or run.status == FINISHED or run.driver == _this_process():
            return run
        found = self._client.get_run(run.run_id)
        if found.info.lifecycle_stage != "active":
            del self._children[training_id]
            return None
        self._children[training_id] = self._child_of(found)
        return self._children[training_id]

    def _find_or_create(self, subject: _Subject) -> _ChildRun:
        """Make a training's run, unless another driver has made it since all runs were read."""
        identity = subject.training_id
        with self._alone():
            for found in self._runs_where(f"tags.`{TRAINING_ID}` = '{identity}'"):
                if self._is_ours(found.data.tags):
                    run = self._child_of(found)
                    break
            else:
                tags = {**subject.tags(), **self._store_tags(), PARENT: self._parent_id}
                tags |= {STATE: "running", DRIVER: _this_process()}
                run_id = self._new_run(subject.label, tags, subject.started_at_ms)
                run = _ChildRun(
                    run_id, RUNNING, self._parent_id, is_ours=True, driver=_this_process(), epochs=set()
                )
        self._children[identity] = run
        return run

    def _new_run(self, name: str, tags: Mapping[str, str], started_at_ms: int) -> str:
        run = self._client.create_run(
            self._experiment_id, start_time=started_at_ms, tags=masked_in(tags), run_name=masked(name)
        )
        return run.info.run_id

    def _forget(self, training_id: str, run: _ChildRun) -> None:
        """Make way for a new run; another store's run is left as it is."""
        if run.is_ours:
            self._client.delete_run(run.run_id)
        del self._children[training_id]

    def _describe(self, run: _ChildRun, subject: _Subject) -> None:
        """Log parameters and data set, as far as they are not there."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        if run.is_described:
            return
        params = {name: text for name, text in flatten(subject.config).items() if name not in run.params}
        self._log(run.run_id, params=params)
        if not run.has_data:
            data = subject.data
            dataset = Dataset(
                name=data.label,
                digest=data.fingerprint[:MAX_DIGEST_LENGTH],
                source_type="tablewright",
                source=json.dumps({"name": data.name, "fingerprint": data.fingerprint}),
                profile=json.dumps(
                    {
                        "num_images": dict(data.num_images),
                        "is_demo": data.is_demo,
                        "warnings": masked_in(data.warnings),
                    }
                ),
            )
            tags = [InputTag("mlflow.data.context", "training")]
            self._client.log_inputs(run.run_id, [DatasetInput(dataset, tags)])
        run.is_described = True

    def _log_epochs(self, run: _ChildRun, epochs: Iterable[tuple[int, int, Mapping[str, float]]]) -> None:
        """Log (epoch, time in ms, values); an epoch that is there stays as it is."""
        new = [epoch for epoch in epochs if epoch[0] not in self._logged_epochs(run)]
        self._log(run.run_id, metrics=[_metrics(values, at_ms, epoch) for epoch, at_ms, values in new])
        self._logged_epochs(run).update(epoch for epoch, _, _ in new)

    def _logged_epochs(self, run: _ChildRun) -> set[int]:
        if run.epochs is None:
            history = self._client.get_metric_history(run.run_id, EPOCH_MARK)
            run.epochs = {metric.step for metric in history}
        return run.epochs

    def _complete(self, folder: TrainingFolder, record: TrainingRecord) -> None:
        """Log of a recorded training what is not there yet, and end its run."""
        identity, recorded_at = record.training_id, record.ended_at.isoformat()
        run = self._children.get(identity)
        if run is not None and not _shows(run, record):
            self._forget(identity, run)  # it shows a record that was deleted since, or is another store's
            run = None
        subject = _Subject.of_record(record)
        run = self._find_or_create(subject) if run is None else run
        is_whole = run.status == FINISHED and run.num_views >= len(folder.measured_views())
        if self._is_anothers(run) or (is_whole and _shows(run, record)):
            return
        self._changed_ids.add(identity)
        self._describe(run, subject)
        damaged: list[str] = []
        if len(self._logged_epochs(run)) < record.num_epochs:
            try:
                self._log_epochs(run, _recorded_epochs(folder.epochs(record), subject.started_at_ms))
            except DamagedFile as error:
                damaged.append(str(error))
        values = {"train_wall_s": record.train_wall_s, "measure_wall_s": record.measure_wall_s}
        groups = [_metrics(_without(run.metrics, values), _ms(record.ended_at), record.num_epochs)]
        view_ids = sorted(folder.measured_views())
        said = [*record.data.warnings, *record.warnings]
        for view_id in view_ids:
            try:
                measured = folder.measurement(view_id)
            except DamagedFile as error:
                damaged.append(str(error))
                continue
            if measured is None:
                continue
            said += measured.warnings
            front = view_prefix(measured.view) + ensemble_suffix(measured.partner_ids)
            front += data_suffix(measured, record)
            values = {_allowed(f"{front}.{name}"): value for name, value in _measured_values(measured)}
            values = _without(run.metrics, values)
            groups.append(_metrics(values, _ms(measured.measured_at), record.num_epochs))
        tags = {
            STATE: "done",
            RECORDED_AT: recorded_at,
            NUM_VIEWS: str(len(view_ids)),
            "tablewright.attempts": str(record.attempts),
            "tablewright.host": record.host,
            "tablewright.device": record.device,
            **_source_tags(record.git_commit),
        }
        for tag, texts in (
            (PICTURE_WARNING, [folder.picture_warning()]),
            (WARNINGS, list(dict.fromkeys(said))),
            (DAMAGED, damaged),
        ):
            if text := "\n".join(filter(None, texts)):
                tags[tag] = masked(text)[:MAX_TAG_LENGTH]
        self._log(run.run_id, metrics=groups, tags=tags)
        self._log_pictures(run, folder)
        run.metrics.update(metric.key for group in groups for metric in group)
        run.recorded_at, run.num_views = recorded_at, len(view_ids)
        if run.has_failure:
            self._client.delete_tag(run.run_id, FAILURE)
            run.has_failure = False
        self._client.set_terminated(run.run_id, FINISHED, _ms(record.ended_at))
        run.status = FINISHED

    def _log_pictures(self, run: _ChildRun, folder: TrainingFolder) -> None:
        names = folder.pictures() if self._takes_pictures else []
        if not names:
            return
        with tempfile.TemporaryDirectory(prefix="tablewright-mlflow-") as aside:
            for name in names:
                try:
                    (Path(aside) / f"{name}.png").write_bytes(folder.picture(name))
                except DamagedFile as error:
                    self._warn(str(error))
            try:
                self._client.log_artifacts(run.run_id, aside, "pictures")
            except Exception as error:  # its files may lie elsewhere than its numbers
                self._takes_pictures = False  # one refusal is told; hundreds would only take time
                self._warn(f"MLflow did not take pictures as artifacts: {_why(error)}")

    def _end(self, run: _ChildRun, outcome: Outcome, folder: TrainingFolder, ended_at_ms: int) -> None:
        tags = {STATE: outcome.state}
        if outcome.message:
            tags[FAILURE] = masked(outcome.message)[:MAX_TAG_LENGTH]
            run.has_failure = True
        self._log(run.run_id, tags=tags)
        run.status = STATUS_OF[outcome.state]
        self._client.set_terminated(run.run_id, run.status, ended_at_ms)
        try:
            failure = folder.failure() if outcome.state == "failed" else None
        except DamagedFile:  # its message is told as the training's state
            failure = None
        if failure is not None:
            try:
                self._client.log_text(run.run_id, masked(failure.traceback), "traceback.txt")
            except Exception as error:  # its files may lie elsewhere than its numbers
                self._warn(f"MLflow did not take a traceback as an artifact: {_why(error)}")

    def _log(
        self,
        run_id: str,
        *,
        metrics: Iterable[Sequence[Metric]] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Log in as few calls as MLflow's limits allow; a group of metrics stays together."""
        from mlflow.entities import Param, RunTag

        batches: list[list[Metric]] = [[]]
        for group in metrics:
            if len(batches[-1]) + len(group) > MAX_METRICS_PER_BATCH:
                batches.append([])
            batches[-1].extend(group)
        for batch in batches:
            if batch:
                self._client.log_batch(run_id, metrics=batch)
        named = list((params or {}).items())
        for start in range(0, len(named), MAX_PARAMS_PER_BATCH):
            some = named[start : start + MAX_PARAMS_PER_BATCH]
            self._client.log_batch(run_id, params=[Param(name, text) for name, text in some])
        if tags:
            self._client.log_batch(run_id, tags=[RunTag(name, masked(text)) for name, text in tags.items()])


def _measured_values(measured: Measurement) -> Iterator[tuple[str, float]]:
    yield from measured.metrics.items()
    if measured.items:  # records of version 1 do not say
        yield "num_measured", float(measured.num_measured)
        yield "num_left_out", float(sum(measured.left_out.values()))


def _epoch_values(progress: Progress, work: Work) -> dict[str, float]:
    values = {**progress.report.metrics, **progress.system}
    if progress.watched is not None and work.watch is not None:
        values[f"watched.{view_prefix(work.watch.view)}.{work.watch.metric.name}"] = progress.watched
    return {**values, EPOCH_MARK: progress.report.wall_s}


def _recorded_epochs(
    reports: Iterable[EpochReport], started_at_ms: int
) -> Iterator[tuple[int, int, dict[str, float]]]:
    """Give recorded epochs the times they would have had without interruption."""
    at_ms = float(started_at_ms)
    for report in reports:
        at_ms += 1000 * report.wall_s
        yield report.epoch, int(at_ms), {**report.metrics, EPOCH_MARK: report.wall_s}


def _metrics(values: Mapping[str, float], at_ms: int, step: int) -> list[Metric]:
    from mlflow.entities import Metric

    return [Metric(_allowed(name), float(value), at_ms, step) for name, value in values.items()]


def _without(known: set[str], values: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if name not in known}


def _ms(moment: datetime.datetime) -> int:
    return int(moment.timestamp() * 1000)


def _open_client(uri: str) -> MlflowClient:
    """Reach MLflow's server or database, and make the tables of a new database.

    Raises:
        Exception: whatever it raises that cannot be reached.
    """
    from mlflow import MlflowClient

    for name in ("alembic", "mlflow"):  # they tell of each table that they make, and log what they raise
        logging.getLogger(name).setLevel(logging.CRITICAL)

    def reach(address: str) -> MlflowClient:
        client = MlflowClient(tracking_uri=address, registry_uri=address)
        client.get_experiment_by_name(EXPERIMENT)
        return client

    make_database(uri, reach)
    if scheme_of(uri) in DATABASE_SCHEMES:
        _ask_once(uri)
    return while_it_is_made(lambda: reach(database_url(uri)))


def _ask_once(uri: str) -> None:
    """Raise where a database is away or locked; MLflow itself asks such a one for minutes."""
    from mlflow.store.db.utils import create_sqlalchemy_engine

    engine = create_sqlalchemy_engine(database_url(uri))
    try:
        with engine.connect() as connection:
            engine.dialect.has_table(connection, "experiments")
    finally:
        engine.dispose()


def _why(error: Exception, uri: str = "") -> str:
    """Say in our words why MLflow did not take something; its own may hold addresses with passwords."""
    causes = list(causes_of(error))
    if "out-of-date database schema" in str(error):
        return (
            "its tables are of another version of MLflow; run `mlflow db upgrade` for its database, or name "
            f"another one with {OPTION}"
        )
    if scheme_of(uri) in DATABASE_SCHEMES:
        return why_unreachable(uri, error)
    if any("Connection" in type(cause).__name__ or "Timeout" in type(cause).__name__ for cause in causes):
        return "it does not answer; see that the server runs, and that this machine may reach it"
    kinds = ", ".join(dict.fromkeys(type(cause).__name__ for cause in causes))
    return (
        f"it refused, or could not write ({kinds}); see that its database and its artifacts may be written to"
    )


def read_experiment(uri: str, name: str) -> list[ForeignRun]:
    """Read the runs of an experiment, the first begun first, to be kept as a file.

    Args:
        uri: of MLflow's server or database.
        name: of the experiment.

    Raises:
        ValueError: MLflow cannot be reached, or has no such experiment; the nearest is suggested.
    """
    keep_secret(uri)
    for variable, value in ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
    if (path := sqlite_path(uri)) is not None and not path.is_file():
        raise ValueError(f"{masked(uri)} is no file; nothing was copied, and no database is begun there")
    try:
        client = _open_client(uri)
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            names = [other.name for other in client.search_experiments()]
            text = f"MLflow at {masked(uri)} has no experiment {name!r}{guess(name, names)} It has "
            raise ValueError(text + (", ".join(map(repr, names)) or "none"))
        found: list[Any] = []
        token: str | None = ""
        while token is not None:
            page = client.search_runs(
                [experiment.experiment_id], order_by=["attributes.start_time ASC"], page_token=token or None
            )
            found += page
            token = page.token or None
    except ValueError:
        raise
    except Exception as error:  # each kind of server has its own
        raise ValueError(f"MLflow at {masked(uri)} cannot be read: {_why(error, uri)}") from error
    return [
        ForeignRun(
            run_id=run.info.run_id,
            name=run.info.run_name or "",
            state=run.info.status,
            params=dict(run.data.params),
            metrics=dict(run.data.metrics),
        )
        for run in found
    ]
