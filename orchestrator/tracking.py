"""MLflow: a picture of the store for people to look at. The only file that imports mlflow.

One parent run stands for a sweep and one child for a training, found again by their tags however often the
sweep was interrupted. A thread does all the talking, so that a slow server costs the trainings nothing, and a
dead one costs the picture only: what could not be told is rebuilt from the store by the next run.
"""

from __future__ import annotations

import functools
import logging
import os
import queue
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec

from orchestrator.records import Measurement, Store, TrainingRecord
from orchestrator.trial import Outcome, Progress, Work, git_commit
from trainables.contract import EpochReport, EvaluationView

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_log = logging.getLogger(__name__)

TRAINING_TAG, SWEEP_TAG, STORE_TAG = "tablewright.training_id", "tablewright.sweep", "tablewright.store"
VIEWS_TAG, STATE_TAG, FAILURE_TAG = "tablewright.num_views", "tablewright.state", "tablewright.failure"

MAX_QUEUED = 20_000
"""Events kept for a server that does not answer; later ones are dropped and rebuilt from the store."""
RETRY_S = 15.0
"""Pause after the server did not answer; what happens meanwhile is rebuilt from the store."""
END_WAIT_S = 60.0
"""Longest time that the end of a sweep waits for the server."""
HTTP_SETTINGS = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
PAGE, MAX_PARAMS, MAX_METRICS, MAX_VALUE = 1000, 100, 900, 5900

RUN_STATES = {"done": "FINISHED", "failed": "FAILED", "stopped": "KILLED", "pruned": "KILLED"}


class Tracker:
    """Tells MLflow of a sweep; a `Listener`. Every call returns at once, and none raises."""

    def __init__(self, tracking_uri: str, store: Store, *, experiment: str = "tablewright") -> None:
        """Name the server or database; nothing is opened before `begin`."""
        self.warnings: list[str] = []
        self._store = store
        self._mirror = _Mirror(tracking_uri, store, experiment)
        self._uri = tracking_uri
        self._jobs: queue.Queue[Callable[[], None] | None] = queue.Queue(MAX_QUEUED)
        self._thread = threading.Thread(target=self._work, name="mlflow", daemon=True)
        self._down_until_s = 0.0
        self._ended: set[str] = set()
        self._num_lost = 0

    # -- called by the driver

    @property
    def has_begun(self) -> bool:
        """Whether `begin` was called."""
        return self._thread.ident is not None

    def begin(self, sweep: str, parameters: Mapping[str, object]) -> None:
        """Open or continue the parent run of a sweep, and put right what an earlier run left behind."""
        for name, value in HTTP_SETTINGS.items():
            os.environ.setdefault(name, value)
        self._thread.start()
        self._tell(lambda: self._mirror.begin(sweep, parameters))

    def reconcile(self, training_ids: Iterable[str]) -> None:
        """Rebuild the runs of recorded trainings that MLflow has not, or not whole."""
        wanted = list(training_ids)
        self._tell(lambda: self._mirror.reconcile(wanted))

    def on_start(self, work: Work) -> None:
        """Open or continue the training's run."""
        self._tell(lambda: self._mirror.start(work))

    def on_progress(self, work: Work, progress: Progress) -> None:
        """Log an epoch."""
        at_ms = _now_ms()
        self._tell(lambda: self._mirror.log_epoch(work, progress.report, progress.system, at_ms))

    def on_end(self, work: Work, outcome: Outcome) -> None:
        """Close the training's run with the state it ended in."""
        self._ended.add(work.training_id)
        self._tell(lambda: self._mirror.finish(work, outcome))

    def log_tables(self, files: Mapping[str, str]) -> None:
        """Attach finished tables, artifact path -> path or URL, to the parent run."""
        self._tell(lambda: self._mirror.log_files(files))

    def end(self, *, succeeded: bool) -> None:
        """Deliver what is left, within bounds, and close the parent run."""
        ended = sorted(self._ended)
        if self._num_lost:
            self._down_until_s = 0.0  # one more try, for the server may be back
            self._tell(lambda: self._mirror.begin_again())
            self._tell(lambda: self._mirror.reconcile(ended))
        self._tell(lambda: self._mirror.close(succeeded))
        self._tell(None)
        self._thread.join(END_WAIT_S)
        if self._thread.is_alive() or self._num_lost:
            self._warn(
                f"MLflow at {self._uri} did not take everything; nothing is lost, running the same command "
                "again rebuilds its runs from the store"
            )

    def _tell(self, job: Callable[[], None] | None) -> None:
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            self._num_lost += 1

    def _warn(self, text: str) -> None:
        self.warnings.append(text)
        _log.warning(text)

    # -- the thread

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            if time.monotonic() < self._down_until_s:
                self._num_lost += 1
                continue
            try:
                job()
            except Exception as error:  # whatever the server or its client raises, the sweep goes on
                if not self._num_lost:
                    reason = " ".join(str(error).split())[:300]
                    self._warn(
                        f"MLflow at {self._uri} does not answer ({reason}); the sweep goes on without it"
                    )
                self._num_lost += 1
                self._down_until_s = time.monotonic() + RETRY_S


