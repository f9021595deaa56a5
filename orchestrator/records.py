"""The store: what happened, written once, and the only thing that decides what is done.

Layout under the store's root, a local folder, an NFS path or an object store (any fsspec URL):

    store.json                                   versions; a newer store is refused. And the store's own id
    trainings/<training id>/record.json          a training is done when this exists; written last
    trainings/<training id>/epochs.parquet       one row an epoch
    trainings/<training id>/measurements/<view id>.json      metrics of one view
    trainings/<training id>/queries/<view id>.parquet        its per-query (per-image) results
    trainings/<training id>/pictures/<name>.png              what its network does, or warning.txt: why not
    trainings/<training id>/pictures/checksums.json          of pictures that were drawn after the record was written
    trainings/<training id>/checkpoint/          `final.pt`; until the record is written `resume.pt`, `resume_2.pt`
                                                 or `removed.json`: when and by what `final.pt` was removed
    trainings/<training id>/failure.json         the last failure, where there is no record
    trainings/<training id>/failure.txt          all that it said, where that is too much for a record
    trainings/<training id>/cancelled.json       by whom and when it was cancelled; until it is retried
    trainings/<training id>/output.txt           what was printed, its beginning and its end, kept for people
    trainings/<training id>/out/                 what a script wrote, kept for people
    searches/<search id>/<number>.json           one suggestion of a search and what became of it
    data/<study>.json                            the data sets that the last sweep of a study found
    provenance/<sha256>.diff                     what differed from the commit that trainings name
    accepted/<digest>.json                       a changed default that was accepted in writing
    costs/<study>.md                             what a study has cost, for people; or costs/<profile>/<study>.md
    claims/<name>.<number>.json                  what a living process is at, such as a training; see `claims`
    sweeps/<name>.1.json                         a living sweep or agent, and what it waits for
    retries/<training id>.json                   a failed training that is to be tried again at once

There is no lock and no daemon. A file appears whole under its name or not at all. Numbers that are not
finite are written as "NaN" and "Infinity".

What is read is checked: a file carries a checksum of itself or of the files beside it, and the ids in it must be
those of its place. One that fails is a `DamagedFile`, which concerns whoever needs it and nobody else.
"""

from __future__ import annotations

import contextlib
import copy
import datetime
import errno
import hashlib
import io
import json
import logging
import os
import platform
import uuid
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO, ClassVar, Literal, Self, TypeVar, cast

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem
from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from tablewright.orchestrator.addresses import unreachable_store
from tablewright.orchestrator.checkout import Code
from tablewright.orchestrator.holding import Holding
from tablewright.orchestrator.identity import IDENTITY_VERSION, digest_of
from tablewright.orchestrator.known_files import (
    FileVersion,
    KeptRecords,
    Listing,
    is_s3,
    versions_of_local,
    versions_of_objects,
)
from tablewright.orchestrator.object_upload import (
    remove_unfinished_uploads,
    unfinished_uploads_bytes,
    uploaded,
)
from tablewright.trainables.contract.data import DatasetFacts, StartingWeights
from tablewright.trainables.contract.recorded_view import recorded_view, view_of_record
from tablewright.trainables.contract.run import FINAL_CHECKPOINT, RESUME_CHECKPOINTS, EpochReport
from tablewright.trainables.contract.view import LEFT_OUT, EvaluationView, ViewResult
from tablewright.trainables.value.freezing import EMPTY
from tablewright.trainables.value.frozen_model import ClosedModel
from tablewright.trainables.value.printed_text import last_words
from tablewright.trainables.value.refusal import Refusal
from tablewright.trainables.value.regular_file import refuse_irregular
from tablewright.trainables.value.secret import keep_secret, masked, masked_in

RECORD_VERSION = 2
"""Raised when a record is written in a way that older code would misread.

2: checksums, what was left out, and fingerprints of what was measured on; records of version 1 are read on.
"""

CHECKSUM = "sha256"
"""Key of a file's checksum of itself: over its canonical JSON without that key."""

NAMES_OF_ITEMS = ("query", "name")
"""Columns of a per-item table that say what was measured, the first that is there."""

CHUNK_BYTES = 2**20
"""Read at a time where a whole file need not be in memory."""

BROKEN_LINK = "is a link that leads nowhere"
PNG = b"\x89PNG\r\n\x1a\n"
"""What every PNG begins with."""

TRIES_TO_CREATE = 3
"""Of creating a file in an object store that refuses it, and has none."""

WITHOUT_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
"""What a file system answers that has no hard links, such as FAT."""

PROBE_BYTES = 4096
"""Written to see whether a store takes anything; a full disc may still take a name."""

logger = logging.getLogger(__name__)


class DamagedFile(ValueError):
    """A file of the store that is not what it should be, named with what it held and what to do."""

    def __init__(self, path: str, fault: str, *, held: str, next_step: str) -> None:
        """Say it in one sentence.

        Args:
            path: of the file, below the root of the store.
            fault: what is wrong with it.
            held: what it was.
            next_step: for a person.
        """
        super().__init__(f"in the store, {path} {fault}. It held {held}; {next_step}")
        self.path, self._parts = path, (fault, held, next_step)

    def __reduce__(self) -> tuple[Any, ...]:
        """Let a worker send it to the driver, which exceptions with named arguments do not by themselves."""
        return _damaged_file, (self.path, *self._parts)


def _damaged_file(path: str, fault: str, held: str, next_step: str) -> DamagedFile:
    return DamagedFile(path, fault, held=held, next_step=next_step)


class Record(ClosedModel):
    """A value as the store keeps it. JSON has no NaN, and a null would not be read back.

    Attributes:
        HELD: what is lost with the file.
        NEXT_STEP: for a person who finds it damaged.
        SAYS: dotted paths of the fields that hold what somebody, or some code, said; secrets are masked in them. What
            an id is made of is none of them: a config that holds a secret is refused before.
        SINCE_CHECKSUMS: a field that records have had since they have a checksum, by which one that has lost it
            is known; empty where none tells.
        NEVER_CHANGES: whether it is written once, so that the same file need not be read twice.
    """

    HELD: ClassVar[str]
    NEXT_STEP: ClassVar[str]
    SAYS: ClassVar[tuple[str, ...]] = ()
    SINCE_CHECKSUMS: ClassVar[str] = ""
    NEVER_CHANGES: ClassVar[bool] = False

    model_config = ConfigDict(ser_json_inf_nan="strings")


class StoreVersion(Record):
    """What `store.json` holds.

    Attributes:
        store_id: random; tells a shared store from another one under the same path of another machine.
    """

    HELD: ClassVar[str] = "the store's versions and its own id"
    NEXT_STEP: ClassVar[str] = "move it away, and the next sweep writes it anew; records are not touched"

    identity_version: int = IDENTITY_VERSION
    record_version: int = RECORD_VERSION
    store_id: str = ""


class DataRecord(ClosedModel):
    """The data set that a training saw; see `DatasetFacts`.

    Attributes:
        split_fingerprints: empty in records of version 1, whose `fingerprint` is of all files.
        starting_weights: of each part of the network that starts from a file; not in records of version 1.
    """

    name: str
    label: str
    fingerprint: str
    is_demo: bool
    num_images: dict[str, int]
    warnings: tuple[str, ...] = ()
    files_fingerprint: str = ""
    split_fingerprints: dict[str, str] = Field(default_factory=dict[str, str])
    starting_weights: tuple[StartingWeights, ...] = ()

    @classmethod
    def of(cls, facts: DatasetFacts) -> Self:
        """Keep what was found."""
        return cls.model_validate({name: getattr(facts, name) for name in cls.model_fields})

    def facts(self) -> DatasetFacts:
        """Give it as a plan has it."""
        return DatasetFacts(**{name: getattr(self, name) for name in type(self).model_fields})


class KnownData(DataRecord):
    """A data set as the sweep of a study found it."""

    earlier_fingerprints: dict[str, tuple[str, ...]] = Field(default_factory=dict[str, tuple[str, ...]])


