"""The runs of a store in MLflow, as the thread of the tracker writes them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tablewright.orchestrator.plans.place import Place
from tablewright.orchestrator.plans.training_places import TrainingPlaces, in_order
from tablewright.orchestrator.projections.mlflow_batch import RunBatch, metrics_at
from tablewright.orchestrator.projections.mlflow_client import why_refused
from tablewright.orchestrator.projections.mlflow_found import FoundRuns, this_process
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
    SWEEP,
    TRAINING_ID,
    WARNINGS,
    allowed_name,
    data_suffix,
    ensemble_suffix,
    flatten,
    view_prefix,
)
from tablewright.orchestrator.projections.mlflow_places import (
    is_note_ours,
    is_place_tag,
    place_note,
    place_tags,
    places_in,
)
from tablewright.orchestrator.projections.mlflow_sweep_run import SweepRun
from tablewright.orchestrator.projections.mlflow_training import (
    FINISHED,
    KILLED,
    RUNNING,
    STATUS_OF,
    Subject,
    ToldTraining,
    TrainingRun,
    epoch_values,
    measured_values,
    ms_of,
    now_ms,
    recorded_epochs,
    shows,
    source_tags,
)
from tablewright.orchestrator.projections.mlflow_transaction import NewRows, NewRun, in_one_transaction
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.training_folder import TrainingFolder
from tablewright.orchestrator.store.training_records import TrainingRecord
from tablewright.orchestrator.work import Outcome
from tablewright.trainables.value.secret import masked, masked_in


class MlflowRuns:
    """The runs of trainings, below that of their sweep. Every method calls the server and may raise what that raises.

    Attributes:
        places: where trainings stand, for the tags of their runs; None while nobody has said.
    """

    def __init__(self, found: FoundRuns, sweep: SweepRun, warn: Callable[[str], None]) -> None:
        """Write nothing yet.

        Args:
            found: what MLflow has.
            sweep: the run below which new ones are made.
            warn: tells people what was not taken.
        """
        self._found, self._sweep, self._warn = found, sweep, warn
        self._takes_pictures = True
        self._new_rows: NewRows | None = None
        self._known_to_be_new: set[str] = set()
        self.places: TrainingPlaces | None = None

    @contextmanager
    def writing(self, training_ids: Collection[str]) -> Generator[None]:
        """Write the runs of trainings inside, beside no other sweep of the store; a database keeps all or nothing.

        Where anything raises, this object knows of runs that are not there, and is of no more use.

        Args:
            training_ids: of which trainings.
        """
        with self._found.alone(), in_one_transaction(self._found.client) as rows:
            unknown = [identity for identity in training_ids if identity not in self._found.children]
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
        with self._found.alone():
            yield

    def end_left_behind(self, live: set[str]) -> None:
        """End what a killed driver has left RUNNING; a training that goes on opens its run again."""
        for run_id, run in self._found.parents.items():
            is_left = run_id != self._sweep.run_id and run.info.status == RUNNING
            if is_left and not self._found.living_drivers(run):
                self._found.client.set_terminated(run_id, KILLED)
        for identity, run in list(self._found.children.items()):
            is_left = run.is_ours and run.status == RUNNING and identity not in live
            if is_left and not self._found.is_anothers(run):
                with self._found.alone():
                    self.settle(identity)

    def close(
        self,
        status: str | None,
        table_files: Mapping[str, str],
        numbers: Mapping[tuple[str, ...], float],
        num_recorded: int,
    ) -> None:
        """End the sweep's run, as `SweepRun.close` has it, with the tables of which trainings say where they stand."""
        plan = None if self.places is None else self.places.plan
        self._sweep.close(status, table_files, numbers, num_recorded, plan)

    def is_reachable(self) -> bool:
        """Say whether the server answers at all."""
        return self._found.is_reachable()

    # -- the runs of trainings, inside `writing`

    def write(self, waiting: ToldTraining) -> None:
        """Log what the driver told of a training; one that another driver writes is left to that."""
        self._sweep.enter()
        work, outcome = waiting.work, waiting.outcome
        folder = self._found.store.training(work.training_id)
        run = self._current(work.training_id)
        if run is not None and run.status == FINISHED and not shows(run, folder.record()):
            self._forget(work.training_id, run)  # the record that it shows was deleted, or is another store's
            run = None
        subject = Subject.of_work(work, waiting.at_ms)
        run = self._find_or_begin(subject) if run is None else run
        if self._found.is_anothers(run):
            return
        self._found.changed_ids.add(work.training_id)
        if outcome is None and (run.status, run.driver) != (RUNNING, this_process()):
            tags = {PARENT: self._sweep.run_id, STATE: "running", DRIVER: this_process()}
            run.unsent.tags |= {**tags, **self._found.store_tags()}
            self._found.client.update_run(run.run_id, status=RUNNING)
            run.status, run.driver, run.is_ours = RUNNING, this_process(), True
        self._describe(run, subject)
        self._log_epochs(
            run,
            [
                (epoch, at_ms, epoch_values(progress, work))
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
        folder = self._found.store.training(training_id)
        run = self._current(training_id)
        if run is not None and run.status == FINISHED:
            if not self._has_parent(run):  # the sweep's run was deleted
                self._found.send(run.run_id, tags={PARENT: self._sweep.run_id})
                run.parent_id = self._sweep.run_id
                self._found.changed_ids.add(training_id)
            if _is_whole(run, folder):
                return
        if (record := folder.record()) is not None:
            self._complete(folder, record)

    def is_shown(self, training_id: str) -> bool:
        """Say whether `reconcile` would find nothing to write; nothing is asked of MLflow."""
        run = self._found.children.get(training_id)
        folder = self._found.store.training(training_id)
        return run is not None and self._has_parent(run) and _is_whole(run, folder)

    def _has_parent(self, run: TrainingRun) -> bool:
        """Say whether the run of a sweep is there, below which a training's run stands."""
        return run.parent_id == self._sweep.run_id or run.parent_id in self._found.parents

    def settle(self, training_id: str) -> None:
        """End the run of a training that nobody trains now."""
        folder = self._found.store.training(training_id)
        if (record := folder.record()) is not None:
            self._complete(folder, record)
        elif (run := self._found.children.get(training_id)) is not None and not self._found.is_anothers(run):
            self._end(run, Outcome("stopped"), folder, now_ms())

    def _current(self, training_id: str) -> TrainingRun | None:
        """Give a training's run, read anew where another driver may have written to it since."""
        run = self._found.children.get(training_id)
        if run is None or run.status == FINISHED or run.driver == this_process():
            return run
        found = self._found.client.get_run(run.run_id)
        if found.info.lifecycle_stage != "active":
            del self._found.children[training_id]
            return None
        self._found.children[training_id] = self._found.child_of(found)
        return self._found.children[training_id]

    def _find_or_begin(self, subject: Subject) -> TrainingRun:
        """Give the run that another driver has made since all runs were read, or one that is to be made."""
        assert self._found.is_alone, "nobody makes it between the look and the writing"
        identity = subject.training_id
        is_new = identity in self._known_to_be_new
        for found in () if is_new else self._found.runs_where(f"tags.`{TRAINING_ID}` = '{identity}'"):
            if self._found.is_ours(found.data.tags):
                self._found.children[identity] = self._found.child_of(found)
                return self._found.children[identity]
        tags = {**subject.tags(), **self._found.store_tags(), PARENT: self._sweep.run_id}
        tags |= {STATE: "running", DRIVER: this_process()}
        placed = self._tags_of(self._places_of(identity, subject.trial), self._sweep.run_id)
        name = placed.pop(RUN_NAME, subject.label)
        run = self._found.children[identity] = TrainingRun(
            "",
            name,
            RUNNING,
            self._sweep.run_id,
            is_ours=True,
            driver=this_process(),
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
        parent = self._found.parents.get(parent_id)
        name = self._sweep.name if parent is None else parent.data.tags[SWEEP]
        at = f"#/experiments/{self._found.experiment_id}/runs/{parent_id}/artifacts/tables"
        pages = {it.study_key: f"{at}/{it.study_key}" for it in places if it.study in name.split("+")}
        return place_tags(places) | {
            NOTE: place_note(places, self._found.experiment_id, self._found.store_id, pages)
        }

    def misplaced(self) -> list[str]:
        """Name the trainings whose runs do not say where they stand, as where a table was added, or is no more."""
        return [identity for identity, run in self._found.children.items() if self._amended(identity, run)]

    def place(self, training_id: str) -> None:
        """Have a run say where its training stands; what other sweeps, or people, have written there stays."""
        run = self._found.children[training_id]
        run = self._found.children[training_id] = replace(
            self._found.child_of(self._found.client.get_run(run.run_id)),
            epochs=run.epochs,
            is_described=run.is_described,
        )
        tags = self._amended(training_id, run)
        if not tags:
            return
        left_over = [tag for tag, text in tags.items() if not text]
        kept = {tag: text for tag, text in tags.items() if text}
        if RUN_NAME in kept and not self._is_name_ours(training_id, run, places_in(tags)):
            del kept[RUN_NAME]
        self._found.send(run.run_id, tags=kept)
        for tag in left_over:
            self._found.client.delete_tag(run.run_id, tag)
        run.name = kept.pop(RUN_NAME, run.name)
        run.placed = {tag: text for tag, text in {**run.placed, **kept}.items() if tag not in left_over}
        self._found.changed_ids.add(training_id)

    def _amended(self, training_id: str, run: TrainingRun) -> dict[str, str]:
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

    def _is_name_ours(self, training_id: str, run: TrainingRun, places: Sequence[Place]) -> bool:
        """Say whether a run has the name that it was given here; earlier versions named it after one of its places."""
        if GIVEN_NAME in run.placed:
            return run.name == run.placed[GIVEN_NAME]
        if run.name in {name for place in places for name in (place.label, f"{place.label} {place.column}")}:
            return True
        record = self._found.store.training(training_id).record()
        return record is None or run.name == record.label

    def _forget(self, training_id: str, run: TrainingRun) -> None:
        """Make way for a new run; another store's run is left as it is."""
        if run.is_ours:
            self._found.client.delete_run(run.run_id)
        del self._found.children[training_id]

    def _describe(self, run: TrainingRun, subject: Subject) -> None:
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

    def _log_epochs(self, run: TrainingRun, epochs: Iterable[tuple[int, int, Mapping[str, float]]]) -> None:
        """Log (epoch, time in ms, values); an epoch that is there stays as it is."""
        new = [epoch for epoch in epochs if epoch[0] not in self._logged_epochs(run)]
        run.unsent.metrics += [metrics_at(values, at_ms, epoch) for epoch, at_ms, values in new]
        self._logged_epochs(run).update(epoch for epoch, _, _ in new)

    def _logged_epochs(self, run: TrainingRun) -> set[int]:
        if run.epochs is None:
            history = self._found.client.get_metric_history(run.run_id, EPOCH_MARK)
            run.epochs = {metric.step for metric in history}
        return run.epochs

    def _complete(self, folder: TrainingFolder, record: TrainingRecord) -> None:
        """Log of a recorded training what is not there yet, and end its run."""
        identity, recorded_at = record.training_id, record.ended_at.isoformat()
        run = self._found.children.get(identity)
        if run is not None and not shows(run, record):
            self._forget(identity, run)  # it shows a record that was deleted since, or is another store's
            run = None
        subject = Subject.of_record(record)
        run = self._find_or_begin(subject) if run is None else run
        if self._found.is_anothers(run) or (_is_whole(run, folder) and shows(run, record)):
            return
        self._found.changed_ids.add(identity)
        self._describe(run, subject)
        damaged: list[str] = []
        if len(self._logged_epochs(run)) < record.num_epochs:
            try:
                self._log_epochs(run, recorded_epochs(folder.epochs(record), subject.started_at_ms))
            except DamagedFile as error:
                damaged.append(str(error))
        values = {"train_wall_s": record.train_wall_s, "measure_wall_s": record.measure_wall_s}
        groups = [metrics_at(_without(run.metrics, values), ms_of(record.ended_at), record.num_epochs)]
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
            values = {allowed_name(f"{front}.{name}"): value for name, value in measured_values(measured)}
            values = _without(run.metrics, values)
            groups.append(metrics_at(values, ms_of(measured.measured_at), record.num_epochs))
        tags = {
            STATE: "done",
            RECORDED_AT: recorded_at,
            NUM_VIEWS: str(len(view_ids)),
            "tablewright.attempts": str(record.attempts),
            "tablewright.host": record.host,
            "tablewright.device": record.device,
            **source_tags(record.git_commit),
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
        run.status, ended_at_ms = FINISHED, ms_of(record.ended_at)
        is_ended = self._write_out(run, ended_at_ms)
        self._log_pictures(run, folder)
        run.metrics.update(metric.key for group in groups for metric in group)
        run.recorded_at, run.num_views = recorded_at, len(view_ids)
        if run.has_failure:
            self._found.client.delete_tag(run.run_id, FAILURE)
            run.has_failure = False
        if not is_ended:
            self._found.client.set_terminated(run.run_id, FINISHED, ended_at_ms)

    def _log_pictures(self, run: TrainingRun, folder: TrainingFolder) -> None:
        files: dict[str, bytes] = {}
        for name in folder.pictures() if self._takes_pictures else ():
            try:
                files[f"pictures/{name}.png"] = folder.picture(name)
            except DamagedFile as error:
                self._warn(str(error))
        # One refusal is told; hundreds would only take time.
        self._takes_pictures &= not files or self._log_files(run, files, "pictures as artifacts")

    def _log_files(self, run: TrainingRun, files: Mapping[str, bytes], what: str) -> bool:
        """Attach files to a run; say whether they were taken."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        with tempfile.TemporaryDirectory(prefix="tablewright-mlflow-") as aside:
            for name, content in files.items():
                path = Path(aside) / name
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(content)
            try:
                # By the client's own way the run would be read again, only to learn where its files lie.
                get_artifact_repository(run.artifact_url, self._found.client.tracking_uri).log_artifacts(
                    aside
                )
            except Exception as error:  # its files may lie elsewhere than its numbers
                self._warn(f"MLflow did not take {what}: {why_refused(error)}")
                return False
        return True

    def _end(self, run: TrainingRun, outcome: Outcome, folder: TrainingFolder, ended_at_ms: int) -> None:
        tags = {STATE: outcome.state}
        if outcome.message:
            tags[FAILURE] = masked(outcome.message)[:MAX_TAG_LENGTH]
            run.has_failure = True
        run.unsent.tags |= tags
        run.status = STATUS_OF[outcome.state]
        if not self._write_out(run, ended_at_ms):
            self._found.client.set_terminated(run.run_id, run.status, ended_at_ms)
        try:
            failure = folder.failure() if outcome.state == "failed" else None
        except DamagedFile:  # its message is told as the training's state
            failure = None
        if failure is not None:
            text = masked(failure.traceback).encode(errors="replace")
            self._log_files(run, {"traceback.txt": text}, "a traceback as an artifact")

    def _write_out(self, run: TrainingRun, ended_at_ms: int | None = None) -> bool:
        """Write what was gathered of a training's run, and make the run first where there is none.

        Returns:
            whether it is ended by that.
        """
        gathered, run.unsent = run.unsent, RunBatch()
        if not run.run_id and self._new_rows is not None:
            new = NewRun(run.name, run.status, run.started_at_ms, ended_at_ms, gathered)
            run.run_id, run.artifact_url = self._new_rows.add_run(self._found.experiment, new)
            return True
        if not run.run_id:
            made = self._found.new_run(run.name, gathered.tags, run.started_at_ms)
            run.run_id, run.artifact_url = made.info.run_id, made.info.artifact_uri or ""
            gathered.tags = {}
        gathered.send(self._found.client, run.run_id)
        return False


def _is_whole(run: TrainingRun, folder: TrainingFolder) -> bool:
    """Say whether a run has ended well, and shows all that was measured."""
    return run.status == FINISHED and run.num_views >= len(folder.measured_views())


def _without(known: set[str], values: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if name not in known}
