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
    searches/<search id>/<number>.open.json      how it stands, until nothing is left to be done for it
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

import copy
import json
import logging
import platform
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, cast

from tablewright.orchestrator.addresses import unreachable_store
from tablewright.orchestrator.code.checkout import Code
from tablewright.orchestrator.identity import IDENTITY_VERSION, digest_of
from tablewright.orchestrator.store.accepted_change import AcceptedChange
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.data_records import StudyData
from tablewright.orchestrator.store.folder import Folder, sound_records
from tablewright.orchestrator.store.record import Record
from tablewright.orchestrator.store.search_records import LearntTrials, SearchTrialRecord
from tablewright.orchestrator.store.training_folder import TrainingFolder
from tablewright.orchestrator.store.training_records import RetryOrder
from tablewright.trainables.value.secret import keep_secret, masked

RECORD_VERSION = 3
"""Raised when a record is written in a way that older code would misread.

2: checksums, what was left out, and fingerprints of what was measured on.
3: a suggestion of a search for which something is left to be done has a second file; records of versions before are
read on.
"""


PROBE_BYTES = 4096
"""Written to see whether a store takes anything; a full disc may still take a name."""


LEARNT_FILE = "learnt.json"


logger = logging.getLogger(__name__)


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

    def keeping_nothing(self) -> Store:
        """Give the store for who reads every record once, of which none is kept then."""
        found = copy.copy(self)
        found.root = self.root.keeping_nothing()
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
        found = sound_records(self.root / "data", StudyData, faults)
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
        return list(sound_records(self.root / "accepted", AcceptedChange, faults).values())

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

        def read(name: str) -> SearchTrialRecord | None:
            folder = self.root / f"searches/{search_id}"
            trial = folder.read_model(name, SearchTrialRecord)
            if trial is not None and trial.number != number:
                raise folder.damaged(name, f"is suggestion {trial.number}", SearchTrialRecord)
            return trial

        ended, still_open = _trial_files(number)
        trial = read(ended)
        if trial is None or trial.is_final:
            return trial
        return read(still_open) or read(ended)  # it may have ended since, which removes the other file

    def create_search_trial(self, search_id: str, trial: SearchTrialRecord) -> bool:
        """Keep a new suggestion, unless another sweep has made one of that number; false where it has."""
        return (self.root / f"searches/{search_id}").create_model(_trial_files(trial.number)[0], trial)

    def write_search_trial(self, search_id: str, trial: SearchTrialRecord) -> None:
        """Keep how a suggestion stands, or what became of it in the end.

        The end has a file of its own. A sweep that was slow, and tells how a suggestion stood before another one has
        told its end, changes nothing by it.
        """
        folder, (ended, still_open) = self.root / f"searches/{search_id}", _trial_files(trial.number)
        if trial.is_final:
            folder.write_model(ended, trial)
            folder.remove_files(still_open)
        else:
            folder.write_model(still_open, trial)

    def reopen_search_trial(self, search_id: str, trial: SearchTrialRecord) -> None:
        """Keep a suggestion that had come to its end as one for which something is left to be done."""
        folder, (ended, still_open) = self.root / f"searches/{search_id}", _trial_files(trial.number)
        folder.remove_files(still_open)
        folder.write_model(ended, trial)

    def learnt_trials(self, search_id: str) -> LearntTrials | None:
        """Give what a search has learnt before its first trial; None where it has learnt nothing.

        Raises:
            DamagedFile: it cannot be read.
        """
        return (self.root / f"searches/{search_id}").read_model(LEARNT_FILE, LearntTrials)

    def create_learnt_trials(self, search_id: str, learnt: LearntTrials) -> bool:
        """Keep what a search has learnt; false where another sweep has done so."""
        return (self.root / f"searches/{search_id}").create_model(LEARNT_FILE, learnt)


def _trial_files(number: int) -> tuple[str, str]:
    """Name the file of a suggestion, and that of how it stands while it is open."""
    return f"{number:06d}.json", f"{number:06d}.open.json"
