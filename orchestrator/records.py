"""The store: what happened, written once, and the only thing that decides what is done.

Layout under the store's root, a local folder, an NFS path or an object store (any fsspec URL):

    store.json                                   versions; a newer store is refused. And the store's own id
    trainings/<training id>/record.json          a training is done when this exists; written last
    trainings/<training id>/epochs.parquet       one row an epoch
    trainings/<training id>/measurements/<view id>.json      metrics of one view
    trainings/<training id>/queries/<view id>.parquet        its per-query results
    trainings/<training id>/pictures/<name>.png              what its network does, or warning.txt: why not
    trainings/<training id>/checkpoint/          `final.pt`, and `resume.pt` until the record is written
    trainings/<training id>/failure.json         the last failure, where there is no record
    searches/<search id>/<number>.json           one suggestion of a search and what became of it

There is no lock and no daemon. A file appears whole under its name or not at all. Numbers that are not
finite are written as "NaN" and "Infinity".
"""

from __future__ import annotations

import datetime
import io
import logging
import os
import platform
import time
import uuid
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeVar, cast

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem
from pydantic import ConfigDict, Field

from orchestrator.identity import IDENTITY_VERSION
from trainables.contract import RESUME_CHECKPOINT, AnyView, EpochReport, ViewResult
from trainables.value.frozen_model import ClosedModel

RECORD_VERSION = 1
"""Raised when a record is written in a way that older code would misread."""


UNFINISHED_AFTER_S = 600.0
"""A file that nobody has written to for so long was left by a writer that was killed."""

logger = logging.getLogger(__name__)


class Record(ClosedModel):
    """A value as the store keeps it. JSON has no NaN, and a null would not be read back."""

    model_config = ConfigDict(ser_json_inf_nan="strings")


class StoreVersion(Record):
    """What `store.json` holds.

    Attributes:
        store_id: random; tells a shared store from another one under the same path of another machine.
    """

    identity_version: int = IDENTITY_VERSION
    record_version: int = RECORD_VERSION
    store_id: str = ""


class DataRecord(Record):
    """The data set that a training saw."""

    name: str
    label: str
    fingerprint: str
    is_demo: bool
    num_images: dict[str, int]
    warnings: tuple[str, ...] = ()


class TrainingRecord(Record):
    """One finished training.

    Attributes:
        config: every field of it, defaults too.
        attempts: 1 if it was never interrupted.
        train_wall_s: sum over its epochs, repeated ones not counted.
        measure_wall_s: extraction and measurement of the views known at its end.
        device: what it ran on, such as `cpu` or the name of a GPU.
        versions: of the packages that can change a number.
    """

    training_id: str
    identity_version: int = IDENTITY_VERSION
    method: str
    method_version: int
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


class Measurement(Record):
    """One view of one training, measured. Metrics are fractions.

    Attributes:
        partner_ids: the other trainings of an ensemble.
    """

    training_id: str
    view_id: str
    view: AnyView
    metrics: dict[str, float]
    measured_at: datetime.datetime
    partner_ids: tuple[str, ...] = ()


class FailureRecord(Record):
    """Why a training has no record; it is tried again by the next run."""

    training_id: str
    label: str
    message: str
    traceback: str
    host: str
    failed_at: datetime.datetime


class AttemptRecord(Record):
    """One start of one training on one worker; removed with the resume checkpoint."""

    started_at: datetime.datetime
    host: str
    pid: int


class SearchTrialRecord(Record):
    """One suggestion of a search.

    Attributes:
        number: its number in the Optuna study.
        params: dotted path -> value.
        training_id: the training that answers it.
        state: `running` until it is told.
        value: of the objective, None unless complete.
        intermediate_values: epoch -> value.
        num_failures: runs of the sweep in which its training failed.
    """

    number: int
    params: dict[str, Any]
    training_id: str
    state: Literal["running", "complete", "pruned", "fail"]
    value: float | None = None
    intermediate_values: dict[int, float] = Field(default_factory=dict[int, float])
    num_failures: int = 0


ModelT = TypeVar("ModelT", bound=Record)


def now() -> datetime.datetime:
    """Give the time, with its zone, as records carry it."""
    return datetime.datetime.now(datetime.UTC)


