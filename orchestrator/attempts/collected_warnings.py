"""What a training, and the code that it calls, warns of: kept for its record, since nobody reads a worker's log.

Both ways of warning are heard: Python's `warnings` and `logging` from WARNING on, of whatever module, but for the
libraries that run the worker and speak of themselves.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from tablewright.trainables.value.secret import masked

OF_THE_WORKER = (
    "ray",
    "mlflow",
    "optuna",
    "alembic",
    "urllib3",
    "botocore",
    "fsspec",
    "asyncio",
    "py.warnings",
)
"""Loggers that speak of the worker and not of what it trains."""

IGNORED_CATEGORIES = (
    DeprecationWarning,
    PendingDeprecationWarning,
    FutureWarning,
    ImportWarning,
    ResourceWarning,
)
"""For who writes the code, not for who reads its numbers."""

MAX_WARNINGS, MAX_CHARACTERS = 20, 500


class CollectedWarnings(logging.Handler):
    """Different sentences, in the order in which they were first said."""

    def __init__(self) -> None:
        """Begin with none."""
        super().__init__(logging.WARNING)
        self._said: dict[str, None] = {}
        self._num_more = 0

    def add(self, sentence: str) -> None:
        """Keep a sentence, unless it was said before."""
        line = masked(" ".join(sentence.split()))
        line = line if len(line) <= MAX_CHARACTERS else f"{line[: MAX_CHARACTERS - 1]}…"
        if line in self._said:
            return
        if len(self._said) < MAX_WARNINGS:
            self._said[line] = None
        else:
            self._num_more += 1

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what is logged; a record that cannot be put into words is kept as it was written."""
        if record.name.partition(".")[0] in OF_THE_WORKER:
            return
        try:
            self.add(record.getMessage())
        except Exception:  # its arguments do not fit its format
            self.add(str(record.msg))

    def so_far(self) -> tuple[str, ...]:
        """Give what was said until now."""
        more = (f"{self._num_more} further warnings are left out",) if self._num_more else ()
        return (*self._said, *more)


@contextmanager
def collected_warnings() -> Generator[CollectedWarnings]:
    """Collect every warning of this process meanwhile; it goes where it would have gone as well."""
    said = CollectedWarnings()
    root = logging.getLogger()
    root.addHandler(said)
    try:
        with warnings.catch_warnings():
            show = warnings.showwarning

            def keep(
                message: Warning | str, category: type[Warning], filename: str, lineno: int, *rest: Any
            ) -> None:
                if not issubclass(category, IGNORED_CATEGORIES):
                    said.add(str(message))
                show(message, category, filename, lineno, *rest)

            warnings.showwarning = keep
            yield said
    finally:
        root.removeHandler(said)
