"""Standard output and errors that tell no secret, whoever writes to them: tracebacks, threads, loggers, libraries."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from types import TracebackType
from typing import Any, TextIO

from tablewright.trainables.value.secret import masked


class MaskedStream:
    """A stream that masks the secrets of what is written to it, and is otherwise the one that it stands for."""

    def __init__(self, stream: TextIO) -> None:
        """Stand for a stream."""
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text without its secrets; one that is written piece by piece is masked in each piece."""
        self._stream.write(masked(text))
        return len(text)

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
