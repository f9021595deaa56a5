"""The size of a method's network, counted on the meta device."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from trainables.contract import NetworkSize
from trainables.layers.complexity import count_multiply_adds, count_parameters


def measure_size(
    build: Callable[[], nn.Module],
    infer: Callable[[nn.Module, Tensor], Mapping[str, Tensor]],
    shape: tuple[int, ...],
) -> NetworkSize:
    """Count a network's parameters, those that inference reads, and its multiply-adds.

    Args:
        build: makes the network, with random weights.
        infer: what inference computes of an image.
        shape: of one image, (1, C, H, W).
    """
    with torch.device("meta"):
        network = build().eval().requires_grad_(True)
        images_BCHW = torch.zeros(shape)
    multiply_adds = count_multiply_adds(network, lambda: infer(network, images_BCHW))
    # What inference reads is what its outputs have a gradient of; its values do not matter on this device.
    torch.stack([output.sum() for output in infer(network, images_BCHW).values()]).sum().backward()
    read = sum(parameter.numel() for parameter in network.parameters() if parameter.grad is not None)
    return NetworkSize(count_parameters(network), read, multiply_adds)
