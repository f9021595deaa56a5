"""Images of this machine by their contents, in mapped files that all trainings share.

An image is kept once in each shape, whatever data set, split or name it is asked by: a file of a pool, a *part*, holds
those that were not there when a split was asked for first.

    images/<shape>-<contents>.npy        images one behind the other, uint8; `encoded` is the shape of files as they are
    images/<shape>-<contents>.rows.npz   the digest of each, and where it ends

Legend: N images asked for, M images of a part.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from tablewright.trainables.data.cached_array import DAMAGED, build_array, locked, mark_used

FOLDER = "images"
ENCODED = "encoded"
"""Shape of a pool of files as they are published."""

_KEY_LETTERS = 24
_ABSENT = -1


@dataclass(frozen=True)
class Part:
    """One file of a pool.

    Attributes:
        path: of it.
        pixels: the images, uint8, mapped.
        digests: of their contents, (M, 16).
        ends_M: where each ends.
        held: says to others that it is in use, as long as it is open.
    """

    path: Path
    pixels: np.ndarray
    digests: np.ndarray
    ends_M: np.ndarray
    held: BinaryIO

    def image(self, row: int) -> np.ndarray:
        """Give what is kept of an image, in one dimension."""
        start = int(self.ends_M[row - 1]) if row else 0
        return self.pixels[start : int(self.ends_M[row])]


@dataclass(frozen=True)
class Places:
    """Where images stand in a pool.

    Attributes:
        parts: of the pool.
        part_N: which of them holds each image; -1 where none does.
        row_N: the place there.
    """

    parts: tuple[Part, ...]
    part_N: np.ndarray
    row_N: np.ndarray

    @property
    def missing_N(self) -> np.ndarray:
        """Give the images that are in no part, those that are equal once."""
        return np.flatnonzero(self.part_N == _ABSENT)

    def image(self, place: int) -> np.ndarray:
        """Give what is kept of an image."""
        return self.parts[int(self.part_N[place])].image(int(self.row_N[place]))


class ImagePool:
    """The images of one shape."""

    def __init__(self, cache_dir: str, shape: str) -> None:
        """Open it; nothing need be there.

        Args:
            cache_dir: of this machine.
            shape: of the images, as `image_shape` names them, or `ENCODED`.
        """
        self.folder, self._shape = Path(cache_dir) / FOLDER, shape

    def find(self, digests: np.ndarray) -> Places:
        """Say where images stand, by the digests of their contents (N, 16)."""
        part_N, row_N = np.full(len(digests), _ABSENT), np.zeros(len(digests), np.int64)
        parts = tuple(self._parts())
        wanted_N = _words(digests)
        for number, part in enumerate(parts):
            held_M = _words(part.digests)
            order_M = np.argsort(held_M[:, 0], kind="stable")
            spot_N = np.searchsorted(held_M[order_M, 0], wanted_N[:, 0])
            row = order_M[np.minimum(spot_N, len(order_M) - 1)]
            # Of two contents with one half in common the one is taken for absent, and kept once more.
            is_here_N = (part_N == _ABSENT) & (held_M[row] == wanted_N).all(1)
            part_N[is_here_N], row_N[is_here_N] = number, row[is_here_N]
        return Places(parts, part_N, row_N)

    def missing(self, digests: np.ndarray) -> np.ndarray:
        """Give the places of the images that are not there, of equal ones the first (n,)."""
        missing = self.find(digests).missing_N
        _, first = np.unique(_words(digests[missing]), axis=0, return_index=True)
        return missing[np.sort(first)]

    def add(
        self, digests: np.ndarray, num_bytes_M: np.ndarray, fill: Callable[[np.ndarray, np.ndarray], None]
    ) -> None:
        """Add images that are not there, by somebody who has `locked` the pool.

        Args:
            digests: of their contents, (M, 16), no two alike.
            num_bytes_M: that each takes.
            fill: writes all of them, given the array and where each ends in it; what it raises leaves nothing behind.

        Raises:
            OSError: there is no room, with the path and the bytes needed.
        """
        ends_M = np.cumsum(num_bytes_M, dtype=np.int64)
        key = hashlib.sha256(np.ascontiguousarray(digests).tobytes()).hexdigest()[:_KEY_LETTERS]
        path = self.folder / f"{self._shape}-{key}.npy"
        self._write_rows(path, digests, ends_M)
        try:
            build_array(path, (int(ends_M[-1]),), lambda array: fill(array, ends_M))
        except BaseException:
            rows_of(path).unlink(missing_ok=True)
            raise

    def adopt(self, former: Path, digests: np.ndarray, num_bytes_M: np.ndarray) -> None:
        """Take over an array that an earlier version has built of just these images, where there is one."""
        try:
            if np.load(former, mmap_mode="r").size != num_bytes_M.sum():
                return
        except DAMAGED:
            return
        key = hashlib.sha256(np.ascontiguousarray(digests).tobytes()).hexdigest()[:_KEY_LETTERS]
        path = self.folder / f"{self._shape}-{key}.npy"
        if not path.exists():
            self._write_rows(path, digests, np.cumsum(num_bytes_M, dtype=np.int64))
            former.replace(path)

    def locked(self) -> AbstractContextManager[None]:
        """Keep other processes from adding meanwhile."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return locked(self.folder / f"{self._shape}.lock")

    def free_bytes(self) -> int:
        """Say how much the disc has left."""
        there = next(folder for folder in (self.folder, *self.folder.parents) if folder.exists())
        return shutil.disk_usage(there).free

    def _write_rows(self, path: Path, digests: np.ndarray, ends_M: np.ndarray) -> None:
        aside = self.folder / f".{path.name}.{uuid.uuid4().hex[:12]}"
        try:
            with aside.open("wb") as file:
                np.savez(file, digests=digests, ends=ends_M)
            aside.replace(rows_of(path))
        finally:
            aside.unlink(missing_ok=True)

    def _parts(self) -> Iterator[Part]:
        for path in sorted(self.folder.glob(f"{self._shape}-*.npy")):
            try:
                part = _open_part(path, path.stat().st_ino)
            except DAMAGED:  # it was just removed, or its rows are damaged
                continue
            yield part


def rows_of(path: Path) -> Path:
    """Name the file of a part's digests."""
    return path.with_name(f"{path.stem}.rows.npz")


@functools.lru_cache(maxsize=1024)
def _open_part(path: Path, inode: int) -> Part:
    """Open a part, which from now on nobody removes as long as this process lives; see `is_in_use`."""
    held = path.open("rb")
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(held, fcntl.LOCK_SH)
        if not os.fstat(held.fileno()).st_nlink:
            raise FileNotFoundError(path)
        with np.load(rows_of(path)) as rows:
            digests, ends_M = rows["digests"], rows["ends"]
        pixels = np.load(path, mmap_mode="r").reshape(-1)
    except BaseException:
        held.close()
        raise
    mark_used(rows_of(path))
    return Part(path, pixels, digests, ends_M, held)


def is_in_use(path: Path) -> bool:
    """Say whether a process of this machine has opened a part."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def _words(digests: np.ndarray) -> np.ndarray:
    """See digests as two numbers each, uint64 (N, 2)."""
    return np.ascontiguousarray(digests).view(np.uint64).reshape(-1, 2)
