"""Reading a folder laid out as Market-1501: who and which camera, from folder and file names alone.

Zheng et al., Scalable Person Re-identification: A Benchmark, ICCV 2015. DukeMTMC-reID (Zheng et al., ICCV 2017)
follows the same layout with other file names, and so does CUHK03-NP, the images of CUHK03's 767/700 protocol
(Zhong et al., CVPR 2017). Names of the three published folders:
`bounding_box_train` (train), `query` and `bounding_box_test` (gallery). A file's name begins with the
pid (`0000` a distractor, `-1` junk) and the camid, counted from 1.

Two folders come beside Market-1501's three: `gt_bbox`, the hand-drawn boxes of all people, of which multiple queries
are made; and `images`, the 500,000 distractors that are published on their own and named as the other images.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from tablewright.trainables.data.files_read import FilesRead
from tablewright.trainables.data.labelled_images import (
    IMAGE_SUFFIXES,
    UNREAD_SUFFIXES,
    ImageFiles,
    faults_of_links,
    faults_of_names,
    suffix_of,
)
from tablewright.trainables.data.reid_images import FoundImages, ImageRecord, in_order
from tablewright.trainables.value.counted import counted
from tablewright.trainables.value.name_list import some

JUNK_PID = -1
DISTRACTOR_PID = 0

MARKET_FILE_NAME = re.compile(r"(?P<pid>-1|\d{4})_c(?P<camid>[1-9]\d*)s\d+_\d+_\d+\.(jpe?g|png)")
"""Such as `0002_c1s1_000451_03.jpg`: person 2, camera 1, sequence 1, frame 451, third box."""
DUKE_FILE_NAME = re.compile(r"(?P<pid>\d{4})_c(?P<camid>[1-9]\d*)_f\d+\.(jpe?g|png)")
"""Such as `0005_c2_f0046985.jpg`: person 5, camera 2, frame 46985."""
CUHK03_NP_FILE_NAME = re.compile(r"(?P<pid>\d{4})_c(?P<camid>[12])_\d+\.(jpe?g|png)")
"""Such as `0001_c1_1.png`: person 1, camera 1, image 1."""
PUBLISHED_FILE_NAMES = {
    "MARKET_FILE_NAME": MARKET_FILE_NAME,
    "DUKE_FILE_NAME": DUKE_FILE_NAME,
    "CUHK03_NP_FILE_NAME": CUHK03_NP_FILE_NAME,
}
"""What a person is told to give where all names fit one of them."""
INT_LIMIT = 2**63
"""Numbers of people and cameras are kept as 64 bits."""

TRAIN, QUERY, GALLERY = "bounding_box_train", "query", "bounding_box_test"
HAND_DRAWN = "gt_bbox"
DISTRACTORS = "images"


def read_layout(
    root: Path,
    folders_of_split: Mapping[str, Sequence[str]],
    file_name: re.Pattern[str],
    hand_drawn_folder: str | None = None,
    distractors_folder: str | None = None,
) -> FoundImages:
    """Parse every image's name below `root`; no pixel is read.

    Files that are no images by their suffix (such as the `Thumbs.db` of the published archives) are passed over.

    Args:
        root: the data set's folder; every folder of `folders_of_split` must exist in it.
        folders_of_split: where the images of each split lie.
        file_name: full pattern of a name, with the groups `pid` and `camid`.
        hand_drawn_folder: may be missing.
        distractors_folder: one of `folders_of_split` in which only nobody's images lie.

    Raises:
        ValueError: names that do not fit the pattern, people that cannot be trained on or searched for,
            and empty folders, told at once.
    """
    folder = _Folder(root, file_name, distractors_folder)
    splits = {split: folder.read(split, folders) for split, folders in folders_of_split.items()}
    published = dict(folder.sizes_bytes)
    hand_drawn: tuple[ImageRecord, ...] = ()
    has_hand_drawn = False
    if hand_drawn_folder is not None and (root / hand_drawn_folder).is_dir():
        has_hand_drawn = True
        hand_drawn = folder.read("hand-drawn", (hand_drawn_folder,), may_hold_nobody=True)
    folder.faults += [*faults_of_names(folder.sizes_bytes), *faults_of_links(folder.lost)]
    if folder.faults:
        raise ValueError(f"{root} cannot be read: " + "; ".join(folder.faults))
    earlier = {_digest_of(published): tuple(splits)}
    of_splits = dict.fromkeys(folder for folders in folders_of_split.values() for folder in folders)
    if has_hand_drawn:
        earlier[_digest_of(folder.sizes_bytes)] = (*splits, "multiple_query")
    return FoundImages(
        splits,
        folder.sizes_bytes,
        earlier,
        ImageFiles(root),
        num_junk=folder.num_junk,
        hand_drawn=tuple(record for record in hand_drawn if record.pid != DISTRACTOR_PID),
        read_from=FilesRead(root, tuple(folder for folder in (*of_splits, hand_drawn_folder) if folder)),
    )


class _Folder:
    """The folders of one data set, as far as they were read, and what is wrong in them.

    Attributes:
        num_junk: images of galleries that show nobody in full.
        sizes_bytes: of every image, by path.
        lost: links that lead nowhere.
        faults: one phrase each.
    """

    def __init__(self, root: Path, file_name: re.Pattern[str], distractors_folder: str | None) -> None:
        self._root, self._file_name, self._distractors_folder = root, file_name, distractors_folder
        self.num_junk = 0
        self.sizes_bytes: dict[str, int] = {}
        self.lost: list[str] = []
        self.faults: list[str] = []

    def read(
        self, split: str, folders: Sequence[str], *, may_hold_nobody: bool = False
    ) -> tuple[ImageRecord, ...]:
        """Parse the names in the folders of a split; junk is left out."""
        may_hold_nobody = may_hold_nobody or split.endswith("gallery")
        records: list[ImageRecord] = []
        for folder in folders:
            misnamed: list[str] = []
            numberless: list[str] = []
            nameless: list[str] = []
            unread: list[str] = []
            nested: list[str] = []
            num_images = 0
            for entry in os.scandir(self._root / folder):
                relative = f"{folder}/{entry.name}"
                suffix = suffix_of(entry.name)
                if suffix in UNREAD_SUFFIXES:
                    unread.append(relative)
                # macOS writes a `._0001.jpg` beside a file on a disc of another system.
                if entry.name.startswith("."):
                    continue
                if suffix not in IMAGE_SUFFIXES:
                    nested += [relative] if entry.is_dir() and _holds_images(Path(entry.path)) else []
                    continue
                num_images += 1
                match = self._file_name.fullmatch(entry.name)
                if match is None:
                    misnamed.append(relative)
                    continue
                try:
                    found = entry.stat()
                    if stat.S_ISDIR(found.st_mode):
                        misnamed.append(f"{relative}/")
                        continue
                    self.sizes_bytes[relative] = found.st_size
                except OSError:  # a link in a circle, or to what is not there
                    self.lost.append(relative)
                pid, camid = _number(match["pid"]), _number(match["camid"])
                if pid is None or camid is None or pid < JUNK_PID or camid < 0:
                    numberless.append(f"{relative} of pid {match['pid']!r} and camid {match['camid']!r}")
                    continue
                record = ImageRecord(relative, pid, camid)
                if record.pid in (JUNK_PID, DISTRACTOR_PID) and not may_hold_nobody:
                    nameless.append(relative)
                elif folder == self._distractors_folder and record.pid not in (JUNK_PID, DISTRACTOR_PID):
                    misnamed.append(relative)
                elif record.pid == JUNK_PID:
                    self.num_junk += split == "gallery"
                else:
                    records.append(record)
            if misnamed:
                rule = f"as {self._file_name.pattern}"
                if folder == self._distractors_folder:
                    rule += " of nobody (pid 0 or -1), as distractors are"
                self.faults.append(f"{_some(misnamed)} not named {rule}{self._compare(misnamed, num_images)}")
            if numberless:
                self.faults.append(
                    f"{_some(numberless)} by the groups of {self._file_name.pattern}; whole numbers are needed, of the "
                    "camera from 0 on and of the person from 1 on (0 is a distractor, -1 junk)"
                )
            if nameless:
                self.faults.append(
                    f"{_some(nameless)} of no person (pid -1 or 0), which only a gallery may hold"
                )
            if unread:
                self.faults.append(
                    f"{_some(unread)} of a kind that is not read; convert them to .jpg or .png, or move them away"
                )
            if nested:
                self.faults.append(
                    f"{len(nested)} folders within {folder}/ hold images ({some(sorted(nested))}), which are not read; "
                    f"move the images to {folder}/ itself, or the folders away"
                )
            if not num_images:
                self.faults.append(f"{folder}/ holds no image")
        return in_order(records)

    def _compare(self, misnamed: Sequence[str], num_images: int) -> str:
        """Say what the misnamed images of a folder have in common, and with how many others."""
        num_others = num_images - len(misnamed)
        others = (
            f", while {num_others} others beside them are" if num_others else ", and no other beside them is"
        )
        names = [Path(name).name for name in misnamed]
        for known, pattern in PUBLISHED_FILE_NAMES.items():
            if all(pattern.fullmatch(name) for name in names):
                return f"{others}; they are named as {known}"
        return others


def _number(text: str | None) -> int | None:
    """Read a whole number of 64 bits; None where it is none."""
    if text is None or re.fullmatch(r"-?[0-9]+", text) is None:
        return None
    number = int(text)
    return number if abs(number) < INT_LIMIT else None


def _holds_images(folder: Path) -> bool:
    return any(path.suffix.lower() in IMAGE_SUFFIXES for path in folder.rglob("*"))


def _digest_of(sizes_bytes: Mapping[str, int]) -> str:
    digest = hashlib.sha256()
    for relative, size_bytes in sorted(sizes_bytes.items()):
        digest.update(f"{relative}\0{size_bytes}\n".encode())
    return digest.hexdigest()


def _some(names: list[str]) -> str:
    return f"{counted(len(names), 'image')} ({some(sorted(names))})"