class Folder:
    """A folder of the store in which a file appears whole or not at all."""

    def __init__(self, url: str) -> None:
        """Name the folder; nothing is made before something is written."""
        self.url = url
        filesystem, path = fsspec.core.url_to_fs(url)
        self._filesystem: Any = filesystem
        self._path = cast(str, path)

    def __truediv__(self, name: str) -> Folder:
        """Name a folder inside this one."""
        return Folder(f"{self.url.rstrip('/')}/{name}")

    def _at(self, name: str) -> str:
        return f"{self._path.rstrip('/')}/{name}"

    def exists(self, name: str) -> bool:
        """Say whether a complete file of that name is there now."""
        self._filesystem.invalidate_cache()
        return bool(self._filesystem.exists(self._at(name)))

    def names(self) -> list[str]:
        """List what is in the folder, sorted; nothing where there is no folder."""
        self._filesystem.invalidate_cache()
        if not self._filesystem.exists(self._path):
            return []
        found = (
            str(path).rstrip("/").rsplit("/", 1)[-1] for path in self._filesystem.ls(self._path, detail=False)
        )
        return sorted(name for name in found if not name.startswith("."))

    def read(self, name: str) -> bytes:
        """Read a complete file."""
        return cast(bytes, self._filesystem.cat_file(self._at(name)))

    def write(self, name: str, content: bytes) -> None:
        """Write a file that appears whole under its name."""
        with self.open_to_write(name) as file:
            file.write(content)

    def remove(self, *names: str) -> None:
        """Remove files or folders; one that is not there is no fault."""
        for name in names:
            if self.exists(name):
                self._filesystem.rm(self._at(name), recursive=True)

    @contextmanager
    def open_to_read(self, name: str) -> Generator[BinaryIO]:
        """Open a complete file."""
        with self._filesystem.open(self._at(name), "rb") as file:
            yield file

    @contextmanager
    def open_to_write(self, name: str) -> Generator[BinaryIO]:
        """Open a file that appears under its name only when the context ends without error.

        Raises:
            OSError: naming the file and the folder, where there is no space left or no right to write.
        """
        if not isinstance(self._filesystem, LocalFileSystem):
            buffer = io.BytesIO()  # an object store shows an object only when all of it is there
            yield buffer
            self._filesystem.pipe_file(self._at(name), buffer.getvalue())
            return
        target = Path(self._at(name))
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            descriptor, aside = _open_aside(target)
        except OSError as error:
            raise OSError(error.errno, f"cannot write {target}: {error.strerror}") from error
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            aside.replace(target)
        except OSError as error:
            raise OSError(
                error.errno, f"cannot write {target}: {error.strerror}; free space or name another --store"
            ) from error
        finally:
            aside.unlink(missing_ok=True)

    def remove_unfinished(self, *, older_than_s: float) -> None:
        """Remove what killed writers left; an object store keeps nothing of them."""
        if not isinstance(self._filesystem, LocalFileSystem):
            return
        for path in Path(self._path).glob(".*.*"):
            if path.is_file() and time.time() - path.stat().st_mtime >= older_than_s:
                path.unlink(missing_ok=True)

    def read_model(self, name: str, model: type[ModelT]) -> ModelT | None:
        """Read a record, or None where it is not there.

        Raises:
            ValueError: the file is there but is no such record.
        """
        try:
            text = self.read(name)
        except FileNotFoundError:
            return None
        try:
            return model.model_validate_json(text)
        except ValueError as error:
            raise ValueError(f"{self.url}/{name} is no {model.__name__}; move it away. {error}") from error

    def write_model(self, name: str, record: Record) -> None:
        """Write a record as JSON that people can read."""
        self.write(name, record.model_dump_json(indent=2).encode())

    def read_table(self, name: str) -> Any:
        """Read a Parquet file."""
        return pq.read_table(io.BytesIO(self.read(name)))

    def write_table(self, name: str, columns: Mapping[str, Sequence[Any] | np.ndarray]) -> None:
        """Write columns as a Parquet file."""
        buffer = io.BytesIO()
        pq.write_table(pa.table(dict(columns)), buffer)
        self.write(name, buffer.getvalue())


def _open_aside(target: Path) -> tuple[int, Path]:
    """Open a new file beside another one, with the rights that any new file gets here."""
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:12]}")
    return os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), aside


@contextmanager
def _tidying(what: str) -> Generator[None]:
    """Let a removal fail: what stays takes room and changes nothing, as NFS's `.nfs…` files do."""
    try:
        yield
    except Exception as error:  # an object store raises one of many kinds
        logger.info("%s could not be removed: %s", what, error)


