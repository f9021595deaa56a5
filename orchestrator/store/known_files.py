"""What a process knows of a store without asking again: which files there are, and records that it has read.

An object store answers slowly and charges for each question, and one listing tells of a thousand files. A local
folder is asked anew each time: that costs microseconds and is always true.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

KEPT_BYTES = 64 * 2**20
"""Of the texts of records that are kept parsed; some thousand trainings."""

_FACTS_OF_A_VERSION = ("ETag", "etag", "md5Hash", "content_md5", "LastModified", "mtime", "created", "size")
"""What stores say of a file that is another once it was written anew."""


def is_s3(filesystem: Any) -> bool:
    """Say whether it is S3, or a store that speaks as S3 does."""
    return "s3" in filesystem.protocol


class FileVersion(NamedTuple):
    """What is another once a file was written anew.

    Attributes:
        text: as the kind of store tells versions apart.
        changed_at_s: seconds since 1970 at which a local file last changed, in its name or rights too; 0 in an object
            store, which tells each version by what is in it.
    """

    text: str
    changed_at_s: float = 0.0


def versions_of_objects(filesystem: Any, path: str) -> dict[str, FileVersion]:
    """Give the version of each object below a path, by its own path."""
    return {
        found: FileVersion(repr([str(facts[name]) for name in _FACTS_OF_A_VERSION if facts.get(name)]))
        for found, facts in _found_below(filesystem, path).items()
    }


def versions_of_local(top: Path, leaves_out: Sequence[str] = ()) -> dict[str, FileVersion]:
    """Give the version of each file below a local folder, by its path from there.

    Args:
        top: the folder; nothing is below one that is not there.
        leaves_out: files and folders directly in it whose names begin so.
    """
    found: dict[str, FileVersion] = {}
    folders = [(os.fspath(top), "")]
    while folders:
        folder, place = folders.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError:  # it is not there, or no longer
            continue
        for entry in entries:
            if not place and entry.name.startswith(tuple(leaves_out)):
                continue
            try:
                if entry.is_dir():
                    folders.append((entry.path, f"{place}{entry.name}/"))
                    continue
                is_at = entry.stat()
            except OSError as error:  # a link that leads nowhere, or a file that was removed meanwhile
                found[f"{place}{entry.name}"] = FileVersion(type(error).__name__)
                continue
            text = f"{is_at.st_ino} {is_at.st_size} {is_at.st_mtime_ns} {is_at.st_ctime_ns}"
            found[f"{place}{entry.name}"] = FileVersion(text, is_at.st_ctime)
    return found


def _found_below(filesystem: Any, path: str) -> Mapping[str, Mapping[str, Any]]:
    filesystem.invalidate_cache()
    if is_s3(filesystem):  # of an empty folder it would ask twice more whether it is a file
        above, _, name = path.rstrip("/").rpartition("/")
        return filesystem.find(above, prefix=f"{name}/", detail=True)
    return filesystem.find(path, detail=True)


class Listing:
    """The files below a folder as one look has found them, with what this process has written and removed since."""

    def __init__(self, filesystem: Any, path: str) -> None:
        """Look.

        Args:
            filesystem: of fsspec.
            path: of the folder, in the filesystem's own way of writing it.
        """
        self._filesystem, self._path = filesystem, path.rstrip("/")
        self._versions: dict[str, str] = {}
        self._below: dict[str, set[str]] = {}
        self.look()

    def look(self) -> None:
        """Look again: others may have written."""
        found = versions_of_objects(self._filesystem, self._path)
        versions = {path: version.text for path, version in found.items()}
        below: dict[str, set[str]] = {}
        for path in versions:
            self._place(path, below)
        self._versions, self._below = versions, below  # at once: another thread may be asking

    def add(self, path: str) -> None:
        """Know of a file that was written; its version is not known until the next look."""
        self._versions[path] = ""
        self._place(path, self._below)

    def _place(self, path: str, below: dict[str, set[str]]) -> None:
        while path != self._path and "/" in path:
            path, _, name = path.rpartition("/")
            below.setdefault(path, set()).add(name)

    def has_file(self, path: str) -> bool:
        """Say whether there is such a file."""
        return path in self._versions

    def has(self, path: str) -> bool:
        """Say whether there is such a file or folder."""
        return path in self._versions or bool(self._below.get(path))

    def names(self, path: str) -> list[str]:
        """List what is in a folder."""
        return sorted(self._below.get(path.rstrip("/"), ()))

    def files(self, path: str) -> list[str]:
        """List every file that a path means: itself, or all that are below it."""
        inside = f"{path.rstrip('/')}/"
        return sorted(file for file in self._versions if file == path or file.startswith(inside))

    def version(self, path: str) -> str:
        """Give what changes when the file does; "" where that is not known."""
        return self._versions.get(path, "")

    def discard(self, path: str) -> None:
        """Know that a file is no more."""
        self._versions.pop(path, None)
        while path != self._path and "/" in path:
            path, _, name = path.rpartition("/")
            self._below.get(path, set()).discard(name)
            if self._below.get(path):
                return


class KeptRecords:
    """Records that this process has read and checked, to be given again as long as their files are the same."""

    def __init__(self, max_bytes: int = KEPT_BYTES) -> None:
        """Keep nothing yet.

        Args:
            max_bytes: of the texts of what is kept.
        """
        self._max_bytes = max_bytes
        self._kept: dict[str, tuple[str, int, Any]] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, path: str, version: str) -> Any | None:
        """Give the record of a file of that version, or None where it is to be read."""
        found = self._kept.get(path) if version else None
        return found[2] if found is not None and found[0] == version else None

    def version(self, path: str) -> str:
        """Give the version that is kept of a file that is written once: it need not be asked whether it is the same."""
        found = self._kept.get(path)
        return "written once" if found is None else found[0]

    def keep(self, path: str, version: str, num_bytes: int, record: Any) -> None:
        """Keep a record; the ones kept longest make room for it."""
        if not version:
            return
        with self._lock:
            self._drop(path)
            self._kept[path] = version, num_bytes, record
            self._bytes += num_bytes
            while self._bytes > self._max_bytes:
                self._drop(next(iter(self._kept)))

    def _drop(self, path: str) -> None:
        _, num_bytes, _ = self._kept.pop(path, ("", 0, None))
        self._bytes -= num_bytes
