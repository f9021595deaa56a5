"""Many names in little memory: one text and where each ends in it, which may lie in mapped files."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np

_NAMES_AT_A_TIME = 4096


class NameTable(Sequence[str]):
    """Names by their places; a list of them would take a hundred bytes a name beyond its letters.

    Attributes:
        letters: all names in UTF-8, one behind the other, uint8.
        ends_N: where each ends in it, int64.
    """

    def __init__(self, letters: np.ndarray, ends_N: np.ndarray) -> None:
        """Take what `of` has made."""
        self.letters, self.ends_N = letters, ends_N

    @classmethod
    def of(cls, names: Iterable[str]) -> NameTable:
        """Make one of names."""
        growing = GrowingNames()
        growing.extend(names)
        return growing.table()

    def __len__(self) -> int:
        """Count them."""
        return len(self.ends_N)

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> list[str]: ...

    def __getitem__(self, place: int | slice) -> str | list[str]:
        """Give a name, or several."""
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        end = int(self.ends_N[place])  # raises IndexError
        place %= len(self)
        start = int(self.ends_N[place - 1]) if place else 0
        return self.letters[start:end].tobytes().decode()

    def __iter__(self) -> Iterator[str]:
        """Give all of them, of which no list is made."""
        start = 0
        for first in range(0, len(self), _NAMES_AT_A_TIME):
            ends = self.ends_N[first : first + _NAMES_AT_A_TIME].tolist()
            letters, before = self.letters[start : ends[-1]].tobytes(), start
            for end in ends:
                yield letters[start - before : end - before].decode()
                start = end

    def chosen(self, places_N: np.ndarray) -> NameTable:
        """Give some of them, in the order of their places."""
        starts_N = np.concatenate([[0], self.ends_N])[places_N]
        ends_N = np.cumsum(self.ends_N[places_N] - starts_N, dtype=np.int64)
        letters = np.empty(int(ends_N[-1]) if len(ends_N) else 0, np.uint8)
        read, written, start = self.letters.data, letters.data, 0
        for first, end in zip(starts_N.tolist(), ends_N.tolist(), strict=True):
            written[start:end] = read[first : first + end - start]
            start = end
        return NameTable(letters, ends_N)

    def __eq__(self, other: object) -> bool:
        """Compare names by their letters."""
        if not isinstance(other, NameTable):
            return NotImplemented
        return np.array_equal(self.ends_N, other.ends_N) and np.array_equal(self.letters, other.letters)

    __hash__ = None  # pyright: ignore[reportAssignmentType]  # what it holds may be mapped, and large

    def __repr__(self) -> str:
        """Say how many they are, and the first ones."""
        return f"NameTable of {len(self)}: {self[:3]}"


class GrowingNames:
    """A table to be, in one piece of memory that grows: many pieces would leave holes behind."""

    def __init__(self) -> None:
        """Begin empty."""
        self._letters, self._ends = bytearray(), array("q")

    def extend(self, names: Iterable[str]) -> None:
        """Put names behind those that are there.

        Raises:
            UnicodeEncodeError: one has half of a sign.
        """
        for name in names:
            self._letters += name.encode()
            self._ends.append(len(self._letters))

    def table(self) -> NameTable:
        """Give the names; none can be added then."""
        return NameTable(np.frombuffer(self._letters, np.uint8), np.frombuffer(self._ends, np.int64))