class StudyData(Record):
    """What the data sets of a study's configs were when it was last swept: tables are read without them.

    Attributes:
        data: different ones.
        of_config: digest of a config without its seed -> place in `data`.
    """

    HELD: ClassVar[str] = "what the data sets were in the last sweep of a study"
    NEXT_STEP: ClassVar[str] = "move it away, and run the study where its data are"
    SAYS: ClassVar[tuple[str, ...]] = ("data.warnings",)
    SINCE_CHECKSUMS: ClassVar[str] = "of_config"

    data: tuple[KnownData, ...] = ()
    of_config: dict[str, int] = Field(default_factory=dict[str, int])

    @model_validator(mode="after")
    def _refuse_places_that_are_none(self) -> Self:
        if any(place not in range(len(self.data)) for place in self.of_config.values()):
            raise ValueError(f"of_config names places in data beyond the {len(self.data)} that it has")
        return self


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


class TrialPart(ClosedModel):
    """One of the several trainings of a suggestion.

    Attributes:
        dataset: label of its data set.
        seed: of it.
        training_id: of it.
        state: `running` until it is told, begun or not; `left` where its suggestion has ended without it.
        value: of the objective, None unless complete.
    """

    dataset: str
    seed: int
    training_id: str
    state: Literal["running", "complete", "left", "fail"] = "running"
    value: float | None = None


class SearchTrialRecord(Record):
    """One suggestion of a search.

    Attributes:
        number: its number in the search.
        params: dotted path -> value.
        training_id: the training that answers it, of several the first; empty where none can.
        state: `running` until it is told; `paused` at a rung, from where it may go on; `refused` by a constraint, or
            by the method. Earlier versions wrote `fail` without a training for a refused one.
        value: of the objective, None unless complete.
        intermediate_values: epoch -> value.
        num_failures: runs of the sweep in which its training failed.
        num_epochs: of its whole training, once that is known.
        until_epoch: how far it may train as things stand; None is to its end.
        bracket: of Hyperband, which counts them from the one with the earliest rung.
        is_answered: whether it took no training of its own: one was recorded, or an equal one was given up.
        sampler_state: what the sampler keeps with a trial, so that a search that goes on suggests what it would have.
        suggested_at: when it was made.
        ended_at: when it was told for the last time.
        parts: its trainings, where they are several; the value is their mean.
        values: of all objectives, where they are several, the first of which is `value`; none unless complete.
    """

    HELD: ClassVar[str] = "one suggestion of a search and what became of it"
    NEXT_STEP: ClassVar[str] = (
        "get it back from a copy, or delete the search's folder to search anew (trainings stay)"
    )

    number: int
    params: dict[str, Any]
    training_id: str
    state: Literal["running", "paused", "complete", "pruned", "refused", "fail"]
    value: float | None = None
    intermediate_values: dict[int, float] = Field(default_factory=dict[int, float])
    num_failures: int = 0
    num_epochs: int | None = None
    until_epoch: int | None = None
    bracket: int = 0
    is_answered: bool = False
    sampler_state: dict[str, Any] = Field(default_factory=dict[str, Any])
    suggested_at: datetime.datetime | None = None
    ended_at: datetime.datetime | None = None
    parts: tuple[TrialPart, ...] = ()
    values: tuple[float, ...] = ()

    @property
    def training_ids(self) -> tuple[str, ...]:
        """The trainings that answer it; empty where none can."""
        one = (self.training_id,) if self.training_id else ()
        return tuple(part.training_id for part in self.parts) or one

    @property
    def told_values(self) -> tuple[tuple[str, float | None], ...]:
        """Each of its trainings with the value that it has told; None while it has told none."""
        of_parts = tuple((part.training_id, part.value) for part in self.parts)
        return of_parts or ((self.training_id, self.value),)

    @property
    def is_refused(self) -> bool:
        """Whether no training can answer it."""
        return self.state == "refused" or (self.state == "fail" and not self.training_id)


LEARNT_FILE = "learnt.json"


class LearntTrial(ClosedModel):
    """A trial of elsewhere that teaches a search's sampler.

    Attributes:
        params: dotted path -> value, of this search's space.
        value: of the objective.
    """

    params: dict[str, Any]
    value: float


class LearntTrials(Record):
    """What a search has learnt from elsewhere before its first trial, written once.

    Attributes:
        lines: for people, from where, and what did not fit.
        trials: teach its sampler; they are none of its own.
        points: recorded trainings that nobody has measured on `val` yet, which is done before anything is trained.
    """

    HELD: ClassVar[str] = "what a search has learnt before its first trial"
    NEXT_STEP: ClassVar[str] = (
        "get it back from a copy, or delete the search's folder to search anew (trainings stay)"
    )
    SAYS: ClassVar[tuple[str, ...]] = ("lines",)

    lines: tuple[str, ...]
    trials: tuple[LearntTrial, ...]
    points: tuple[dict[str, Any], ...] = ()


class AcceptedChange(Record):
    """A default that was changed after trainings had been recorded, accepted as one that moves no number.

    Attributes:
        path: dotted, in the config.
        recorded: the old value, as JSON.
        planned: the new value, as JSON.
        reason: a person's words, which stand below every table that needs it.
    """

    HELD: ClassVar[str] = "that a changed default moves no number"
    NEXT_STEP: ClassVar[str] = "move it away, and accept the change again"
    SAYS: ClassVar[tuple[str, ...]] = ("reason",)

    method: str
    version: int | str
    path: str
    recorded: str
    planned: str
    reason: str
    accepted_by: str
    accepted_at: datetime.datetime


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


ModelT = TypeVar("ModelT", bound=Record)
OwnedT = TypeVar("OwnedT", TrainingRecord, FailureRecord, Cancellation, Measurement, PictureChecksums)

EPOCHS, PICTURE_CHECKSUMS = "epochs.parquet", "pictures/checksums.json"
MAX_EPOCHS = 10**9
"""More than any training has; a file that says so was changed."""
OUTPUT, FAILURE_TEXT, CANCELLED = "output.txt", "failure.txt", "cancelled.json"
REMOVED_WEIGHTS = "removed.json"
LOST_WITH_EPOCHS = {
    "held": "the loss of each epoch of a training",
    "next_step": "its figures lack that curve, and no number needs it; move it away, or get it back from a copy",
}

LOST_WITH_PICTURE = {
    "held": "a picture of what a network does",
    "next_step": "no number needs it: get it back from a copy, or delete the folder that it is in",
}


