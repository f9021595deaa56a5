"""What a training prints, kept in `output.txt` of its folder: its beginning and its end, over all attempts.

It is written where it is kept, by the system itself, so that it is there however the process ends. Beside an object
store it is written into the machine's cache and sent from time to time; what a process that was killed there has not
sent, the next attempt on the same machine does.

Secrets are masked: in what Python prints at once, in what C code and other programs print when the attempt ends, or,
where it was killed, when the next one begins.
"""

from __future__ import annotations

import ctypes
import faulthandler
import hashlib
import logging
import os
import platform
import re
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, cast

from tablewright.orchestrator.masked_streams import MaskedStream
from tablewright.orchestrator.store.record import now
from tablewright.orchestrator.store.training_folder import OUTPUT, TrainingFolder
from tablewright.trainables.value.secret import masked_bytes

HEAD_BYTES, TAIL_BYTES = 2**20, 2**20
"""What is kept of its beginning, and of its end."""
LOOK_EVERY_S = 1.0
"""How often its size is looked at; it may grow by as much as is printed meanwhile."""
SEND_EVERY_S = 60.0

_CUT = re.compile(rb"\n\[\xe2\x80\xa6 (\d+) bytes were cut here \xe2\x80\xa6\]\n")

logger = logging.getLogger(__name__)


