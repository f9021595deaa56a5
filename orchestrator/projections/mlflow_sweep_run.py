"""The run of a sweep in MLflow, below which its trainings stand: its tables, their numbers, and who trains."""

from __future__ import annotations

import hashlib
import itertools
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import fsspec

from tablewright.orchestrator.code.provenance import git_commit
from tablewright.orchestrator.identity import digest_of
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.projections.mlflow_batch import MAX_METRICS_PER_CALL, metrics_at
from tablewright.orchestrator.projections.mlflow_client import why_refused
from tablewright.orchestrator.projections.mlflow_found import FoundRuns, this_process
from tablewright.orchestrator.projections.mlflow_names import (
    DRIVER,
    MAX_TAG_LENGTH,
    NOTE,
    SWEEP,
    TABLES,
    number_names,
)
from tablewright.orchestrator.projections.mlflow_page import NAME as MLFLOW_PAGE
from tablewright.orchestrator.projections.mlflow_page import mlflow_page
from tablewright.orchestrator.projections.mlflow_places import is_note_ours, sweep_note
from tablewright.orchestrator.projections.mlflow_training import FINISHED, RUNNING, now_ms, source_tags
from tablewright.orchestrator.projections.mlflow_views import left_over_views, saved_views

MAX_EXPERIMENT_TAG_LENGTH = 20_000


def _content_of(url: str) -> bytes:
    filesystem, path = fsspec.core.url_to_fs(url)
    return filesystem.cat_file(path)


class SweepRun:
    """The run of one sweep. Every method calls the server and may raise what that raises.

    Attributes:
        name: of the sweep.
        run_id: MLflow's.
    """

    def __init__(
        self,
        found: FoundRuns,
        name: str,
        parameters: Mapping[str, str],
        begun_at_ms: int,
        warn: Callable[[str], None],
    ) -> None:
        """Find or make it; one that is there is written to when a training of this driver begins.

        Args:
            found: what MLflow has.
            name: of the sweep, by which its run is found again.
            parameters: its tags beside.
            begun_at_ms: when it began, if it is made.
            warn: tells people what was not taken.
        """
        self._found, self.name, self.run_id, self._warn = found, name, "", warn
        self._has_entered = False
        page = mlflow_page(found.uri, found.experiment_id, found.store_id, found.store.url)
        found.store.root.write_if_changed(MLFLOW_PAGE, page)  # before the tables, which link to it
        self._tags = {**parameters, **found.store_tags(), SWEEP: name, **source_tags(git_commit())}
        if self._find():
            return
        with found.alone():
            for run in found.runs_where(f"tags.`{SWEEP}` != ''"):
                found.keep(run)
            if not self._find():
                tags = {**self._tags, DRIVER: this_process()}
                self.run_id = found.new_run(name, tags, begun_at_ms).info.run_id
                self._has_entered = True

    def _find(self) -> bool:
        same = (run_id for run_id, run in self._found.parents.items() if run.data.tags[SWEEP] == self.name)
        self.run_id = next(same, "")
        return bool(self.run_id)

    def enter(self) -> None:
        """Say in the sweep's run that this driver trains, beside those that do already."""
        if self._has_entered:
            return
        with self._found.alone():
            run = self._found.client.get_run(self.run_id)
            drivers = [*self._found.living_drivers(run), this_process()]
            self._found.send(self.run_id, tags={**self._tags, DRIVER: "\n".join(drivers)[-MAX_TAG_LENGTH:]})
            if run.info.status != RUNNING:
                self._found.client.update_run(self.run_id, status=RUNNING)
        self._has_entered = True

    def _leave(self, status: str | None) -> None:
        """End the sweep's run, unless another driver goes on with it."""
        run = self._found.client.get_run(self.run_id)
        others = self._found.living_drivers(run)
        if this_process() in run.data.tags.get(DRIVER, "").splitlines():
            with self._found.alone():
                others = self._found.living_drivers(self._found.client.get_run(self.run_id))
                if others:
                    self._found.send(self.run_id, tags={DRIVER: "\n".join(others)})
                else:
                    self._found.client.delete_tag(self.run_id, DRIVER)
        if status is None and run.info.status == RUNNING and not others:
            status = FINISHED
        if status is not None and not others and run.info.status != status:
            self._found.client.set_terminated(self.run_id, status)

    def close(
        self,
        status: str | None,
        table_files: Mapping[str, str],
        numbers: Mapping[tuple[str, ...], float],
        num_recorded: int,
        plan: Plan | None,
    ) -> None:
        """Log the finished tables and their numbers, unless they are there, and end the sweep's run.

        Args:
            status: that the sweep ended with; None leaves what is there.
            table_files: artifact path -> path or URL.
            numbers: of the tables, by study, table, row, data set, metric and statistic.
            num_recorded: trainings that they are made from, at which the numbers stand in the run's charts.
            plan: whose tables are offered as views and described; None leaves what is there.
        """
        self._log_numbers(numbers, num_recorded)
        if plan is not None:
            try:
                self._log_views(plan)
            except Exception as error:  # an earlier version takes shorter tags of an experiment
                self._warn(f"MLflow did not take the views of tables: {why_refused(error)}")
            self._describe(plan)
        contents = {name: _content_of(url) for name, url in table_files.items()}
        digest = digest_of({name: hashlib.sha256(content).hexdigest() for name, content in contents.items()})
        if contents and self._found.client.get_run(self.run_id).data.tags.get(TABLES) != digest:
            with tempfile.TemporaryDirectory(prefix="tablewright-mlflow-") as folder:
                for name, content in contents.items():
                    path = Path(folder) / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)
                try:
                    self._found.client.log_artifacts(self.run_id, folder, "tables")
                    self._found.send(self.run_id, tags={TABLES: digest})
                except Exception as error:  # its files may lie elsewhere than its numbers
                    self._warn(f"MLflow did not take the tables as artifacts: {why_refused(error)}")
        self._leave(status)

    def _log_numbers(self, numbers: Mapping[tuple[str, ...], float], num_recorded: int) -> None:
        """Log the numbers of the tables' cells that are not there as they are."""
        if not numbers:
            return
        known: dict[str, float] = self._found.client.get_run(self.run_id).data.metrics
        shown = itertools.islice(number_names(numbers).items(), MAX_METRICS_PER_CALL)
        new = {name: value for name, value in shown if known.get(name) != value}
        self._found.send(self.run_id, metrics=[metrics_at(new, now_ms(), num_recorded)])

    def _log_views(self, plan: Plan) -> None:
        """Offer each table in the page's menu of views; an MLflow that has none is left alone."""
        experiment = self._found.client.get_experiment(self._found.experiment_id)
        known: dict[str, str] = experiment.tags
        for tag, text in saved_views(plan, self._found.store_id, experiment.creation_time or 0).items():
            if known.get(tag) != text and len(text) <= MAX_EXPERIMENT_TAG_LENGTH:
                self._found.tag_experiment(self._found.experiment_id, tag, text)
        for tag in left_over_views(known, plan, self._found.store_id):
            self._found.client.delete_experiment_tag(self._found.experiment_id, tag)

    def _describe(self, plan: Plan) -> None:
        """List the tables in the description of the sweep's run, each with the way to its trainings and its page."""
        known = self._found.client.get_run(self.run_id).data.tags.get(NOTE, "")
        note = sweep_note(plan, self._found.experiment_id, self.run_id, self._found.store_id)
        if is_note_ours(known) and note != known:
            self._found.send(self.run_id, tags={NOTE: note})
