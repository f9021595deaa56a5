"""A folder of the store, local or in an object store, in which a file appears whole or not at all."""

from __future__ import annotations

import contextlib
import copy
import errno
import glob
import hashlib
import io
import logging
import os
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.known_files import (
    FileVersion,
    KeptRecords,
    Listing,
    is_s3,
    versions_of_local,
    versions_of_objects,
)
from tablewright.orchestrator.store.local_file import (
    create_file,
    naming_what_is_written,
    open_aside,
    sizes_of_files,
)
from tablewright.orchestrator.store.object_upload import (
    remove_unfinished_uploads,
    unfinished_uploads_bytes,
    uploaded,
)
from tablewright.orchestrator.store.record import ModelT, Record, damaged_record, json_of, record_of
from tablewright.trainables.value.freezing import EMPTY
from tablewright.trainables.value.regular_file import refuse_irregular

CHUNK_BYTES = 2**20
"""Read at a time where a whole file need not be in memory."""


BROKEN_LINK = "is a link that leads nowhere"


TRIES_TO_CREATE = 3
"""Of creating a file in an object store that refuses it, and has none."""


logger = logging.getLogger(__name__)


class Folder:
    """A folder of the store in which a file appears whole or not at all."""

    def __init__(self, url: str, place: str = "") -> None:
        """Name the folder; nothing is made before something is written.

        Args:
            url: where it is.
            place: its path below the root of the store, for people.
        """
        self.url, self.place = url, place
        filesystem, path = fsspec.core.url_to_fs(url)
        self._filesystem: Any = filesystem
        self._path = cast(str, path)
        self._sha256_of_sent: dict[str, str] = {}
        self._kept_records = KeptRecords()
        self._listing: Listing | None = None
        self._before_writing: Callable[[], None] | None = None

    def __truediv__(self, name: str) -> Folder:
        """Name a folder inside this one; of one that was listed it knows what that knows."""
        inside = copy.copy(self)
        inside.url, inside.place = f"{self.url.rstrip('/')}/{name}", f"{self.place}/{name}".lstrip("/")
        inside._path, inside._sha256_of_sent = self._at(name), {}
        return inside

    def listed(self) -> Folder:
        """Give the folder as it is now: one of an object store is listed once, and then not asked again.

        One that was listed already stays as it was then.
        """
        if self._listing is not None or isinstance(self._filesystem, LocalFileSystem):
            return self
        found = copy.copy(self)
        found._listing = Listing(self._filesystem, self._path)
        return found

    def keeping_nothing(self) -> Folder:
        """Give the same folder for who reads every record once, of which none is kept then."""
        found = copy.copy(self)
        found._kept_records = KeptRecords(max_bytes=0)
        return found

    def written_after(self, write_first: Callable[[], None]) -> Folder:
        """Give the same folder, in which nothing is begun to be written before something else has been."""
        after = copy.copy(self)
        after._before_writing = write_first
        return after

    def look(self) -> None:
        """List anew what was listed: another process may have written meanwhile."""
        if self._listing is not None:
            self._listing.look()

    @property
    def beside(self) -> Folder:
        """The folder that it lies in."""
        return Folder(self.url.rstrip("/").rpartition("/")[0], self.place.rpartition("/")[0])

    @property
    def local_path(self) -> Path | None:
        """Where it is on this machine; None in an object store."""
        return Path(self._path) if isinstance(self._filesystem, LocalFileSystem) else None

    def _at(self, name: str) -> str:
        return f"{self._path.rstrip('/')}/{name}"

    def refuse_absent_bucket(self) -> None:
        """Tell a bucket of S3 that is not there from one that holds nothing of this folder.

        Raises:
            FileNotFoundError: there is none.
        """
        if is_s3(self._filesystem):
            self._filesystem.call_s3("head_bucket", Bucket=self._path.partition("/")[0])

    def exists(self, name: str) -> bool:
        """Say whether a complete file of that name is there now, or was when the folder was listed."""
        if self._listing is not None:
            return self._listing.has(self._at(name))
        self._filesystem.invalidate_cache()
        return bool(self._filesystem.exists(self._at(name)))

    def names(self) -> list[str]:
        """List what is in the folder, sorted; nothing where there is no folder."""
        return sorted(name for name in self._all_names() if not name.startswith("."))

    def _all_names(self) -> Iterable[str]:
        if self._listing is not None:
            return self._listing.names(self._path)
        try:
            if isinstance(self._filesystem, LocalFileSystem):
                return [path.name for path in Path(self._path).iterdir()]
            self._filesystem.invalidate_cache()
            found: Iterable[str]
            if is_s3(self._filesystem):  # of an empty folder it would look into the one above too
                above, _, name = self._path.rstrip("/").rpartition("/")
                found = self._filesystem.find(above, prefix=f"{name}/", maxdepth=1, withdirs=True)
            else:
                found = self._filesystem.ls(self._path, detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return ()
        return (path.rstrip("/").rsplit("/", 1)[-1] for path in found)

    def file_names(self) -> list[str]:
        """List the files in it and in the folders inside it, sorted; nothing where there is no folder."""
        self._filesystem.invalidate_cache()
        above = f"{self._path.rstrip('/')}/"
        return sorted(str(path).removeprefix(above) for path in self._filesystem.find(self._path))

    def sizes_bytes(self) -> dict[str, int]:
        """Give the size of every file in it and in the folders inside it, by name, such as `b/c.txt`.

        Of a local folder also what killed writers have left. A link is left out, and nothing behind it is seen.
        """
        if isinstance(self._filesystem, LocalFileSystem):
            return sizes_of_files(Path(self._path))
        self._filesystem.invalidate_cache()
        above = f"{self._path.rstrip('/')}/"
        found = self._filesystem.find(self._path, detail=True)
        return {str(path).removeprefix(above): int(facts["size"] or 0) for path, facts in found.items()}

    def file_versions(self, leaves_out: Sequence[str] = ()) -> dict[str, FileVersion]:
        """Give what is another whenever a file is written anew, of every file in it and in the folders inside it.

        Args:
            leaves_out: files and folders directly in it whose names begin so.
        """
        if isinstance(self._filesystem, LocalFileSystem):
            return versions_of_local(Path(self._path), leaves_out)
        above = f"{self._path.rstrip('/')}/"
        found = versions_of_objects(self._filesystem, self._path)
        named = {path.removeprefix(above): version for path, version in found.items()}
        return {name: version for name, version in named.items() if not name.startswith(tuple(leaves_out))}

    def version_of(self, name: str) -> str:
        """Give what is another whenever a file is written anew; empty where there is none of that name."""
        self._filesystem.invalidate_cache()
        try:
            return str(self._filesystem.ukey(self._at(name)))
        except FileNotFoundError:
            return ""

    def remove_empty_folders(self) -> None:
        """Remove the folders inside it that hold nothing, and itself where nothing is left."""
        if isinstance(self._filesystem, LocalFileSystem):
            for folder, _, _ in os.walk(self._path, topdown=False):
                with contextlib.suppress(OSError):  # it holds something, or is another process's work now
                    Path(folder).rmdir()

    def read(self, name: str) -> bytes:
        """Read a complete file."""
        path = self._at(name)
        if self._listing is not None and not self._listing.has_file(path):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        self._refuse_irregular(name)
        return self._content(path)

    def _content(self, path: str) -> bytes:
        # More than one at a time would ask for the size first; what is read whole is small.
        at_once = {"max_concurrency": 1} if is_s3(self._filesystem) else {}
        return cast(bytes, self._filesystem.cat_file(path, **at_once))

    def _refuse_irregular(self, name: str) -> None:
        """Refuse a pipe or a device in a file's place, of which there is no end."""
        if isinstance(self._filesystem, LocalFileSystem):
            refuse_irregular(Path(self._at(name)))

    def write(self, name: str, content: bytes) -> None:
        """Write a file that appears whole under its name."""
        with self.open_to_write(name) as file:
            file.write(content)

    def write_if_changed(self, name: str, content: bytes) -> None:
        """Write a file unless it is there with this content: one that nothing has changed keeps its date."""
        try:
            is_same = self.read(name) == content
        except OSError:  # it is not there, or something else lies in its place
            is_same = False
        if not is_same:
            self.write(name, content)

    def create(self, name: str, content: bytes) -> bool:
        """Write a file that appears whole, unless there is one of that name already; false where there is.

        Of several writers at once, on any number of machines, one alone is told true. It holds for local folders and
        NFS (a link is made, which is atomic), for S3 (a conditional put) and Google's store; other object stores look
        before they write.

        Args:
            name: of the file.
            content: of the file, which no other writer has: by it a writer whose answer was lost knows its own.
        """
        if isinstance(self._filesystem, LocalFileSystem):
            with naming_what_is_written(Path(self._at(name))):
                return create_file(Path(self._at(name)), content)
        is_mine = self._create_object(self._at(name), content)
        if self._listing is not None:
            self._listing.add(self._at(name))
        return is_mine

    def _create_object(self, path: str, content: bytes) -> bool:
        """Ask again where the store refuses a file and has none: it was removed since, or is being written."""
        refused: Exception | None = None
        for _ in range(TRIES_TO_CREATE):
            try:
                self._filesystem.pipe_file(path, content, mode="create")
                return True
            except Exception as error:  # each kind of store has its own for "it is there"
                refused = error
            self._filesystem.invalidate_cache()
            try:
                return self._content(path) == content
            except FileNotFoundError:
                continue
        if isinstance(refused, FileExistsError):  # others have it, one after the other
            return False
        assert refused is not None
        raise refused

    def remove(self, *names: str) -> None:
        """Remove files or folders; one that is not there is no fault."""
        if self._listing is not None:
            self._remove_files([file for name in names for file in self._listing.files(self._at(name))])
            return
        for name in names:
            if self.exists(name):
                self._filesystem.rm(self._at(name), recursive=True)

    def remove_files(self, *names: str) -> None:
        """Remove files, in one request of an object store; one that is not there is no fault."""
        if isinstance(self._filesystem, LocalFileSystem):
            for name in names:
                Path(self._at(name)).unlink(missing_ok=True)
        else:
            self._remove_files([self._at(name) for name in names])

    def _remove_files(self, paths: list[str]) -> None:
        if not paths:
            return
        with contextlib.suppress(FileNotFoundError):
            self._filesystem.rm(paths)
        if self._listing is not None:
            for path in paths:
                self._listing.discard(path)

    @contextmanager
    def open_to_read(self, name: str) -> Generator[BinaryIO]:
        """Open a complete file."""
        self._refuse_irregular(name)
        with self._filesystem.open(self._at(name), "rb") as file:
            yield file

    @contextmanager
    def open_to_write(self, name: str) -> Generator[BinaryIO]:
        """Open a file that appears under its name only when the context ends without error.

        Raises:
            OSError: naming the file and the folder, where there is no space left or no right to write.
        """
        if self._before_writing is not None:
            self._before_writing()
        if not isinstance(self._filesystem, LocalFileSystem):
            with uploaded(self._filesystem, self._at(name)) as upload:
                yield cast(BinaryIO, upload)
            self._sha256_of_sent[name] = upload.digest.hexdigest()
            if self._listing is not None:
                self._listing.add(self._at(name))
            return
        target = Path(self._at(name))
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            descriptor, aside = open_aside(target)
        except OSError as error:
            raise OSError(error.errno, f"cannot write {target}: {error.strerror}") from error
        try:
            with naming_what_is_written(target):
                with os.fdopen(descriptor, "wb") as file:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
                aside.replace(target)
        finally:
            aside.unlink(missing_ok=True)

    def unfinished_uploads_bytes(self) -> dict[str, int]:
        """Give what killed writers have sent to S3 of files that are not whole, by the names that these would have."""
        return unfinished_uploads_bytes(self._filesystem, self._path)

    def remove_unfinished_uploads(self) -> None:
        """Remove the parts that killed writers have sent to S3, which shows them to nobody and charges for them."""
        remove_unfinished_uploads(self._filesystem, self._path)

    def remove_unfinished(self, name: str | None = None) -> None:
        """Remove what killed writers left on a disc, of one file or of all, where nobody writes.

        How old such a file is says nothing: another machine, whose clock may be hours off, may be writing it.
        """
        if not isinstance(self._filesystem, LocalFileSystem):
            return
        of_it = "*" if name is None else glob.escape(name)
        for path in Path(self._path).glob(f".{of_it}.*"):
            if path.is_file():
                path.unlink(missing_ok=True)

    def read_model(self, name: str, model: type[ModelT]) -> ModelT | None:
        """Read a record, or None where it is not there.

        Raises:
            DamagedFile: the file is there but is no such record, or not the one that was written.
        """
        version = self._version(name, model)
        if (kept := self._kept_records.get(self._at(name), version)) is not None:
            return cast(ModelT, kept)
        try:
            text = self.read(name)
        except FileNotFoundError:
            if self._is_broken_link(name):
                raise self.damaged(name, BROKEN_LINK, model) from None
            return None
        except OSError as error:
            raise self.damaged(name, f"cannot be read ({error.strerror})", model) from error
        record = record_of(text, model, (self / name).place)
        self._kept_records.keep(self._at(name), version, len(text), record)
        return record

    def _version(self, name: str, model: type[Record]) -> str:
        """Give what changes when a record's file does; "" where it has to be read."""
        if self._listing is not None:
            return self._listing.version(self._at(name))
        if not model.NEVER_CHANGES:
            return ""
        if not isinstance(self._filesystem, LocalFileSystem):
            return self._kept_records.version(self._at(name))
        try:
            found = Path(self._at(name)).stat()
        except OSError:
            return ""
        return f"{found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"

    def _is_broken_link(self, name: str) -> bool:
        """Say whether a link of that name leads nowhere, as after a disc was not mounted."""
        is_local = isinstance(self._filesystem, LocalFileSystem)
        return is_local and Path(self._at(name)).is_symlink() and not Path(self._at(name)).exists()

    def read_sound(self, name: str, *, held: str, next_step: str) -> bytes:
        """Read a file that is no record.

        Args:
            name: of the file.
            held: what is lost with it.
            next_step: for a person who finds it damaged.

        Raises:
            DamagedFile: it is there and cannot be read.
            FileNotFoundError: it is not there.
        """
        try:
            return self.read(name)
        except FileNotFoundError:
            if not self._is_broken_link(name):
                raise
            fault = BROKEN_LINK
        except OSError as error:
            fault = f"cannot be read ({error.strerror})"
        raise DamagedFile((self / name).place, fault, held=held, next_step=next_step)

    def damaged(self, name: str, fault: str, model: type[Record]) -> DamagedFile:
        """Describe a record that cannot be used."""
        return damaged_record((self / name).place, fault, model)

    def write_model(self, name: str, record: Record) -> None:
        """Write a record as JSON that people can read, with its checksum."""
        self.write(name, json_of(record))

    def create_model(self, name: str, record: Record) -> bool:
        """Write a record unless there is one of that name; false where there is. See `create`."""
        return self.create(name, json_of(record))

    def read_table(self, name: str, *, held: str, next_step: str, sha256: str = "") -> Any:
        """Read a Parquet file.

        Args:
            name: of the file.
            sha256: that it had when it was written; empty where nobody knows.
            held: what is lost with it.
            next_step: for a person who finds it damaged.

        Raises:
            DamagedFile: it is no Parquet, or another file than was written.
            FileNotFoundError: it is not there.
        """
        content = self.read_sound(name, held=held, next_step=next_step)
        is_other = bool(sha256) and hashlib.sha256(content).hexdigest() != sha256
        try:
            # As a file, not as the data set that `read_table` makes of it: that takes ten times as long.
            table = pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False)
        except (pa.ArrowException, OSError, ValueError) as error:
            fault = "is no Parquet file, or is cut short"
            raise DamagedFile((self / name).place, fault, held=held, next_step=next_step) from error
        if is_other:
            fault = "is not the table that was recorded (its checksum differs)"
            raise DamagedFile((self / name).place, fault, held=held, next_step=next_step)
        return table

    def write_table(self, name: str, columns: Mapping[str, Sequence[Any] | np.ndarray]) -> str:
        """Write columns as a Parquet file; gives its SHA-256."""
        buffer = io.BytesIO()
        pq.write_table(pa.table(dict(columns)), buffer)
        self.write(name, buffer.getvalue())
        return hashlib.sha256(buffer.getvalue()).hexdigest()

    def sha256_of(self, name: str) -> str:
        """Digest a file; one that this process has sent to an object store is not fetched for it."""
        if name in self._sha256_of_sent:
            return self._sha256_of_sent[name]
        digest = hashlib.sha256()
        with self.open_to_read(name) as file:
            while content := file.read(CHUNK_BYTES):
                digest.update(content)
        return digest.hexdigest()


def sound_records(
    folder: Folder, model: type[ModelT], faults: list[str] | None, known: Mapping[str, ModelT] = EMPTY
) -> dict[str, ModelT]:
    """Read every record of a folder that can be used and is not known already, by its name."""
    found: dict[str, ModelT] = {}
    for name in folder.names():
        if name in known:
            found[name] = known[name]
            continue
        try:
            record = folder.read_model(name, model)
        except DamagedFile as error:
            if faults is None:
                logger.warning("%s", error)
            else:
                faults.append(str(error))
            continue
        if record is not None:
            found[name] = record
    return found