class TrainingOutput:
    """The open file of one attempt.

    Attributes:
        printed_before: by earlier attempts, the end of it; empty where there was none.
    """

    def __init__(self, training: TrainingFolder, cache_dir: str, num_attempts_before: int) -> None:
        """Begin; nothing is made before something is printed, or captured.

        Args:
            training: whose output it is.
            cache_dir: of this machine.
            num_attempts_before: starts of the training before this one.
        """
        self._training, self._num_before = training, num_attempts_before
        self._is_sent = training.local_path is None
        digest = hashlib.sha256(training.url.encode()).hexdigest()
        self._path = (training.local_path or Path(cache_dir).expanduser() / "output" / digest[:32]) / OUTPUT
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._begin_bytes = self._own_bytes = 0
        self._sent_bytes = -1
        self._look_at_s = self._send_at_s = 0.0
        self.printed_before = b""

    def descriptor(self) -> int:
        """Give the descriptor of the file, to which anybody may append."""
        if self._descriptor is not None:
            return self._descriptor
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._is_sent and self._num_before:
            self._fetch()
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
        self._descriptor = descriptor = os.open(self._path, flags, 0o666)
        self._begin_bytes = os.fstat(descriptor).st_size
        if self._begin_bytes:
            self._begin_bytes = _mask(descriptor)
            self.printed_before = os.pread(descriptor, TAIL_BYTES, max(0, self._begin_bytes - TAIL_BYTES))
            begun = f"{now():%Y-%m-%d %H:%M:%S} UTC"
            line = f"\n[attempt {self._num_before + 1}, on {platform.node()} at {begun}]\n"
            os.write(descriptor, line.encode())
        self._own_bytes = os.fstat(descriptor).st_size
        return descriptor

    def _fetch(self) -> None:
        """Take what the store has, unless an attempt that was killed here has left the same and more."""
        stored = self._training.output()
        left = self._path.read_bytes() if self._path.exists() else b""
        if not left.startswith(stored):
            self._path.write_bytes(stored)
        self._sent_bytes = len(stored)

    def write(self, printed: bytes) -> None:
        """Add what a program of the training printed."""
        with self._lock:
            descriptor = self.descriptor()
        printed = masked_bytes(printed)
        while printed:
            printed = printed[os.write(descriptor, printed) :]
        self.look()

    def look(self) -> None:
        """Cut the middle of it where it has grown too long, and send it where it is due."""
        now_s = time.monotonic()
        if self._descriptor is None or now_s < self._look_at_s:
            return
        self._look_at_s = now_s + LOOK_EVERY_S
        with self._lock:
            self._cut(self._descriptor)
            if self._is_sent and now_s >= self._send_at_s:
                self._send_at_s = now_s + SEND_EVERY_S
                self._send()

    def _cut(self, descriptor: int) -> None:
        size = os.fstat(descriptor).st_size
        if size <= HEAD_BYTES + 2 * TAIL_BYTES:
            return
        before = _CUT.match(os.pread(descriptor, 100, HEAD_BYTES))
        num_cut = size - HEAD_BYTES - TAIL_BYTES
        if before is not None:
            num_cut += int(before[1]) - len(before[0])
        word = f"\n[… {num_cut} bytes were cut here …]\n".encode()
        tail = os.pread(descriptor, TAIL_BYTES, size - TAIL_BYTES)
        os.ftruncate(descriptor, HEAD_BYTES)  # what is printed in this moment is lost
        os.write(descriptor, word + tail)

    def _send(self) -> None:
        content = masked_bytes(self._path.read_bytes())
        if len(content) == self._sent_bytes or not content:
            return
        try:
            self._training.write_output(content)
            self._sent_bytes = len(content)
        except Exception as error:  # of an object store, of one of many kinds; it is tried again
            logger.warning("what the training printed cannot be kept in the store now: %s", error)

    def close(self) -> None:
        """Leave it as this attempt has made it, and no trace where it printed nothing."""
        descriptor = self._descriptor
        if descriptor is None:
            return
        with self._lock:
            self._descriptor = None
            self._cut(descriptor)
            if os.fstat(descriptor).st_size == self._own_bytes:
                os.ftruncate(descriptor, self._begin_bytes)
                if not self._begin_bytes:
                    self._path.unlink(missing_ok=True)
            else:
                _mask(descriptor)
            os.close(descriptor)
            if self._is_sent and self._path.exists():
                self._send()
                if self._sent_bytes == self._path.stat().st_size:
                    self._path.unlink(missing_ok=True)

    @contextmanager
    def captured(self) -> Generator[None]:
        """Let all that this process and its children print go there meanwhile, what C code prints too.

        A stack is printed there as well where the process ends by a fault such as SIGSEGV.
        """
        descriptor = self.descriptor()
        _flush()
        kept = {number: os.dup(number) for number in (1, 2)}
        streams = sys.stdout, sys.stderr
        was_enabled = faulthandler.is_enabled()
        for number in kept:
            os.dup2(descriptor, number)
        # What stands in a buffer when a process dies is lost, so that each line is written at its end.
        sys.stdout, sys.stderr = (cast(TextIO, MaskedStream(_line_by_line(number))) for number in (1, 2))
        faulthandler.enable(file=2, all_threads=True)
        ended = threading.Event()
        looking = threading.Thread(target=self._keep_looking, args=(ended,), daemon=True)
        looking.start()
        try:
            yield
        finally:
            _flush()
            sys.stdout, sys.stderr = streams
            for number, before in kept.items():
                os.dup2(before, number)
                os.close(before)
            if not was_enabled:
                faulthandler.disable()
            ended.set()
            looking.join()

    def _keep_looking(self, ended: threading.Event) -> None:
        while not ended.wait(LOOK_EVERY_S):
            try:
                self.look()
            except OSError as error:  # of a full disc, say: what it keeps from being written is told by that
                logger.info("the output of the training cannot be kept: %s", error)


def _mask(descriptor: int) -> int:
    """Mask what is in a file; gives its size."""
    size_bytes = os.fstat(descriptor).st_size
    content = os.pread(descriptor, size_bytes, 0)
    if (harmless := masked_bytes(content)) != content:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, harmless)
    return os.fstat(descriptor).st_size


def _line_by_line(number: int) -> TextIO:
    """Open a standard stream anew. Whoever keeps it, as a logger does, writes to the old one again later."""
    return open(number, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # closed, or none
            continue
    ctypes.CDLL(None).fflush(None)


@contextmanager
def kept_output(
    training: TrainingFolder, cache_dir: str, num_attempts_before: int
) -> Generator[TrainingOutput]:
    """Keep what the programs of one attempt print; of this process only what is captured."""
    output = TrainingOutput(training, cache_dir, num_attempts_before)
    try:
        yield output
    finally:
        try:
            output.close()
        except OSError as error:  # how the attempt ended matters more
            logger.warning("the end of what the training printed cannot be kept: %s", error)
