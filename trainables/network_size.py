"""The size of a method's network, counted on the meta device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from trainables.contract import NetworkSize
from trainables.layers.complexity import count_multiply_adds, count_parameters


def measure_size(
    build: Callable[[], nn.Module],
    infer: Callable[[nn.Module, Tensor], Mapping[str, Tensor]],
    shape: tuple[int, ...],
) -> NetworkSize:
    """Count a network's parameters, those that inference reads, its multiply-adds and its depth.

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
    total = torch.stack([output.sum() for output in infer(network, images_BCHW).values()]).sum()
    depth = _longest_chain(total)
    total.backward()
    read = sum(parameter.numel() for parameter in network.parameters() if parameter.grad is not None)
    return NetworkSize(count_parameters(network), read, multiply_adds, depth)


def _longest_chain(output: Tensor) -> int:
    """Count the convolutions and linear layers on the path to an output that has the most of them."""
    depths: dict[Any, int] = {}
    open_nodes: list[Any] = [output.grad_fn]
    while open_nodes:
        node = open_nodes[-1]
        before = [earlier for earlier, _ in node.next_functions if earlier is not None]
        unknown = [earlier for earlier in before if earlier not in depths]
        if unknown:
            open_nodes += unknown
            continue
        depths[node] = _is_layer(node) + max((depths[earlier] for earlier in before), default=0)
        open_nodes.pop()
    return depths[output.grad_fn]


def _is_layer(node: Any) -> bool:
    """Say whether a step of the backward pass multiplies with a weight, transposed first in linear layers."""
    if not node.name().startswith(("Convolution", "Addmm", "Mm")):
        return False
    factors = [factor for factor, _ in node.next_functions if factor is not None]
    factors += [
        inner for factor in factors if factor.name() == "TBackward0" for inner, _ in factor.next_functions
    ]
    return any(isinstance(getattr(factor, "variable", None), nn.Parameter) for factor in factors)
