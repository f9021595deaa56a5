"""Batches that are read, and copied to a GPU, while it computes the one before."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

import torch
from torch import Tensor

from tablewright.trainables.data.read_ahead import read_ahead

Batch = tuple[Tensor, Tensor]
Draw = TypeVar("Draw")


def copied_ahead(
    gather: Callable[[Draw], Batch], draws: Iterator[Draw], device: torch.device
) -> Generator[Batch]:
    """Yield what is gathered of each draw, on the device, without end.

    On a CPU a batch is gathered when it is asked for. On a GPU a thread gathers the next one into pinned memory while
    a step is launched, and a stream of its own copies it beside the step's kernels: neither the CPU nor the GPU waits
    for it, unless gathering takes longer than a step.

    Args:
        gather: gives images and labels on the CPU; of one draw at a time, in their order.
        draws: without end.
        device: where batches are wanted.
    """
    if device.type == "cpu":
        yield from map(gather, draws)
        return

    def gather_pinned(draw: Draw) -> Batch:
        images, labels = gather(draw)
        return images.pin_memory(), labels.pin_memory()

    copying = torch.cuda.Stream(device)
    for _, (images, labels) in read_ahead(gather_pinned, draws):
        with torch.cuda.stream(copying):
            batch = images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
        computing = torch.cuda.current_stream(device)
        computing.wait_event(copying.record_event())
        for tensor in batch:  # whose memory is not given to another copy before the step has ended
            tensor.record_stream(computing)
        yield batch
