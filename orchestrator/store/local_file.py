"""Writing on a local or network disc so that a file appears whole under its name, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

WITHOUT_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
"""What a file system answers that has no hard links, such as FAT."""


def create_file(target: Path, content: bytes) -> bool:
    """Write a file that appears whole, unless there is one already; false where there is. See `Folder.create`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    is_created = _create_from_unnamed(target, content)
    return _create_from_aside(target, content) if is_created is None else is_created


def _create_from_unnamed(target: Path, content: bytes) -> bool | None:
    """Create a file that has no name until it is whole: of a writer that is killed nothing is left.

    None where there are no such files, as on NFS and on any system but Linux.
    """
    if not hasattr(os, "O_TMPFILE"):
        return None
    try:
        descriptor = os.open(target.parent, os.O_WRONLY | os.O_TMPFILE, 0o666)
    except OSError:
        return None
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
        try:
            # Named by a descriptor, else Python would link /proc's own link rather than the file that it leads to.
            os.link(f"/proc/self/fd/{descriptor}", target, src_dir_fd=descriptor)
        except FileExistsError:
            return False
        except OSError:  # no /proc, or no links
            return None
    return True


def _create_from_aside(target: Path, content: bytes) -> bool:
    """Create a file under another name, and link it to its own."""
    descriptor, aside = open_aside(target)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(aside, target)
        except FileExistsError:
            return aside.stat().st_nlink == 2  # NFS repeats a request whose answer was lost
        except OSError as error:
            if error.errno not in WITHOUT_LINKS:
                raise
            return _create_exclusively(target, content)
    finally:
        aside.unlink(missing_ok=True)
    return True


def _create_exclusively(target: Path, content: bytes) -> bool:
    """Create a file where there are no links; one who reads it at once may find it empty."""
    try:
        with target.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        return False
    return True


def open_aside(target: Path) -> tuple[int, Path]:
    """Open a new file beside another one, with the rights that any new file gets here."""
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:12]}")
    return os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), aside


@contextmanager
def naming_what_is_written(target: Path) -> Generator[None]:
    """Name the file in an error of writing it, and say what to do."""
    try:
        yield
    except OSError as error:
        instead = "move that folder away" if target.is_dir() else "free space or name another --store"
        raise OSError(error.errno, f"cannot write {target}: {error.strerror}; {instead}") from error


def sizes_of_files(top: Path) -> dict[str, int]:
    """Give the size in bytes of every file below a folder, by its path from there; links are left out."""
    found: dict[str, int] = {}
    for folder, _, names in os.walk(top):
        for path in (Path(folder) / name for name in names):
            with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                if not path.is_symlink() and path.is_file():
                    found[path.relative_to(top).as_posix()] = path.stat().st_size
    return found
