"""Batches read while the one before is worked on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

ItemT = TypeVar("ItemT")
ReadT = TypeVar("ReadT")


def read_ahead(read: Callable[[ItemT], ReadT], items: Iterable[ItemT]) -> Iterator[tuple[ItemT, ReadT]]:
    """Give each item with what is read of it, in their order; the next one is read on a thread meanwhile.

    No more than one is read ahead, so that what is asked for, what is read next and no more is in memory.

    Args:
        read: one item; called on a thread, never twice at a time.
        items: drawn here.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead") as thread:
        ahead: tuple[ItemT, Future[ReadT]] | None = None
        for item in items:
            now, ahead = ahead, (item, thread.submit(read, item))
            if now is not None:
                yield now[0], now[1].result()
        if ahead is not None:
            yield ahead[0], ahead[1].result()


def on_its_way(images: Tensor, device: torch.device) -> Tensor:
    """Put a batch where a GPU can fetch it while it computes; on a CPU it stays where it is."""
    return images.pin_memory() if device.type == "cuda" else images