class _Mirror:
    """What is known of the runs at the server; used by one thread."""

    def __init__(self, uri: str, store: Store, experiment: str) -> None:
        self._uri, self._store, self._experiment = uri, store, experiment
        self._runs: dict[str, str] = {}
        self._whole: dict[str, int] = {}
        self._epochs: dict[str, set[int]] = {}
        self._sweep, self._parameters = "", dict[str, object]()
        self._parent = ""

    @functools.cached_property
    def _client(self) -> MlflowClient:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from mlflow import MlflowClient

            for name in ("mlflow", "alembic"):
                logging.getLogger(name).setLevel(logging.ERROR)
            return MlflowClient(tracking_uri=self._uri)

    @functools.cached_property
    def _experiment_id(self) -> str:
        found = self._client.get_experiment_by_name(self._experiment)
        if found is not None:
            return str(found.experiment_id)
        is_database = "://" in self._uri and not self._uri.startswith("http")
        place = f"{self._store.url}/mlartifacts" if is_database else None
        return str(self._client.create_experiment(self._experiment, artifact_location=place))

    # -- the sweep

    def begin(self, sweep: str, parameters: Mapping[str, object]) -> None:
        self._sweep, self._parameters = sweep, dict(parameters)
        self.begin_again()

    def begin_again(self) -> None:
        """Read what runs there are, continue the parent, close what a killed driver left open."""
        for run in self._search(f"tags.`{SWEEP_TAG}` LIKE '%'"):
            training = run.data.tags.get(TRAINING_TAG)
            is_open = run.info.status in ("RUNNING", "SCHEDULED")
            is_ours = (
                run.data.tags.get(SWEEP_TAG) == self._sweep
                and run.data.tags.get(STORE_TAG) == self._store.url
            )
            if training is None:
                if is_ours:
                    self._parent = str(run.info.run_id)
                continue
            self._runs[training] = str(run.info.run_id)
            if run.info.status == "FINISHED":
                self._whole[training] = int(run.data.tags.get(VIEWS_TAG, 0))
            if is_open and is_ours:
                self._client.set_terminated(run.info.run_id, "KILLED")
        if self._parent:
            self._client.update_run(self._parent, status="RUNNING")
        else:
            tags = {SWEEP_TAG: self._sweep, STORE_TAG: self._store.url, **_source_tags()}
            run = self._client.create_run(self._experiment_id, tags=tags, run_name=self._sweep)
            self._parent = str(run.info.run_id)
            self._log_params(self._parent, {name: str(value) for name, value in self._parameters.items()})

    def close(self, succeeded: bool) -> None:
        if self._parent:
            self._client.set_terminated(self._parent, "FINISHED" if succeeded else "FAILED")

    def log_files(self, files: Mapping[str, str]) -> None:
        for place, url in files.items():
            folder, _, name = place.rpartition("/")
            filesystem, path = fsspec.core.url_to_fs(url)
            with tempfile.TemporaryDirectory() as scratch:
                copy = Path(scratch) / name
                copy.write_bytes(filesystem.cat_file(path))
                self._client.log_artifact(self._parent, str(copy), f"tables/{folder}")

    # -- one training

    def start(self, work: Work) -> None:
        run_id = self._runs.get(work.training_id)
        if run_id is not None:
            self._client.update_run(run_id, status="RUNNING")
            return
        self._create(
            work.training_id,
            name=work.label,
            config=work.config.model_dump(mode="json"),
            tags={"study": work.study, "method": work.config.METHOD},
            data=(work.data.name, work.data.fingerprint, dict(work.data.num_images)),
        )

    def log_epoch(self, work: Work, report: EpochReport, system: Mapping[str, float], at_ms: int) -> None:
        values = {**report.metrics, "epoch_wall_s": report.wall_s, **system}
        self._log_epochs(work.training_id, [(report.epoch, values)], at_ms)

    def finish(self, work: Work, outcome: Outcome) -> None:
        if outcome.state == "done":
            self.reconcile([work.training_id])
            return
        run_id = self._runs[work.training_id]
        self._client.set_tag(run_id, STATE_TAG, outcome.state)
        if outcome.message:
            self._client.set_tag(run_id, FAILURE_TAG, outcome.message[:MAX_VALUE])
            failure = self._store.training(work.training_id).failure()
            if failure is not None:
                self._client.log_text(run_id, failure.traceback, "traceback.txt")
        self._client.set_terminated(run_id, RUN_STATES[outcome.state])

    # -- from the store

    def reconcile(self, training_ids: Sequence[str]) -> None:
        for identity in training_ids:
            folder = self._store.training(identity)
            views = folder.measured_views()
            if self._whole.get(identity, -1) >= len(views):
                continue
            record = folder.record()
            if record is not None:
                measured = [
                    found for view in sorted(views) if (found := folder.measurement(view)) is not None
                ]
                self._rebuild(record, folder.epochs(), measured)

    def _rebuild(
        self, record: TrainingRecord, epochs: Sequence[EpochReport], measured: Sequence[Measurement]
    ) -> None:
        identity = record.training_id
        if identity not in self._runs:
            self._create(
                identity,
                name=record.label,
                config=record.config,
                tags={
                    "study": record.study,
                    "method": record.method,
                    "mlflow.source.git.commit": record.git_commit,
                },
                data=(record.data.name, record.data.fingerprint, record.data.num_images),
                started_ms=round(record.started_at.timestamp() * 1000),
            )
        ended_ms = round(record.ended_at.timestamp() * 1000)
        rows = [(report.epoch, {**report.metrics, "epoch_wall_s": report.wall_s}) for report in epochs]
        self._log_epochs(identity, rows, ended_ms)
        run_id = self._runs[identity]
        values = {
            f"{view_name(measurement.view)}.{name}": value
            for measurement in measured
            for name, value in measurement.metrics.items()
        }
        values |= {"train_wall_s": record.train_wall_s, "measure_wall_s": record.measure_wall_s}
        self._log_metrics(run_id, [(0, values)], ended_ms)
        self._client.set_tag(run_id, VIEWS_TAG, str(len(measured)))
        self._client.set_tag(run_id, STATE_TAG, "done")
        self._client.set_terminated(run_id, "FINISHED", end_time=ended_ms)
        self._whole[identity] = len(measured)

    # -- MLflow's calls

    def _search(self, filter_string: str) -> Iterator[Run]:
        token: str | None = None
        while True:
            page = self._client.search_runs(
                [self._experiment_id], filter_string, max_results=PAGE, page_token=token
            )
            yield from page
            token = page.token
            if not token:
                return

    def _create(
        self,
        identity: str,
        *,
        name: str,
        config: Mapping[str, Any],
        tags: Mapping[str, str],
        data: tuple[str, str, Mapping[str, int]],
        started_ms: int | None = None,
    ) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        own = {TRAINING_TAG: identity, SWEEP_TAG: self._sweep, STORE_TAG: self._store.url}
        parent = {"mlflow.parentRunId": self._parent}
        run = self._client.create_run(
            self._experiment_id,
            start_time=started_ms,
            tags={**_source_tags(), **own, **parent, **tags},
            run_name=name,
        )
        run_id = str(run.info.run_id)
        self._runs[identity] = run_id
        self._epochs[identity] = set()
        self._log_params(run_id, dict(flatten(config)))
        data_name, fingerprint, num_images = data
        dataset = Dataset(
            name=data_name,
            digest=fingerprint[:36],
            source_type="local",
            source=data_name,
            profile=str(dict(num_images)),
        )
        context = InputTag("mlflow.data.context", "train")
        self._client.log_inputs(run_id, [DatasetInput(dataset, [context])])

    def _log_params(self, run_id: str, params: Mapping[str, str]) -> None:
        from mlflow.entities import Param

        items = [Param(name, value[:MAX_VALUE]) for name, value in params.items()]
        for first in range(0, len(items), MAX_PARAMS):
            self._client.log_batch(run_id, params=items[first : first + MAX_PARAMS])

    def _log_epochs(self, identity: str, rows: Sequence[tuple[int, Mapping[str, float]]], at_ms: int) -> None:
        known = self._epochs.get(identity)
        if known is None:  # a run that goes on: an epoch repeated after a crash is logged already
            history = self._client.get_metric_history(self._runs[identity], "epoch_wall_s")
            known = self._epochs[identity] = {int(point.step) for point in history}
        new = [(epoch, values) for epoch, values in rows if epoch not in known]
        self._log_metrics(self._runs[identity], new, at_ms)
        known |= {epoch for epoch, _ in new}

    def _log_metrics(self, run_id: str, rows: Sequence[tuple[int, Mapping[str, float]]], at_ms: int) -> None:
        from mlflow.entities import Metric

        points = [Metric(name, value, at_ms, step) for step, values in rows for name, value in values.items()]
        for first in range(0, len(points), MAX_METRICS):
            self._client.log_batch(run_id, metrics=points[first : first + MAX_METRICS])


def flatten(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Give dotted path and printed value of every leaf of a config."""
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{name}.")  # pyright: ignore[reportUnknownArgumentType]
        else:
            yield f"{prefix}{name}", "off" if value is None else str(value)


def view_name(view: EvaluationView) -> str:
    """Name a view in a metric: its split and embeddings, and whatever else is not the default."""
    parts = [view.split, "+".join(view.embeddings)]
    default = EvaluationView()
    parts += [view.query] if view.query != default.query else []
    parts += [view.distance] if view.distance != default.distance else []
    parts += ["flip"] if view.flip else []
    if view.reranking is not None:
        constants = view.reranking
        parts.append(f"reranked_{constants.k1}_{constants.k2}_{constants.original_distance_weight:g}")
    # MLflow allows letters, digits, _ - . space : and / in a name.
    return ".".join(parts).replace("+", "_and_")


def _source_tags() -> dict[str, str]:
    return {"mlflow.source.git.commit": git_commit(), "mlflow.source.name": "sweep.py"}


def _now_ms() -> int:
    return round(time.time() * 1000)
