"""Reading a folder laid out as Market-1501: who and which camera, from folder and file names alone.

Zheng et al., Scalable Person Re-identification: A Benchmark, ICCV 2015. DukeMTMC-reID (Zheng et al., ICCV 2017)
follows the same layout with other file names. Names of the three published folders:
`bounding_box_train` (train), `query` and `bounding_box_test` (gallery). A file's name begins with the
pid (`0000` a distractor, `-1` junk) and the camid, counted from 1.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

JUNK_PID = -1
DISTRACTOR_PID = 0
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
NUM_NAMES_IN_ERROR = 5

MARKET_FILE_NAME = re.compile(r"(?P<pid>-1|\d{4})_c(?P<camid>[1-9]\d*)s\d+_\d+_\d+\.(jpe?g|png)")
"""Such as `0002_c1s1_000451_03.jpg`: person 2, camera 1, sequence 1, frame 451, third box."""
DUKE_FILE_NAME = re.compile(r"(?P<pid>\d{4})_c(?P<camid>[1-9]\d*)_f\d+\.(jpe?g|png)")
"""Such as `0005_c2_f0046985.jpg`: person 5, camera 2, frame 46985."""


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class LayoutImages:
    """What stands in the folders of one data set.

    Attributes:
        splits: images by split, junk left out, in the order of their paths.
        num_junk: images by split that were left out.
        fingerprint: SHA-256 over the sorted (relative path, size in bytes) of all images, junk included.
    """

    splits: Mapping[str, tuple[ImageRecord, ...]]
    num_junk: Mapping[str, int]
    fingerprint: str


def read_layout(root: Path, folder_of_split: Mapping[str, str], file_name: re.Pattern[str]) -> LayoutImages:
    """Parse every image's name below `root`; no pixel is read.

    Files that are no images by their suffix (such as the `Thumbs.db` of the published archives) are passed over.

    Args:
        root: the data set's folder; every folder of `folder_of_split` must exist in it.
        folder_of_split: where the images of each split lie.
        file_name: full pattern of a name, with the groups `pid` and `camid`.

    Raises:
        ValueError: names that do not fit the pattern, people that cannot be trained on or searched for,
            and empty folders, told at once.
    """
    faults: list[str] = []
    digest = hashlib.sha256()
    splits: dict[str, tuple[ImageRecord, ...]] = {}
    num_junk: dict[str, int] = {}
    sizes_bytes: list[tuple[str, int]] = []
    for split, folder in folder_of_split.items():
        records: list[ImageRecord] = []
        misnamed: list[str] = []
        nameless: list[str] = []
        num_junk[split] = 0
        for path in (root / folder).iterdir():
            if path.suffix.lower() not in IMAGE_SUFFIXES:
                continue
            relative = f"{folder}/{path.name}"
            sizes_bytes.append((relative, path.stat().st_size))
            match = file_name.fullmatch(path.name)
            if match is None:
                misnamed.append(relative)
                continue
            record = ImageRecord(relative, int(match["pid"]), int(match["camid"]))
            if split.endswith("gallery"):
                if record.pid == JUNK_PID:
                    num_junk[split] += 1
                else:
                    records.append(record)
            elif record.pid in (JUNK_PID, DISTRACTOR_PID):
                nameless.append(relative)
            else:
                records.append(record)
        if misnamed:
            faults.append(f"{_some(misnamed)} not named as {file_name.pattern}")
        if nameless:
            faults.append(f"{_some(nameless)} of no person (pid -1 or 0), which only a gallery may hold")
        if not records and not misnamed and not nameless:
            faults.append(f"{folder}/ holds no image")
        splits[split] = tuple(sorted(records, key=lambda record: record.path))
    if faults:
        raise ValueError(f"{root} cannot be read: " + "; ".join(faults))
    for relative, size_bytes in sorted(sizes_bytes):
        digest.update(f"{relative}\0{size_bytes}\n".encode())
    return LayoutImages(splits, num_junk, digest.hexdigest())


def _some(names: list[str]) -> str:
    shown = ", ".join(sorted(names)[:NUM_NAMES_IN_ERROR])
    more = f" and {len(names) - NUM_NAMES_IN_ERROR} more" if len(names) > NUM_NAMES_IN_ERROR else ""
    return f"{len(names)} image{'s' if len(names) > 1 else ''} ({shown}{more})"
