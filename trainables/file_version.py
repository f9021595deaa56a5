"""One version of a file, so that what was read of it once is not read again in a process."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

from tablewright.trainables.value.regular_file import refuse_irregular

END_BYTES = 2**16


@dataclass(frozen=True)
class FileVersion:
    """A file as it stood when it was looked at; its size and its time tell its versions apart."""

    path: Path
    size_bytes: int
    mtime_ns: int


def version_of(path: Path) -> FileVersion:
    """Look at a file without reading it.

    Raises:
        OSError: it is not there, or is a pipe or a device.
    """
    refuse_irregular(path)
    stat = path.stat()
    return FileVersion(path, stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=100_000)
def sha256_of(version: FileVersion) -> str:
    """Give the digest of a file's content."""
    with version.path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@functools.lru_cache(maxsize=100_000)
def sha256_of_ends(version: FileVersion) -> str:
    """Give the digest of the first and the last bytes of a file, where reading all of it would take too long."""
    with version.path.open("rb") as file:
        first = file.read(END_BYTES)
        file.seek(max(0, version.size_bytes - END_BYTES))
        return hashlib.sha256(first + file.read(END_BYTES)).hexdigest()
