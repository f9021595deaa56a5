"""Reads many records at once: reading waits for the disk or the network, not for a core."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

NUM_READERS = 16
"""An object store answers slowly and many at a time."""


def read_all(read: Callable[[ItemT], ResultT], items: Iterable[ItemT]) -> list[ResultT]:
    """Read each item, several at a time; gives the results in the order of the items."""
    with ThreadPoolExecutor(NUM_READERS) as readers:
        return list(readers.map(read, items))
