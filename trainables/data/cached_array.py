"""An array of bytes that a machine builds once and all its trainings map into memory."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)
"""What numpy raises of files of arrays that are not whole."""
SPARE_BYTES = 64 * 2**20
"""Of a disc, that is left free."""


def mark_used(path: Path) -> None:
    """Note that a file of the cache was used now: by its time `--gc` tells what no project uses."""
    with suppress(OSError):  # another user's, or just removed
        os.utime(path)


def build_array_once(path: Path, shape: tuple[int, ...], fill: Callable[[np.ndarray], None]) -> np.ndarray:
    """Open an array, building it on first use; safe from several processes at once.

    Args:
        path: of the array, ending in `.npy`; appears only when it is whole.
        shape: of the array.
        fill: writes every entry; what it raises leaves nothing behind.

    Returns:
        uint8, memory-mapped and read-only.

    Raises:
        OSError: there is no room for it, with the path and the bytes needed.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.with_suffix(".lock")):
            if not path.exists():
                build_array(path, shape, fill)
    return np.load(path, mmap_mode="r")


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Keep other processes of this machine out that lock the same file."""
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def build_array(path: Path, shape: tuple[int, ...], fill: Callable[[np.ndarray], None]) -> None:
    """Build an array that nobody else builds now; arguments and errors as `build_array_once` has them."""
    needed_bytes = int(np.prod(shape, dtype=np.int64))
    free_bytes = shutil.disk_usage(path.parent).free
    if free_bytes < needed_bytes + SPARE_BYTES:
        raise OSError(
            f"{path} needs {needed_bytes:,} bytes and {path.parent} has {free_bytes:,} left; free space, or "
            "name another folder with --cache-dir"
        )
    descriptor, aside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(descriptor)
    try:
        array = np.lib.format.open_memmap(aside, mode="w+", dtype=np.uint8, shape=shape)
        _reserve(Path(aside), path)
        fill(array)
        array.flush()
        Path(aside).chmod(0o644)  # mkstemp's files are readable by one user only
        Path(aside).replace(path)
    finally:
        Path(aside).unlink(missing_ok=True)


def _reserve(aside: Path, path: Path) -> None:
    """Claim the room now: a full disk met while writing mapped memory would kill the process."""
    size_bytes = aside.stat().st_size
    with aside.open("r+b") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size_bytes)
        except OSError as error:
            raise OSError(error.errno, f"{path} needs {size_bytes:,} bytes: {error.strerror}") from error
