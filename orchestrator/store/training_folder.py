"""Everything that the store keeps of one training."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tablewright.orchestrator.identity import digest_of
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.epoch_table import columns_of_epochs, epochs_of
from tablewright.orchestrator.store.folder import Folder, sound_records
from tablewright.orchestrator.store.item_table import masked_column, measured_items
from tablewright.orchestrator.store.record import now
from tablewright.orchestrator.store.training_records import (
    AttemptRecord,
    Cancellation,
    FailureRecord,
    Measurement,
    PictureChecksums,
    RemovedWeights,
    TrainingRecord,
)
from tablewright.trainables.contract.data import DatasetFacts
from tablewright.trainables.contract.run import FINAL_CHECKPOINT, RESUME_CHECKPOINTS, EpochReport
from tablewright.trainables.contract.view import EvaluationView, ViewResult
from tablewright.trainables.value.printed_text import last_words
from tablewright.trainables.value.secret import masked

OwnedT = TypeVar("OwnedT", TrainingRecord, FailureRecord, Cancellation, Measurement, PictureChecksums)


EPOCHS, PICTURE_CHECKSUMS = "epochs.parquet", "pictures/checksums.json"


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


PNG = b"\x89PNG\r\n\x1a\n"
"""What every PNG begins with."""


logger = logging.getLogger(__name__)


def place_of_picture(name: str) -> str:
    """Give where a picture lies in the folder of its training."""
    return f"pictures/{name}.png"


def is_picture(place: str) -> bool:
    """Say whether it is a picture that lies there in the folder of a training."""
    return place.startswith("pictures/") and place.endswith(".png")


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
        found = sound_records(folder, AttemptRecord, [])
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
        found = sound_records(self._folder / "attempts", AttemptRecord, faults, ours)
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
        try:
            return epochs_of(table)
        except ValueError as error:
            raise DamagedFile((self._folder / EPOCHS).place, str(error), **LOST_WITH_EPOCHS) from error

    def write_epochs(self, epochs: Sequence[EpochReport]) -> None:
        """Replace the epochs reported so far; each name that any of them reports has a column, empty elsewhere."""
        self._folder.write_table(EPOCHS, columns_of_epochs(epochs))

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
        per_query = {name: masked_column(column) for name, column in result.per_query.items()}
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


def _name_of_attempt(number: int) -> str:
    return f"{number:04d}.json"


@contextmanager
def _tidying(what: str) -> Generator[None]:
    """Let a removal fail: what stays takes room and changes nothing, as NFS's `.nfs…` files do."""
    try:
        yield
    except Exception as error:  # an object store raises one of many kinds
        logger.info("%s could not be removed: %s", what, error)
