"""The memory of the GPU that this process was given, asked of torch and limited by it."""

from __future__ import annotations

import sys
from typing import Any

from tablewright.trainables.contract.memory import CONTEXT_BYTES, Card


class GpuMemory:
    """Implements `trainables.contract.device_memory.DeviceMemory`.

    torch is imported only where a limit must be set before the training does so: a method need not use it.
    """

    def begin(self, share: float) -> None:
        """Count a new peak from here on, and let this process hold no more than a share of the GPU."""
        torch = _torch(needs_it=share < 1)
        if torch is None:
            return
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        total_bytes = torch.cuda.mem_get_info()[1]
        torch.cuda.set_per_process_memory_fraction(allowed_fraction(share, total_bytes))

    def peak_bytes(self) -> int:
        """Give the most that this process has held: torch's memory, with what it keeps for later use, and CUDA's."""
        torch = _torch()
        held_bytes = 0 if torch is None else int(torch.cuda.max_memory_reserved())
        return held_bytes + CONTEXT_BYTES if held_bytes else 0

    def give_back(self) -> None:
        """Give back what torch keeps for later use."""
        torch = _torch()
        if torch is not None:
            torch.cuda.empty_cache()

    def card(self) -> Card | None:
        """Say which GPU it is."""
        torch = _torch(needs_it=True)
        if torch is None:
            return None
        return Card(torch.cuda.get_device_name(), torch.cuda.mem_get_info()[1])

    def others_bytes(self) -> int:
        """Give what other processes hold of the GPU now."""
        torch = _torch()
        if torch is None:
            return 0
        free_bytes, total_bytes = torch.cuda.mem_get_info()
        return max(0, total_bytes - free_bytes - torch.cuda.memory_reserved() - CONTEXT_BYTES)


def allowed_fraction(share: float, total_bytes: int) -> float:
    """Give the part of a GPU that torch's tensors may take, so that a share of it holds CUDA's own memory too.

    Args:
        share: of one GPU.
        total_bytes: of the GPU.
    """
    if share >= 1:
        return 1.0
    return max(0.0, share - CONTEXT_BYTES / total_bytes)


def _torch(*, needs_it: bool = False) -> Any:
    """Give torch where it is loaded, or must be, and has a GPU that answers; else None."""
    if "torch" not in sys.modules and not needs_it:
        return None
    import torch

    try:
        if torch.cuda.is_available():
            torch.cuda.mem_get_info()
            return torch
    except RuntimeError:  # what is wrong with it the training will say
        return None
    return None
