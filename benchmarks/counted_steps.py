"""What one training step of a paper at full size would launch on a GPU, counted on tensors that have no memory.

The step is the loop's own, with clipping, scaler, optimizer and meter. What the input launches is counted by
`counted_kernels`.

Counted are operations: one that launches several kernels counts once, views and empty memory not at all. The tensors
are those of a CPU, since torch without CUDA makes no others. Autocast therefore chooses by the list of a CPU, which has
a few other operations; which layout a convolution runs in is decided by the rule of cuDNN, which is also that of the
CPU's library: channels last where the map or the weight is.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.counted_kernels import WAITING, WITHOUT_KERNEL
from tablewright.trainables.training.fake_step import FakeStep, fake_tensors, run_operation
from tablewright.trainables.training.loss_meter import LossMeter
from tablewright.trainables.training.loss_scaling import CountingScaler
from tablewright.trainables.training.step import apply_gradients

Phase = Literal["forward", "backward", "optimizer"]

_COPIES = {"_to_copy", "clone", "copy_"}
_CONVOLUTIONS = {"convolution": (0, 1), "convolution_backward": (0, 1, 2)}
"""Operation -> the places of its maps and its weight, all of which a kernel wants in one layout."""


@dataclass
class CountedStep:
    """What a step launches.

    Attributes:
        kernels: by phase.
        by_operation: the same, by the operation's name.
        casts: kernels that only change the precision.
        layout_copies: kernels that only change the order in memory, those inside of convolutions too.
        channels_last: convolutions whose map has its channels last, forwards; one of a single channel or a single
            place has.
        channels_first: those whose map has not.
        waits: where the CPU waits for the GPU: operation, and the line of code outside of torch.
    """

    kernels: Counter[Phase] = field(default_factory=Counter[Phase])
    by_operation: Counter[str] = field(default_factory=Counter[str])
    casts: int = 0
    layout_copies: int = 0
    channels_last: int = 0
    channels_first: int = 0
    waits: list[str] = field(default_factory=list[str])


def count_step(step: FakeStep) -> CountedStep:
    """Count a step that is not begun, with an optimizer that has its states; takes a few seconds."""
    counted, optimisation = CountedStep(), step.config.optimisation
    with fake_tensors():
        step.begin()
        network, optimizer = step.network, step.optimizer
        # On a GPU they lie there: see `count_batches_on_cpu`.
        of_host = {
            id(buffer) for name, buffer in network.named_buffers() if name.endswith("num_batches_tracked")
        }
        device = torch.device("cpu")
        scaling = CountingScaler(device, enabled=optimisation.precision == "fp16")
        meter = LossMeter(device)
        # Its states are made in the first step alone.
        for weight in network.parameters():
            weight.grad = torch.empty_like(weight) if weight.requires_grad else None
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        with _Operations(counted, of_host) as operations:
            terms = step.backpropagate(scaling.scaler)
            operations.is_optimizing = True
            apply_gradients(optimisation, network, optimizer, scaling)
            meter.add(terms)
    return counted


class _Operations(TorchDispatchMode):
    """Sees every operation of a step.

    Attributes:
        is_optimizing: whether the gradients are there.
    """

    def __init__(self, step: CountedStep, of_host: Collection[int]) -> None:
        super().__init__()
        self._step, self._of_host = step, of_host
        self.is_optimizing = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and count it."""
        namespace, _, name = func.overloadpacket._qualified_op_name.partition("::")
        inputs = list(_tensors((args, kwargs)))
        if name in WAITING:
            self._step.waits.append(f"{name} at {_line()}")
        result = run_operation(func, args, kwargs)
        makes_tensors = namespace != "prim" and any(True for _ in _tensors(result))
        is_on_host = bool(inputs) and all(id(tensor) in self._of_host for tensor in inputs)
        if makes_tensors and not is_on_host and not func.is_view and name not in WITHOUT_KERNEL:
            self._launch(name, args, result)
        return result

    def _launch(self, name: str, args: Any, result: Any) -> None:
        step = self._step
        step.kernels[self._phase()] += 1
        step.by_operation[name] += 1
        if name in _COPIES:
            source = args[1] if name == "copy_" else args[0]
            if source.dtype != result.dtype:
                step.casts += 1
            elif source.dim() and source.numel() > 1 and not _is_laid_out_alike(source, result):
                step.layout_copies += 1
        if name in _CONVOLUTIONS:
            operands = [args[place] for place in _CONVOLUTIONS[name]]
            is_last = any(_has_channels_last(operand) for operand in operands)
            wanted = torch.channels_last if is_last else torch.contiguous_format
            step.layout_copies += sum(not operand.is_contiguous(memory_format=wanted) for operand in operands)
            if name == "convolution":
                has_last = operands[0].is_contiguous(memory_format=torch.channels_last)
                step.channels_last += has_last
                step.channels_first += not has_last

    def _phase(self) -> Phase:
        if self.is_optimizing:
            return "optimizer"
        return "forward" if torch._C._current_autograd_node() is None else "backward"


def _has_channels_last(map_BCHW: Tensor) -> bool:
    """Say whether a map has; one of a single channel or a single place has both layouts."""
    return map_BCHW.is_contiguous(memory_format=torch.channels_last) and not map_BCHW.is_contiguous()


def _is_laid_out_alike(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and all(
        ours == theirs
        for size, ours, theirs in zip(one.shape, one.stride(), other.stride(), strict=True)
        if size > 1
    )


def _tensors(tree: Any) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor))


def _line() -> str:
    """Name the innermost line of code that is neither torch's nor this file's."""
    lines = [
        line
        for line in traceback.extract_stack()
        if "/torch/" not in line.filename and line.filename != __file__
    ]
    return f"{lines[-1].filename}:{lines[-1].lineno}" if lines else "?"
