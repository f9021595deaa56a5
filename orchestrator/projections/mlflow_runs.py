"""The runs of a store in MLflow, as the thread of the tracker writes them."""

from __future__ import annotations

import datetime
import hashlib
import itertools
import json
import platform
import tempfile
import time
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
import psutil

from tablewright.orchestrator.code.provenance import git_commit
from tablewright.orchestrator.code.user import user_name
from tablewright.orchestrator.identity import digest_of
from tablewright.orchestrator.plans.place import Place
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.plans.training_places import TrainingPlaces, in_order
from tablewright.orchestrator.projections.mlflow_batch import (
    MAX_METRICS_PER_CALL,
    RunBatch,
    metrics_at,
    written_tags,
)
from tablewright.orchestrator.projections.mlflow_client import open_client, why_refused
from tablewright.orchestrator.projections.mlflow_names import (
    DAMAGED,
    DRIVER,
    EPOCH_MARK,
    FAILURE,
    GIVEN_NAME,
    MAX_DIGEST_LENGTH,
    MAX_TAG_LENGTH,
    NOTE,
    NUM_VIEWS,
    PARENT,
    PICTURE_WARNING,
    RECORDED_AT,
    RUN_NAME,
    STATE,
    STORE,
    STORE_URL,
    STUDY,
    SWEEP,
    TABLES,
    TRAINING_ID,
    WARNINGS,
    allowed_name,
    data_suffix,
    ensemble_suffix,
    flatten,
    number_names,
    view_prefix,
)
from tablewright.orchestrator.projections.mlflow_page import NAME as MLFLOW_PAGE
from tablewright.orchestrator.projections.mlflow_page import mlflow_page
from tablewright.orchestrator.projections.mlflow_places import (
    is_note_ours,
    is_place_tag,
    place_note,
    place_tags,
    places_in,
    sweep_note,
)
from tablewright.orchestrator.projections.mlflow_transaction import (
    NewRows,
    NewRun,
    in_one_transaction,
)
from tablewright.orchestrator.projections.mlflow_views import left_over_views, saved_views
from tablewright.orchestrator.store.claims import Claims, training_claim
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.data_records import DataRecord
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_folder import TrainingFolder
from tablewright.orchestrator.store.training_records import Measurement, TrainingRecord
from tablewright.orchestrator.work import Outcome, Progress, Work
from tablewright.trainables.contract.data import DatasetFacts
from tablewright.trainables.contract.run import EpochReport
from tablewright.trainables.value.secret import masked, masked_in, without_credentials

if TYPE_CHECKING:
    from mlflow.entities import Run

CLAIM = "projection-mlflow"
CLAIM_PATIENCE_S = 60.0
"""For so long the thread waits while another sweep of the store makes runs, before it takes MLflow for failing."""

PAGE_LENGTH = 1000
MAX_EXPERIMENT_TAG_LENGTH = 20_000

EXPERIMENT_KIND = "mlflow.experimentKind"
EXPERIMENT_NOTE = (
    "Trainings of Tablewright. **Views**, above the list of runs, has one view a table: its trainings grouped by row, "
    "as list and as charts. What stands here is a picture of the store, which alone decides."
)
PLACED = (NOTE, GIVEN_NAME, STUDY)
"""Of the tags that say where a training stands, those that are never taken away."""

FINISHED, FAILED, KILLED, RUNNING = "FINISHED", "FAILED", "KILLED", "RUNNING"
STATUS_OF = {
    "done": FINISHED,
    "failed": FAILED,
    "stopped": KILLED,
    "pruned": KILLED,
    "paused": KILLED,
    "cancelled": KILLED,
}


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
    trial: Place | None = None

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
            work.trial,
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
            STUDY: self.study,
            "tablewright.method": self.method,
            **_source_tags(self.commit),
        }


def _source_tags(commit: str) -> dict[str, str]:
    source = {"mlflow.source.name": "sweep.py", "mlflow.source.type": "LOCAL", "mlflow.user": user_name()}
    return source | ({"mlflow.source.git.commit": commit} if commit else {})


