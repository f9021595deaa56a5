"""What MLflow has of a store: its runs as they were read, who writes them, and what is put right among them."""

from __future__ import annotations

import platform
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from tablewright.orchestrator.projections.mlflow_batch import RunBatch, written_tags
from tablewright.orchestrator.projections.mlflow_client import open_client
from tablewright.orchestrator.projections.mlflow_names import (
    DRIVER,
    FAILURE,
    GIVEN_NAME,
    NOTE,
    NUM_VIEWS,
    PARENT,
    RECORDED_AT,
    STORE,
    STORE_URL,
    STUDY,
    SWEEP,
    TRAINING_ID,
)
from tablewright.orchestrator.projections.mlflow_places import is_place_tag
from tablewright.orchestrator.projections.mlflow_training import FINISHED, RUNNING, TrainingRun, shows
from tablewright.orchestrator.running_processes import has_ended
from tablewright.orchestrator.store.claims import Claims, training_claim
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.store import Store
from tablewright.trainables.value.secret import masked, without_credentials

if TYPE_CHECKING:
    from mlflow.entities import Run

CLAIM = "projection-mlflow"
CLAIM_PATIENCE_S = 60.0
"""For so long the thread waits while another sweep of the store makes runs, before it takes MLflow for failing."""

PAGE_LENGTH = 1000

EXPERIMENT_KIND = "mlflow.experimentKind"
EXPERIMENT_NOTE = (
    "Trainings of Tablewright. **Views**, above the list of runs, has one view a table: its trainings grouped by row, "
    "as list and as charts. What stands here is a picture of the store, which alone decides."
)
PLACED = (NOTE, GIVEN_NAME, STUDY)
"""Of the tags that say where a training stands, those that are never taken away."""


def _is_same_place(place: str, url: str) -> bool:
    """Say whether two addresses are of one store: a folder may be told relative to another, and through links."""
    place, url = (text.removeprefix("file://").rstrip("/") for text in (place, url))
    is_local = "://" not in place and "://" not in url and place.startswith("/")
    return bool(place) and (place == url or (is_local and Path(place).resolve() == Path(url).resolve()))


def this_process() -> str:
    """Name this driver, so that another one can say whether it lives."""
    process = psutil.Process()
    return f"{platform.node()} {process.pid} {process.create_time():.0f}"


def _is_dead(driver: str) -> bool:
    """Say whether a driver, as `this_process` named it, ran on this machine and runs no more."""
    host, _, rest = driver.partition(" ")
    pid, _, created = rest.partition(" ")
    if host != platform.node() or not pid.isdigit():
        return False
    try:
        process = psutil.Process(int(pid))
        return has_ended(process) or f"{process.create_time():.0f}" != created
    except psutil.NoSuchProcess:
        return True


