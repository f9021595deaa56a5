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

All calls of MLflow are made by one thread, which the driver never waits for before the end of the sweep.
"""

from __future__ import annotations

import atexit
import datetime
import getpass
import json
import logging
import os
import platform
import re
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
import psutil

from tablewright.orchestrator.addresses import causes_of
from tablewright.orchestrator.identity import digest_of
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
from tablewright.trainables.contract.data import DatasetFacts
from tablewright.trainables.contract.run import EpochReport
from tablewright.trainables.contract.view import EvaluationView
from tablewright.trainables.value.secret import keep_secret, masked, masked_in, without_password

if TYPE_CHECKING:
    from mlflow.entities import Metric, Run

EXPERIMENT = "tablewright"

SWEEP = "tablewright.sweep"
TRAINING_ID = "tablewright.training_id"
STORE = "tablewright.store"
DRIVER = "tablewright.driver"
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

FLUSH_EVERY_S = 2.0
MAX_BACKOFF_S = 30.0
MAX_TRIES = 3
"""Of writing one run to a server that answers; then the run is left to the next sweep."""
MAX_WAITING_EPOCHS = 10_000
"""Kept in memory while the server is away; the store has the others."""
END_PATIENCE_S = 60.0
"""At the end, the longest wait without a run delivered: importing MLflow and making its tables take 20 s
on a busy machine."""

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
}
"""Set for this process where the user has not."""

FINISHED, FAILED, KILLED, RUNNING = "FINISHED", "FAILED", "KILLED", "RUNNING"
STATUS_OF = {"done": FINISHED, "failed": FAILED, "stopped": KILLED, "pruned": KILLED}

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
    source = {"mlflow.source.name": "sweep.py", "mlflow.source.type": "LOCAL", "mlflow.user": _user()}
    return source | ({"mlflow.source.git.commit": commit} if commit else {})


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container without a name for its user
        return "unknown"


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


class Tracker:
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
        """
        keep_secret(tracking_uri)
        self.warnings: list[str] = []
        self._uri, self._store, self._experiment = tracking_uri, store, experiment
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._waiting: dict[str, _Waiting] = {}
        self._num_waiting_epochs = 0
        self._active: set[str] = set()
        self._recorded: dict[str, None] = {}
        self._unchecked: deque[str] = deque()
        self._sweep_name = ""
        self._parameters: dict[str, str] = {}
        self._begun_at_ms = 0
        self._thread: threading.Thread | None = None
        self._is_ending = False
        self._is_abandoned = False
        self._is_closed = False
        self._was_stopped = False
        self._is_complete = False
        self._table_files: Mapping[str, str] = {}
        self._num_delivered = 0
        self._num_tries: Counter[str] = Counter()

    # -- called by the driver

    @property
    def has_begun(self) -> bool:
        """Whether `begin` was called."""
        return self._thread is not None

    def begin(self, sweep_name: str, parameters: Mapping[str, object]) -> None:
        """Open or continue the run of a sweep, and put right what a killed driver has left behind.

        Args:
            sweep_name: the sweep's run is found again by it.
            parameters: what to say of the sweep; they may be others the next time.
        """
        assert self._thread is None, "a tracker follows one sweep"
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        self._sweep_name, self._begun_at_ms = sweep_name, _now_ms()
        self._parameters = {f"tablewright.{name}": str(value) for name, value in parameters.items()}
        self._thread = threading.Thread(target=self._run, name="mlflow", daemon=True)
        self._thread.start()
        atexit.register(self._end_at_exit)

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

    def end(self, *, succeeded: bool) -> None:
        """Deliver what waits and end the sweep's run.

        Waits as long as runs are being delivered, and gives up soon where the server is away.
        """
        if self._thread is None or self._is_ending:
            return
        self._is_complete = succeeded
        self._is_ending = True
        self._wake.set()
        delivered, since_s = -1, time.monotonic()
        while self._thread.is_alive() and time.monotonic() - since_s < END_PATIENCE_S:
            self._thread.join(0.5)
            if delivered != self._num_delivered:
                delivered, since_s = self._num_delivered, time.monotonic()
        self._is_abandoned = True
        atexit.unregister(self._end_at_exit)
        if not self._is_closed:
            self._warn(
                f"{self._server} has not heard of all of this sweep. Nothing is lost: run the same command "
                "again when it answers, and the rest is logged from the store."
            )

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

    def _warn(self, message: str) -> None:
        message = masked(message)
        self.warnings.append(message)
        logger.warning(message)

    # -- the thread

    def _run(self) -> None:
        projection: _Projection | None = None
        backoff_s, num_failures_at_end = 1.0, 0
        while not self._is_abandoned:
            is_last = self._is_ending  # read before anything is taken: what was told by then is delivered
            try:
                if projection is None:
                    projection = self._connect()
                self._deliver(projection)
                self._check_recorded(projection)
                if is_last and not self._unchecked:
                    self._close(projection)
                    return
                backoff_s = 1.0
                if not self._unchecked:
                    self._wake.wait(FLUSH_EVERY_S)
            except Exception as error:  # whatever it is, trainings go on without MLflow
                projection = None  # what the server has is read anew
                if not self.warnings:
                    self._warn(f"{self._server} cannot be written to for now: {_why(error)}")
                num_failures_at_end += is_last
                if num_failures_at_end >= MAX_TRIES:
                    return
                (time.sleep if is_last else self._wake.wait)(1.0 if is_last else backoff_s)
                backoff_s = min(2 * backoff_s, MAX_BACKOFF_S)

    @property
    def _server(self) -> str:
        return f"MLflow at {masked(self._uri)}"

    def _connect(self) -> _Projection:
        projection = _Projection(self._uri, self._store, self._experiment, self._warn)
        projection.open_sweep(self._sweep_name, self._parameters, self._begun_at_ms)
        with self._lock:
            live = self._active | set(self._waiting)
            self._unchecked = deque(self._recorded)
        projection.end_left_behind(live)
        self._num_delivered += 1
        return projection

    def _deliver(self, projection: _Projection) -> None:
        taken = deque(self._take())
        try:
            while taken:
                work = taken[0].work
                self._attempt(projection, work.training_id, lambda: projection.write(taken[0]))
                taken.popleft()
        finally:
            self._give_back(taken)

    def _check_recorded(self, projection: _Projection) -> None:
        """Log again what MLflow lacks of recorded trainings, as long as nothing newer waits."""
        until_s = time.monotonic() + FLUSH_EVERY_S
        while self._unchecked and time.monotonic() < until_s:
            identity = self._unchecked[0]
            with self._lock:
                is_live = identity in self._active or identity in self._waiting
            if not is_live:
                self._attempt(projection, identity, lambda it=identity: projection.reconcile(it))
            self._unchecked.popleft()

    def _attempt(self, projection: _Projection, identity: str, write: Callable[[], None]) -> None:
        """Write one run; one that a server in good health refuses again and again is passed over."""
        if self._num_tries[identity] >= MAX_TRIES:
            return
        try:
            write()
        except Exception as error:
            self._num_tries[identity] += projection.is_reachable()
            if self._num_tries[identity] < MAX_TRIES:
                raise
            self._warn(f"the run of training {identity[:8]} cannot be logged: {_why(error)}")
            return
        self._num_delivered += 1
        self._num_tries.pop(identity, None)

    def _close(self, projection: _Projection) -> None:
        for training_id in self._active:  # their backend raised
            projection.settle(training_id)
        status = FINISHED if self._is_complete else KILLED if self._was_stopped else FAILED
        projection.close_sweep(status, self._table_files)
        self._is_closed = True


