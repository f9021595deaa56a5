"""How each training of a plan went, for people who open a cell of a table: what the store says of it beside numbers.

These facts (a host, times, attempts) are of one run of a training and differ where another ends in the same digits.
They stand on the page of a study and in no file of a table.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Literal

from tablewright.orchestrator.costs.training_cost import Spent, cost_of_recorded
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.parallel_reading import read_all
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_folder import TrainingFolder
from tablewright.orchestrator.store.training_records import TrainingRecord
from tablewright.trainables.value.counted import counted
from tablewright.trainables.value.text import visible

TrainingState = Literal["done", "failed", "cancelled", "begun", "not begun", "damaged"]


@dataclass(frozen=True)
class TrainingFacts:
    """How one training went.

    Attributes:
        state: `begun` has left a trace and no record; `damaged` has a record that cannot be used.
        host: it ended on, or began on for the last time; empty where that is not known.
        device: it ran on; empty likewise.
        began_at: its last attempt; of a finished one the first epoch of the whole.
        ended_at: when it was done or failed.
        wall_s: of training and measuring, attempts that were lost not counted.
        num_attempts: starts of it, 1 where it was never interrupted.
        spent: what it held of machines in all attempts; None where it is not finished.
        peak_memory_bytes: 0 where that is not known.
        warnings: what it had to say of itself.
        message: why it failed, was cancelled or cannot be used.
        command_line: by which its sweep was started.
    """

    state: TrainingState
    host: str = ""
    device: str = ""
    began_at: datetime.datetime | None = None
    ended_at: datetime.datetime | None = None
    wall_s: float | None = None
    num_attempts: int = 0
    spent: Spent | None = None
    peak_memory_bytes: int = 0
    warnings: tuple[str, ...] = ()
    message: str = ""
    command_line: str = ""

    @property
    def has_record(self) -> bool:
        """Say whether there is a record to look at, sound or not."""
        return self.state in ("done", "damaged")

    @property
    def in_words(self) -> str:
        """Say it in half a sentence."""
        when = f"{self.began_at:%Y-%m-%d %H:%M} UTC" if self.began_at else ""
        took = "" if self.wall_s is None else f"{self.wall_s:,.1f} s"
        attempts = counted(self.num_attempts, "attempt") if self.num_attempts else ""
        facts = [self.state, self.host, self.device, when, took, attempts, *self.warnings, self.message]
        return ", ".join(filter(None, facts))


def read_training_facts(plan: Plan, store: Store) -> dict[str, TrainingFacts]:
    """Read how every training of a plan's tables went, by training id."""
    seen = store.listed()
    found = read_all(lambda identity: _facts_of(seen.training(identity)), plan.trainings)
    return dict(zip(plan.trainings, found, strict=True))


def _facts_of(folder: TrainingFolder) -> TrainingFacts:
    try:
        record = folder.record()
        return _unfinished(folder) if record is None else _finished(record)
    except DamagedFile as error:
        return TrainingFacts("damaged", message=visible(str(error)))


def _finished(record: TrainingRecord) -> TrainingFacts:
    said = dict.fromkeys([*record.data.warnings, *record.warnings])
    return TrainingFacts(
        "done",
        record.host,
        record.device,
        record.started_at,
        record.ended_at,
        record.train_wall_s + record.measure_wall_s,
        record.attempts,
        cost_of_recorded(record).spent(),
        record.peak_memory_bytes,
        tuple(map(visible, said)),
        command_line=visible(record.command_line),
    )


def _unfinished(folder: TrainingFolder) -> TrainingFacts:
    attempts = folder.attempts([])
    last = attempts[-1] if attempts else None
    began_at = None if last is None else last.started_at
    host = "" if last is None else last.host
    device = "" if last is None or last.holding is None else last.holding.device
    num_attempts = folder.num_attempts()
    cancelled = folder.cancelled()
    failure = None if cancelled else folder.failure()
    if failure is not None:
        return TrainingFacts(
            "failed",
            failure.host,
            device,
            began_at,
            failure.failed_at,
            num_attempts=num_attempts,
            message=visible(failure.message),
        )
    if cancelled:
        state: TrainingState = "cancelled"
    else:
        state = "begun" if num_attempts else "not begun"
    return TrainingFacts(state, host, device, began_at, num_attempts=num_attempts, message=visible(cancelled))
