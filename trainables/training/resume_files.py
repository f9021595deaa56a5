"""The two files that a training's state is kept in by turns, each with its own checksum, and going on from them.

The older one is overwritten, and only by a whole file, so that one whole file is there at any time. At its end stands a
seal: its number and the SHA-256 of all before. Readers of torch's archives do not look at what follows them; files of
older stores have no seal.
"""

from __future__ import annotations

import hashlib
import os
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, cast

from tablewright.trainables.contract.run import RESUME_CHECKPOINTS, Checkpoints
from tablewright.trainables.training.checkpoint_fault import UNREADABLE, CheckpointFault

MARK = b"tablewright seal"
SEAL = struct.Struct(">16sQ32s")  # the mark, a number, SHA-256 of all before it
END_OF_ARCHIVE, END_BYTES = b"PK\x05\x06", 22
"""What the last record of an archive begins with, and how long it is."""
CHUNK_BYTES = 2**20


class Unwanted(Exception):
    """A file that is being written is no longer needed."""


@dataclass(frozen=True)
class _Found:
    """What the end of a file says of it."""

    name: str
    number: int = 0
    """Of the checkpoint; 0 of a file without a seal."""
    fault: str = ""
    """What is wrong with it, where that can be seen from its end."""
    sha256: bytes = b""


class ResumeFiles:
    """The state of one training, in its folder."""

    def __init__(self, checkpoints: Checkpoints) -> None:
        """Look for nothing yet."""
        self._checkpoints = checkpoints
        self._number, self._next = 1, RESUME_CHECKPOINTS[0]

    def exist(self) -> bool:
        """Say whether there is a state to go on from, sound or not."""
        return any(map(self._checkpoints.exists, RESUME_CHECKPOINTS))

    def take_up(self, load: Callable[[str], None]) -> None:
        """Go on from the newest state that is sound; where that is not the newest, a warning says so.

        Args:
            load: takes the state from the file of that name; raises CheckpointFault where it cannot be used.

        Raises:
            CheckpointFault: there are files, and none of them can be used.
        """
        faults: list[CheckpointFault] = []
        for one in self._newest_first():
            try:
                self._check(one)
                load(one.name)
            except CheckpointFault as fault:
                faults.append(fault)
                continue
            for fault in faults:
                warnings.warn(
                    f"{fault.what}; the training goes on from the checkpoint beside it, {one.name}",
                    stacklevel=2,
                )
            self._went_on_from(one)
            return
        if len(faults) > 1:
            raise CheckpointFault(
                f"neither of the two checkpoints can be used: {'; '.join(fault.what for fault in faults)}",
                "Get one back from a copy, or delete both files to train from the start",
            )
        if faults:
            raise faults[0]

    def _went_on_from(self, one: _Found) -> None:
        self._number = one.number + 1
        (self._next,) = set(RESUME_CHECKPOINTS) - {one.name}

    def write(
        self, write_to: Callable[[BinaryIO], None], is_wanted: Callable[[], bool] = lambda: True
    ) -> None:
        """Write the next one; until it is whole, the one before is there.

        Args:
            write_to: writes the state into a file.
            is_wanted: asked again and again; the file is given up when it is not.

        Raises:
            Unwanted: it was given up.
            OSError: it cannot be written; the files are as they were.
        """
        with self._checkpoints.open_to_write(self._next) as file:
            sealing = _Sealing(file, is_wanted)
            write_to(cast(BinaryIO, sealing))
            sealing.seal(self._number)
        self._went_on_from(_Found(self._next, self._number))

    def _newest_first(self) -> list[_Found]:
        """Give the files that are there; one whose end shows that it is damaged may be the newest."""
        found = [self._look_at(name) for name in RESUME_CHECKPOINTS if self._checkpoints.exists(name)]
        if any(one.number > 1 for one in found):  # by then both have had a seal
            found = [replace(one, fault=one.fault or UNREADABLE) if not one.number else one for one in found]
        return sorted(found, key=lambda one: (bool(one.fault), one.number), reverse=True)

    def _look_at(self, name: str) -> _Found:
        with self._checkpoints.open_to_read(name) as file:
            num_bytes = file.seek(0, os.SEEK_END)
            file.seek(max(num_bytes - SEAL.size, 0))
            end = file.read(SEAL.size)
        if len(end) == SEAL.size and end.startswith(MARK):
            _, number, sha256 = SEAL.unpack(end)
            return _Found(name, number, sha256=sha256)
        if end[-END_BYTES:].startswith(END_OF_ARCHIVE):
            return _Found(name)  # of an older store
        return _Found(name, fault=UNREADABLE)

    def _check(self, one: _Found) -> None:
        fault = one.fault
        if one.sha256 and self._sha256_of(one.name, one.number) != one.sha256:
            fault = "cannot be read: it is damaged (its content and its checksum differ)"
        if fault:
            raise CheckpointFault.of(self._checkpoints, one.name, fault)

    def _sha256_of(self, name: str, number: int) -> bytes:
        digest = hashlib.sha256()
        with self._checkpoints.open_to_read(name) as file:
            left = file.seek(0, os.SEEK_END) - SEAL.size
            file.seek(0)
            while left > 0 and (content := file.read(min(CHUNK_BYTES, left))):
                digest.update(content)
                left -= len(content)
        digest.update(number.to_bytes(8, "big"))
        return digest.digest()


class _Sealing:
    """A file that is digested while it is written."""

    def __init__(self, file: BinaryIO, is_wanted: Callable[[], bool]) -> None:
        self._file, self._is_wanted = file, is_wanted
        self._digest = hashlib.sha256()

    def write(self, content: Any) -> int:
        view = memoryview(content).cast("B")
        for begin in range(
            0, len(view), CHUNK_BYTES
        ):  # in pieces, each still in the processor's cache when it is digested
            if not self._is_wanted():
                raise Unwanted
            self._digest.update(view[begin : begin + CHUNK_BYTES])
            self._file.write(view[begin : begin + CHUNK_BYTES])
        return len(view)

    def flush(self) -> None:
        self._file.flush()

    def seal(self, number: int) -> None:
        self._digest.update(number.to_bytes(8, "big"))
        self._file.write(SEAL.pack(MARK, number, self._digest.digest()))
