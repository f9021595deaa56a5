"""Parts of a network that half precision would spoil."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch


def without_autocast(device: torch.device) -> AbstractContextManager[object]:
    """Compute in the precision of the operands, whatever precision the network around runs in."""
    if device.type == "meta":  # where networks are only counted, and autocast is not known
        return nullcontext()
    return torch.autocast(device.type, enabled=False)