def measured_columns(per_item: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Give the columns of a table of items without the items that were left out.

    Args:
        per_item: columns as `ViewResult.per_query` has them.
    """
    reasons = per_item.get(LEFT_OUT)
    if reasons is None:
        return dict(per_item)
    is_measured = np.array([not reason for reason in reasons], dtype=bool)
    return {name: column[is_measured] for name, column in per_item.items()}


def measured_items(per_item: Mapping[str, Any]) -> tuple[list[str], dict[str, int]]:
    """Give the names of the items that were measured, and why others were not -> how many.

    Args:
        per_item: columns as `ViewResult.per_query` has them. Items without names are told apart by their places.
    """
    num_items = max((len(column) for column in per_item.values()), default=0)
    named = next((per_item[name] for name in NAMES_OF_ITEMS if name in per_item), range(num_items))
    reasons = [str(reason) for reason in per_item.get(LEFT_OUT, [""] * num_items)]
    names = [str(name) for name, reason in zip(named, reasons, strict=True) if not reason]
    left_out: dict[str, int] = {}
    for reason in filter(None, reasons):
        left_out[reason] = left_out.get(reason, 0) + 1
    return names, left_out


def now() -> datetime.datetime:
    """Give the time, with its zone, as records carry it."""
    return datetime.datetime.now(datetime.UTC)


class Folder:
    """A folder of the store in which a file appears whole or not at all."""

    def __init__(self, url: str, place: str = "") -> None:
        """Name the folder; nothing is made before something is written.

        Args:
            url: where it is.
            place: its path below the root of the store, for people.
        """
        self.url, self.place = url, place
        filesystem, path = fsspec.core.url_to_fs(url)
        self._filesystem: Any = filesystem
        self._path = cast(str, path)
        self._sha256_of_sent: dict[str, str] = {}
        self._kept_records = KeptRecords()
        self._listing: Listing | None = None
        self._before_writing: Callable[[], None] | None = None

    def __truediv__(self, name: str) -> Folder:
        """Name a folder inside this one; of one that was listed it knows what that knows."""
        inside = copy.copy(self)
        inside.url, inside.place = f"{self.url.rstrip('/')}/{name}", f"{self.place}/{name}".lstrip("/")
        inside._path, inside._sha256_of_sent = self._at(name), {}
        return inside

    def listed(self) -> Folder:
        """Give the folder as it is now: one of an object store is listed once, and then not asked again.

        One that was listed already stays as it was then.
        """
        if self._listing is not None or isinstance(self._filesystem, LocalFileSystem):
            return self
        found = copy.copy(self)
        found._listing = Listing(self._filesystem, self._path)
        return found

    def written_after(self, write_first: Callable[[], None]) -> Folder:
        """Give the same folder, in which nothing is begun to be written before something else has been."""
        after = copy.copy(self)
        after._before_writing = write_first
        return after

    def look(self) -> None:
        """List anew what was listed: another process may have written meanwhile."""
        if self._listing is not None:
            self._listing.look()

    @property
    def beside(self) -> Folder:
        """The folder that it lies in."""
        return Folder(self.url.rstrip("/").rpartition("/")[0], self.place.rpartition("/")[0])

    @property
    def local_path(self) -> Path | None:
        """Where it is on this machine; None in an object store."""
        return Path(self._path) if isinstance(self._filesystem, LocalFileSystem) else None

    def _at(self, name: str) -> str:
        return f"{self._path.rstrip('/')}/{name}"

    def refuse_absent_bucket(self) -> None:
        """Tell a bucket of S3 that is not there from one that holds nothing of this folder.

        Raises:
            FileNotFoundError: there is none.
        """
        if is_s3(self._filesystem):
            self._filesystem.call_s3("head_bucket", Bucket=self._path.partition("/")[0])

    def exists(self, name: str) -> bool:
        """Say whether a complete file of that name is there now, or was when the folder was listed."""
        if self._listing is not None:
            return self._listing.has(self._at(name))
        self._filesystem.invalidate_cache()
        return bool(self._filesystem.exists(self._at(name)))

    def names(self) -> list[str]:
        """List what is in the folder, sorted; nothing where there is no folder."""
        return sorted(name for name in self._all_names() if not name.startswith("."))

    def _all_names(self) -> Iterable[str]:
        if self._listing is not None:
            return self._listing.names(self._path)
        try:
            if isinstance(self._filesystem, LocalFileSystem):
                return [path.name for path in Path(self._path).iterdir()]
            self._filesystem.invalidate_cache()
            found: Iterable[str]
            if is_s3(self._filesystem):  # of an empty folder it would look into the one above too
                above, _, name = self._path.rstrip("/").rpartition("/")
                found = self._filesystem.find(above, prefix=f"{name}/", maxdepth=1, withdirs=True)
            else:
                found = self._filesystem.ls(self._path, detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return ()
        return (path.rstrip("/").rsplit("/", 1)[-1] for path in found)

    def file_names(self) -> list[str]:
        """List the files in it and in the folders inside it, sorted; nothing where there is no folder."""
        self._filesystem.invalidate_cache()
        above = f"{self._path.rstrip('/')}/"
        return sorted(str(path).removeprefix(above) for path in self._filesystem.find(self._path))

    def sizes_bytes(self) -> dict[str, int]:
        """Give the size of every file in it and in the folders inside it, by name, such as `b/c.txt`.

        Of a local folder also what killed writers have left. A link is left out, and nothing behind it is seen.
        """
        if isinstance(self._filesystem, LocalFileSystem):
            return _sizes_of_local(Path(self._path))
        self._filesystem.invalidate_cache()
        above = f"{self._path.rstrip('/')}/"
        found = self._filesystem.find(self._path, detail=True)
        return {str(path).removeprefix(above): int(facts["size"] or 0) for path, facts in found.items()}

    def file_versions(self, leaves_out: Sequence[str] = ()) -> dict[str, FileVersion]:
        """Give what is another whenever a file is written anew, of every file in it and in the folders inside it.

        Args:
            leaves_out: files and folders directly in it whose names begin so.
        """
        if isinstance(self._filesystem, LocalFileSystem):
            return versions_of_local(Path(self._path), leaves_out)
        above = f"{self._path.rstrip('/')}/"
        found = versions_of_objects(self._filesystem, self._path)
        named = {path.removeprefix(above): version for path, version in found.items()}
        return {name: version for name, version in named.items() if not name.startswith(tuple(leaves_out))}

    def version_of(self, name: str) -> str:
        """Give what is another whenever a file is written anew; empty where there is none of that name."""
        self._filesystem.invalidate_cache()
        try:
            return str(self._filesystem.ukey(self._at(name)))
        except FileNotFoundError:
            return ""

    def remove_empty_folders(self) -> None:
        """Remove the folders inside it that hold nothing, and itself where nothing is left."""
        if isinstance(self._filesystem, LocalFileSystem):
            for folder, _, _ in os.walk(self._path, topdown=False):
                with contextlib.suppress(OSError):  # it holds something, or is another process's work now
                    Path(folder).rmdir()

    def read(self, name: str) -> bytes:
        """Read a complete file."""
        path = self._at(name)
        if self._listing is not None and not self._listing.has_file(path):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        self._refuse_irregular(name)
        return self._content(path)

    def _content(self, path: str) -> bytes:
        # More than one at a time would ask for the size first; what is read whole is small.
        at_once = {"max_concurrency": 1} if is_s3(self._filesystem) else {}
        return cast(bytes, self._filesystem.cat_file(path, **at_once))

    def _refuse_irregular(self, name: str) -> None:
        """Refuse a pipe or a device in a file's place, of which there is no end."""
        if isinstance(self._filesystem, LocalFileSystem):
            refuse_irregular(Path(self._at(name)))

    def write(self, name: str, content: bytes) -> None:
        """Write a file that appears whole under its name."""
        with self.open_to_write(name) as file:
            file.write(content)

    def write_if_changed(self, name: str, content: bytes) -> None:
        """Write a file unless it is there with this content: one that nothing has changed keeps its date."""
        try:
            is_same = self.read(name) == content
        except OSError:  # it is not there, or something else lies in its place
            is_same = False
        if not is_same:
            self.write(name, content)

    def create(self, name: str, content: bytes) -> bool:
        """Write a file that appears whole, unless there is one of that name already; false where there is.

        Of several writers at once, on any number of machines, one alone is told true. It holds for local folders and
        NFS (a link is made, which is atomic), for S3 (a conditional put) and Google's store; other object stores look
        before they write.

        Args:
            name: of the file.
            content: of the file, which no other writer has: by it a writer whose answer was lost knows its own.
        """
        if isinstance(self._filesystem, LocalFileSystem):
            with _naming_what_is_written(Path(self._at(name))):
                return _create_local(Path(self._at(name)), content)
        is_mine = self._create_object(self._at(name), content)
        if self._listing is not None:
            self._listing.add(self._at(name))
        return is_mine

    def _create_object(self, path: str, content: bytes) -> bool:
        """Ask again where the store refuses a file and has none: it was removed since, or is being written."""
        refused: Exception | None = None
        for _ in range(TRIES_TO_CREATE):
            try:
                self._filesystem.pipe_file(path, content, mode="create")
                return True
            except Exception as error:  # each kind of store has its own for "it is there"
                refused = error
            self._filesystem.invalidate_cache()
            try:
                return self._content(path) == content
            except FileNotFoundError:
                continue
        if isinstance(refused, FileExistsError):  # others have it, one after the other
            return False
        assert refused is not None
        raise refused

    def remove(self, *names: str) -> None:
        """Remove files or folders; one that is not there is no fault."""
        if self._listing is not None:
            self._remove_files([file for name in names for file in self._listing.files(self._at(name))])
            return
        for name in names:
            if self.exists(name):
                self._filesystem.rm(self._at(name), recursive=True)

    def remove_files(self, *names: str) -> None:
        """Remove files, in one request of an object store; one that is not there is no fault."""
        if isinstance(self._filesystem, LocalFileSystem):
            for name in names:
                Path(self._at(name)).unlink(missing_ok=True)
        else:
            self._remove_files([self._at(name) for name in names])

    def _remove_files(self, paths: list[str]) -> None:
        if not paths:
            return
        with contextlib.suppress(FileNotFoundError):
            self._filesystem.rm(paths)
        if self._listing is not None:
            for path in paths:
                self._listing.discard(path)

    @contextmanager
    def open_to_read(self, name: str) -> Generator[BinaryIO]:
        """Open a complete file."""
        self._refuse_irregular(name)
        with self._filesystem.open(self._at(name), "rb") as file:
            yield file

    @contextmanager
    def open_to_write(self, name: str) -> Generator[BinaryIO]:
        """Open a file that appears under its name only when the context ends without error.

        Raises:
            OSError: naming the file and the folder, where there is no space left or no right to write.
        """
        if self._before_writing is not None:
            self._before_writing()
        if not isinstance(self._filesystem, LocalFileSystem):
            with uploaded(self._filesystem, self._at(name)) as upload:
                yield cast(BinaryIO, upload)
            self._sha256_of_sent[name] = upload.digest.hexdigest()
            if self._listing is not None:
                self._listing.add(self._at(name))
            return
        target = Path(self._at(name))
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            descriptor, aside = _open_aside(target)
        except OSError as error:
            raise OSError(error.errno, f"cannot write {target}: {error.strerror}") from error
        try:
            with _naming_what_is_written(target):
                with os.fdopen(descriptor, "wb") as file:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
                aside.replace(target)
        finally:
            aside.unlink(missing_ok=True)

    def unfinished_uploads_bytes(self) -> dict[str, int]:
        """Give what killed writers have sent to S3 of files that are not whole, by the names that these would have."""
        return unfinished_uploads_bytes(self._filesystem, self._path)

    def remove_unfinished_uploads(self) -> None:
        """Remove the parts that killed writers have sent to S3, which shows them to nobody and charges for them."""
        remove_unfinished_uploads(self._filesystem, self._path)

    def remove_unfinished(self) -> None:
        """Remove what killed writers left on a disc, where nobody writes.

        How old such a file is says nothing: another machine, whose clock may be hours off, may be writing it.
        """
        if not isinstance(self._filesystem, LocalFileSystem):
            return
        for path in Path(self._path).glob(".*.*"):
            if path.is_file():
                path.unlink(missing_ok=True)

    def read_model(self, name: str, model: type[ModelT]) -> ModelT | None:
        """Read a record, or None where it is not there.

        Raises:
            DamagedFile: the file is there but is no such record, or not the one that was written.
        """
        version = self._version(name, model)
        if (kept := self._kept_records.get(self._at(name), version)) is not None:
            return cast(ModelT, kept)
        try:
            text = self.read(name)
        except FileNotFoundError:
            if self._is_broken_link(name):
                raise self.damaged(name, BROKEN_LINK, model) from None
            return None
        except OSError as error:
            raise self.damaged(name, f"cannot be read ({error.strerror})", model) from error
        try:
            content: Any = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise self.damaged(name, "is no JSON, as a file that was cut short", model) from error
        if not isinstance(content, dict):
            raise self.damaged(name, "is JSON of something else", model)
        fields = cast(dict[str, Any], content)
        checksum = fields.pop(CHECKSUM, None)  # records of version 1 have none
        if checksum is None and model.SINCE_CHECKSUMS in fields:
            raise self.damaged(
                name, "has lost its checksum, so that nobody can say whether it is what was written", model
            )
        if checksum is not None and checksum != _checksum_of(fields):
            raise self.damaged(
                name, "was changed after it was written (its content and its checksum differ)", model
            )
        try:
            record = model.model_validate_json(json.dumps(_masked(fields, model)))
        except Refusal as error:
            fault = f"is no {model.__name__} ({'; '.join(map(str, error.faults))})"
            raise self.damaged(name, fault, model) from error
        self._kept_records.keep(self._at(name), version, len(text), record)
        return record

    def _version(self, name: str, model: type[Record]) -> str:
        """Give what changes when a record's file does; "" where it has to be read."""
        if self._listing is not None:
            return self._listing.version(self._at(name))
        if not model.NEVER_CHANGES:
            return ""
        if not isinstance(self._filesystem, LocalFileSystem):
            return self._kept_records.version(self._at(name))
        try:
            found = Path(self._at(name)).stat()
        except OSError:
            return ""
        return f"{found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"

    def _is_broken_link(self, name: str) -> bool:
        """Say whether a link of that name leads nowhere, as after a disc was not mounted."""
        is_local = isinstance(self._filesystem, LocalFileSystem)
        return is_local and Path(self._at(name)).is_symlink() and not Path(self._at(name)).exists()

    def read_sound(self, name: str, *, held: str, next_step: str) -> bytes:
        """Read a file that is no record.

        Args:
            name: of the file.
            held: what is lost with it.
            next_step: for a person who finds it damaged.

        Raises:
            DamagedFile: it is there and cannot be read.
            FileNotFoundError: it is not there.
        """
        try:
            return self.read(name)
        except FileNotFoundError:
            if not self._is_broken_link(name):
                raise
            fault = BROKEN_LINK
        except OSError as error:
            fault = f"cannot be read ({error.strerror})"
        raise DamagedFile((self / name).place, fault, held=held, next_step=next_step)

    def damaged(self, name: str, fault: str, model: type[Record]) -> DamagedFile:
        """Describe a record that cannot be used."""
        return DamagedFile((self / name).place, fault, held=model.HELD, next_step=model.NEXT_STEP)

    def write_model(self, name: str, record: Record) -> None:
        """Write a record as JSON that people can read, with its checksum."""
        self.write(name, _json_of(record))

    def create_model(self, name: str, record: Record) -> bool:
        """Write a record unless there is one of that name; false where there is. See `create`."""
        return self.create(name, _json_of(record))

    def read_table(self, name: str, *, held: str, next_step: str, sha256: str = "") -> Any:
        """Read a Parquet file.

        Args:
            name: of the file.
            sha256: that it had when it was written; empty where nobody knows.
            held: what is lost with it.
            next_step: for a person who finds it damaged.

        Raises:
            DamagedFile: it is no Parquet, or another file than was written.
            FileNotFoundError: it is not there.
        """
        content = self.read_sound(name, held=held, next_step=next_step)
        is_other = bool(sha256) and hashlib.sha256(content).hexdigest() != sha256
        try:
            # As a file, not as the data set that `read_table` makes of it: that takes ten times as long.
            table = pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False)
        except (pa.ArrowException, OSError, ValueError) as error:
            fault = "is no Parquet file, or is cut short"
            raise DamagedFile((self / name).place, fault, held=held, next_step=next_step) from error
        if is_other:
            fault = "is not the table that was recorded (its checksum differs)"
            raise DamagedFile((self / name).place, fault, held=held, next_step=next_step)
        return table

    def write_table(self, name: str, columns: Mapping[str, Sequence[Any] | np.ndarray]) -> str:
        """Write columns as a Parquet file; gives its SHA-256."""
        buffer = io.BytesIO()
        pq.write_table(pa.table(dict(columns)), buffer)
        self.write(name, buffer.getvalue())
        return hashlib.sha256(buffer.getvalue()).hexdigest()

    def sha256_of(self, name: str) -> str:
        """Digest a file; one that this process has sent to an object store is not fetched for it."""
        if name in self._sha256_of_sent:
            return self._sha256_of_sent[name]
        digest = hashlib.sha256()
        with self.open_to_read(name) as file:
            while content := file.read(CHUNK_BYTES):
                digest.update(content)
        return digest.hexdigest()


