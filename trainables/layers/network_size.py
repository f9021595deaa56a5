"""The size of a method's network, counted on the meta device."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tablewright.trainables.contract.size import NetworkSize
from tablewright.trainables.layers.complexity import count_parameters

# Operation -> its factors, by place; a layer multiplies one of them that is a parameter with the other.
_PRODUCTS = {
    torch.ops.aten.convolution.default: (0, 1),
    torch.ops.aten.mm.default: (0, 1),
    torch.ops.aten.bmm.default: (0, 1),
    torch.ops.aten.addmm.default: (1, 2),
    torch.ops.aten.baddbmm.default: (1, 2),
}


def measure_size(
    build: Callable[[], nn.Module],
    infer: Callable[[nn.Module, Tensor], Mapping[str, Tensor]],
    shape: tuple[int, ...],
) -> NetworkSize:
    """Count a network's parameters, those that inference reads, its multiply-adds and its depth.

    Values are followed, not gradients: what reaches an output through `no_grad` or `detach`, as an attention net
    does that says where an image is sampled, is read and is computed as well.

    Args:
        build: makes the network, with random weights.
        infer: what inference computes of an image.
        shape: of one image, (1, C, H, W).
    """
    with torch.device("meta"):
        network = build().eval()
        images_BCHW = torch.zeros(shape)
    with torch.no_grad(), _Watch(network.parameters()) as watch:
        outputs = infer(network, images_BCHW)
    read, multiply_adds, depth = watch.trace(list(outputs.values()))
    return NetworkSize(count_parameters(network), read, multiply_adds, depth)


@dataclass(eq=False)
class _Step:
    """One operation that wrote some memory.

    Attributes:
        before: what wrote the memory that it read.
        num_parameters: of the parameter that it is, at the start of a chain.
        multiply_adds: of a layer; 0 for any other operation.
    """

    before: Sequence[_Step]
    num_parameters: int = 0
    multiply_adds: int = 0


class _Watch(TorchDispatchMode):
    """Notes which operation was computed from which, by the memory that they read and write.

    By memory and not by tensor, so that views and operations in place are followed; every tensor is held, as memory
    that is given back would be taken for what is made there next. On the meta device none is taken.

    Args:
        parameters: of the network.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        super().__init__()
        self._held: list[Tensor] = list(parameters)
        self._steps = {_memory(one): _Step((), num_parameters=one.numel()) for one in self._held}
        self._parameters = frozenset(self._steps)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute, and note it."""
        result = func(*args, **(kwargs or {}))
        inputs, outputs = _tensors((args, kwargs)), _tensors(result)
        self._held += [*inputs, *outputs]
        read = dict.fromkeys(map(_memory, inputs))
        # A view of what was read is the same memory, and no step; what is written in place is the operation's result.
        written = {_memory(output) for output in outputs}
        if not func._schema.is_mutable:
            written -= read.keys()
        if written:
            before = [self._steps[memory] for memory in read if memory in self._steps]
            step = _Step(before, multiply_adds=self._multiply_adds(func, args, result))
            self._steps |= dict.fromkeys(written, step)
        return result

    def _multiply_adds(self, func: Any, args: Any, result: Any) -> int:
        """Count those of a convolution or linear layer; a product of two results of the network is no layer."""
        if func not in _PRODUCTS:
            return 0
        factors: list[Tensor] = [args[place] for place in _PRODUCTS[func]]
        if not any(_memory(factor) in self._parameters for factor in factors):
            return 0
        # One filter: the input channels of a group times their window; or one row, as wide as the input.
        is_convolution = func is torch.ops.aten.convolution.default
        per_output = factors[1][0].numel() if is_convolution else factors[0].shape[-1]
        return int(result.numel() * per_output)

    def trace(self, outputs: Sequence[Tensor]) -> tuple[int, int, int]:
        """Count the parameters, the multiply-adds and the longest chain of layers that outputs are made from."""
        depths: dict[_Step, int] = {}
        open_steps = [self._steps[_memory(output)] for output in outputs]
        while open_steps:
            step = open_steps[-1]
            unknown = [earlier for earlier in step.before if earlier not in depths]
            if unknown:
                open_steps += unknown
                continue
            depths[step] = (step.multiply_adds > 0) + max(
                (depths[earlier] for earlier in step.before), default=0
            )
            open_steps.pop()
        num_parameters = sum(step.num_parameters for step in depths)
        return num_parameters, sum(step.multiply_adds for step in depths), max(depths.values())


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]
