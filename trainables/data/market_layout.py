"""Folders and file names of Market-1501, which most person re-identification sets share.

A name starts with the identity and the camera, `0002_c1s1_000451_03.jpg` in Market-1501 and
`0001_c2_f0046182.jpg` in DukeMTMC-reID. Identity -1 is junk, 0000 a distractor.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_NAME = re.compile(r"^(-?\d+)_c(\d+)")
_ENDINGS = frozenset({".jpg", ".jpeg", ".png"})
_NAMES_SHOWN = 5

JUNK_PID, DISTRACTOR_PID = -1, 0


@dataclass(frozen=True)
class ImageRecord:
    """One image of a data set.

    Attributes:
        path: of the file.
        name: relative to the data set's folder.
        pid: identity; -1 is junk, 0 a distractor.
        camid: camera.
    """

    path: Path
    name: str
    pid: int
    camid: int


def read_folders(root: Path, folders: Sequence[str]) -> dict[str, tuple[ImageRecord, ...]]:
    """Parse the names in the folders of a data set, in the order of the names.

    Raises:
        ValueError: folders that are missing or empty, and files whose names do not parse, all at once.
    """
    faults: list[str] = []
    found: dict[str, tuple[ImageRecord, ...]] = {}
    for folder in folders:
        if not (root / folder).is_dir():
            faults.append(f"the folder {folder} is missing")
            continue
        paths = sorted(path for path in (root / folder).iterdir() if path.suffix.lower() in _ENDINGS)
        strange = [path.name for path in paths if not _NAME.match(path.name)]
        if strange:
            shown = ", ".join(strange[:_NAMES_SHOWN])
            faults.append(
                f"{len(strange)} names in {folder} do not start with an identity and a camera such as "
                f"0002_c1: {shown}{', …' if len(strange) > _NAMES_SHOWN else ''}"
            )
        elif not paths:
            faults.append(f"the folder {folder} holds no image")
        found[folder] = tuple(_parse(path, folder) for path in paths if _NAME.match(path.name))
    if faults:
        raise ValueError(f"{root} is no data set in the layout of Market-1501: {'; '.join(faults)}")
    return found


def _parse(path: Path, folder: str) -> ImageRecord:
    match = _NAME.match(path.name)
    assert match is not None
    return ImageRecord(path, f"{folder}/{path.name}", int(match[1]), int(match[2]))


def fingerprint_of(images: Mapping[str, Sequence[ImageRecord]]) -> str:
    """Give the SHA-256 over the sorted relative names and sizes of the images.

    Contents are not read: twenty thousand files on a shared disk would cost minutes for each plan.
    """
    digest = hashlib.sha256()
    for record in sorted((r for side in images.values() for r in side), key=lambda record: record.name):
        digest.update(f"{record.name}\0{record.path.stat().st_size}\n".encode())
    return digest.hexdigest()
