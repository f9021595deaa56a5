"""What one optimisation step takes of a GPU's memory, counted on tensors that have a shape and no memory.

Only augmentation is left out, which is over before the network runs. The few operations that keep something else on a
GPU than on a CPU cost 1 to 4 % of the whole.
"""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tablewright.trainables.contract.memory import StepMemory
from tablewright.trainables.training.fake_step import FakeStep, fake_tensors, run_operation
from tablewright.trainables.training.optimisation import Optimisation


def of_equal_memory(config: Any) -> Any:
    """Give the config that stands for all that differ from it in seed and schedule alone, which take no memory.

    Args:
        config: with a seed and an `optimisation`.
    """
    declared = config.optimisation
    optimisation = Optimisation(optimizer=declared.optimizer, precision=declared.precision)
    return config.model_copy(update={"seed": 0, "optimisation": optimisation})


def count_step_memory(step: FakeStep) -> StepMemory:
    """Count the memory of a step that is not begun; takes a few seconds and none of that memory."""
    with fake_tensors(), _Held() as held:
        step.begin()
        weights_bytes = held.now_bytes
        step.backpropagate(torch.amp.GradScaler("cpu", enabled=False))
        before_bytes = held.now_bytes
        step.optimizer.step()
        optimizer_bytes = held.now_bytes - before_bytes
    return StepMemory(weights_bytes, optimizer_bytes, held.peak_bytes - weights_bytes)


class _Held(TorchDispatchMode):
    """Counts the memory that fake tensors would hold, and the most of it, as they come and go.

    Attributes:
        now_bytes: held now.
        peak_bytes: the most that was held at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now_bytes = self.peak_bytes = 0
        self._storages: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation, and count what it makes."""
        result = run_operation(func, args, kwargs)
        for leaf in tree_leaves(result):
            if isinstance(leaf, FakeTensor):
                self._count(leaf)
        return result

    def _count(self, tensor: Tensor) -> None:
        """Count a tensor's memory until the last tensor that shares it is gone."""
        storage = tensor.untyped_storage()
        key, num_bytes = storage._cdata, storage.nbytes()
        if key in self._storages:
            return

        def forget(_: object) -> None:
            del self._storages[key]
            self.now_bytes -= num_bytes

        self._storages[key] = weakref.ref(storage, forget)
        self.now_bytes += num_bytes
        self.peak_bytes = max(self.peak_bytes, self.now_bytes)