@dataclass
class ToldTraining:
    """What the driver has told of a training and MLflow has not heard yet."""

    work: Work
    at_ms: int
    epochs: dict[int, tuple[int, Progress]] = field(default_factory=dict[int, tuple[int, Progress]])
    outcome: Outcome | None = None
    ended_at_ms: int = 0

    def followed_by(self, later: ToldTraining) -> ToldTraining:
        """Join it with what was told since."""
        epochs = {**later.epochs, **self.epochs}  # a repeated epoch keeps the time of the first report
        return replace(later, at_ms=self.at_ms, epochs=epochs)


@dataclass
class _ChildRun:
    """What is known of a training's run in MLflow.

    Attributes:
        run_id: empty while it is still to be made.
        name: as MLflow shows it.
        is_ours: it was logged from this store.
        driver: that writes it, as `_this_process` names it; empty in runs of earlier versions.
        recorded_at: of the record it shows; empty while it shows none.
        num_views: measured views it shows.
        epochs: those that are logged; None while nobody has asked.
        placed: the tags that say where its training stands, its description among them.
        artifact_url: where its files lie.
        started_at_ms: of one that is to be made.
        unsent: what is still to be written to it.
    """

    run_id: str
    name: str
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
    placed: dict[str, str] = field(default_factory=dict[str, str])
    artifact_url: str = ""
    started_at_ms: int = 0
    unsent: RunBatch = field(default_factory=RunBatch)


def _shows(run: _ChildRun, record: TrainingRecord | None) -> bool:
    """Say whether a run can be that of a record; a store that was moved keeps its runs."""
    return record is not None and run.recorded_at in ("", record.ended_at.isoformat())


