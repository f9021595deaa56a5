"""What programs print and exceptions say, as a message, a record and a terminal can hold it."""

from __future__ import annotations

import re

NUM_LAST_LINES, MAX_LINE_LENGTH = 15, 300
"""What a message repeats of what a program printed."""

MAX_STACK_BYTES = 2**18
"""How far back the stack that a dying process prints is looked for."""

ATTEMPT_LINE = re.compile(rb"^\[attempt \d+, on .*\]$", re.MULTILINE)
"""Stands between what two attempts at one training print."""
TIMEOUT_LINE = re.compile(rb"^Timeout \(\d+:\d\d:\d\d(\.\d+)?\)!$", re.MULTILINE)
FATAL_LINE = re.compile(rb"^Fatal Python error: .*$|" + TIMEOUT_LINE.pattern, re.MULTILINE)
"""What Python prints above the stacks of a process that it ends."""

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""Colours and the like of terminals."""


def printable(text: str) -> str:
    """Show control characters, and what no encoding can write, as code writes them; a tab stays."""
    return "".join(
        letter if letter.isprintable() or letter == "\t" else letter.encode("unicode_escape").decode()
        for letter in text
    )


def printed_lines(printed: bytes) -> list[str]:
    """Give the lines that are not blank, each as a message can repeat it."""
    text = _ESCAPES.sub("", printed.decode(errors="backslashreplace"))
    lines = (printable(line.rstrip()) for line in re.split(r"[\r\n]+", text))
    return [line[:MAX_LINE_LENGTH] for line in lines if line.strip()]


def last_lines(printed: bytes) -> list[str]:
    """Give the last of these lines."""
    return printed_lines(printed[-NUM_LAST_LINES * 1000 :])[-NUM_LAST_LINES:]


def last_words(printed: bytes) -> list[str]:
    """Give what the last attempt at a training printed last; of a stack that a dying process printed its beginning."""
    own = printed[-MAX_STACK_BYTES:]
    begins = list(ATTEMPT_LINE.finditer(own))
    own = own[begins[-1].end() :] if begins else own
    fatal = list(FATAL_LINE.finditer(own))
    return printed_lines(own[fatal[-1].start() :])[:NUM_LAST_LINES] if fatal else last_lines(own)


def cut_in_the_middle(text: str, max_characters: int) -> str:
    """Give a text whole where it is short enough, and else its beginning and its end."""
    if len(text) <= max_characters:
        return text
    word = f" [… {len(text) - max_characters} characters were cut here …] "
    room = max_characters - len(word)
    return text[: room - room // 2] + word + text[len(text) - room // 2 :]
