"""How far long work is that no epoch tells of, such as decoding a data set or embedding it: told to whoever listens."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

FIRST_AFTER_S, EVERY_S = 3.0, 10.0

ItemT = TypeVar("ItemT")

_LISTENER: ContextVar[Callable[[Telling], None] | None] = ContextVar("listener", default=None)


class Telling(str):
    """What is told, in words.

    Attributes:
        left_s: that the work still takes, an estimate; None where nobody knows.
    """

    left_s: float | None

    def __new__(cls, text: str, left_s: float | None = None) -> Telling:
        """Say it."""
        self = super().__new__(cls, text)
        self.left_s = left_s
        return self


@contextmanager
def listening(tell: Callable[[Telling], None]) -> Generator[None]:
    """Be told of long work of this thread meanwhile, one line at a time."""
    token = _LISTENER.set(tell)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def tell(text: str) -> None:
    """Tell whoever listens something else of the work, a line."""
    if (listener := _LISTENER.get()) is not None:
        listener(Telling(text))


def told(
    done: Iterable[ItemT], what: str, total: int, count: Callable[[ItemT], int] = lambda item: 1
) -> Iterator[ItemT]:
    """Hand on what work gives, and tell from time to time how far it is; short work is not told of.

    Args:
        done: gives one item for each that is done, or one for several.
        what: is done, such as `decoding Market-1501 (train)`.
        total: when it ends.
        count: says for how many an item stands.
    """
    tell, begun_s = _LISTENER.get(), time.monotonic()
    due_s, number = begun_s + FIRST_AFTER_S, 0
    for item in done:
        number += count(item)  # before somebody takes the item and changes it
        yield item
        now_s = time.monotonic()
        if tell is not None and now_s >= due_s and number < total:
            left_s = (now_s - begun_s) / number * (total - number)
            tell(Telling(f"{what}: {number:,} of {total:,}, about {_in_words(left_s)} left", left_s))
            due_s = now_s + EVERY_S


def _in_words(duration_s: float) -> str:
    return f"{duration_s:.0f} s" if duration_s < 90 else f"{duration_s / 60:.0f} min"
