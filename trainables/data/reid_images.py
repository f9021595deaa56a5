"""What a reader of a re-identification data set finds: images by split, each with person and camera.

A reader knows one published layout and reads names and lists, no pixel. It collects every fault, then raises once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import overload

import numpy as np
from PIL import Image

from tablewright.trainables.data.files_read import FilesRead
from tablewright.trainables.data.labelled_images import (
    faults_of_links,
    faults_of_names,
    some,
    unreadable_lists,
)
from tablewright.trainables.data.name_table import NameTable


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One image of a data set.

    Attributes:
        path: relative to the data set's folder, with `/` between parts.
        pid: the person; 0 is a distractor.
        camid: the camera, counted from 1.
    """

    path: str
    pid: int
    camid: int


class ImageRecords(Sequence[ImageRecord]):
    """The images of a split, in little memory: a record is made when it is asked for.

    Attributes:
        names: paths of the images.
        pids_N: people, int64.
        camids_N: cameras, int64.
    """

    def __init__(self, names: NameTable, pids_N: np.ndarray, camids_N: np.ndarray) -> None:
        """Join what is known of the images."""
        self.names, self.pids_N, self.camids_N = names, pids_N, camids_N

    @classmethod
    def of(cls, records: Sequence[ImageRecord]) -> ImageRecords:
        """Make one of records."""
        pids, camids = (record.pid for record in records), (record.camid for record in records)
        return cls(
            NameTable.of(record.path for record in records),
            np.fromiter(pids, np.int64, len(records)),
            np.fromiter(camids, np.int64, len(records)),
        )

    def __len__(self) -> int:
        """Count them."""
        return len(self.names)

    @overload
    def __getitem__(self, place: int) -> ImageRecord: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[ImageRecord, ...]: ...

    def __getitem__(self, place: int | slice) -> ImageRecord | tuple[ImageRecord, ...]:
        """Give a record, or several."""
        if isinstance(place, slice):
            return tuple(self[one] for one in range(*place.indices(len(self))))
        return ImageRecord(self.names[place], int(self.pids_N[place]), int(self.camids_N[place]))

    def __iter__(self) -> Iterator[ImageRecord]:
        """Give all of them, of which no list is made."""
        return map(ImageRecord, self.names, map(int, self.pids_N), map(int, self.camids_N))

    def __add__(self, others: Iterable[ImageRecord]) -> tuple[ImageRecord, ...]:
        """Give these and others behind them."""
        return (*self, *others)

    def __radd__(self, others: Iterable[ImageRecord]) -> tuple[ImageRecord, ...]:
        """Give others and these behind them."""
        return (*others, *self)

    def __eq__(self, other: object) -> bool:
        """Compare all records."""
        if not isinstance(other, ImageRecords):
            return NotImplemented
        is_alike = np.array_equal(self.pids_N, other.pids_N) and np.array_equal(self.camids_N, other.camids_N)
        return is_alike and self.names == other.names

    __hash__ = None  # pyright: ignore[reportAssignmentType]


@dataclass(frozen=True)
class FoundImages:
    """A data set as it was found on disk.

    Attributes:
        splits: images of `train`, `query` and `gallery`, in the order of their paths, junk left out; also of
            `val_query` and `val_gallery` where the data set brings people for them.
        sizes_bytes: of every image, by path.
        earlier_fingerprints: what earlier versions of this program knew these images by, as
            `DatasetFacts.earlier_fingerprints` has it.
        open_image: gives the image of a path, not decoded yet; Pillow raises what is wrong with it.
        num_junk: images of the gallery that were left out.
        hand_drawn: boxes of any people, for multiple queries.
        val_query_camid: the one camera of queries, where the data set has one; None if all cameras have queries.
        warnings: what differs from the published data set, one sentence each.
        read_from: the files that say all of it; None where images are no files of their own.
    """

    splits: Mapping[str, tuple[ImageRecord, ...]]
    sizes_bytes: Mapping[str, int]
    earlier_fingerprints: Mapping[str, tuple[str, ...]]
    open_image: Callable[[str], Image.Image]
    num_junk: int = 0
    hand_drawn: tuple[ImageRecord, ...] = ()
    val_query_camid: int | None = None
    warnings: tuple[str, ...] = ()
    read_from: FilesRead | None = None


