"""A training as MLflow shows it: what was told of it, what its run says, and what is known of that run."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tablewright.orchestrator.code.provenance import git_commit
from tablewright.orchestrator.code.user import user_name
from tablewright.orchestrator.plans.place import Place
from tablewright.orchestrator.projections.mlflow_batch import RunBatch
from tablewright.orchestrator.projections.mlflow_names import EPOCH_MARK, STUDY, TRAINING_ID, view_prefix
from tablewright.orchestrator.store.data_records import DataRecord
from tablewright.orchestrator.store.training_records import Measurement, TrainingRecord
from tablewright.orchestrator.work import Outcome, Progress, Work
from tablewright.trainables.contract.data import DatasetFacts
from tablewright.trainables.contract.run import EpochReport

FINISHED, FAILED, KILLED, RUNNING = "FINISHED", "FAILED", "KILLED", "RUNNING"
STATUS_OF = {
    "done": FINISHED,
    "failed": FAILED,
    "stopped": KILLED,
    "pruned": KILLED,
    "paused": KILLED,
    "cancelled": KILLED,
}


@dataclass
class Subject:
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
    def of_work(work: Work, started_at_ms: int) -> Subject:
        """What is known of a training that has begun."""
        return Subject(
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
    def of_record(record: TrainingRecord) -> Subject:
        """What its record says."""
        started_at_ms = ms_of(record.started_at)
        return Subject(
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
        """Say which training it is."""
        return {
            TRAINING_ID: self.training_id,
            STUDY: self.study,
            "tablewright.method": self.method,
            **source_tags(self.commit),
        }


def source_tags(commit: str) -> dict[str, str]:
    """Say by whom and from which commit, as MLflow does."""
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
class TrainingRun:
    """What is known of a training's run in MLflow.

    Attributes:
        run_id: empty while it is still to be made.
        name: as MLflow shows it.
        is_ours: it was logged from this store.
        driver: that writes it, as `this_process` names it; empty in runs of earlier versions.
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


def shows(run: TrainingRun, record: TrainingRecord | None) -> bool:
    """Say whether a run can be that of a record; a store that was moved keeps its runs."""
    return record is not None and run.recorded_at in ("", record.ended_at.isoformat())


def measured_values(measured: Measurement) -> Iterator[tuple[str, float]]:
    """Give the numbers of a measurement, and of how much it was made on."""
    yield from measured.metrics.items()
    if measured.items:  # records of version 1 do not say
        yield "num_measured", float(measured.num_measured)
        yield "num_left_out", float(sum(measured.left_out.values()))


def epoch_values(progress: Progress, work: Work) -> dict[str, float]:
    """Give the numbers that an epoch has reported, use of the machine and a watched objective among them."""
    values = {**progress.report.metrics, **progress.system}
    if progress.watched is not None and work.watch is not None:
        values[f"watched.{view_prefix(work.watch.view)}.{work.watch.metric.name}"] = progress.watched
    return {**values, EPOCH_MARK: progress.report.wall_s}


def recorded_epochs(
    reports: Iterable[EpochReport], started_at_ms: int
) -> Iterator[tuple[int, int, dict[str, float]]]:
    """Give recorded epochs the times they would have had without interruption."""
    at_ms = float(started_at_ms)
    for report in reports:
        at_ms += 1000 * report.wall_s
        yield report.epoch, int(at_ms), {**report.metrics, EPOCH_MARK: report.wall_s}


def now_ms() -> int:
    """Give the time as MLflow writes it."""
    return int(time.time() * 1000)


def ms_of(moment: datetime.datetime) -> int:
    """Give a time as MLflow writes it."""
    return int(moment.timestamp() * 1000)
