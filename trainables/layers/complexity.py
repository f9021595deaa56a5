"""Counting the size and the compute of a network without giving it memory.

Legend: B images, C channels, H W height and width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def count_parameters(module: nn.Module) -> int:
    """Count every parameter, frozen ones included, shared ones once; buffers are not parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_multiply_adds(module: nn.Module, run: Callable[[], Any]) -> int:
    """Count the multiply-adds of the convolutions and linear layers that `run` makes in `module`.

    One multiply-add is one. Biases, norms, pooling and products outside such layers are not counted. On
    the meta device nothing is computed and no memory is taken.

    Args:
        module: whose layers are watched.
        run: calls the network once; returns nothing of interest.
    """
    total = 0

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        per_output = layer.weight[0].numel()  # one filter: input channels of the group times its window
        total += output.numel() * per_output

    handles = [
        layer.register_forward_hook(count)
        for layer in module.modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    try:
        with torch.no_grad():
            run()
    finally:
        for handle in handles:
            handle.remove()
    return total
