"""What of a store no study of a project needs, and its removal: `--gc`.

Nothing is removed that somebody is at, that cannot be read, or that the store has not laid out itself; a link is left
alone, with all that is behind it. Whatever is removed of a training is removed under its claim, after a second look.
"""

from __future__ import annotations

import enum
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from tablewright.orchestrator.other_hands import in_words
from tablewright.orchestrator.plans.named_trainings import Named
from tablewright.orchestrator.store.claims import Claims, training_claim
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.folder import Folder
from tablewright.orchestrator.store.parallel_reading import read_all
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_folder import TrainingFolder
from tablewright.orchestrator.store.training_records import TrainingRecord
from tablewright.trainables.contract.run import FINAL_CHECKPOINT, RESUME_CHECKPOINTS
from tablewright.trainables.value.counted import counted

BY_OPTION = "--gc"

LEFT_S = 24 * 3600.0
"""So old is what a killed writer left where there is no claim to tell that it was killed; clocks may be hours off."""

IN_PART = " (in part)"
"""Stands behind the name of a file of which an object store has some parts alone."""

_ID = re.compile(r"[0-9a-f]{64}")
_LEFT_ASIDE = re.compile(r"(.+/)?\.[^/]+\.[0-9a-f]{12}")
_KEPT_FOR_PEOPLE = "out/"
_OF_TRAINING = re.compile(
    r"record\.json|epochs\.parquet|measurements/.+\.json|queries/.+\.parquet|pictures/.+|failure\.(json|txt)|output\.txt|cancelled\.json"
    r"|attempts/.+\.json|checkpoint/.+|out/.+"
)
"""What a store lays out in the folder of a training, as `store` lists it."""


class Kind(enum.StrEnum):
    """Why something is needed no more."""

    RESUME = "resume checkpoints of trainings that are done, or that a search has given up"
    LEFT = "what killed writers left"
    WEIGHTS = "final checkpoints of trainings that no study names (their numbers stay)"
    TRAINING = "whole trainings that no study names"
    DIFF = "differences from a commit that no record names"
    SEARCH = "searches that no study has"
    DATA = "what is known of the data of studies that are not there"


@dataclass(frozen=True)
class Garbage:
    """What is needed no more, or has been removed.

    Attributes:
        files: kind -> path below the root of the store -> bytes.
        notes: what is kept for a reason that a person may want to know; a sentence each.
    """

    files: Mapping[Kind, Mapping[str, int]]
    notes: tuple[str, ...] = ()

    def num_files(self, kind: Kind | None = None) -> int:
        """Count the files, of one kind or of all."""
        return sum(len(found) for known, found in self.files.items() if kind in (None, known))

    def num_bytes(self, kind: Kind | None = None) -> int:
        """Add up their sizes."""
        return sum(sum(found.values()) for known, found in self.files.items() if kind in (None, known))


@dataclass
class _Found:
    """What is found bit by bit."""

    files: dict[Kind, dict[str, int]] = field(default_factory=lambda: {kind: {} for kind in Kind})
    notes: list[str] = field(default_factory=list[str])

    def add(self, kind: Kind, files: Mapping[str, int]) -> None:
        self.files[kind].update(files)

    def whole(self) -> Garbage:
        return Garbage({kind: files for kind, files in self.files.items() if files}, tuple(self.notes))


@dataclass(frozen=True)
class _OneTraining:
    """What was found in the folder of one training.

    Attributes:
        files: as in `Garbage`, by names in the folder.
        record: of it, if there is one that can be read.
        is_readable: whether nothing of it is damaged.
    """

    files: Mapping[Kind, Mapping[str, int]]
    record: TrainingRecord | None
    is_readable: bool = True

    @property
    def is_gone(self) -> bool:
        """Say whether nothing would be left of it."""
        return Kind.TRAINING in self.files


