"""A data set that was read once, kept on this machine so that other processes need not read it again.

Lists and the names of files are read and checked where no index is, or where what it was made from has changed; see
`files_read`. The arrays of an index are mapped, so that processes of a machine share them.

    indexes/<what>.json          facts, what it was read from, and the name of the folder of its arrays
    indexes/<what>-<number>/     an array a file; never changed
"""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from tablewright.trainables.data.cached_array import mark_used
from tablewright.trainables.data.files_read import FilesRead

FOLDER = "indexes"
MIN_IMAGES = 20_000
"""Of fewer images a data set is read in a second."""
CLOCK_STEP_S = 0.02
"""By so much a file system's times may lag behind the clock."""

DatasetT = TypeVar("DatasetT")


@dataclass(frozen=True)
class DatasetIndex:
    """What a data set is.

    Attributes:
        facts: what JSON holds.
        arrays: the rest, by name.
        root: of the images.
    """

    facts: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]
    root: Path


class ReadOnce(Generic[DatasetT]):
    """A data set that a process reads when it first asks for it, and then has as it was, however it is asked for."""

    def __init__(self, read: Callable[[bool], DatasetT]) -> None:
        """Read nothing yet.

        Args:
            read: is told whether to look at folders alone.
        """
        self._read, self._dataset = read, None

    def __call__(self, *, looks_at_folders_alone: bool) -> DatasetT:
        """Give it."""
        if self._dataset is None:
            self._dataset: DatasetT | None = self._read(looks_at_folders_alone)
        return self._dataset


class IndexFile:
    """Where the index of one data set is kept."""

    def __init__(self, cache_dir: str, asked: Mapping[str, Any]) -> None:
        """Name it; nothing is read.

        Args:
            cache_dir: of this machine.
            asked: what decides what is read, such as name and data root; values of JSON.
        """
        content = json.dumps([asked, _code_digest()], sort_keys=True)
        self._path = Path(cache_dir) / FOLDER / f"{hashlib.sha256(content.encode()).hexdigest()[:24]}.json"

    def read(self, *, looks_at_folders_alone: bool) -> DatasetIndex | None:
        """Give what was kept; None where there is nothing, or where its files have changed since."""
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            read_from = FilesRead(Path(kept["root"]), tuple(kept["folders"]), tuple(kept["lists"]))
            folder = self._path.with_name(kept["arrays"])
            is_known = looks_at_folders_alone and kept["state_of_folders"] == read_from.state_of_folders(
                kept["found_folders"]
            )
            if not is_known:
                state, found_folders = read_from.state()
                if state != kept["state"]:
                    return None
                self._write(kept | _of_folders(read_from, found_folders), kept)
            arrays = {path.stem: np.load(path, mmap_mode="r") for path in folder.glob("*.npy")}
            if sorted(arrays) != kept["names"]:
                return None
            mark_used(self._path)
            return DatasetIndex(kept["facts"], arrays, read_from.root)
        except (OSError, ValueError, KeyError, TypeError):  # it is damaged, or another process makes it anew
            return None

    def keep(
        self,
        facts: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray],
        read_from: FilesRead,
        *,
        begun_at_s: float,
    ) -> None:
        """Keep what was just read; a cache that takes nothing costs time and nothing else.

        Args:
            facts: what JSON holds.
            arrays: the rest, by name.
            read_from: the files.
            begun_at_s: when reading them began; what has changed since is not kept.
        """
        state, found_folders = read_from.state_as_read()
        if read_from.changed_at_s(found_folders) > begun_at_s - CLOCK_STEP_S:
            return
        folder = self._path.with_name(f"{self._path.stem}-{uuid.uuid4().hex[:12]}")
        with suppress(OSError):
            folder.mkdir(parents=True)
            for name, array in arrays.items():
                np.save(folder / f"{name}.npy", array)
            kept = {
                "root": str(read_from.root),
                "folders": list(read_from.folders),
                "lists": list(read_from.lists),
                "arrays": folder.name,
                "names": sorted(arrays),
                "state": state,
                "facts": facts,
            }
            self._write(kept | _of_folders(read_from, found_folders))
            for former in self._path.parent.glob(f"{self._path.stem}-*"):
                if former != folder:  # whoever has mapped it keeps it
                    shutil.rmtree(former, ignore_errors=True)

    def _write(self, kept: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> None:
        if kept == before:
            return
        with suppress(OSError):
            aside = self._path.with_name(f".{self._path.name}.{uuid.uuid4().hex[:12]}")
            aside.write_text(json.dumps(kept), encoding="utf-8")
            aside.replace(self._path)


def _of_folders(read_from: FilesRead, found_folders: list[str]) -> dict[str, Any]:
    return {
        "found_folders": found_folders,
        "state_of_folders": read_from.state_of_folders(found_folders),
    }


@functools.cache
def _code_digest() -> str:
    """Tell indexes apart that other code has made."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