class TrainingFolder:
    """Everything that is kept of one training."""

    def __init__(self, folder: Folder, training_id: str) -> None:
        """Name it; nothing is made before something is written."""
        self.training_id = training_id
        self._folder = folder
        self.checkpoints = folder / "checkpoint"

    def record(self) -> TrainingRecord | None:
        """The record, or None while the training is not done."""
        return self._folder.read_model("record.json", TrainingRecord)

    def is_done(self) -> bool:
        """Say whether the record exists."""
        return self._folder.exists("record.json")

    def write_record(self, record: TrainingRecord) -> None:
        """Declare the training done; what only an interrupted one needs is removed."""
        self._folder.write_model("record.json", record)
        self.remove_leftovers()

    def remove_leftovers(self) -> None:
        """Remove what killed writers left, and of a done training what only an interrupted one needs."""
        is_done = self.is_done()
        for folder in (self._folder, self.checkpoints):
            with _tidying(f"what killed writers left in {folder.url}"):
                folder.remove_unfinished(older_than_s=0 if is_done else UNFINISHED_AFTER_S)
        if is_done:
            self.remove_resume_checkpoint()
            with _tidying(f"{self._folder.url}/attempts"):
                self._folder.remove("attempts")
            with _tidying(f"{self._folder.url}/failure.json"):
                self.clear_failure()

    def remove_resume_checkpoint(self) -> None:
        """Remove the state of a training that will not go on."""
        with _tidying(f"{self.checkpoints.url}/{RESUME_CHECKPOINT}"):
            self.checkpoints.remove(RESUME_CHECKPOINT)

    def failure(self) -> FailureRecord | None:
        """The last failure: of a training that is not done, or of measuring a view of a done one."""
        return self._folder.read_model("failure.json", FailureRecord)

    def clear_failure(self) -> None:
        """Forget a failure that was put right."""
        self._folder.remove("failure.json")

    def write_failure(self, failure: FailureRecord) -> None:
        """Keep why the last attempt failed."""
        self._folder.write_model("failure.json", failure)

    def write_attempt(self, attempt: AttemptRecord) -> None:
        """Count a start; what failed before is being put right."""
        attempts = self._folder / "attempts"
        number = 1 + max((int(name[:4]) for name in attempts.names() if name[:4].isdigit()), default=0)
        attempts.write_model(f"{number:04d}.json", attempt)
        with _tidying(f"{self._folder.url}/failure.json"):
            self.clear_failure()

    def attempts(self) -> list[AttemptRecord]:
        """The starts so far of a training that is not done, oldest first."""
        attempts = self._folder / "attempts"
        found = (attempts.read_model(name, AttemptRecord) for name in attempts.names())
        return [attempt for attempt in found if attempt is not None]

    def epochs(self) -> list[EpochReport]:
        """The epochs reported so far, in order."""
        if not self._folder.exists("epochs.parquet"):
            return []
        rows = self._folder.read_table("epochs.parquet").to_pylist()
        fixed = ("epoch", "num_epochs", "wall_s")
        return [
            EpochReport(
                row["epoch"],
                row["num_epochs"],
                {k: v for k, v in row.items() if k not in fixed},
                row["wall_s"],
            )
            for row in rows
        ]

    def write_epochs(self, epochs: Sequence[EpochReport]) -> None:
        """Replace the epochs reported so far."""
        names = list(epochs[0].metrics) if epochs else []
        self._folder.write_table(
            "epochs.parquet",
            {
                "epoch": [report.epoch for report in epochs],
                "num_epochs": [report.num_epochs for report in epochs],
                "wall_s": [report.wall_s for report in epochs],
                **{name: [report.metrics[name] for report in epochs] for name in names},
            },
        )

    def measured_views(self) -> set[str]:
        """Ids of the views measured so far."""
        return {name.removesuffix(".json") for name in (self._folder / "measurements").names()}

    def measurement(self, view_id: str) -> Measurement | None:
        """One measured view, or None."""
        return self._folder.read_model(f"measurements/{view_id}.json", Measurement)

    def queries(self, view_id: str) -> Any:
        """The per-query results of a measured view."""
        return self._folder.read_table(f"queries/{view_id}.parquet")

    def write_measurement(
        self, view: AnyView, view_id: str, result: ViewResult, partner_ids: Sequence[str] = ()
    ) -> None:
        """Keep a measured view; its per-query table first, so that a measurement is never without."""
        self._folder.write_table(f"queries/{view_id}.parquet", result.per_query)
        measurement = Measurement(
            training_id=self.training_id,
            view_id=view_id,
            view=view,
            metrics={name: float(value) for name, value in result.metrics.items()},
            measured_at=now(),
            partner_ids=tuple(partner_ids),
        )
        self._folder.write_model(f"measurements/{view_id}.json", measurement)

    def pictures(self) -> list[str]:
        """Name what was drawn of the trained network, without the ending."""
        names = (self._folder / "pictures").names()
        return [name.removesuffix(".png") for name in names if name.endswith(".png")]

    def picture(self, name: str) -> bytes:
        """One of them, a PNG."""
        return self._folder.read(f"pictures/{name}.png")

    def write_picture(self, name: str, content: bytes) -> None:
        """Keep a PNG."""
        self._folder.write(f"pictures/{name}.png", content)

    def picture_warning(self) -> str:
        """Why pictures are missing; empty where nothing went wrong."""
        if not self._folder.exists("pictures/warning.txt"):
            return ""
        return self._folder.read("pictures/warning.txt").decode()

    def write_picture_warning(self, message: str) -> None:
        """Keep why pictures are missing; empty to forget it."""
        if message:
            self._folder.write("pictures/warning.txt", message.encode())
        else:
            self._folder.remove("pictures/warning.txt")


