"""Which files a data set was read from, and whether they are still as they were.

Asked in two ways. Looking at every file takes seconds where there are 675,170 of them, and a plan does so each time.
The processes that a sweep starts look at the folders alone, whose times change when a file in them is added, removed or
renamed: what the plan has seen a moment before need not be seen by each of them again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

GONE = "gone"


@dataclass(frozen=True, slots=True)
class SeenFolder:
    """A folder that was looked at.

    Attributes:
        name: its path below the data set's.
        sizes: bytes by name of each file in it, in the order of the names; None of a link that leads nowhere.
        is_lost: it is not there, or a link back to a folder that it lies in.
        is_hidden: its name, or that of a folder around it, begins with a point.
    """

    name: str
    sizes: Mapping[str, int | None]
    is_lost: bool = False
    is_hidden: bool = False


class Look:
    """One look at every file of a data set, drawn once: what is found, and by what it is known again.

    Attributes:
        root: of the data set.
        folders: below it, looked through at any depth.
    """

    def __init__(self, root: Path, folders: Iterable[str]) -> None:
        """Look at nothing yet."""
        self.root, self.folders = root, tuple(folders)
        self._digest = hashlib.sha256()
        self._found_folders: list[str] = []

    def __iter__(self) -> Iterator[SeenFolder]:
        """Look at one folder after the other."""
        for seen in self._seen():
            self._digest.update(os.fsencode(f"{seen.name}/\0{GONE}\n" if seen.is_lost else f"{seen.name}/\n"))
            if not seen.is_lost:
                self._found_folders.append(seen.name)
                files = [f"{name}\0{GONE if size is None else size}\n" for name, size in seen.sizes.items()]
                self._digest.update(os.fsencode("".join(files)))
            yield seen

    def state(self) -> tuple[str, tuple[str, ...]]:
        """Give a digest of all names and sizes, once all was drawn, and the folders that were found."""
        return self._digest.hexdigest(), tuple(self._found_folders)

    def _seen(self) -> Iterator[SeenFolder]:
        unread = [(name, os.path.realpath(self.root / name), (), False) for name in reversed(self.folders)]
        while unread:
            name, place, above, is_hidden = unread.pop()
            is_circle = any(f"{one}/".startswith(f"{place.rstrip('/')}/") for one in above)
            if is_circle or not Path(place).is_dir():
                yield SeenFolder(name, {}, is_lost=True, is_hidden=is_hidden)
                continue
            sizes, inner = _read_folder(place)
            yield SeenFolder(name, sizes, is_hidden=is_hidden)
            unread += [
                (f"{name}/{one}", inner[one], (*above, place), is_hidden or one.startswith("."))
                for one in sorted(inner, reverse=True)
            ]


def _read_folder(place: str) -> tuple[dict[str, int | None], dict[str, str]]:
    """Give the sizes of files in their order, and where the folders in it lie."""
    sizes: dict[str, int | None] = {}
    inner: dict[str, str] = {}
    descriptor = os.open(place, os.O_RDONLY)  # from which the way to each of its files is short
    try:
        with os.scandir(descriptor) as entries:
            for entry in entries:
                name = entry.name
                try:
                    if not entry.is_dir():
                        sizes[name] = entry.stat().st_size
                        continue
                except OSError:  # a link to itself, or to what is not there
                    sizes[name] = None
                    continue
                path = f"{place.rstrip('/')}/{name}"
                inner[name] = os.path.realpath(path) if entry.is_symlink() else path
    finally:
        os.close(descriptor)
    return {name: sizes[name] for name in sorted(sizes)}, inner


@dataclass(frozen=True)
class FilesRead:
    """What says all of a data set.

    Attributes:
        root: of the data set.
        folders: below it, all that lies in them at any depth; one that is not there is looked for too.
        lists: files below it, of which a version is told by size and time.
        looked: what `Look.state` gave when the data set was read; None where not every file was looked at then.
    """

    root: Path
    folders: tuple[str, ...]
    lists: tuple[str, ...] = ()
    looked: tuple[str, tuple[str, ...]] | None = None

    def state_as_read(self) -> tuple[str, list[str]]:
        """Give `state` as it was when the data set was read, without another look where that is known."""
        return self.state() if self.looked is None else self._state(self.looked)

    def state(self) -> tuple[str, list[str]]:
        """Look at every file.

        Returns:
            A digest of all names and sizes, and the folders that were found, which `state_of_folders` takes.
        """
        look = Look(self.root, self.folders)
        for _ in look:
            pass
        return self._state(look.state())

    def _state(self, looked: tuple[str, tuple[str, ...]]) -> tuple[str, list[str]]:
        digest, found_folders = looked
        return hashlib.sha256(self._versions_of(self.lists) + digest.encode()).hexdigest(), [*found_folders]

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