def _masked(fields: dict[str, Any], model: type[Record]) -> dict[str, Any]:
    """Mask secrets in what was said; also of a record that was written before anything was masked."""
    for path in model.SAYS:
        *parents, name = path.split(".")
        owners: list[Any] = [fields]
        for parent in parents:
            found = [owner.get(parent) for owner in owners if isinstance(owner, dict)]
            owners = [one for item in found for one in (item if isinstance(item, list) else [item])]
        for owner in owners:
            if isinstance(owner, dict) and name in owner:
                owner[name] = masked_in(owner[name])
    return fields


def _masked_column(column: Any) -> Any:
    """Mask secrets in a column of texts, such as names of files; nearly always there are none."""
    if not all(isinstance(text, str) for text in column):
        return column
    joined = "\n".join(column)
    return column if masked(joined) == joined else [masked(text) for text in column]


def _json_of(record: Record) -> bytes:
    fields = _masked(cast(dict[str, Any], json.loads(record.model_dump_json())), type(record))
    return json.dumps({**fields, CHECKSUM: digest_of(fields)}, indent=2, ensure_ascii=False).encode()


def _checksum_of(fields: Mapping[str, Any]) -> str:
    """Digest a record's content; nothing that we write has the digest of what JSON cannot hold."""
    try:
        return digest_of(fields)
    except ValueError:
        return ""


