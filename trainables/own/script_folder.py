"""The folder that a script writes into: it survives a kill, and belongs to one attempt at a time."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import shutil
import stat
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tablewright.trainables.contract.run import CheckpointFolder, FileFolder, Runtime, TrainingStopped

FOLDER, LOCK = "out", "out.lock"
WAIT_POLL_S = 0.2
"""How often an attempt that waits for another one looks again."""
TELL_AFTER_S = 10.0
"""How long it waits before it says for whom."""

COPIED_AT_ONCE_BYTES = 2**20

logger = logging.getLogger(__name__)

_Stamp = tuple[int, int]
"""Time of the last change in ns, and size in bytes: tells versions of a file apart."""


class _Changed(Exception):
    """A file was changed while it was copied."""


class OutFolder:
    """`{out}` on this machine.

    In a store on a local or shared folder it is the one in the store. Beside an object store it is a copy in the
    machine's cache, which is brought back to the store from time to time.

    Attributes:
        path: of it.
        lock: an open file that is locked as long as any process has it open.
    """

    def __init__(self, path: Path, lock: int, stored: FileFolder | None) -> None:
        """Name it.

        Args:
            path: of it.
            lock: descriptor.
            stored: the store's copy; None where it is the store's own.
        """
        self.path, self.lock = path, lock
        self._stored = stored
        self._kept: dict[str, _Stamp] = {}

    def remove_lock(self) -> None:
        """Leave no trace of the lock of a training that is done; who waits for it still has it open."""
        (self.path.parent / LOCK).unlink(missing_ok=True)

    def clear(self) -> None:
        """Empty it."""
        for path in self.path.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def stamps(self) -> dict[str, _Stamp]:
        """Give the files in it as they stand, so that a change is seen."""
        stamps = ((path.relative_to(self.path).as_posix(), _stamp_of(path)) for path in files_in(self.path))
        return {name: stamp for name, stamp in stamps if stamp is not None}

    def fetch(self) -> None:
        """Bring it to what the store has, where that is elsewhere."""
        if self._stored is None:
            return
        self.clear()
        for name in self._stored.file_names():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._stored.open_to_read(name) as source, path.open("wb") as copy:
                shutil.copyfileobj(source, copy)
        self._kept = self.stamps()

    def keep(self) -> None:
        """Bring the store to what it has, where that is elsewhere. What changes meanwhile is taken the next time."""
        if self._stored is None:
            return
        stamps = self.stamps()
        for name, stamp in stamps.items():
            if self._kept.get(name) == stamp:
                continue
            try:
                file = (self.path / name).open("rb")
            except FileNotFoundError:
                continue
            with suppress(_Changed), file:
                with self._stored.open_to_write(name) as copy:
                    shutil.copyfileobj(file, copy, COPIED_AT_ONCE_BYTES)
                    if _stamp_of(self.path / name) != stamp:
                        raise _Changed
                self._kept[name] = stamp
        gone = self._kept.keys() - stamps.keys()
        self._stored.remove(*gone)
        for name in gone:
            del self._kept[name]


@contextmanager
def opened_out(
    checkpoints: CheckpointFolder, runtime: Runtime, should_stop: Callable[[], bool]
) -> Generator[OutFolder]:
    """Give a training's folder once no other attempt on it is running.

    Raises:
        TrainingStopped: it was asked to stop while it waited.
    """
    training = checkpoints.beside
    stored = training / FOLDER
    place = training.local_path
    if place is None:
        digest = hashlib.sha256(training.url.encode()).hexdigest()
        place = Path(runtime.cache_dir) / "scripts" / digest[:32]
    (place / FOLDER).mkdir(parents=True, exist_ok=True)
    lock = os.open(place / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        tell_at_s: float | None = time.monotonic() + TELL_AFTER_S
        while not _is_locked(lock):
            if should_stop():
                raise TrainingStopped
            if tell_at_s is not None and time.monotonic() >= tell_at_s:
                tell_at_s = None
                who = ", ".join(map(str, _holders_of(lock)))
                logger.warning(
                    "it waits for another attempt at this training, which has %s open: %s; this one goes on when that "
                    "has ended",
                    place / FOLDER,
                    f"process {who} of this machine" if who else "a process that cannot be seen from here",
                )
            time.sleep(WAIT_POLL_S)
        yield OutFolder(place / FOLDER, lock, None if stored.local_path else stored)
    finally:
        os.close(lock)


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def files_in(folder: Path) -> Iterator[Path]:
    """Give the files in a folder and in those inside it, whatever comes and goes there meanwhile."""
    for place, _, names in os.walk(folder):
        yield from (Path(place) / name for name in names)


def _stamp_of(path: Path) -> _Stamp | None:
    try:
        found = path.stat()
    except OSError:  # it was removed meanwhile, or is a link that leads nowhere
        return None
    return (found.st_mtime_ns, found.st_size) if stat.S_ISREG(found.st_mode) else None


def _holders_of(lock: int) -> list[int]:
    """Find the other processes of this machine that have a lock open, as far as they can be seen."""
    wanted = os.fstat(lock)
    found: list[int] = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            opened = [descriptor.stat() for descriptor in (place / "fd").iterdir()]
        except OSError:  # it has ended, or is somebody else's
            continue
        if any(os.path.samestat(one, wanted) for one in opened) and int(place.name) != os.getpid():
            found.append(int(place.name))
    return found
