"""What of a plan is done, running and failed, read from the store alone."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, TypeVar

from orchestrator.plan import Plan, PlannedTraining
from orchestrator.records import Store

State = Literal["done", "to measure", "failed", "started", "to train"]

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

NUM_READERS = 16
"""Threads that read records; an object store answers slowly and many at a time."""


@dataclass(frozen=True)
class TrainingStatus:
    """Where one training stands.

    Attributes:
        state: `to measure` is trained and lacks a view; `started` has left a trace and no record, so it
            runs now or will go on in the next run.
        epoch: last one reported.
        wall_s: training and measuring, of a done one.
        message: why it failed.
    """

    training: PlannedTraining
    state: State
    epoch: int = 0
    wall_s: float = 0.0
    message: str = ""


def read_status(plan: Plan, store: Store) -> list[TrainingStatus]:
    """Read where every training of the plan stands, in the plan's order."""
    return _map(lambda training: _status_of(training, store), plan.trainings.values())


def _map(function: Callable[[ItemT], ResultT], items: Iterable[ItemT]) -> list[ResultT]:
    with ThreadPoolExecutor(NUM_READERS) as pool:
        return list(pool.map(function, items))


def _status_of(training: PlannedTraining, store: Store) -> TrainingStatus:
    folder = store.training(training.training_id)
    record = folder.record()
    failure = folder.failure()
    if record is not None:
        wall_s = record.train_wall_s + record.measure_wall_s
        if set(training.views) <= folder.measured_views():
            return TrainingStatus(training, "done", record.num_epochs, wall_s)
        message = failure.message if failure else ""
        return TrainingStatus(
            training, "failed" if failure else "to measure", record.num_epochs, wall_s, message
        )
    epochs = folder.epochs()
    epoch = epochs[-1].epoch if epochs else 0
    if failure is not None:
        return TrainingStatus(training, "failed", epoch, message=failure.message)
    return TrainingStatus(training, "started" if epochs or folder.attempts() else "to train", epoch)


def estimated_hours_left(statuses: Iterable[TrainingStatus]) -> float | None:
    """Estimate the training time left, in hours of one training's resources.

    A training is taken to last as long as the median recorded one of its method and data set; None where
    a training is left whose method and data set have no record yet.
    """
    statuses = list(statuses)
    recorded_s: dict[tuple[str, str], list[float]] = {}
    for status in statuses:
        if status.wall_s:
            recorded_s.setdefault(_kind(status.training), []).append(status.wall_s)
    left_s = 0.0
    for status in statuses:
        if status.state not in ("done", "to measure"):
            if _kind(status.training) not in recorded_s:
                return None
            share = 1 - status.epoch / status.training.config.num_epochs
            left_s += share * statistics.median(recorded_s[_kind(status.training)])
    return left_s / 3600


def _kind(training: PlannedTraining) -> tuple[str, str]:
    return training.config.METHOD, training.data.name
