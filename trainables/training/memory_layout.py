"""Where weights, maps, counters and an optimizer's states lie in memory, so that a GPU copies none of them in a step.

The networks of the papers compute on maps whose channels lie last. A convolution whose weight lies otherwise first
copies it, in every step, forwards and backwards. On a CPU the library orders weights itself whatever they were in, and
would make its sums in another order, so that they stay as they are there.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage] (what all batch norms are)


def lay_out_for_gpu(network: nn.Module) -> None:
    """Put a network that lies on a GPU into the order that its steps are fastest in; values stay."""
    put_channels_last(network)
    count_batches_on_cpu(network)


def put_channels_last(network: nn.Module) -> None:
    """Give the weights of convolutions the order of the maps."""
    network.to(memory_format=torch.channels_last)


def count_batches_on_cpu(network: nn.Module) -> None:
    """Keep what counts the batches of a batch norm on the CPU.

    Nothing reads it but checkpoints, and on a GPU adding one to it is a kernel for each batch norm.
    """
    for norm in network.modules():
        if isinstance(norm, _BatchNorm) and norm.num_batches_tracked is not None:
            norm.num_batches_tracked = norm.num_batches_tracked.cpu()


def as_weights_lie(map_BCHW: Tensor, layers: nn.Module) -> Tensor:
    """Give a map in the order of memory of the convolutions that see it, where these have their channels last.

    Args:
        map_BCHW: made in another order, as by a product of matrices.
        layers: that it is for.
    """
    weights = (layer.weight for layer in layers.modules() if isinstance(layer, nn.Conv2d))
    if any(
        weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()
        for weight in weights
    ):
        return map_BCHW.contiguous(memory_format=torch.channels_last)
    return map_BCHW


def lay_out_as_weights(optimizer: torch.optim.Optimizer) -> None:
    """Put what an optimizer keeps of each weight into the weight's own order, as its kernels demand.

    A state from a checkpoint has the order that it was written in, which an earlier version, or a CPU, gave it.
    """
    for group in optimizer.param_groups:
        for weight in group["params"]:
            for name, kept in optimizer.state.get(weight, {}).items():
                is_alike = not isinstance(kept, Tensor) or kept.shape != weight.shape
                if not is_alike and kept.stride() != weight.stride():
                    optimizer.state[weight][name] = torch.empty_like(weight, dtype=kept.dtype).copy_(kept)
