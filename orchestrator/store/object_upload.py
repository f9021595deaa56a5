"""Sending a file to an object store in parts, so that it is never in memory whole, nor seen there in part."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

IN_PARTS = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss"})
"""Stores that show an object only once all parts of it are there; to another one a file is sent as one."""

PART_BYTES = 16 * 2**20
"""Of one request. S3 wants 5 MiB at least and 10,000 parts at most, which here are 156 GiB."""


class Upload(io.RawIOBase):
    """A file on its way; what fits into one part goes as one request when it is whole.

    Attributes:
        digest: SHA-256 of what was written.
    """

    def __init__(self, filesystem: Any, path: str) -> None:
        """Name it; nothing is sent yet."""
        self.digest = hashlib.sha256()
        self._filesystem, self._path = filesystem, path
        protocols = (
            {filesystem.protocol} if isinstance(filesystem.protocol, str) else set(filesystem.protocol)
        )
        self._goes_in_parts = not protocols.isdisjoint(IN_PARTS)
        self._held = io.BytesIO()
        self._parts: Any = None

    def writable(self) -> bool:
        """Say that it takes bytes."""
        return True

    def write(self, content: Any) -> int:
        """Take bytes, and send what makes a part."""
        view = memoryview(content).cast("B")
        self.digest.update(view)
        for begin in range(0, len(view), PART_BYTES):  # a large tensor comes as one, and would be held as one
            self._take(view[begin : begin + PART_BYTES])
        return len(view)

    def _take(self, view: memoryview) -> None:
        if self._parts is None and self._goes_in_parts and self._held.tell() + len(view) > PART_BYTES:
            self._parts = self._filesystem.open(self._path, "wb", block_size=PART_BYTES)
            self._parts.write(self._held.getbuffer())
            self._held = io.BytesIO()
        (self._held if self._parts is None else self._parts).write(view)

    def finish(self) -> None:
        """Let the file appear."""
        if self._parts is None:
            self._filesystem.pipe_file(self._path, self._held.getvalue())
        else:
            self._parts.close()

    def give_up(self) -> None:
        """Leave nothing of it."""
        if self._parts is not None:
            self._parts.closed = True  # closing would send the rest and let half a file appear
            self._parts.discard()


@contextmanager
def uploaded(filesystem: Any, path: str) -> Generator[Upload]:
    """Take a file, which appears under its path only when the context ends without error."""
    upload = Upload(filesystem, path)
    try:
        yield upload
        upload.finish()
    except BaseException:
        upload.give_up()
        raise


def unfinished_uploads_bytes(filesystem: Any, path: str) -> dict[str, int]:
    """Give how much S3 keeps of files that are not whole, by name in a folder; another store tells nothing."""
    if "s3" not in filesystem.protocol:
        return {}
    bucket, _, folder = path.partition("/")
    above = f"{folder.rstrip('/')}/"
    found: dict[str, int] = {}
    for upload in filesystem.list_multipart_uploads(bucket):
        key = str(upload["Key"])
        if key.startswith(above):
            sent = filesystem.call_s3("list_parts", Bucket=bucket, Key=key, UploadId=upload["UploadId"])
            name = key.removeprefix(above)
            found[name] = found.get(name, 0) + sum(int(part["Size"]) for part in sent.get("Parts", ()))
    return found


def remove_unfinished_uploads(filesystem: Any, path: str) -> None:
    """Have S3 forget the parts of files below a folder that will not be finished; other stores forget them in time."""
    if "s3" not in filesystem.protocol:
        return
    bucket, _, folder = path.partition("/")
    for upload in filesystem.list_multipart_uploads(bucket):
        if upload["Key"].startswith(f"{folder.rstrip('/')}/"):
            filesystem.abort_mpu(bucket, upload["Key"], upload["UploadId"])