class MlflowRuns:
    """The runs of a store in MLflow. Every method calls the server and may raise what that raises.

    What a call that failed has written is found by reading everything again in a new projection.
    """

    def __init__(
        self, uri: str, store: Store, experiment: str, warn: Callable[[str], None], changed_ids: set[str]
    ) -> None:
        self._store, self._warn, self._changed_ids = store, warn, changed_ids
        self._store_id = store.shared_id()
        self._claims = Claims(store)
        self._client, self._uri = open_client(uri), uri
        self._experiment_id = self._open_experiment(experiment, uri)
        self._experiment = self._client.get_experiment(self._experiment_id)
        self._places: dict[str, bool] = {}
        self._parent_id = ""
        self._has_entered = False
        self._takes_pictures = True
        self._is_alone = False
        self._new_rows: NewRows | None = None
        self._known_to_be_new: set[str] = set()
        self.places: TrainingPlaces | None = None
        self._read_all()
        if self._is_to_be_put_right():
            with self._alone():
                self._read_all()  # another sweep may have put it right since
                self._tag_by_id()
                self._merge_doubles()
                self._merge_parents()

    def _open_experiment(self, name: str, uri: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is not None and EXPERIMENT_KIND not in found.tags:
            self._describe_experiment(found.experiment_id, has_note=NOTE in found.tags)
        if found is None:
            is_server = uri.startswith(("http://", "https://"))
            artifacts = None if is_server else f"{without_credentials(self._store.url)}/mlartifacts"
            try:
                made_id = self._client.create_experiment(name, artifact_location=artifacts)
                self._describe_experiment(made_id, has_note=False)
                return made_id
            except Exception:
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    raise
        return found.experiment_id

    def _describe_experiment(self, experiment_id: str, *, has_note: bool) -> None:
        """Say that it is one of trainings, not of language models, and what its runs are."""
        if not has_note:
            self._tag_experiment(experiment_id, NOTE, EXPERIMENT_NOTE)
        self._tag_experiment(experiment_id, EXPERIMENT_KIND, "custom_model_development")

    def _tag_experiment(self, experiment_id: str, tag: str, text: str) -> None:
        """Set a tag of the experiment, unless another sweep is just doing so."""
        try:
            self._client.set_experiment_tag(experiment_id, tag, text)
        except Exception:
            if self._client.get_experiment(experiment_id).tags.get(tag) != text:
                raise

    @contextmanager
    def _alone(self) -> Generator[None]:
        """Be for a moment the only one of the store's sweeps that makes, merges or deletes runs."""
        if self._is_alone:
            yield
            return
        with self._claims.held(CLAIM, CLAIM_PATIENCE_S) as claim:
            if claim is None:
                raise TimeoutError("another sweep of this store has been making runs all the time")
            self._is_alone = True
            try:
                yield
            finally:
                self._is_alone = False

    @contextmanager
    def writing(self, training_ids: Collection[str]) -> Generator[None]:
        """Write the runs of trainings inside, beside no other sweep of the store; a database keeps all or nothing.

        Where anything raises, this object knows of runs that are not there, and is of no more use.

        Args:
            training_ids: of which trainings.
        """
        with self._alone(), in_one_transaction(self._client) as rows:
            unknown = [identity for identity in training_ids if identity not in self._children]
            self._new_rows = rows
            try:
                if rows is not None and unknown:
                    self._known_to_be_new = set(unknown) - rows.known_among(TRAINING_ID, unknown)
                yield
            finally:
                self._new_rows, self._known_to_be_new = None, set()

    @contextmanager
    def writing_one(self) -> Generator[None]:
        """Write the run of one training inside by MLflow's calls alone, none of which takes back what another wrote."""
        with self._alone():
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
            run.info.run_name or "",
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
            placed={tag: text for tag, text in tags.items() if tag in PLACED or is_place_tag(tag)},
            artifact_url=run.info.artifact_uri or "",
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
            self._send(run_id, tags=self._store_tags())

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
                    self._send(child.run_id, tags={PARENT: first})
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
        page = mlflow_page(self._uri, self._experiment_id, self._store_id, self._store.url)
        self._store.root.write_if_changed(MLFLOW_PAGE, page)  # before the tables, which link to it
        self._sweep_tags = {**parameters, **self._store_tags(), SWEEP: name, **_source_tags(git_commit())}
        if self._find_parent(name):
            return
        with self._alone():
            for run in self._runs_where(f"tags.`{SWEEP}` != ''"):
                self._keep(run)
            if not self._find_parent(name):
                tags = {**self._sweep_tags, DRIVER: _this_process()}
                self._parent_id = self._new_run(name, tags, begun_at_ms).info.run_id
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
            self._send(
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
                    self._send(self._parent_id, tags={DRIVER: "\n".join(others)})
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
                with self._alone():
                    self.settle(identity)

    def close_sweep(
        self,
        status: str | None,
        table_files: Mapping[str, str],
        numbers: Mapping[tuple[str, ...], float],
        num_recorded: int,
    ) -> None:
        """Log the finished tables and their numbers, unless they are there, and end the sweep's run.

        Args:
            status: that the sweep ended with; None leaves what is there.
            table_files: artifact path -> path or URL.
            numbers: of the tables, by study, table, row, data set, metric and statistic.
            num_recorded: trainings that they are made from, at which the numbers stand in the run's charts.
        """
        self._log_numbers(numbers, num_recorded)
        if self.places is not None:
            try:
                self._log_views(self.places.plan)
            except Exception as error:  # an earlier version takes shorter tags of an experiment
                self._warn(f"MLflow did not take the views of tables: {why_refused(error)}")
            self._describe_sweep(self.places.plan)
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
                    self._send(self._parent_id, tags={TABLES: digest})
                except Exception as error:  # its files may lie elsewhere than its numbers
                    self._warn(f"MLflow did not take the tables as artifacts: {why_refused(error)}")
        self._leave(status)

    def _log_numbers(self, numbers: Mapping[tuple[str, ...], float], num_recorded: int) -> None:
        """Log the numbers of the tables' cells that are not there as they are."""
        if not numbers:
            return
        known: dict[str, float] = self._client.get_run(self._parent_id).data.metrics
        shown = itertools.islice(number_names(numbers).items(), MAX_METRICS_PER_CALL)
        new = {name: value for name, value in shown if known.get(name) != value}
        self._send(self._parent_id, metrics=[metrics_at(new, now_ms(), num_recorded)])

    def _log_views(self, plan: Plan) -> None:
        """Offer each table in the page's menu of views; an MLflow that has none is left alone."""
        experiment = self._client.get_experiment(self._experiment_id)
        known: dict[str, str] = experiment.tags
        for tag, text in saved_views(plan, self._store_id, experiment.creation_time or 0).items():
            if known.get(tag) != text and len(text) <= MAX_EXPERIMENT_TAG_LENGTH:
                self._tag_experiment(self._experiment_id, tag, text)
        for tag in left_over_views(known, plan, self._store_id):
            self._client.delete_experiment_tag(self._experiment_id, tag)

    def _describe_sweep(self, plan: Plan) -> None:
        """List the tables in the description of the sweep's run, each with the way to its trainings and its page."""
        known = self._client.get_run(self._parent_id).data.tags.get(NOTE, "")
        note = sweep_note(plan, self._experiment_id, self._parent_id, self._store_id)
        if is_note_ours(known) and note != known:
            self._send(self._parent_id, tags={NOTE: note})

    # -- the runs of trainings, inside `writing`

    def write(self, waiting: ToldTraining) -> None:
        """Log what the driver told of a training; one that another driver writes is left to that."""
        self._enter()
        work, outcome = waiting.work, waiting.outcome
        folder = self._store.training(work.training_id)
        run = self._current(work.training_id)
        if run is not None and run.status == FINISHED and not _shows(run, folder.record()):
            self._forget(work.training_id, run)  # the record that it shows was deleted, or is another store's
            run = None
        subject = _Subject.of_work(work, waiting.at_ms)
        run = self._find_or_begin(subject) if run is None else run
        if self._is_anothers(run):
            return
        self._changed_ids.add(work.training_id)
        if outcome is None and (run.status, run.driver) != (RUNNING, _this_process()):
            tags = {PARENT: self._parent_id, STATE: "running", DRIVER: _this_process()}
            run.unsent.tags |= {**tags, **self._store_tags()}
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
            self._write_out(run)
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
                self._send(run.run_id, tags={PARENT: self._parent_id})
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
            self._end(run, Outcome("stopped"), folder, now_ms())

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

    def _find_or_begin(self, subject: _Subject) -> _ChildRun:
        """Give the run that another driver has made since all runs were read, or one that is to be made."""
        assert self._is_alone, "nobody makes it between the look and the writing"
        identity = subject.training_id
        is_new = identity in self._known_to_be_new
        for found in () if is_new else self._runs_where(f"tags.`{TRAINING_ID}` = '{identity}'"):
            if self._is_ours(found.data.tags):
                self._children[identity] = self._child_of(found)
                return self._children[identity]
        tags = {**subject.tags(), **self._store_tags(), PARENT: self._parent_id}
        tags |= {STATE: "running", DRIVER: _this_process()}
        placed = self._tags_of(self._places_of(identity, subject.trial), self._parent_id)
        name = placed.pop(RUN_NAME, subject.label)
        run = self._children[identity] = _ChildRun(
            "",
            name,
            RUNNING,
            self._parent_id,
            is_ours=True,
            driver=_this_process(),
            epochs=set(),
            placed=placed,
            started_at_ms=subject.started_at_ms,
            unsent=RunBatch(tags={**tags, **placed}),
        )
        return run

    # -- where trainings stand

    def _places_of(self, training_id: str, trial: Place | None = None) -> tuple[Place, ...]:
        """Give where a training stands by the plan; a trial that was just suggested is in none yet."""
        if self.places is None:
            return ()
        found = self.places.of.get(training_id, ())
        return found or (() if trial is None else (self.places.of_trial(trial),))

    def _tags_of(self, places: Sequence[Place], parent_id: str) -> dict[str, str]:
        if not places:
            return {}
        parent = self._parents.get(parent_id)
        name = self._sweep_tags[SWEEP] if parent is None else parent.data.tags[SWEEP]
        at = f"#/experiments/{self._experiment_id}/runs/{parent_id}/artifacts/tables"
        pages = {it.study_key: f"{at}/{it.study_key}" for it in places if it.study in name.split("+")}
        return place_tags(places) | {NOTE: place_note(places, self._experiment_id, self._store_id, pages)}

    def misplaced(self) -> list[str]:
        """Name the trainings whose runs do not say where they stand, as where a table was added, or is no more."""
        return [identity for identity, run in self._children.items() if self._amended(identity, run)]

    def place(self, training_id: str) -> None:
        """Have a run say where its training stands; what other sweeps, or people, have written there stays."""
        run = self._children[training_id]
        run = self._children[training_id] = replace(
            self._child_of(self._client.get_run(run.run_id)), epochs=run.epochs, is_described=run.is_described
        )
        tags = self._amended(training_id, run)
        if not tags:
            return
        left_over = [tag for tag, text in tags.items() if not text]
        kept = {tag: text for tag, text in tags.items() if text}
        if RUN_NAME in kept and not self._is_name_ours(training_id, run, places_in(tags)):
            del kept[RUN_NAME]
        self._send(run.run_id, tags=kept)
        for tag in left_over:
            self._client.delete_tag(run.run_id, tag)
        run.name = kept.pop(RUN_NAME, run.name)
        run.placed = {tag: text for tag, text in {**run.placed, **kept}.items() if tag not in left_over}
        self._changed_ids.add(training_id)

    def _amended(self, training_id: str, run: _ChildRun) -> dict[str, str]:
        """Give the tags of a run that are to be others; an empty one is to be removed."""
        if self.places is None or not run.is_ours:
            return {}
        own = self.places.of.get(training_id, ())
        known = places_in(run.placed)
        kept = [place for place in known if place not in own and not self.places.decides(place)]
        places = sorted([*own, *kept], key=in_order)
        is_told = GIVEN_NAME in run.placed and run.parent_id in run.placed.get(NOTE, "")
        if places == known and (is_told or not own):
            return {}  # as of nearly all: to write the tags of ten thousand runs, and compare them, takes seconds
        wanted = self._tags_of(places, run.parent_id)
        if not is_note_ours(run.placed.get(NOTE, "")):
            wanted.pop(NOTE, None)
        if run.placed.get(GIVEN_NAME) == wanted.get(GIVEN_NAME):
            wanted.pop(RUN_NAME, None)  # a person may have given it another one since
        gone = {tag: "" for tag in run.placed if is_place_tag(tag) and tag not in wanted}
        return {tag: text for tag, text in (wanted | gone).items() if run.placed.get(tag) != text}

    def _is_name_ours(self, training_id: str, run: _ChildRun, places: Sequence[Place]) -> bool:
        """Say whether a run has the name that it was given here; earlier versions named it after one of its places."""
        if GIVEN_NAME in run.placed:
            return run.name == run.placed[GIVEN_NAME]
        if run.name in {name for place in places for name in (place.label, f"{place.label} {place.column}")}:
            return True
        record = self._store.training(training_id).record()
        return record is None or run.name == record.label

    def _new_run(self, name: str, tags: Mapping[str, str], started_at_ms: int) -> Run:
        return self._client.create_run(
            self._experiment_id,
            start_time=started_at_ms,
            tags=written_tags(tags),
            run_name=masked(name),
        )

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
        run.unsent.params |= params
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
            run.unsent.data = DatasetInput(dataset, tags)
        run.is_described = True

    def _log_epochs(self, run: _ChildRun, epochs: Iterable[tuple[int, int, Mapping[str, float]]]) -> None:
        """Log (epoch, time in ms, values); an epoch that is there stays as it is."""
        new = [epoch for epoch in epochs if epoch[0] not in self._logged_epochs(run)]
        run.unsent.metrics += [metrics_at(values, at_ms, epoch) for epoch, at_ms, values in new]
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
        run = self._find_or_begin(subject) if run is None else run
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
        groups = [metrics_at(_without(run.metrics, values), _ms(record.ended_at), record.num_epochs)]
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
            values = {allowed_name(f"{front}.{name}"): value for name, value in _measured_values(measured)}
            values = _without(run.metrics, values)
            groups.append(metrics_at(values, _ms(measured.measured_at), record.num_epochs))
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
        run.unsent.metrics += groups
        run.unsent.tags |= tags
        run.status, ended_at_ms = FINISHED, _ms(record.ended_at)
        is_ended = self._write_out(run, ended_at_ms)
        self._log_pictures(run, folder)
        run.metrics.update(metric.key for group in groups for metric in group)
        run.recorded_at, run.num_views = recorded_at, len(view_ids)
        if run.has_failure:
            self._client.delete_tag(run.run_id, FAILURE)
            run.has_failure = False
        if not is_ended:
            self._client.set_terminated(run.run_id, FINISHED, ended_at_ms)

    def _log_pictures(self, run: _ChildRun, folder: TrainingFolder) -> None:
        files: dict[str, bytes] = {}
        for name in folder.pictures() if self._takes_pictures else ():
            try:
                files[f"pictures/{name}.png"] = folder.picture(name)
            except DamagedFile as error:
                self._warn(str(error))
        # One refusal is told; hundreds would only take time.
        self._takes_pictures &= not files or self._log_files(run, files, "pictures as artifacts")

    def _log_files(self, run: _ChildRun, files: Mapping[str, bytes], what: str) -> bool:
        """Attach files to a run; say whether they were taken."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        with tempfile.TemporaryDirectory(prefix="tablewright-mlflow-") as aside:
            for name, content in files.items():
                path = Path(aside) / name
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(content)
            try:
                # By the client's own way the run would be read again, only to learn where its files lie.
                get_artifact_repository(run.artifact_url, self._client.tracking_uri).log_artifacts(aside)
            except Exception as error:  # its files may lie elsewhere than its numbers
                self._warn(f"MLflow did not take {what}: {why_refused(error)}")
                return False
        return True

    def _end(self, run: _ChildRun, outcome: Outcome, folder: TrainingFolder, ended_at_ms: int) -> None:
        tags = {STATE: outcome.state}
        if outcome.message:
            tags[FAILURE] = masked(outcome.message)[:MAX_TAG_LENGTH]
            run.has_failure = True
        run.unsent.tags |= tags
        run.status = STATUS_OF[outcome.state]
        if not self._write_out(run, ended_at_ms):
            self._client.set_terminated(run.run_id, run.status, ended_at_ms)
        try:
            failure = folder.failure() if outcome.state == "failed" else None
        except DamagedFile:  # its message is told as the training's state
            failure = None
        if failure is not None:
            text = masked(failure.traceback).encode(errors="replace")
            self._log_files(run, {"traceback.txt": text}, "a traceback as an artifact")

    def _send(self, run_id: str, **what: Any) -> None:
        """Write to a run at once, as `RunBatch` has it."""
        RunBatch(**what).send(self._client, run_id)

    def _write_out(self, run: _ChildRun, ended_at_ms: int | None = None) -> bool:
        """Write what was gathered of a training's run, and make the run first where there is none.

        Returns:
            whether it is ended by that.
        """
        gathered, run.unsent = run.unsent, RunBatch()
        if not run.run_id and self._new_rows is not None:
            new = NewRun(run.name, run.status, run.started_at_ms, ended_at_ms, gathered)
            run.run_id, run.artifact_url = self._new_rows.add_run(self._experiment, new)
            return True
        if not run.run_id:
            made = self._new_run(run.name, gathered.tags, run.started_at_ms)
            run.run_id, run.artifact_url = made.info.run_id, made.info.artifact_uri or ""
            gathered.tags = {}
        gathered.send(self._client, run.run_id)
        return False


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


def _without(known: set[str], values: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if name not in known}


def now_ms() -> int:
    """Give the time as MLflow writes it."""
    return int(time.time() * 1000)


def _ms(moment: datetime.datetime) -> int:
    return int(moment.timestamp() * 1000)