class Store:
    """The root of all records.

    Attributes:
        url: where it is.
        is_there: whether a sweep had started it when it was opened.
    """

    def __init__(self, url: str) -> None:
        """Open a store, whether there is one or not; nothing is written.

        Raises:
            ValueError: it was written by a newer version of this program.
        """
        self.url = url if "://" in url else str(Path(url).expanduser().absolute())
        self.root = Folder(self.url)
        version = self.root.read_model("store.json", StoreVersion)
        self.is_there = version is not None
        if version is None:
            return
        ours = StoreVersion()
        newer = (
            version.identity_version > ours.identity_version or version.record_version > ours.record_version
        )
        if newer:
            raise ValueError(
                f"The store {url} was written by a newer version of this program "
                f"(identity {version.identity_version}, records {version.record_version}; this one knows "
                f"{ours.identity_version} and {ours.record_version}). "
                "Update the program, or name another --store."
            )

    def shared_id(self) -> str:
        """Give the id by which other machines know this store; one that is new, or older than ids, gets one now.

        It is read again each time: two sweeps may have started one store at the same moment.
        """
        version = self.root.read_model("store.json", StoreVersion) or StoreVersion()
        if not version.store_id:
            self.root.write_model("store.json", version.model_copy(update={"store_id": uuid.uuid4().hex}))
            version = self.root.read_model("store.json", StoreVersion) or version
        return version.store_id

    @staticmethod
    def join(url: str, store_id: str) -> Store:
        """Open on a worker the store that the driver has opened; nothing is written where it is not.

        Raises:
            ValueError: this machine does not see that store.
        """
        version = Folder(url).read_model("store.json", StoreVersion)
        if version is None or version.store_id != store_id:
            raise ValueError(
                f"the store {url} is not shared with machine {platform.node()}: it has "
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

    def search_trials(self, search_id: str) -> list[SearchTrialRecord]:
        """Everything a search has suggested so far, by number."""
        found = (self.search_trial(search_id, number) for number in self.search_trial_numbers(search_id))
        return [trial for trial in found if trial is not None]

    def search_trial_numbers(self, search_id: str) -> list[int]:
        """List the suggestions of a search by their numbers."""
        names = (self.root / f"searches/{search_id}").names()
        return sorted(int(name.removesuffix(".json")) for name in names if name.endswith(".json"))

    def search_trial(self, search_id: str, number: int) -> SearchTrialRecord | None:
        """Read one suggestion of a search."""
        return (self.root / f"searches/{search_id}").read_model(f"{number:06d}.json", SearchTrialRecord)

    def write_search_trial(self, search_id: str, trial: SearchTrialRecord) -> None:
        """Keep a suggestion, or what became of it."""
        (self.root / f"searches/{search_id}").write_model(f"{trial.number:06d}.json", trial)