@contextmanager
def _naming_what_is_written(target: Path) -> Generator[None]:
    """Name the file in an error of writing it, and say what to do."""
    try:
        yield
    except OSError as error:
        instead = "move that folder away" if target.is_dir() else "free space or name another --store"
        raise OSError(error.errno, f"cannot write {target}: {error.strerror}; {instead}") from error


def _create_local(target: Path, content: bytes) -> bool:
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, aside = _open_aside(target)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(aside, target)
        except FileExistsError:
            return aside.stat().st_nlink == 2  # NFS repeats a request whose answer was lost
        except OSError as error:
            if error.errno not in WITHOUT_LINKS:
                raise
            return _create_exclusively(target, content)
    finally:
        aside.unlink(missing_ok=True)
    return True


def _create_exclusively(target: Path, content: bytes) -> bool:
    """Create a file where there are no links; one who reads it at once may find it empty."""
    try:
        with target.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        return False
    return True


def _open_aside(target: Path) -> tuple[int, Path]:
    """Open a new file beside another one, with the rights that any new file gets here."""
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:12]}")
    return os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), aside


def _sizes_of_local(top: Path) -> dict[str, int]:
    found: dict[str, int] = {}
    for folder, _, names in os.walk(top):
        for path in (Path(folder) / name for name in names):
            with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                if not path.is_symlink() and path.is_file():
                    found[path.relative_to(top).as_posix()] = path.stat().st_size
    return found


@contextmanager
def _tidying(what: str) -> Generator[None]:
    """Let a removal fail: what stays takes room and changes nothing, as NFS's `.nfs…` files do."""
    try:
        yield
    except Exception as error:  # an object store raises one of many kinds
        logger.info("%s could not be removed: %s", what, error)


