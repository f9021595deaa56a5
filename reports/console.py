"""Where results are printed: a stream that can fail without stopping what it tells of.

When a table is printed the work is done and written. A reader that has gone away, a full disc behind a redirection or
a terminal without a sign must not turn that into an error.
"""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from tablewright.trainables.value.secret import masked
from tablewright.trainables.value.text import visible

PLAIN_SIGNS = {
    "±": "+-",
    "−": "-",
    "–": "-",
    "—": "--",
    "…": "...",
    "†": "+",
    "‡": "++",
    "✓": "(yes)",
    "✗": "(no)",
    "×": "x",
    "≤": "<=",
    "≥": ">=",
    "→": "->",
    "↑": "^",
    "↓": "v",
    "“": '"',
    "”": '"',
    "‘": "'",
    "’": "'",
    "·": "*",
    "λ": "lambda",
    "Δ": "Delta",
    "α": "alpha",
    "β": "beta",
    "γ": "gamma",
    "μ": "mu",
    "σ": "sigma",
    "τ": "tau",
    "∈": "in",
    "∞": "inf",
}


def plain(text: str, encoding: str) -> str:
    """Give a text with a plain sign for each one that an encoding has not."""
    return "".join(_plain_sign(sign, encoding) for sign in text)


def _plain_sign(sign: str, encoding: str) -> str:
    for candidate in (sign, PLAIN_SIGNS.get(sign, ""), unicodedata.normalize("NFKD", sign)):
        if candidate and _has(encoding, candidate):
            return candidate
    # Without the mark that it carries, such as the dots of ü; else the name says more than a question mark.
    bare = "".join(part for part in unicodedata.normalize("NFKD", sign) if not unicodedata.combining(part))
    return bare if bare and _has(encoding, bare) else f"U+{ord(sign):04X}"


def _has(encoding: str, text: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


class ForgivingStream:
    """Standard output or standard error, written to as far as that goes."""

    def __init__(self, name: Literal["stdout", "stderr"]) -> None:
        """Write to whatever stands under that name in `sys` when something is written."""
        self._name = name
        self._is_lost = False

    @property
    def _stream(self) -> TextIO | None:
        stream = getattr(sys, self._name)
        # While a live view is shown, what others print goes through the console; what the console writes does not.
        return getattr(stream, "rich_proxied_file", stream)

    @property
    def encoding(self) -> str:
        """Of the stream."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        """Say whether a person looks at it."""
        return not self._is_lost and self._stream is not None and self._stream.isatty()

    def write(self, text: str) -> int:
        """Write a text; nothing, once the other side is gone."""
        stream = self._stream
        if stream is not None and not self._is_lost:
            try:
                told = masked(text)
                stream.write(told if _has(self.encoding, told) else plain(told, self.encoding))
            except (OSError, ValueError):  # the pipe is closed, the disc is full, or the stream is closed
                self._give_up()
        return len(text)

    def flush(self) -> None:
        """Pass on what is kept back."""
        if self._stream is not None and not self._is_lost:
            try:
                self._stream.flush()
            except (OSError, ValueError):
                self._give_up()

    def _give_up(self) -> None:
        self._is_lost = True
        # Or Python itself tries to flush it on its way out, and fails. Ray does not start without standard error.
        setattr(sys, self._name, None if self._name == "stdout" else _open_nothing())


def loses_styles(console: Console) -> bool:
    """Say whether bold and underline are lost on their way to a reader, as in a file or on a terminal without them."""
    return not console.is_terminal or console.is_dumb_terminal


def how_it_prints(console: Console) -> tuple[object, ...]:
    """Give all that decides which signs a console makes of a text."""
    return (
        console.width,
        console.encoding,
        console.color_system,
        console.is_terminal,
        loses_styles(console),
        console.no_color,
    )


def open_closed_streams() -> None:
    """Put a stream to nowhere in the place of each standard stream that was closed before the program began.

    Ray does not start without standard error, and the first file that is opened would get the number of a closed one.
    """
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, _open_nothing())


def _open_nothing() -> TextIO:
    return Path(os.devnull).open("r+", encoding="utf-8")


class PlainSpokenConsole(Console):
    """A console whose terminal obeys no sign of a printed text, as of a file's name or a script's words."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as `rich` does, each unseen sign as code writes it; what `rich` itself tells the terminal stays."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else visible(text), style, control)


def make_console(name: Literal["stdout", "stderr"]) -> Console:
    """Give the console of a stream."""
    return PlainSpokenConsole(file=ForgivingStream(name), highlight=False, soft_wrap=True)  # pyright: ignore[reportArgumentType]
