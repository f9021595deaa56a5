"""Standard output and errors that tell no secret, whoever writes to them: tracebacks, threads, loggers, libraries."""

from __future__ import annotations

import logging
import re
import sys
import threading
import traceback
from types import TracebackType
from typing import Any, TextIO

from tablewright.trainables.value.secret import MASK, masked

MAX_HELD_CHARACTERS = 2**16
"""Of a line that does not end."""
_OPEN_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(?![\s\S]*-----END [A-Z0-9 ]*PRIVATE KEY-----)")


class MaskedStream:
    """A stream that masks the secrets of what is written to it, and is otherwise the one that it stands for.

    What is written piece by piece is masked line by line: a line is passed on when it ends, or when it is flushed, and
    what follows it then is masked as the rest of that line. A private key is passed on as a whole.
    """

    def __init__(self, stream: TextIO) -> None:
        """Stand for a stream."""
        self._stream = stream
        self._lock = threading.RLock()  # of a handler of signals, which may print in the middle of a line
        self._line = self._told = (
            ""  # what was written of the line that has not ended, and what was passed on of it
        )

    def write(self, text: str) -> int:
        """Write a text without its secrets."""
        with self._lock:
            self._line += text
            end = max(self._line.rfind("\n"), self._line.rfind("\r")) + 1
            if key := _OPEN_KEY.search(self._line[:end]):
                end = self._line.rfind("\n", 0, key.start()) + 1
            if len(self._line) - end > MAX_HELD_CHARACTERS:
                end = len(self._line)
            if end:
                whole, self._line = self._line[:end], self._line[end:]
                self._tell(whole)
                self._told = ""
        return len(text)

    def flush(self) -> None:
        """Pass on what is kept back, also of a line that has not ended."""
        with self._lock:
            if self._line:
                self._tell(self._line)
                self._told = masked(self._line)
            self._stream.flush()

    def _tell(self, line: str) -> None:
        told, ending = masked(line), line[len(line.rstrip("\r\n")) :]
        # Else what is a secret has begun in what was flushed.
        told = told[len(self._told) :] if told.startswith(self._told) else f"{MASK}{ending}"
        if told:
            self._stream.write(told)

    def writelines(self, lines: Any) -> None:
        """Write the lines one after the other."""
        for line in lines:
            self.write(line)

    def __iter__(self) -> Any:
        """Read it line by line, as far as the stream can be read."""
        return iter(self._stream)

    def __getattr__(self, name: str) -> Any:
        """Give everything else of the stream itself."""
        return getattr(self._stream, name)


def mask_streams() -> None:
    """Mask from now on what this process writes to standard output and standard error.

    A traceback is masked as a whole: Python writes it in pieces, and a secret may stand on several lines of it.
    """
    handlers = [
        handler for handler in logging.getLogger().handlers if isinstance(handler, logging.StreamHandler)
    ]
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None or isinstance(stream, MaskedStream):
            continue
        instead = MaskedStream(stream)
        setattr(sys, name, instead)
        for handler in handlers:
            if handler.stream is stream:
                handler.setStream(instead)
    sys.excepthook = _tell
    threading.excepthook = _tell_of_thread


def _tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt | SystemExit):
        sys.__excepthook__(kind, error, trace)
    elif sys.stderr is not None:
        sys.stderr.write(masked("".join(traceback.format_exception(kind, error, trace))))


def _tell_of_thread(told: threading.ExceptHookArgs) -> None:
    if issubclass(told.exc_type, SystemExit) or told.exc_value is None or sys.stderr is None:
        return
    name = "one that has ended" if told.thread is None else told.thread.name
    trace = "".join(traceback.format_exception(told.exc_type, told.exc_value, told.exc_traceback))
    sys.stderr.write(masked(f"Exception in thread {name}:\n{trace}"))
