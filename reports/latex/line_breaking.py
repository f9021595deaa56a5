"""Where a text that is too wide for its place is broken into lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

_BEHIND = re.compile(r"(?<=[\s/_.,:;=+)\]-])(?=[^\s])")
"""Where a text may be broken: behind a space, and behind signs that part a long word."""


def break_lines(text: str, room_pt: float, measure: Callable[[str], float]) -> list[str]:
    """Break a text into as few lines as fit; a word that is wider than a line is cut.

    Args:
        text: one line.
        room_pt: that a line has.
        measure: tells how wide a text is, in points.
    """
    lines: list[str] = []
    line = ""
    for part in _parts(text, room_pt, measure):
        if line and measure((line + part).rstrip()) > room_pt:
            lines.append(line.rstrip())
            line = ""
        line += part
    return [*lines, line.rstrip()] if line or not lines else lines


def _parts(text: str, room_pt: float, measure: Callable[[str], float]) -> Iterator[str]:
    for word in re.findall(r"\S+\s*", text):
        if measure(word.rstrip()) <= room_pt:
            yield word
            continue
        for part in _BEHIND.split(word):
            if measure(part) <= room_pt:
                yield part
            else:
                yield from part


def longest_word_pt(text: str, measure: Callable[[str], float]) -> float:
    """Tell how wide the widest word is."""
    return max((measure(word) for word in text.split()), default=0.0)