@dataclass
class ListedImages:
    """Images that lists name, collected with all that is wrong in the lists.

    Attributes:
        splits: as listed.
        faults: one phrase each.
        is_whole: whether all lists could be read; if not, nothing is said of images that are in none.
    """

    splits: dict[str, list[ImageRecord]]
    faults: list[str] = field(default_factory=list[str])
    is_whole: bool = True

    def add_fault(self, fault: str) -> None:
        """Note that a list cannot be read."""
        self.faults.append(fault)
        self.is_whole = False


def compare_with_files(
    root: Path,
    listed: ListedImages,
    sizes_bytes: Mapping[str, int],
    person_of: Callable[[str], str],
    open_image: Callable[[str], Image.Image],
    lists: Sequence[str],
    warnings: Sequence[str] = (),
    lost: Sequence[str] = (),
    folders: Sequence[str] = (),
) -> FoundImages:
    """Compare the lists of a data set with the images that are there.

    Args:
        root: of the data set, for messages.
        listed: what the lists say.
        sizes_bytes: of every image that is there, by path.
        person_of: tells people apart by an image's path alone.
        open_image: as `FoundImages` has it.
        lists: names of the files that name the images.
        warnings: as `FoundImages` has them.
        lost: links that lead nowhere.
        folders: in which the images lie; none where they are no files of their own.

    Raises:
        ValueError: all faults at once: those found in the lists; images listed and not there, there and not
            listed, listed twice; people who are listed nowhere, or both to train and to test on.
    """
    unreadable = [*faults_of_names(sizes_bytes)]
    faults = [
        *listed.faults,
        *faults_of_links(lost),
        *(unreadable or _faults(listed, sizes_bytes.keys() | set(lost), person_of)),
    ]
    if faults:
        raise unreadable_lists(root, lists, faults)
    digest = hashlib.sha256()
    for split, records in sorted(listed.splits.items()):
        for record in sorted(records, key=lambda record: record.path):
            digest.update(f"{split}\0{record.path}\0{record.pid}\0{record.camid}\n".encode())
    for path, size_bytes in sorted(sizes_bytes.items()):
        digest.update(f"{path}\0{size_bytes}\n".encode())
    splits = {split: in_order(records) for split, records in listed.splits.items()}
    earlier = {digest.hexdigest(): tuple(splits)}
    read_from = FilesRead(root, tuple(folders), tuple(lists)) if folders else None
    return FoundImages(
        splits, sizes_bytes, earlier, open_image, warnings=tuple(warnings), read_from=read_from
    )


def in_order(records: Iterable[ImageRecord]) -> tuple[ImageRecord, ...]:
    """Sort by path."""
    return tuple(sorted(records, key=lambda record: record.path))


def faults_of_labels(file: str, labels: Iterable[tuple[str, int]]) -> Iterator[str]:
    """Say where a list gives one person two labels, or two people one.

    Args:
        file: the list's name.
        labels: the person by the image's path, and the label that stands in the list.
    """
    label_of: dict[str, int] = {}
    person_of: dict[int, str] = {}
    wrong: dict[str, None] = {}
    for person, label in labels:
        if label_of.setdefault(person, label) != label or person_of.setdefault(label, person) != person:
            wrong[f"{person} as {label}"] = None
    if wrong:
        yield f"{file} labels people otherwise than their images are named ({some(list(wrong))})"


def _faults(listed: ListedImages, found: Set[str], person_of: Callable[[str], str]) -> Iterator[str]:
    for split, records in listed.splits.items():
        seen: set[str] = set()
        twice = sorted({record.path for record in records if record.path in seen or seen.add(record.path)})
        if twice:
            yield f"{len(twice)} images are listed more than once in {split} ({some(twice)})"
        if not records and listed.is_whole:
            yield f"no image of {split} is listed"
    paths = {split: {record.path for record in records} for split, records in listed.splits.items()}
    everywhere = set().union(*paths.values())
    missing = sorted(everywhere - found)
    if missing:
        yield f"{len(missing)} images are listed and not there ({some(missing)})"
    trained, tested = (
        {person_of(path) for split in splits for path in paths[split]}
        for splits in (("train",), ("query", "gallery"))
    )
    both = sorted(trained & tested)
    if both:
        yield f"{len(both)} people are listed both to train and to test on ({some(both)})"
    if not listed.is_whole:
        return
    unlisted = sorted(found - everywhere)
    strangers = sorted({person_of(path) for path in unlisted} - trained - tested)
    if unlisted:
        yield f"{len(unlisted)} images are there and in no list ({some(unlisted)})"
    if strangers:
        yield f"{len(strangers)} people have images and are in no list ({some(strangers)})"
