"""Many names in little memory: one text and where each ends in it, which may lie in mapped files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np


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
        encoded = [name.encode() for name in names]
        ends_N = np.cumsum([len(name) for name in encoded], dtype=np.int64)
        return cls(np.frombuffer(b"".join(encoded), np.uint8), ends_N)

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
        for end in self.ends_N:
            yield self.letters[start:end].tobytes().decode()
            start = end

    def chosen(self, places_N: np.ndarray) -> NameTable:
        """Give some of them, in the order of their places."""
        return NameTable.of(self[int(place)] for place in places_N)

    def __eq__(self, other: object) -> bool:
        """Compare names by their letters."""
        if not isinstance(other, NameTable):
            return NotImplemented
        return np.array_equal(self.ends_N, other.ends_N) and np.array_equal(self.letters, other.letters)

    __hash__ = None  # pyright: ignore[reportAssignmentType]  # what it holds may be mapped, and large

    def __repr__(self) -> str:
        """Say how many they are, and the first ones."""
        return f"NameTable of {len(self)}: {self[:3]}"
