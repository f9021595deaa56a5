"""Which files a data set was read from, and whether they are still as they were.

Asked in two ways. Looking at every file takes seconds where there are 675,170 of them, and a plan does so each time.
The processes that a sweep starts look at the folders alone, whose times change when a file in them is added, removed or
renamed: what the plan has seen a moment before need not be seen by each of them again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

GONE = "gone"


@dataclass(frozen=True)
class FilesRead:
    """What says all of a data set.

    Attributes:
        root: of the data set.
        folders: below it, all that lies in them at any depth; one that is not there is looked for too.
        lists: files below it, of which a version is told by size and time.
    """

    root: Path
    folders: tuple[str, ...]
    lists: tuple[str, ...] = ()

    def state(self) -> tuple[str, list[str]]:
        """Look at every file.

        Returns:
            A digest of all names and sizes, and the folders that were found, which `state_of_folders` takes.
        """
        digest = hashlib.sha256(self._versions_of(self.lists))
        found: list[str] = []
        unread = [(folder, frozenset[Path]()) for folder in reversed(self.folders)]
        while unread:
            folder, above = unread.pop()
            place = (self.root / folder).resolve()
            if place in above or not place.is_dir():
                digest.update(f"{folder}/\0{GONE}\n".encode())
                continue
            found.append(folder)
            digest.update(f"{folder}/\n".encode())
            inner: list[str] = []
            with os.scandir(place) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    name = f"{folder}/{entry.name}"
                    if entry.is_dir():
                        inner.append(name)
                        continue
                    try:
                        size = str(entry.stat().st_size)
                    except OSError:  # a link that leads nowhere
                        size = GONE
                    digest.update(os.fsencode(f"{entry.name}\0{size}\n"))
            unread += [(name, above | {place}) for name in reversed(inner)]
        return digest.hexdigest(), found

    def state_of_folders(self, folders: Iterable[str]) -> str:
        """Look at folders alone, and at the lists; gives a digest of when they were changed."""
        places = (*self.lists, *self.folders, *folders)
        return hashlib.sha256(self._versions_of(places)).hexdigest()

    def changed_at_s(self, folders: Iterable[str]) -> float:
        """Say when any of folders and lists was changed last; 0 where none is there."""
        changed_at_s = 0.0
        for name in (*self.lists, *folders):
            with suppress(OSError):
                changed_at_s = max(changed_at_s, (self.root / name).stat().st_mtime)
        return changed_at_s

    def _versions_of(self, names: Iterable[str]) -> bytes:
        return b"".join(os.fsencode(f"{name}\0{_version_of(self.root / name)}\n") for name in names)


def _version_of(path: Path) -> str:
    try:
        found = path.stat()
    except OSError:
        return GONE
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ino}"
