"""Weights of convolutions in half precision for a step, made all at once, as are their gradients in float32.

Autocast casts the weight of every convolution by itself, and its gradient too: in MDPR's step two kernels for each of
two hundred convolutions. The numbers are the same.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


@contextmanager
def weights_in(dtype: torch.dtype | None, network: nn.Module) -> Generator[None]:
    """Let the convolutions of a network have weights of a type, by which gradients reach their own.

    Args:
        dtype: that autocast gives convolutions; None changes nothing.
        network: whose convolutions run under autocast; linear layers keep their weights, as losses may use them
            outside of it.
    """
    if dtype is None:
        yield
        return
    places = [
        (layer._parameters, name, weight)
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d)
        for name, weight in layer.named_parameters(recurse=False)
        if weight.dtype is torch.float32
    ]
    weights = list(dict.fromkeys(weight for _, _, weight in places))  # layers may share one
    half_of = dict(zip(weights, _Halved.apply(dtype, *weights), strict=True))
    for parameters, name, weight in places:
        parameters[name] = half_of[weight]
    try:
        yield
    finally:
        for parameters, name, weight in places:
            parameters[name] = weight


class _Halved(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, dtype: torch.dtype, *weights: Tensor) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        return _cast(weights, dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        found = iter(_cast([gradient for gradient in gradients if gradient is not None], torch.float32))
        return (None, *(None if gradient is None else next(found) for gradient in gradients))


def _cast(tensors: Any, dtype: torch.dtype) -> tuple[Tensor, ...]:
    made = [torch.empty_like(tensor, dtype=dtype) for tensor in tensors]
    if made:
        torch._foreach_copy_(made, list(tensors))
    return tuple(made)