# -- what the thread writes --------------------------------------------------------------------------


@dataclass
class _ChildRun:
    """What is known of a training's run in MLflow.

    Attributes:
        is_ours: it was logged from this store.
        recorded_at: of the record it shows; empty while it shows none.
        num_views: measured views it shows.
        epochs: those that are logged; None while nobody has asked.
    """

    run_id: str
    status: str
    parent_id: str
    is_ours: bool
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

    def __init__(self, uri: str, store: Store, experiment: str, warn: Callable[[str], None]) -> None:
        from mlflow import MlflowClient

        for name in ("alembic", "mlflow"):  # they tell of each table that they make, and log what they raise
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._store, self._warn = store, warn
        self._client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        found = self._client.get_experiment_by_name(experiment)
        if found is not None:
            self._experiment_id: str = found.experiment_id
        else:
            is_server = uri.startswith(("http://", "https://"))
            artifacts = None if is_server else f"{without_password(store.url)}/mlartifacts"
            self._experiment_id = self._client.create_experiment(experiment, artifact_location=artifacts)
        self._children: dict[str, _ChildRun] = {}
        self._parents: dict[str, Run] = {}
        self._parent_id = ""
        self._takes_pictures = True
        for run in self._all_runs():
            self._keep(run)

    def _all_runs(self) -> Iterator[Run]:
        token: str | None = None
        while True:
            page = self._client.search_runs(
                [self._experiment_id],
                max_results=PAGE_LENGTH,
                page_token=token,
                order_by=["attributes.start_time ASC"],
            )
            yield from page
            token = page.token
            if not token:
                return

    def _keep(self, run: Run) -> None:
        tags: dict[str, str] = run.data.tags
        is_ours = tags.get(STORE) == masked(self._store.url)
        if SWEEP in tags and is_ours:
            self._parents[run.info.run_id] = run
        identity = tags.get(TRAINING_ID)
        if identity is None or not (is_ours or run.info.status == FINISHED):
            return
        if identity in self._children and (self._children[identity].is_ours or not is_ours):
            return
        self._children[identity] = _ChildRun(
            run.info.run_id,
            run.info.status,
            tags.get(PARENT, ""),
            is_ours,
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

    # -- the sweep's own run

    def open_sweep(self, name: str, parameters: Mapping[str, str], begun_at_ms: int) -> None:
        """Find or make the sweep's run."""
        tags = {
            **parameters,
            SWEEP: name,
            STORE: self._store.url,
            DRIVER: _this_process(),
            **_source_tags(git_commit()),
        }
        for run_id, run in self._parents.items():
            if run.data.tags[SWEEP] == name:
                self._parent_id = run_id
                self._log(run_id, tags=tags)
                self._client.update_run(run_id, status=RUNNING)
                return
        self._parent_id = self._new_run(name, tags, begun_at_ms)

    def end_left_behind(self, live: set[str]) -> None:
        """End what a killed driver has left RUNNING; a training that goes on opens its run again."""
        others_alive: set[str] = set()
        for run_id, run in self._parents.items():
            if run_id == self._parent_id or run.info.status != RUNNING:
                continue
            if _is_dead(run.data.tags.get(DRIVER, "")):
                self._client.set_terminated(run_id, KILLED)
            else:
                others_alive.add(run_id)
        for identity, run in list(self._children.items()):
            is_left = run.is_ours and run.status == RUNNING and identity not in live
            if is_left and run.parent_id not in others_alive:
                self.settle(identity)

    def close_sweep(self, status: str, table_files: Mapping[str, str]) -> None:
        """Log the finished tables and end the sweep's run."""
        if table_files:
            with tempfile.TemporaryDirectory(prefix="tablewright-mlflow-") as folder:
                for name, url in table_files.items():
                    path = Path(folder) / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    filesystem, place = fsspec.core.url_to_fs(url)
                    path.write_bytes(filesystem.cat_file(place))
                try:
                    self._client.log_artifacts(self._parent_id, folder, "tables")
                except Exception as error:  # its files may lie elsewhere than its numbers
                    self._warn(f"MLflow did not take the tables as artifacts: {_why(error)}")
        self._client.set_terminated(self._parent_id, status)

    # -- the runs of trainings

    def write(self, waiting: _Waiting) -> None:
        """Log what the driver told of a training."""
        work, outcome = waiting.work, waiting.outcome
        folder = self._store.training(work.training_id)
        run = self._children.get(work.training_id)
        if run is not None and run.status == FINISHED and not _shows(run, folder.record()):
            self._forget(work.training_id, run)  # the record that it shows was deleted, or is another store's
            run = None
        subject = _Subject.of_work(work, waiting.at_ms)
        if run is None:
            run = self._create(subject)
        elif outcome is None and run.status != RUNNING:
            self._log(run.run_id, tags={PARENT: self._parent_id, STORE: self._store.url, STATE: "running"})
            self._client.update_run(run.run_id, status=RUNNING)
            run.status, run.is_ours = RUNNING, True
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
        record = folder.record() if outcome.state == "done" else None
        if record is not None:
            self._complete(folder, record)
        else:
            self._end(run, outcome, folder, waiting.ended_at_ms)

    def reconcile(self, training_id: str) -> None:
        """Make the run of a recorded training whole; cheap where it is."""
        folder = self._store.training(training_id)
        run = self._children.get(training_id)
        if run is not None and run.status == FINISHED:
            if run.parent_id not in {self._parent_id, *self._parents}:  # the sweep's run was deleted
                self._log(run.run_id, tags={PARENT: self._parent_id})
                run.parent_id = self._parent_id
            if run.num_views >= len(folder.measured_views()):
                return
        if (record := folder.record()) is not None:
            self._complete(folder, record)

    def settle(self, training_id: str) -> None:
        """End the run of a training that nobody trains now."""
        folder = self._store.training(training_id)
        if (record := folder.record()) is not None:
            self._complete(folder, record)
        elif (run := self._children.get(training_id)) is not None:
            self._end(run, Outcome("stopped"), folder, _now_ms())

    def _create(self, subject: _Subject) -> _ChildRun:
        tags = subject.tags() | {PARENT: self._parent_id, STORE: self._store.url, STATE: "running"}
        run_id = self._new_run(subject.label, tags, subject.started_at_ms)
        run = _ChildRun(run_id, RUNNING, self._parent_id, is_ours=True, epochs=set())
        self._children[subject.training_id] = run
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
        if run is None:
            run = self._create(subject)
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


def _why(error: Exception) -> str:
    """Say in our words why MLflow did not take something; its own may hold addresses with passwords."""
    causes = list(causes_of(error))
    if any(isinstance(cause, ImportError) for cause in causes):
        return "the driver of its database is not installed here; install it, or name it in --tracking-uri"
    if any("Connection" in type(cause).__name__ or "Timeout" in type(cause).__name__ for cause in causes):
        return "it does not answer; see that the server runs, and that this machine may reach it"
    kinds = ", ".join(dict.fromkeys(type(cause).__name__ for cause in causes))
    return (
        f"it refused, or could not write ({kinds}); see that its database and its artifacts may be written to"
    )