class FoundRuns:
    """The runs of a store in MLflow. Every method calls the server and may raise what that raises.

    What a call that failed has written is found by reading everything again in a new object.

    Attributes:
        children: the run of each training, by its id.
        parents: the runs of sweeps, by MLflow's id.
        is_alone: whether no other sweep of the store makes runs just now.
    """

    def __init__(self, uri: str, store: Store, experiment: str, changed_ids: set[str]) -> None:
        """Read what MLflow has, and put right what is not as it should be.

        Args:
            uri: of MLflow's server or database.
            store: whose runs they are.
            experiment: that has all runs; it is made where it is not there.
            changed_ids: of the trainings whose runs are written to, added here.
        """
        self.store, self.changed_ids = store, changed_ids
        self.store_id = store.shared_id()
        self._claims = Claims(store)
        self.client, self.uri = open_client(uri), uri
        self.experiment_id = self._open_experiment(experiment, uri)
        self.experiment = self.client.get_experiment(self.experiment_id)
        self._places: dict[str, bool] = {}
        self.is_alone = False
        self._read_all()
        if self._is_to_be_put_right():
            with self.alone():
                self._read_all()  # another sweep may have put it right since
                self._tag_by_id()
                self._merge_doubles()
                self._merge_parents()

    def _open_experiment(self, name: str, uri: str) -> str:
        found = self.client.get_experiment_by_name(name)
        if found is not None and EXPERIMENT_KIND not in found.tags:
            self._describe_experiment(found.experiment_id, has_note=NOTE in found.tags)
        if found is None:
            is_server = uri.startswith(("http://", "https://"))
            artifacts = None if is_server else f"{without_credentials(self.store.url)}/mlartifacts"
            try:
                made_id = self.client.create_experiment(name, artifact_location=artifacts)
                self._describe_experiment(made_id, has_note=False)
                return made_id
            except Exception:
                found = self.client.get_experiment_by_name(name)
                if found is None:
                    raise
        return found.experiment_id

    def _describe_experiment(self, experiment_id: str, *, has_note: bool) -> None:
        """Say that it is one of trainings, not of language models, and what its runs are."""
        if not has_note:
            self.tag_experiment(experiment_id, NOTE, EXPERIMENT_NOTE)
        self.tag_experiment(experiment_id, EXPERIMENT_KIND, "custom_model_development")

    def tag_experiment(self, experiment_id: str, tag: str, text: str) -> None:
        """Set a tag of the experiment, unless another sweep is just doing so."""
        try:
            self.client.set_experiment_tag(experiment_id, tag, text)
        except Exception:
            if self.client.get_experiment(experiment_id).tags.get(tag) != text:
                raise

    @contextmanager
    def alone(self) -> Generator[None]:
        """Be for a moment the only one of the store's sweeps that makes, merges or deletes runs."""
        if self.is_alone:
            yield
            return
        with self._claims.held(CLAIM, CLAIM_PATIENCE_S) as claim:
            if claim is None:
                raise TimeoutError("another sweep of this store has been making runs all the time")
            self.is_alone = True
            try:
                yield
            finally:
                self.is_alone = False

    def _read_all(self) -> None:
        self.children: dict[str, TrainingRun] = {}
        self._doubles: dict[str, list[TrainingRun]] = {}
        self.parents: dict[str, Run] = {}
        self._tagged_by_path: list[str] = []
        for run in self.runs_where(""):
            self.keep(run)

    def runs_where(self, condition: str) -> Iterator[Run]:
        """Read the runs that meet a condition in MLflow's own words, the first begun first."""
        token: str | None = None
        while True:
            page = self.client.search_runs(
                [self.experiment_id],
                filter_string=condition,
                max_results=PAGE_LENGTH,
                page_token=token,
                order_by=["attributes.start_time ASC"],
            )
            yield from page
            token = page.token
            if not token:
                return

    def is_ours(self, tags: Mapping[str, str]) -> bool:
        """Say whether a run is of this store; earlier versions told it by one of its paths."""
        place = tags.get(STORE, "")
        if place not in self._places:
            self._places[place] = place == self.store_id or _is_same_place(place, self.store.url)
        return self._places[place]

    def keep(self, run: Run) -> None:
        """Remember a run that was read, if it concerns this store."""
        tags: dict[str, str] = run.data.tags
        is_ours = self.is_ours(tags)
        if is_ours and tags[STORE] != self.store_id:
            self._tagged_by_path.append(run.info.run_id)
        if SWEEP in tags and is_ours:
            self.parents[run.info.run_id] = run
        identity = tags.get(TRAINING_ID)
        if identity is None or not (is_ours or run.info.status == FINISHED):
            return
        child = self.child_of(run)
        known = self.children.get(identity)
        if known is not None and known.is_ours:
            if is_ours:
                self._doubles.setdefault(identity, [known]).append(child)
        elif known is None or is_ours:
            self.children[identity] = child

    def child_of(self, run: Run) -> TrainingRun:
        """Say what a run that was read tells of its training."""
        tags: dict[str, str] = run.data.tags
        return TrainingRun(
            run.info.run_id,
            run.info.run_name or "",
            run.info.status,
            tags.get(PARENT, ""),
            self.is_ours(tags),
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
            self.client.get_experiment(self.experiment_id)
        except Exception:  # whichever of the many ways in which it may not
            return False
        return True

    # -- what sweeps of earlier versions, or two at once, have left

    def _is_to_be_put_right(self) -> bool:
        names = [run.data.tags[SWEEP] for run in self.parents.values()]
        return bool(self._tagged_by_path or self._doubles) or len(names) > len(set(names))

    def _tag_by_id(self) -> None:
        for run_id in self._tagged_by_path:
            self.send(run_id, tags=self.store_tags())

    def store_tags(self) -> dict[str, str]:
        """Give the tags that say whose run it is."""
        return {STORE: self.store_id, STORE_URL: self.store.url}

    def _merge_doubles(self) -> None:
        """Keep of several runs of one training the whole one; what another driver writes now is left alone."""
        for identity, runs in self._doubles.items():
            kept = self.children[identity] = max(runs, key=lambda run: self._worth(identity, run))
            for run in runs:
                if run is not kept and not self.is_anothers(run):
                    self.client.delete_run(run.run_id)
                    self.changed_ids.add(identity)

    def _worth(self, identity: str, run: TrainingRun) -> tuple[bool, bool, int, int]:
        try:
            is_whole = run.status == FINISHED and shows(run, self.store.training(identity).record())
        except DamagedFile:
            is_whole = False
        return is_whole, self.is_anothers(run), run.num_views, len(run.metrics)

    def _merge_parents(self) -> None:
        """Keep of several runs of one sweep the oldest."""
        kept: dict[str, str] = {}
        for run_id, run in list(self.parents.items()):
            first = kept.setdefault(run.data.tags[SWEEP], run_id)
            if first == run_id or self.living_drivers(run):
                continue
            for child in self.children.values():
                if child.parent_id == run_id:
                    self.send(child.run_id, tags={PARENT: first})
                    child.parent_id = first
            self.client.delete_run(run_id)
            del self.parents[run_id]

    # -- who writes

    def is_anothers(self, run: TrainingRun) -> bool:
        """Say whether another driver, which lives, writes a run now."""
        if run.status != RUNNING or not run.is_ours:
            return False
        if run.driver:
            return run.driver != this_process() and self._lives(run.driver)
        parent = self.parents.get(run.parent_id)
        return parent is not None and parent.info.status == RUNNING and bool(self.living_drivers(parent))

    def living_drivers(self, parent: Run) -> list[str]:
        """Give the other drivers that write below a sweep's run."""
        drivers = parent.data.tags.get(DRIVER, "").splitlines()
        return [driver for driver in drivers if driver != this_process() and self._lives(driver)]

    def _lives(self, driver: str) -> bool:
        """Say whether a driver runs; one of another machine does while a training of its is claimed by the living."""
        if driver.partition(" ")[0] == platform.node():
            return not _is_dead(driver)
        runs = [*self.children.items(), *((it, run) for it, runs in self._doubles.items() for run in runs)]
        return any(
            run.status == RUNNING
            and run.driver == driver
            and self._claims.owner(training_claim(identity)) is not None
            for identity, run in runs
        )

    def new_run(self, name: str, tags: Mapping[str, str], started_at_ms: int) -> Run:
        """Make a run, at once."""
        return self.client.create_run(
            self.experiment_id,
            start_time=started_at_ms,
            tags=written_tags(tags),
            run_name=masked(name),
        )

    def send(self, run_id: str, **what: Any) -> None:
        """Write to a run at once, as `RunBatch` has it."""
        RunBatch(**what).send(self.client, run_id)
