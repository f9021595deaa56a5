"""The lists of a JSON file of any size, some of their entries at a time.

iNaturalist's are of 579,184 entries: whole, they would take half a gigabyte in a process.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

from tablewright.trainables.data.labelled_images import read_json

CHUNK_LETTERS = 2**20
"""Read at a time."""

_TRIES = 8
"""Of finding where an entry ends: a brace may stand in a text, or end a part of an entry."""

_SPACE = re.compile(r"[ \t\n\r]*")

_DECODER = json.JSONDecoder()


class Entries(Protocol):
    """Takes the entries of a list."""

    def add(self, entries: list[Any]) -> None:
        """Take the next ones."""
        ...


EntriesT = TypeVar("EntriesT", bound=Entries)


class _NotSoWritten(Exception):
    """The file is another kind of JSON, or none."""


def read_lists(path: Path, takers: Mapping[str, Callable[[], EntriesT]]) -> dict[str, EntriesT]:
    """Read lists that stand in the object that a file holds.

    Args:
        path: of the file.
        takers: key of a list -> makes what takes its entries.

    Returns:
        What has taken the entries, of each list that is there.

    Raises:
        ValueError: it is no JSON, and where that is seen.
    """
    try:
        return _Reader(path).read(takers)
    except (_NotSoWritten, ValueError, RecursionError):
        content = read_json(path)  # it says what is wrong, or reads what is written in an unusual way
    found: dict[str, EntriesT] = {}
    for key, make in takers.items():
        entries = content.get(key) if isinstance(content, dict) else None
        if isinstance(entries, list):
            found[key] = make()
            found[key].add(entries)
    return found


class _Reader:
    """Reads one file from its beginning to its end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._text, self._place = "", 0

    def read(self, takers: Mapping[str, Callable[[], EntriesT]]) -> dict[str, EntriesT]:
        found: dict[str, EntriesT] = {}
        with self._path.open(encoding="utf-8-sig") as self._file:
            self._expect("{")
            while True:
                key = self._value()
                self._expect(":")
                if key in found:
                    raise _NotSoWritten
                if key in takers and self._next() == "[":
                    found[key] = takers[key]()
                    self._read_list(found[key])
                else:
                    self._value()
                if self._expect(",}") == "}":
                    break
            if self._next():
                raise _NotSoWritten
        return found

    def _read_list(self, taker: Entries) -> None:
        """Hand on what is there of a list: one of some of its entries is JSON again if a bracket is put to each end."""
        self._expect("[")
        while True:
            entries, is_end = self._entries()
            taker.add(entries)
            if is_end:
                return
            if self._expect(",]") == "]":
                return
            if self._next() == "]":
                raise _NotSoWritten

    def _entries(self) -> tuple[list[Any], bool]:
        """Give some entries, and whether the list ended behind them."""
        while True:
            end = len(self._text)
            for _ in range(_TRIES):
                end = self._text.rfind("}", self._place, end)
                if end < 0:
                    break
                try:
                    entries, length = _DECODER.raw_decode(f"[{self._text[self._place : end + 1]}]")
                except json.JSONDecodeError:
                    continue
                is_end = length < end - self._place + 3
                self._place += length - 1 if is_end else length - 2
                return entries, is_end
            if not self._fill():
                raise _NotSoWritten

    def _value(self) -> Any:
        """Give a value whole; what may go on behind what was read so far is read again."""
        self._next()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._place)
            except json.JSONDecodeError:
                end = len(self._text)
            else:
                if end < len(self._text):
                    self._place = end
                    return value
            if not self._fill():
                raise _NotSoWritten

    def _expect(self, signs: str) -> str:
        """Go beyond one of some signs, and give it."""
        sign = self._next()
        if not sign or sign not in signs:
            raise _NotSoWritten
        self._place += 1
        return sign

    def _next(self) -> str:
        """Go to the next sign that is no space; "" at the end."""
        while True:
            space = _SPACE.match(self._text, self._place)
            self._place = self._place if space is None else space.end()
            if self._place < len(self._text):
                return self._text[self._place]
            if not self._fill():
                return ""

    def _fill(self) -> bool:
        """Read on, at least as much as is left over, so that a long value is not read too often; false at the end."""
        left = self._text[self._place :]
        more = self._file.read(max(CHUNK_LETTERS, len(left)))
        self._text, self._place = left + more, 0
        return bool(more)