class GarbageCollector:
    """Finds what no study needs, and removes it."""

    def __init__(self, store: Store, named: Named, *, takes_trainings: bool = False) -> None:
        """Look at nothing yet.

        Args:
            store: to be looked through.
            named: by the studies of the project.
            takes_trainings: whether whole trainings, searches and data that no study names are needed no more.
        """
        self._store, self._named, self._takes_trainings = store, named, takes_trainings
        self._claims = Claims(store)

    def find(self) -> Garbage:
        """Say what is needed no more; nothing is written."""
        return self._collect(removes=False)

    def remove(self) -> Garbage:
        """Remove it; gives what was removed."""
        return self._collect(removes=True)

    def _collect(self, *, removes: bool) -> Garbage:
        found = _Found()
        store = self._store.listed()
        ids = [identity for identity in store.training_ids() if _ID.fullmatch(identity)]
        owners = {
            name: owner
            for name in sorted(self._claims.names())
            if (owner := self._claims.owner(name)) is not None
        }
        is_others = [
            name
            for name in owners
            if name.startswith("training-") and name.removeprefix("training-") not in self._named.training_ids
        ]
        takes_unnamed = not is_others
        if is_others:
            found.notes.append(
                f"What no study here names is kept: {in_words(owners[name] for name in is_others)} trains of it just "
                "now, as one with other studies does"
            )
        sizes = _by_training((store.root / "trainings").sizes_bytes())
        uploads = _by_training((store.root / "trainings").unfinished_uploads_bytes())

        def look_at(identity: str) -> _OneTraining:
            return self._look_at(
                store.training(identity),
                sizes.get(identity, {}),
                uploads.get(identity, {}),
                takes_unnamed=takes_unnamed,
            )

        one_each = dict(zip(ids, read_all(look_at, ids), strict=True))
        num_busy = 0
        for identity, one in one_each.items():
            if not any(one.files.values()):
                continue
            files = one.files if training_claim(identity) not in owners else None
            if removes and files is not None:
                files = self._remove_of(identity, takes_unnamed=takes_unnamed)
            if files is None:
                num_busy += 1
                one_each[identity] = replace(one, files={})
                continue
            for kind, of_kind in files.items():
                found.add(kind, {f"trainings/{identity}/{name}": size for name, size in of_kind.items()})
        if num_busy:
            found.notes.append(
                f"{counted(num_busy, 'training')} in the hands of others {_is(num_busy)} left alone"
            )
        if num_damaged := sum(not one.is_readable for one in one_each.values()):
            found.notes.append(
                f"{counted(num_damaged, 'training')} whose record is damaged {_is(num_damaged)} kept whole; --verify "
                "names the files"
            )
        if foreign := sorted(
            {
                one.record.study
                for one in one_each.values()
                if one.record is not None
                and one.record.study not in self._named.studies
                and {Kind.WEIGHTS, Kind.TRAINING} & one.files.keys()
            }
        ):
            found.notes.append(
                f"Some of what no study names is of studies that are not here: {', '.join(foreign)}. Where these lie "
                "in another folder, run --gc there, or give each project a store of its own"
            )
        for kind, folder, files in self._beside(
            store, one_each, has_owners=bool(owners), takes_unnamed=takes_unnamed
        ):
            found.add(kind, {f"{folder}/{name}": size for name, size in files.items()})
            if removes and files:
                (self._store.root / folder).remove_files(*files)
                if kind is Kind.SEARCH:
                    (self._store.root / folder).remove_empty_folders()
        if removes:
            for name in self._claims.names() - owners.keys():
                self._claims.clear_dead(name)
        return found.whole()

    # -- trainings

    def _look_at(
        self,
        training: TrainingFolder,
        sizes: Mapping[str, int],
        uploads: Mapping[str, int],
        *,
        takes_unnamed: bool,
    ) -> _OneTraining:
        """Say what of a training is needed no more.

        Args:
            training: to be looked at.
            sizes: of its files.
            uploads: what is on its way to an object store, by the names of its files.
            takes_unnamed: whether what no study names is needed no more.
        """
        try:
            record = training.record()
        except DamagedFile:
            return _OneTraining({}, None, is_readable=False)
        is_named = self._named.has(training.training_id, record)
        if self._takes_trainings and takes_unnamed and not is_named:
            is_ours = {
                name: size for name, size in sizes.items() if _OF_TRAINING.fullmatch(name) or _is_left(name)
            }
            return _OneTraining({Kind.TRAINING: is_ours} if is_ours else {}, record)
        left = {name: size for name, size in sizes.items() if _is_left(name)}
        left |= {f"{name}{IN_PART}": size for name, size in uploads.items()}
        files: dict[Kind, dict[str, int]] = {Kind.LEFT: left}
        if record is not None or training.training_id in self._named.given_up_ids:
            paths = [f"checkpoint/{name}" for name in RESUME_CHECKPOINTS]
            files[Kind.RESUME] = {path: sizes[path] for path in paths if path in sizes}
        weights = f"checkpoint/{FINAL_CHECKPOINT}"
        if record is not None and not is_named and takes_unnamed and weights in sizes:
            files[Kind.WEIGHTS] = {weights: sizes[weights]}
        return _OneTraining({kind: found for kind, found in files.items() if found}, record)

    def _remove_of(self, identity: str, *, takes_unnamed: bool) -> Mapping[Kind, Mapping[str, int]] | None:
        """Remove what of a training is needed no more; None where somebody is at it."""
        with self._claims.held(training_claim(identity)) as claim:
            if claim is None:
                return None
            training = self._store.training(identity)
            sizes, uploads = training.folder.sizes_bytes(), training.folder.unfinished_uploads_bytes()
            found = self._look_at(training, sizes, uploads, takes_unnamed=takes_unnamed)
            if uploads:
                training.folder.remove_unfinished_uploads()
            if Kind.WEIGHTS in found.files:
                training.remove_weights(BY_OPTION)
            for kind, files in found.files.items():
                # Without its record a training is one that was begun, whatever else is still there.
                names = sorted(files, key=lambda name: name != "record.json")
                if kind is Kind.TRAINING:
                    training.folder.remove_files(*names[:1])
                if kind is not Kind.WEIGHTS:
                    training.folder.remove_files(*(name for name in names if not name.endswith(IN_PART)))
            if found.is_gone:
                training.folder.remove_empty_folders()
            return found.files

    # -- what lies beside the trainings

    def _beside(
        self, store: Store, trainings: Mapping[str, _OneTraining], *, has_owners: bool, takes_unnamed: bool
    ) -> Iterator[tuple[Kind, str, Mapping[str, int]]]:
        """Give what is needed no more of each other folder, by its name there."""
        root = store.root
        for folder in ("searches", "data", "provenance", "accepted", "claims", "sweeps", "retries"):
            yield Kind.LEFT, folder, _left_long_ago(root / folder)
        if has_owners:
            return  # a record that is being written may need what nothing names yet
        if all(one.is_readable for one in trainings.values()):
            named = {
                f"{one.record.diff_sha256}.diff"
                for one in trainings.values()
                if one.record is not None and not one.is_gone
            }
            diffs = (root / "provenance").sizes_bytes()
            yield (
                Kind.DIFF,
                "provenance",
                {
                    name: size
                    for name, size in diffs.items()
                    if re.fullmatch(rf"{_ID.pattern}\.diff", name) and name not in named
                },
            )
        if not (self._takes_trainings and takes_unnamed):
            return
        for search_id in store.search_ids():
            if _ID.fullmatch(search_id) and search_id not in self._named.search_ids:
                files = (root / f"searches/{search_id}").sizes_bytes()
                yield Kind.SEARCH, f"searches/{search_id}", _matching(r"(\d+(\.open)?|learnt)\.json", files)
        known = {f"{study}.json" for study in self._named.studies}
        files = _matching(r"[^/.][^/]*\.json", (root / "data").sizes_bytes())
        yield Kind.DATA, "data", {name: size for name, size in files.items() if name not in known}


def _by_training(sizes: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Part what lies below `trainings/` by training."""
    found: dict[str, dict[str, int]] = {}
    for path, size in sizes.items():
        identity, _, name = path.partition("/")
        found.setdefault(identity, {})[name] = size
    return found


def _is_left(name: str) -> bool:
    """Say whether a file of a training is what a killed writer left; what a script wrote is its own."""
    return bool(_LEFT_ASIDE.fullmatch(name)) and not name.startswith(_KEPT_FOR_PEOPLE)


def _left_long_ago(folder: Folder) -> dict[str, int]:
    place = folder.local_path
    if place is None:
        return {}
    left = {name: size for name, size in folder.sizes_bytes().items() if _LEFT_ASIDE.fullmatch(name)}
    return {
        name: size for name, size in left.items() if time.time() - (place / name).stat().st_mtime > LEFT_S
    }


def _matching(pattern: str, files: Mapping[str, int]) -> dict[str, int]:
    return {name: size for name, size in files.items() if re.fullmatch(pattern, name)}


def _is(number: int) -> str:
    return "is" if number == 1 else "are"