def _fault_of_epochs(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say why rows are no reports of epochs, which an unfinished training has without a checksum; empty if they are."""
    last = -1
    for row in rows:
        for name in ("epoch", "num_epochs"):
            if type(row[name]) is not int:
                return f"has something else than numbers in its column {name}"
            if not 0 <= row[name] <= MAX_EPOCHS:
                return f"has {row[name]} in its column {name}"
        for name, value in row.items():
            if type(value) not in (int, float) and (value is not None or name == "wall_s"):
                return f"has something else than numbers in its column {name}"
        if row["epoch"] <= last:
            return f"has epoch {row['epoch']} after epoch {last}"
        last = row["epoch"]
    return ""


def place_of_picture(name: str) -> str:
    """Give where a picture lies in the folder of its training."""
    return f"pictures/{name}.png"


def is_picture(place: str) -> bool:
    """Say whether it is a picture that lies there in the folder of a training."""
    return place.startswith("pictures/") and place.endswith(".png")


def _name_of_attempt(number: int) -> str:
    return f"{number:04d}.json"


def _sound_files(
    folder: Folder, model: type[ModelT], faults: list[str] | None, known: Mapping[str, ModelT] = EMPTY
) -> dict[str, ModelT]:
    """Read every record of a folder that can be used and is not known already, by its name."""
    found: dict[str, ModelT] = {}
    for name in folder.names():
        if name in known:
            found[name] = known[name]
            continue
        try:
            record = folder.read_model(name, model)
        except DamagedFile as error:
            if faults is None:
                logger.warning("%s", error)
            else:
                faults.append(str(error))
            continue
        if record is not None:
            found[name] = record
    return found


class TrainingFolder:
    """Everything that is kept of one training."""

    def __init__(self, folder: Folder, training_id: str) -> None:
        """Name it; nothing is made before something is written."""
        self.training_id = training_id
        self._folder = folder
        self.checkpoints = folder / "checkpoint"

    def listed(self) -> TrainingFolder:
        """Give it as it is now; see `Folder.listed`."""
        return TrainingFolder(self._folder.listed(), self.training_id)

    def look(self) -> None:
        """See what others have written since it was listed."""
        self._folder.look()

    def record(self) -> TrainingRecord | None:
        """The record, or None while the training is not done.

        Raises:
            DamagedFile: it cannot be read, or is another training's.
        """
        return self._own("record.json", self._folder.read_model("record.json", TrainingRecord))

    def _own(self, name: str, found: OwnedT | None) -> OwnedT | None:
        """Refuse what names another training than the folder's, as a file that was copied here does."""
        if found is not None and found.training_id != self.training_id:
            fault = f"belongs to training {found.training_id[:8]}, not to the one it lies in"
            raise self._folder.damaged(name, fault, type(found))
        return found

    def is_done(self) -> bool:
        """Say whether the record exists."""
        return self._folder.exists("record.json")

    def write_record(self, record: TrainingRecord) -> None:
        """Declare the training done; what only an interrupted one needs is removed."""
        self._folder.write_model("record.json", record)
        if record.attempts > 1:
            with _tidying(f"what killed writers have sent to {self.checkpoints.url}"):
                self.checkpoints.remove_unfinished_uploads()
        self.remove_leftovers()

    def remove_leftovers(self, *, is_claimed: bool = False) -> None:
        """Remove what killed writers left, and of a done training what only an interrupted one needs.

        Args:
            is_claimed: whether the training is the caller's alone, so that nobody who lives is writing there.
        """
        is_done = self.is_done()
        for folder in (self._folder, self.checkpoints) if is_done or is_claimed else ():
            with _tidying(f"what killed writers left in {folder.url}"):
                folder.remove_unfinished()
        if is_done:
            # Last what NFS may not let go of.
            resume = (f"checkpoint/{it}" for it in RESUME_CHECKPOINTS)
            needed_no_more = (*resume, "failure.json", CANCELLED, "attempts")
            with _tidying(f"what {self._folder.url} needs no more"):
                self._folder.remove(*needed_no_more)

    def remove_resume_checkpoint(self) -> None:
        """Remove the state of a training that will not go on."""
        with _tidying(f"{self.checkpoints.url}/{' and '.join(RESUME_CHECKPOINTS)}"):
            self.checkpoints.remove(*RESUME_CHECKPOINTS)

    def resume_version(self) -> str:
        """Give what is another once a training has written a newer state to go on from."""
        return " ".join(self.checkpoints.version_of(name) for name in RESUME_CHECKPOINTS)

    def failure(self) -> FailureRecord | None:
        """The last failure: of a training that is not done, or of measuring a view of a done one.

        Raises:
            DamagedFile: it cannot be read, or is another training's.
        """
        return self._own("failure.json", self._folder.read_model("failure.json", FailureRecord))

    def cancellation(self) -> Cancellation | None:
        """By whom it was cancelled, and not retried since; None where nobody has.

        Raises:
            DamagedFile: it cannot be read, or is another training's.
        """
        return self._own(CANCELLED, self._folder.read_model(CANCELLED, Cancellation))

    def cancelled(self) -> str:
        """By whom and when it was cancelled, in words; of a damaged record of it what is wrong with that.

        Empty where it was not, or was retried since.
        """
        try:
            cancellation = self.cancellation()
        except DamagedFile as error:
            return str(error)
        return "" if cancellation is None else str(cancellation)

    def is_cancelled(self) -> bool:
        """Say whether it was cancelled, and not retried since: cheap enough to ask every few seconds."""
        return self._folder.exists(CANCELLED)

    def write_cancellation(self, cancellation: Cancellation) -> None:
        """Keep that it was cancelled; whoever runs it sees that at its next sign of life."""
        self._folder.write_model(CANCELLED, cancellation)

    def remove_cancellation(self) -> None:
        """Let it be begun again."""
        self._folder.remove_files(CANCELLED)

    def failure_message(self) -> str | None:
        """Why it has not ended as it should, in words: it was cancelled, or failed; None where neither is so.

        Of a damaged record of that it is what is wrong with the record.
        """
        if cancelled := self.cancelled():
            return cancelled
        try:
            failure = self.failure()
        except DamagedFile as error:
            return str(error)
        return None if failure is None else failure.message

    def clear_failure(self) -> None:
        """Forget a failure that was put right."""
        if self._folder.exists("failure.json"):
            self._folder.remove(FAILURE_TEXT, "failure.json")

    def write_failure(self, failure: FailureRecord) -> None:
        """Keep why the last attempt failed."""
        self._folder.write_model("failure.json", failure)

    def write_failure_text(self, text: bytes) -> None:
        """Keep all that was said of a failure, where its record cannot hold it."""
        self._folder.write(FAILURE_TEXT, text)

    def failure_text(self) -> str:
        """All that was said of a failure whose record cannot hold it; empty where the record can."""
        try:
            return self._folder.read(FAILURE_TEXT).decode(errors="replace")
        except FileNotFoundError:
            return ""

    @property
    def url(self) -> str:
        """Where it is."""
        return self._folder.url

    @property
    def local_path(self) -> Path | None:
        """Where it is on this machine; None in an object store."""
        return self._folder.local_path

    def output(self) -> bytes:
        """All that is kept of what its attempts printed; nothing where none has printed anything."""
        try:
            return self._folder.read(OUTPUT)
        except FileNotFoundError:
            return b""

    def write_output(self, printed: bytes) -> None:
        """Replace it."""
        self._folder.write(OUTPUT, printed)

    def output_tail(self) -> list[str]:
        """The last lines that the last attempt printed, as a message can repeat them.

        Where the process was ended by a fault that printed a stack, they begin with what that says first.
        """
        return last_words(self.output())

    def write_attempt(self, attempt: AttemptRecord) -> int:
        """Count a start, and give its number; what failed before is being put right."""
        names = (self._folder / "attempts").names()
        number = 1 + max((int(name[:4]) for name in names if name[:4].isdigit()), default=0)
        self.rewrite_attempt(number, attempt)
        with _tidying(f"{self._folder.url}/failure.json"):
            self.clear_failure()
        return number

    def rewrite_attempt(self, number: int, attempt: AttemptRecord) -> None:
        """Keep what is known of a start by now."""
        (self._folder / "attempts").write_model(_name_of_attempt(number), attempt)

    def attempt(self, number: int) -> AttemptRecord | None:
        """Give what is kept of a start; None where it was removed, as once the training is done.

        Raises:
            DamagedFile: it cannot be read.
        """
        return (self._folder / "attempts").read_model(_name_of_attempt(number), AttemptRecord)

    def mark_stalled(self, stall: FailureRecord, *, sweep: str | None = None) -> None:
        """Keep that the last start was ended since nothing was seen of it.

        Args:
            stall: why.
            sweep: whose start it must be, which is counted now where it was not yet; None is the last one of all.
        """
        folder = self._folder / "attempts"
        found = _sound_files(folder, AttemptRecord, [])
        last = max(found, default="")
        if last and (sweep is None or (platform.node(), os.getpid()) == (found[last].host, found[last].pid)):
            if found[last].stall is None:
                folder.write_model(last, found[last].model_copy(update={"stall": stall}))
        elif sweep is not None:
            attempt = AttemptRecord(
                started_at=stall.failed_at, host=platform.node(), pid=os.getpid(), sweep=sweep, stall=stall
            )
            number = 1 + max((int(name[:4]) for name in folder.names() if name[:4].isdigit()), default=0)
            self.rewrite_attempt(number, attempt)

    def stalls(self, sweep: str) -> list[FailureRecord]:
        """Why starts of one sweep were ended since nothing was seen of them, oldest first."""
        return [item.stall for item in self.attempts([]) if item.stall is not None and item.sweep == sweep]

    def num_stalls(self, sweep: str) -> int:
        """Count them."""
        return len(self.stalls(sweep))

    def num_attempts(self) -> int:
        """Count the starts so far of a training that is not done, readable or not."""
        return len((self._folder / "attempts").names())

    def attempts(
        self, faults: list[str] | None = None, known: Mapping[int, AttemptRecord] | None = None
    ) -> list[AttemptRecord]:
        """The starts so far of a training that is not done, oldest first.

        Args:
            faults: gets what is wrong with files that cannot be used; the others are read on.
            known: by number, those that this process has written and that need not be read.
        """
        ours = {_name_of_attempt(number): attempt for number, attempt in (known or {}).items()}
        found = _sound_files(self._folder / "attempts", AttemptRecord, faults, ours)
        return [found[name] for name in sorted(found)]

    def epochs(self, record: TrainingRecord | None = None) -> list[EpochReport]:
        """The epochs reported so far, in order.

        Args:
            record: of a finished training, which knows the file by its checksum; None takes what is there.

        Raises:
            DamagedFile: they cannot be read, or are not those of the record.
        """
        sha256 = "" if record is None else record.files.get(EPOCHS, "")
        try:
            table = self._folder.read_table(EPOCHS, **LOST_WITH_EPOCHS, sha256=sha256)
        except FileNotFoundError:
            if sha256:
                raise DamagedFile((self._folder / EPOCHS).place, "is not there", **LOST_WITH_EPOCHS) from None
            return []
        fixed = ("epoch", "num_epochs", "wall_s")
        if missing := [name for name in fixed if name not in table.column_names]:
            raise DamagedFile(
                (self._folder / EPOCHS).place, f"has no column {', '.join(missing)}", **LOST_WITH_EPOCHS
            )
        rows = table.to_pylist()
        if fault := _fault_of_epochs(rows):
            raise DamagedFile((self._folder / EPOCHS).place, fault, **LOST_WITH_EPOCHS)
        return [
            EpochReport(
                row["epoch"],
                row["num_epochs"],
                {name: value for name, value in row.items() if name not in fixed and value is not None},
                row["wall_s"],
            )
            for row in rows
        ]

    def write_epochs(self, epochs: Sequence[EpochReport]) -> None:
        """Replace the epochs reported so far; each name that any of them reports has a column, empty elsewhere."""
        names = dict.fromkeys(name for report in epochs for name in report.metrics)
        self._folder.write_table(
            EPOCHS,
            {
                "epoch": [report.epoch for report in epochs],
                "num_epochs": [report.num_epochs for report in epochs],
                "wall_s": [report.wall_s for report in epochs],
                **{name: [report.metrics.get(name) for report in epochs] for name in names},
            },
        )

    def measured_views(self) -> set[str]:
        """Ids of the views measured so far."""
        return {name.removesuffix(".json") for name in (self._folder / "measurements").names()}

    def measurement(self, view_id: str) -> Measurement | None:
        """One measured view, or None.

        Raises:
            DamagedFile: it cannot be read, or is of another training or view.
        """
        name = f"measurements/{view_id}.json"
        found = self._own(name, self._folder.read_model(name, Measurement))
        if found is not None and found.view_id != view_id:
            fault = f"measures view {found.view_id[:8]}, not the one it is named after"
            raise self._folder.damaged(name, fault, Measurement)
        return found

    def items(self, view_id: str, measurement: Measurement | None = None) -> Any:
        """The per-item results of a measured view: a row a query or image.

        Args:
            view_id: of the view.
            measurement: of it, where it has been read already.

        Raises:
            DamagedFile: they, or the measurement of them, cannot be read, or they are another measurement's; or the
                view is measured and they are not there.
            FileNotFoundError: the view is not measured.
        """
        name = f"queries/{view_id}.parquet"
        lost = {
            "held": "one row an item of a measured view",
            "next_step": "move it and the view's file in measurements/ away, and the next run measures the view again",
        }
        measurement = measurement or self.measurement(view_id)
        try:
            sha256 = "" if measurement is None else measurement.table_sha256
            return self._folder.read_table(name, **lost, sha256=sha256)
        except FileNotFoundError:
            if measurement is None:
                raise
            raise DamagedFile((self._folder / name).place, "is not there", **lost) from None

    def write_measurement(
        self,
        view: EvaluationView,
        view_id: str,
        result: ViewResult,
        partner_ids: Sequence[str] = (),
        *,
        data: DatasetFacts | None = None,
        warnings: Sequence[str] = (),
    ) -> None:
        """Keep a measured view; its per-item table first, so that a measurement is never without."""
        per_query = {name: _masked_column(column) for name, column in result.per_query.items()}
        table_sha256 = self._folder.write_table(f"queries/{view_id}.parquet", per_query)
        names, left_out = measured_items(per_query)
        measurement = Measurement(
            training_id=self.training_id,
            view_id=view_id,
            view=view,
            metrics={name: float(value) for name, value in result.metrics.items()},
            measured_at=now(),
            partner_ids=tuple(partner_ids),
            data_label="" if data is None else data.label,
            measured_on={} if data is None else data.measured_on(view),
            items=result.items,
            num_measured=len(names),
            left_out={**left_out, **{masked(why): number for why, number in result.left_out.items()}},
            items_sha256=digest_of(names),
            table_sha256=table_sha256,
            warnings=tuple(warnings),
        )
        self._folder.write_model(f"measurements/{view_id}.json", measurement)

    def checksums(self) -> dict[str, str]:
        """Digest what lies beside a record and never changes once the record is written, by name."""
        found: dict[str, str] = {}
        if self._folder.exists(EPOCHS):
            found[EPOCHS] = self._folder.sha256_of(EPOCHS)
        if self.checkpoints.exists(FINAL_CHECKPOINT):
            found[f"checkpoint/{FINAL_CHECKPOINT}"] = self.checkpoints.sha256_of(FINAL_CHECKPOINT)
        for place in map(place_of_picture, self.pictures()):
            found[place] = self._folder.sha256_of(place)
        return found

    def sha256_of(self, name: str) -> str | None:
        """Digest a file of the folder; None where it is not there, "" where it cannot be read."""
        try:
            return self._folder.sha256_of(name) if self._folder.exists(name) else None
        except OSError:  # a folder in its place, or no right to read it
            return ""

    @property
    def place(self) -> str:
        """Its path below the root of the store, for people."""
        return self._folder.place

    def check_weights(self) -> None:
        """Refuse the weights of a finished training that are not those that were recorded.

        Raises:
            DamagedFile: they differ, or the record cannot be used.
        """
        name = f"checkpoint/{FINAL_CHECKPOINT}"
        record = self.record()
        expected = None if record is None else record.files.get(name)  # none in records of version 1
        if expected is not None and self.sha256_of(name) not in (
            None,
            expected,
        ):  # whoever loads it tells the lack
            raise DamagedFile(
                (self._folder / name).place,
                "is not the file that was recorded (its checksum differs)",
                held="the trained weights",
                next_step="what was measured stands; get it back from a copy, or delete the training's folder to "
                "train it again",
            )

    def has_weights(self) -> bool:
        """Say whether the trained network is kept, so that further views can be measured."""
        return self.checkpoints.exists(FINAL_CHECKPOINT)

    def remove_weights(self, by: str) -> None:
        """Remove the trained network of a finished training; that it was done on purpose is written first.

        Args:
            by: the option that asks for it.
        """
        self.checkpoints.write_model(REMOVED_WEIGHTS, RemovedWeights(by=by, removed_at=now()))
        self.checkpoints.remove_files(FINAL_CHECKPOINT)

    def removed_weights(self) -> RemovedWeights | None:
        """When and by what the trained network was removed; None where it is there, or is gone for no known reason.

        Raises:
            DamagedFile: that cannot be read.
        """
        return None if self.has_weights() else self.checkpoints.read_model(REMOVED_WEIGHTS, RemovedWeights)

    def why_no_weights(self) -> str:
        """Say why no further view of a finished training can be measured; empty where that can be done.

        Raises:
            DamagedFile: what says so cannot be read.
        """
        record = None if self.has_weights() else self.record()
        if record is None:
            return ""
        if (removed := self.removed_weights()) is not None:
            return f"were removed by {removed.by} on {removed.removed_at:%Y-%m-%d}"
        # Records of version 1 name no files.
        is_lost = not record.files or f"checkpoint/{FINAL_CHECKPOINT}" in record.files
        return f"are not there (checkpoint/{FINAL_CHECKPOINT})" if is_lost else ""

    @property
    def folder(self) -> Folder:
        """All its files."""
        return self._folder

    def pictures(self) -> list[str]:
        """Name what was drawn of the trained network, without the ending."""
        names = (self._folder / "pictures").names()
        return [name.removesuffix(".png") for name in names if name.endswith(".png")]

    def picture_checksums(self) -> dict[str, str]:
        """Give the SHA-256 of each picture by its name; nothing where they were drawn before there were checksums.

        Raises:
            DamagedFile: the file that has them cannot be read, or is another training's.
        """
        drawn = self._own(PICTURE_CHECKSUMS, self._folder.read_model(PICTURE_CHECKSUMS, PictureChecksums))
        if drawn is not None:
            return drawn.pictures
        record = self.record()
        files = {} if record is None else record.files
        return {Path(place).stem: sha256 for place, sha256 in files.items() if is_picture(place)}

    def picture(self, name: str) -> bytes:
        """One of them, a PNG.

        Raises:
            DamagedFile: it, or what has its checksum, cannot be read, or it is not what was drawn.
        """
        path = place_of_picture(name)
        checksums = self.picture_checksums()
        try:
            content = self._folder.read_sound(path, **LOST_WITH_PICTURE)
        except FileNotFoundError:
            content = b""
        fault = ""
        if not content.startswith(PNG):
            fault = "is no PNG" if content else "is not there, or is empty"
        elif checksums and hashlib.sha256(content).hexdigest() != checksums.get(name):
            fault = "is not the picture that was drawn (its checksum differs)"
        if fault:
            raise DamagedFile((self._folder / path).place, fault, **LOST_WITH_PICTURE)
        return content

    def write_pictures(self, contents: Mapping[str, bytes]) -> None:
        """Keep all that was drawn, PNGs by their names; what is drawn after the record has its checksums beside it."""
        for name, content in contents.items():
            self._folder.write(place_of_picture(name), content)
        if contents and self.is_done():
            pictures = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
            drawn = PictureChecksums(training_id=self.training_id, pictures=pictures)
            self._folder.write_model(PICTURE_CHECKSUMS, drawn)

    def picture_warning(self) -> str:
        """Why pictures are missing; empty where nothing went wrong."""
        name = "pictures/warning.txt"
        try:
            content = self._folder.read_sound(name, held="why pictures are missing", next_step="delete it")
        except FileNotFoundError:
            return ""
        except DamagedFile as error:
            return str(error)
        return content.decode(errors="replace")

    def write_picture_warning(self, message: str) -> None:
        """Keep why pictures are missing; empty to forget it."""
        if message:
            self._folder.write("pictures/warning.txt", masked(message).encode())
        else:
            self._folder.remove("pictures/warning.txt")


class Store:
    """The root of all records.

    Attributes:
        url: where it is.
        is_there: whether a sweep had started it when it was opened.
        fault: what is wrong with its `store.json`, which no record needs to be read; empty where nothing is.
    """

    def __init__(self, url: str) -> None:
        """Open a store, whether there is one or not; nothing is written.

        Raises:
            ValueError: it cannot be reached, or was written by a newer version of this program.
        """
        self.url = url if "://" in url else str(Path(url).expanduser().absolute())
        keep_secret(self.url)
        try:
            self.root = Folder(self.url)
            names = self.root.names()
            if not names:
                self.root.refuse_absent_bucket()
        except Exception as error:  # each kind of store raises its own, and those of a package that is absent
            raise unreachable_store(url, error) from error
        self.fault = ""
        self._kept_diffs: set[str] = set()
        version: StoreVersion | None = None
        if "store.json" in names:
            self._refuse_newer(url)
            try:
                version = self.root.read_model("store.json", StoreVersion)
            except DamagedFile as error:
                self.fault = str(error)
        is_begun = version is not None or bool(self.fault)
        self.is_there = is_begun or ("trainings" in names and bool(self.training_ids()))

    def listed(self) -> Store:
        """Give the store as it is now: to read much of it at once, an object store is listed and then not asked again.

        One that was listed already stays as it was then. Of a local folder it is the same.
        """
        found = copy.copy(self)
        found.root = self.root.listed()
        return found

    def _refuse_newer(self, url: str) -> None:
        """Refuse a store of a newer version, which may say more in `store.json` than is known here."""
        try:
            content: Any = json.loads(self.root.read("store.json"))
        except (OSError, ValueError, RecursionError):
            return  # there is none, or it is told what is wrong with it
        fields = cast(dict[str, Any], content) if isinstance(content, dict) else {}
        ours = StoreVersion()
        identity, records = (
            version if isinstance(version, int) else known
            for version, known in (
                (fields.get("identity_version"), ours.identity_version),
                (fields.get("record_version"), ours.record_version),
            )
        )
        if identity > ours.identity_version or records > ours.record_version:
            raise ValueError(
                f"The store {masked(url)} was written by a newer version of this program, as its store.json says "
                f"(identity {str(identity)[:20]}, records {str(records)[:20]}; this one knows "
                f"{ours.identity_version} and {ours.record_version}). "
                "Update the program, or name another --store."
            )

    def shared_id(self) -> str:
        """Give the id by which other machines know this store; one that is new, or older than ids, gets one now.

        Of several sweeps that start one store at the same moment, one gives it its id.

        Raises:
            DamagedFile: `store.json` cannot be used.
        """
        version = self.root.read_model("store.json", StoreVersion)
        if version is None:
            self.root.create_model("store.json", StoreVersion(store_id=uuid.uuid4().hex))
            version = self.root.read_model("store.json", StoreVersion) or StoreVersion()
        if not version.store_id or version.record_version < RECORD_VERSION:
            store_id = version.store_id or uuid.uuid4().hex
            newer = version.model_copy(update={"store_id": store_id, "record_version": RECORD_VERSION})
            self.root.write_model("store.json", newer)
            version = self.root.read_model("store.json", StoreVersion) or version
        return version.store_id

    def check_writable(self) -> None:
        """Refuse a store that takes no file, before anything trains for it.

        Raises:
            OSError: why it takes none, and what to do.
        """
        name = f"claims/probe-{uuid.uuid4().hex[:12]}"
        self.root.write(name, bytes(PROBE_BYTES))
        self.root.remove_files(name)

    def refuse_removed(self, store_id: str) -> None:
        """Refuse to go on where the store was removed, or another one put in its place, while a sweep ran.

        Args:
            store_id: that it had when the sweep began.

        Raises:
            ValueError: what to do.
        """
        version = self.root.read_model("store.json", StoreVersion)
        if version is None or version.store_id != store_id:
            raise ValueError(
                f"the store {self.url} was removed or replaced while the sweep ran: its records of before are gone, "
                "and what has ended since lies where it was. Put it back from a copy if there is one, then run the "
                "same command again, which trains what is missing"
            )

    @staticmethod
    def join(url: str, store_id: str) -> Store:
        """Open on a worker the store that the driver has opened; nothing is written where it is not.

        Raises:
            ValueError: this machine does not see that store.
        """
        version = Folder(url).read_model("store.json", StoreVersion)
        if version is None or version.store_id != store_id:
            raise ValueError(
                f"the store {masked(url)} is not shared with machine {platform.node()}: it has "
                f"{'no store' if version is None else 'another store'} there. Give --store a folder or URL "
                "that every machine sees, such as a network drive or s3://bucket/runs"
            )
        return Store(url)

    def training(self, training_id: str) -> TrainingFolder:
        """Give the folder of a training, whether it exists or not."""
        return TrainingFolder(self.root / f"trainings/{training_id}", training_id)

    def training_ids(self) -> list[str]:
        """List every training that has left a trace."""
        return (self.root / "trainings").names()

    def search_ids(self) -> list[str]:
        """List every search that has left a trace."""
        return (self.root / "searches").names()

    def study_data(self, faults: list[str] | None = None) -> dict[str, StudyData]:
        """Give what the data sets were in the last sweep of each study, by its name.

        Args:
            faults: gets what is wrong with files that cannot be used; the others are read on.
        """
        found = _sound_files(self.root / "data", StudyData, faults)
        return {name.removesuffix(".json"): data for name, data in found.items()}

    def study_data_of(self, study: str) -> StudyData | None:
        """Give what the data sets were in the last sweep of a study; None where nobody knows, or can read it."""
        try:
            return (self.root / "data").read_model(f"{study}.json", StudyData)
        except DamagedFile as error:
            logger.warning("%s", error)
            return None

    def write_study_data(self, study: str, data: StudyData) -> None:
        """Keep what the data sets are in a sweep of a study."""
        (self.root / "data").write_model(f"{study}.json", data)

    def keep_diff(self, code: Code) -> str:
        """Keep what differs from the commit of some code, once for all trainings; gives the name of it, if any."""
        folder, name = self.root / "provenance", f"{code.diff_sha256}.diff"
        if code.diff and name not in self._kept_diffs:
            if not folder.exists(name):
                folder.write(name, code.diff.encode(errors="backslashreplace"))
            self._kept_diffs.add(name)
        return code.diff_sha256

    def accepted_changes(self, faults: list[str] | None = None) -> list[AcceptedChange]:
        """Give the changed defaults that were accepted in writing.

        Args:
            faults: gets what is wrong with files that cannot be used; the others are read on.
        """
        return list(_sound_files(self.root / "accepted", AcceptedChange, faults).values())

    def write_accepted_change(self, change: AcceptedChange) -> None:
        """Keep that a changed default was accepted; accepting it again replaces the reason."""
        key = digest_of([change.method, change.version, change.path, change.recorded, change.planned])
        (self.root / "accepted").write_model(f"{key[:16]}.json", change)

    @property
    def _retries(self) -> Folder:
        return self.root / "retries"

    def order_retry(self, order: RetryOrder) -> None:
        """Keep that a training is to be tried again at once."""
        self._retries.write_model(f"{order.training_id}.json", order)

    def ordered_retries(self) -> set[str]:
        """Give the trainings that are to be tried again at once: one request, whatever their number."""
        return {name.removesuffix(".json") for name in self._retries.names() if name.endswith(".json")}

    def remove_retries(self, training_ids: Iterable[str]) -> None:
        """Forget the orders of trainings that are handed out now."""
        self._retries.remove_files(*(f"{identity}.json" for identity in training_ids))

    def search_trials(self, search_id: str) -> list[SearchTrialRecord]:
        """Everything a search has suggested so far, by number.

        Raises:
            DamagedFile: one cannot be read, or has another number than its name.
        """
        found = (self.search_trial(search_id, number) for number in self.search_trial_numbers(search_id))
        return [trial for trial in found if trial is not None]

    def search_trial_numbers(self, search_id: str) -> list[int]:
        """List the suggestions of a search by their numbers."""
        names = (self.root / f"searches/{search_id}").names()
        numbers = (name.removesuffix(".json") for name in names if name.endswith(".json"))
        return sorted(int(number) for number in numbers if number.isdigit())

    def search_trial(self, search_id: str, number: int) -> SearchTrialRecord | None:
        """Read one suggestion of a search.

        Raises:
            DamagedFile: it cannot be read, or has another number than its name.
        """
        folder, name = self.root / f"searches/{search_id}", f"{number:06d}.json"
        trial = folder.read_model(name, SearchTrialRecord)
        if trial is not None and trial.number != number:
            raise folder.damaged(name, f"is suggestion {trial.number}", SearchTrialRecord)
        return trial

    def create_search_trial(self, search_id: str, trial: SearchTrialRecord) -> bool:
        """Keep a new suggestion, unless another sweep has made one of that number; false where it has."""
        return (self.root / f"searches/{search_id}").create_model(f"{trial.number:06d}.json", trial)

    def write_search_trial(self, search_id: str, trial: SearchTrialRecord) -> None:
        """Keep a suggestion, or what became of it."""
        (self.root / f"searches/{search_id}").write_model(f"{trial.number:06d}.json", trial)

    def learnt_trials(self, search_id: str) -> LearntTrials | None:
        """Give what a search has learnt before its first trial; None where it has learnt nothing.

        Raises:
            DamagedFile: it cannot be read.
        """
        return (self.root / f"searches/{search_id}").read_model(LEARNT_FILE, LearntTrials)

    def create_learnt_trials(self, search_id: str, learnt: LearntTrials) -> bool:
        """Keep what a search has learnt; false where another sweep has done so."""
        return (self.root / f"searches/{search_id}").create_model(LEARNT_FILE, learnt)
