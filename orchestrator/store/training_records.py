"""What is recorded of a training: that it is done, what was measured of it, how it failed or was cancelled."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainSerializer

from tablewright.orchestrator.identity import IDENTITY_VERSION
from tablewright.orchestrator.store.data_records import DataRecord
from tablewright.orchestrator.store.holding import Holding
from tablewright.orchestrator.store.record import Record
from tablewright.trainables.contract.recorded_view import recorded_view, view_of_record
from tablewright.trainables.contract.view import EvaluationView


class TrainingRecord(Record):
    """One finished training.

    Attributes:
        config: every field of it, defaults too.
        attempts: 1 if it was never interrupted.
        train_wall_s: sum over its epochs, repeated ones not counted.
        measure_wall_s: extraction and measurement of the views known at its end.
        device: what it ran on, such as `cpu` or the name of a GPU.
        git_commit: of the code that trained: of a method of one's own that of its project.
        versions: of the packages that can change a number, those that a method of one's own imports among them, and
            of this program, with its commit where it runs from a checkout.
        warnings: what the training, and the code it called, had to say of it; one sentence each.
        environment: what its last digits depend on beside the seed, such as the processor's instruction set.
        files: SHA-256 by name of what lies beside the record and never changes.
        diff_sha256: of what differed from that commit, kept as `provenance/<it>.diff`; empty where nothing did.
        command_line: by which the sweep was started, without secrets.
        machine: system, processor, devices and Python.
        source: of a method with code of its own, the definitions that it was made of: file and name -> SHA-256.
        holdings: what each attempt held of its machine, those that were lost among them; empty in records of before.
        peak_memory_bytes: the most memory that it held, measuring included: of its GPU, or where `device` is `cpu`
            of its machine; 0 where that is not known, as in older records.
        device_memory_bytes: of the whole GPU; 0 where it had none, or that is not known.
        memory_limit_bytes: that it was held to, with a part of a GPU; 0 where it was to none.
        memory_shape: identifies what decides its memory; see `memory_need.memory_shape`.
    """

    HELD: ClassVar[str] = "the record of a finished training"
    NEXT_STEP: ClassVar[str] = "get it back from a copy, or delete the training's folder to train it again"
    SAYS: ClassVar[tuple[str, ...]] = ("warnings", "data.warnings", "environment", "command_line")
    SINCE_CHECKSUMS: ClassVar[str] = "files"
    NEVER_CHANGES: ClassVar[bool] = True

    training_id: str
    identity_version: int = IDENTITY_VERSION
    method: str
    method_version: int | str
    label: str
    study: str
    config: dict[str, Any]
    data: DataRecord
    started_at: datetime.datetime
    ended_at: datetime.datetime
    attempts: int
    num_epochs: int
    train_wall_s: float
    measure_wall_s: float
    host: str
    device: str
    git_commit: str
    versions: dict[str, str]
    warnings: tuple[str, ...] = ()
    environment: dict[str, str] = Field(default_factory=dict[str, str])
    files: dict[str, str] = Field(default_factory=dict[str, str])
    source: dict[str, str] = Field(default_factory=dict[str, str])
    diff_sha256: str = ""
    command_line: str = ""
    machine: dict[str, str] = Field(default_factory=dict[str, str])
    holdings: tuple[Holding, ...] = ()
    peak_memory_bytes: int = 0
    device_memory_bytes: int = 0
    memory_limit_bytes: int = 0
    memory_shape: str = ""


RecordedView = Annotated[EvaluationView, BeforeValidator(view_of_record), PlainSerializer(recorded_view)]


class Measurement(Record):
    """One view of one training, measured. Metrics are fractions.

    Attributes:
        partner_ids: the other trainings of an ensemble.
        data_label: the data set it was measured on, as papers print it.
        measured_on: fingerprints of its splits that the view reads.
        items: what the metrics are means over, such as `queries`; empty in records of version 1, which
            do not say how many there were.
        num_measured: how many of them.
        left_out: why others are in no mean -> how many.
        items_sha256: of the names of those measured: rows of one column must agree in it.
        table_sha256: of the file with one row an item.
        warnings: what measuring, and the code it called, had to say of it.
    """

    HELD: ClassVar[str] = "the metrics of one view of a training"
    NEXT_STEP: ClassVar[str] = "move it away, and the next run measures the view again, without training"
    SAYS: ClassVar[tuple[str, ...]] = ("warnings",)
    SINCE_CHECKSUMS: ClassVar[str] = "items_sha256"
    NEVER_CHANGES: ClassVar[bool] = True

    training_id: str
    view_id: str
    view: RecordedView
    metrics: dict[str, float]
    measured_at: datetime.datetime
    partner_ids: tuple[str, ...] = ()
    data_label: str = ""
    measured_on: dict[str, str] = Field(default_factory=dict[str, str])
    items: str = ""
    num_measured: int = 0
    left_out: dict[str, int] = Field(default_factory=dict[str, int])
    items_sha256: str = ""
    table_sha256: str = ""
    warnings: tuple[str, ...] = ()


class FailureRecord(Record):
    """Why a training has no record; it is tried again by the next run.

    Attributes:
        message: short.
        traceback: where it came from; cut in the middle where it is very long.
        kind: whose fault it is: of the training, of its machine, of a device that does not work at all, or too little
            memory of a device; or that nothing was seen of it for too long.
    """

    HELD: ClassVar[str] = "why a training failed"
    NEXT_STEP: ClassVar[str] = "move it away; the next run tries the training again"
    SAYS: ClassVar[tuple[str, ...]] = ("message", "traceback")

    training_id: str
    label: str
    message: str
    traceback: str
    host: str
    failed_at: datetime.datetime
    kind: Literal["training", "machine", "device", "memory", "stall"] = "training"


class Cancellation(Record):
    """That somebody has cancelled a training: it runs no more, and is not begun, until it is retried.

    Attributes:
        host: where that was said.
    """

    HELD: ClassVar[str] = "by whom a training was cancelled"
    NEXT_STEP: ClassVar[str] = "--retry of the training removes it"
    SINCE_CHECKSUMS: ClassVar[str] = "cancelled_by"

    training_id: str
    label: str
    cancelled_by: str
    host: str
    cancelled_at: datetime.datetime

    def __str__(self) -> str:
        """For people; how to have it back is told where it can be done."""
        return f"cancelled by {self.cancelled_by} on {self.host} at {self.cancelled_at:%Y-%m-%d %H:%M} UTC"


class RetryOrder(Record):
    """That somebody wants a failed or cancelled training tried again, by whoever runs or begins next."""

    HELD: ClassVar[str] = "that a training is to be tried again at once"
    NEXT_STEP: ClassVar[str] = "move it away; the next run tries the training again anyway"

    training_id: str
    asked_by: str
    asked_at: datetime.datetime


class AttemptRecord(Record):
    """One start of one training on one worker; removed with the resume checkpoint.

    Attributes:
        sweep: names the run of the program that it belongs to.
        stall: why it was ended, where nothing was seen of it for too long.
        warnings: what it had to say until its last epoch; the record repeats them.
        holding: what it holds of its machine, and for how long it did when it last gave a sign; not in records of
            before.
    """

    HELD: ClassVar[str] = "when a training was started"
    NEXT_STEP: ClassVar[str] = (
        "move it away; nothing depends on it but a count, and what the training has cost"
    )
    SAYS: ClassVar[tuple[str, ...]] = ("warnings",)

    started_at: datetime.datetime
    host: str
    pid: int
    warnings: tuple[str, ...] = ()
    sweep: str = ""
    stall: FailureRecord | None = None
    holding: Holding | None = None


class PictureChecksums(Record):
    """What was drawn of a trained network after its record was written, which has the checksums of what was before.

    Attributes:
        pictures: SHA-256 of each, by its name without the ending.
    """

    HELD: ClassVar[str] = "the checksums of the pictures beside it"
    NEXT_STEP: ClassVar[str] = "no number needs it: delete the folder that it is in"
    SINCE_CHECKSUMS: ClassVar[str] = "pictures"

    training_id: str
    pictures: dict[str, str]


class RemovedWeights(Record):
    """That the weights of a finished training were removed on purpose, so that their lack is no damage.

    Attributes:
        by: the option that asked for it.
    """

    HELD: ClassVar[str] = "when and by what the weights of a training were removed"
    NEXT_STEP: ClassVar[str] = "move it away; what was measured stands"
    SINCE_CHECKSUMS: ClassVar[str] = "by"

    by: str
    removed_at: datetime.datetime
