"""Copies to a GPU that the CPU does not wait for."""

from __future__ import annotations

import torch
from torch import Tensor


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """Give a tensor of the CPU on a device, at once: the GPU reads it out of pinned memory when it comes to it.

    `torch.tensor(…, device=…)` and `.to(device)` copy out of pageable memory, for which the CPU waits until the GPU has
    done all that it was given before.

    Args:
        tensor: on the CPU.
        device: where it is wanted.
    """
    return tensor if device.type == "cpu" else tensor.pin_memory().to(device, non_blocking=True)
