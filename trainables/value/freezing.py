"""Copies that nobody can change: what is given as a list, an iterator, an array or a dictionary is kept as these."""

from __future__ import annotations

import enum
from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any, TypeVar

import numpy as np

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT", covariant=True)


class FrozenMapping(Mapping[KeyT, ValueT]):
    """A mapping that is read only, in the order in which it was written; it can be pickled and hashed."""

    __slots__ = ("_entries",)

    def __init__(self, entries: Mapping[KeyT, ValueT]) -> None:
        """Copy the entries."""
        self._entries = dict(entries)

    def __getitem__(self, key: KeyT) -> ValueT:
        """Look a value up."""
        return self._entries[key]

    def __iter__(self) -> Iterator[KeyT]:
        """Go through the keys."""
        return iter(self._entries)

    def __len__(self) -> int:
        """Count the entries."""
        return len(self._entries)

    def __hash__(self) -> int:
        """Agree with equality, which knows no order."""
        return hash(frozenset(self._entries.items()))

    def __or__(self, other: Mapping[Any, Any]) -> FrozenMapping[Any, Any]:
        """Give another mapping with further entries, as `|` of dictionaries does."""
        return FrozenMapping({**self, **other})

    def __ror__(self, other: Mapping[Any, Any]) -> FrozenMapping[Any, Any]:
        """Stand behind a dictionary."""
        return FrozenMapping({**other, **self})

    def __repr__(self) -> str:
        """Look like the dictionary that was written."""
        return repr(self._entries)


_FROZEN = frozenset((str, int, float, bool, type(None)))
"""Kinds that are given back as they are; those derived from them are not."""

_KINDS_OF_NUMPY = "biufcUO"  # booleans, numbers, strings and objects

EMPTY: FrozenMapping[Any, Any] = FrozenMapping({})


MAX_DEPTH = 50
"""Containers within each other; a declaration needs four."""


class TooDeep(ValueError):
    """A value contains itself, or so many containers within each other that nobody can mean it."""

    def __init__(self) -> None:
        super().__init__(f"it contains itself, or is nested more than {MAX_DEPTH} deep")


def freeze(value: Any, depth: int = 0) -> Any:
    """Copy containers, nested ones too, into tuples and read-only mappings, and numpy's numbers into Python's.

    Kinds of strings and numbers that someone has derived from Python's become Python's, but for the members of an enum.
    Anything else is given back as it is; whether it may stand in a value is for others to say.

    Raises:
        TooDeep: it cannot be copied.
    """
    if type(value) in _FROZEN:  # most values; what follows asks for a dozen kinds
        return value
    if depth > MAX_DEPTH:
        raise TooDeep
    is_numpy = isinstance(value, np.generic | np.ndarray) and not isinstance(value, np.ma.MaskedArray)
    # Of times numpy would give whole numbers, and None for what is none; of masked items None as well.
    if is_numpy and value.dtype.kind in _KINDS_OF_NUMPY:
        plain: Any = value.tolist()
        return plain if isinstance(plain, np.generic) else freeze(plain, depth)
    if isinstance(value, Mapping):
        return FrozenMapping({freeze(key, depth + 1): freeze(item, depth + 1) for key, item in value.items()})
    if isinstance(value, list | tuple | range | KeysView | ValuesView | ItemsView | Iterator):
        return tuple(freeze(item, depth + 1) for item in value)
    return value if isinstance(value, bool | enum.Enum) else _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    return float.__float__(value) if isinstance(value, float) else value


def thaw(value: Any) -> Any:
    """Give what `freeze` gives, with dictionaries in the place of read-only mappings, as pydantic wants them."""
    return _thawed(freeze(value))


def _thawed(value: Any) -> Any:
    if type(value) in _FROZEN:
        return value
    if isinstance(value, FrozenMapping):
        return {key: _thawed(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(_thawed(item) for item in value)
    return value
