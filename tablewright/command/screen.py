"""Standard output and standard error, as the whole command writes to them."""

from __future__ import annotations

from tablewright.reports.console import make_console

console, errors = make_console("stdout"), make_console("stderr")


def words_of(error: ValueError | OSError) -> str:
    """What an error says, without the number that the system has for it where the sentence is ours."""
    if isinstance(error, OSError) and error.filename is None and error.strerror is not None:
        return error.strerror
    return str(error)
