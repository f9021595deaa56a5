"""An exception in words that can be kept and shown, whatever it is: its text may be huge, or raise itself."""

from __future__ import annotations

import traceback

from tablewright.trainables.value.printed_text import cut_in_the_middle, printable

MAX_MESSAGE_CHARACTERS = 2_000
MAX_TRACE_CHARACTERS = 64_000
MAX_WHOLE_BYTES = 8 * 2**20
"""Of the whole text that is kept beside a failure record in which it was cut."""


def words_of(error: BaseException) -> str:
    """Name an exception and what it says, whole."""
    name = type(error).__name__
    try:
        said = str(error)
    except BaseException as fault:  # even what asks the process to end: nobody has asked it to
        said = f"(what it says cannot be printed: its __str__ raised {type(fault).__name__})"
    return f"{name}: {said}" if said else name


def trace_of(error: BaseException) -> str:
    """Give its traceback, whole."""
    try:
        return "".join(traceback.format_exception(error))
    except BaseException as fault:  # of an exception that answers wrongly when it is asked for its notes
        frames = "".join(traceback.format_tb(error.__traceback__))
        return f"{frames}{words_of(error)}\n(the rest cannot be printed: {type(fault).__name__})\n"


def as_message(text: str) -> str:
    """Give a text as a message: short, and without what a terminal would act on. Lines stay lines."""
    cut = cut_in_the_middle(text, MAX_MESSAGE_CHARACTERS)
    return "\n".join(printable(line) for line in cut.splitlines())


def as_trace(text: str) -> str:
    """Give a text as a record keeps it in full, as far as it goes."""
    return encodable(cut_in_the_middle(text, MAX_TRACE_CHARACTERS))


def is_cut(message: str, trace: str) -> bool:
    """Say whether a record cannot hold all of it."""
    return len(message) > MAX_MESSAGE_CHARACTERS or len(trace) > MAX_TRACE_CHARACTERS


def encodable(text: str) -> str:
    """Show what UTF-8 cannot write, as half of a pair that stands for one letter, as code writes it."""
    return text.encode(errors="backslashreplace").decode()
