"""Work of torch on several threads, one piece each, rather than each piece on all of them.

Where a piece is a product and what is counted of it, a library's own threads wait for each other at the end of
every product, and all but one while Python counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

PieceT = TypeVar("PieceT")
ResultT = TypeVar("ResultT")


def side_by_side(
    work: Callable[[PieceT], ResultT], pieces: Iterable[PieceT], num_threads: int
) -> Iterator[ResultT]:
    """Work on pieces on threads, in each of which torch has one thread.

    Args:
        work: on one piece; nothing that it shares with the others may be written.
        pieces: what there is to do.
        num_threads: how many pieces are worked on at a time; one is worked on here, with torch's threads.

    Yields:
        What work gives, in the order of the pieces.
    """
    if num_threads == 1:
        yield from map(work, pieces)
        return
    before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(num_threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield from pool.map(work, pieces)
    finally:
        # That of a thread is its own, but torch gives the last one that was set to all threads to come.
        torch.set_num_threads(before)
