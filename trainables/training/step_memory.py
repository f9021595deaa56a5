"""What one optimisation step takes of a GPU's memory, counted on tensors that have a shape and no memory.

The step is the loop's own: the method's losses, backwards, and the optimizer. Only augmentation is left out, which is
over before the network runs. The tensors are those of a CPU, since torch without CUDA makes no others: the few
operations that keep something else on a GPU cost 1 to 4 % of the whole.

Legend: R ranks, B images of a rank, C channels, H W height and width in pixels.
"""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tablewright.trainables.contract.memory import StepMemory
from tablewright.trainables.training.method import FitConfig, Method
from tablewright.trainables.training.optimisation import Optimisation, make_optimizer
from tablewright.trainables.training.step import backpropagate


def of_equal_memory(config: Any) -> Any:
    """Give the config that stands for all that differ from it in seed and schedule alone, which take no memory.

    Args:
        config: with a seed and an `optimisation`.
    """
    declared = config.optimisation
    optimisation = Optimisation(optimizer=declared.optimizer, precision=declared.precision)
    return config.model_copy(update={"seed": 0, "optimisation": optimisation})


def count_step_memory(
    method: Method,
    config: FitConfig,
    num_classes: int,
    shape: tuple[int, int, int, int],
    *,
    num_ranks: int = 1,
    num_alike: int = 1,
) -> StepMemory:
    """Count the memory of a step; takes a few seconds and none of that memory.

    Args:
        method: whose network and losses.
        config: of the training.
        num_classes: of each classifier.
        shape: of the images of a rank, (B, C, H, W).
        num_ranks: R.
        num_alike: images of a batch that show one class.
    """
    num_images = shape[0]
    # What code looks into, such as how many images a class has, needs numbers, and these take no room.
    labels_RB = [torch.arange(num_images) // num_alike % num_classes for _ in range(num_ranks)]
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        network = method.build_network(config, num_classes, {}).train()
    with FakeTensorMode(allow_non_fake_inputs=True), _Held() as held:
        materialise(network)
        weights_bytes = held.now_bytes
        optimizer = make_optimizer(config.optimisation, network.parameters())
        images_RBCHW = [torch.empty(shape) for _ in range(num_ranks)]
        scaler = torch.amp.GradScaler("cpu", enabled=False)
        with torch.random.fork_rng(devices=[]):
            backpropagate(method, config, network, scaler, images_RBCHW, labels_RB, epoch=0)
        before_bytes = held.now_bytes
        optimizer.step()
        optimizer_bytes = held.now_bytes - before_bytes
    return StepMemory(weights_bytes, optimizer_bytes, held.peak_bytes - weights_bytes)


def materialise(network: nn.Module) -> None:
    """Give the weights and buffers of a network on the meta device the tensors of the mode that is on."""
    for module in network.modules():
        for tensors in (module._parameters, module._buffers):
            for name, tensor in tensors.items():
                if tensor is not None:
                    made = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype)
                    is_weight = isinstance(tensor, nn.Parameter)
                    tensors[name] = nn.Parameter(made, tensor.requires_grad) if is_weight else made


class _Held(TorchDispatchMode):
    """Counts the memory that fake tensors would hold, and the most of it, as they come and go.

    What real tensors alone are made into is computed.

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
        inputs = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        if inputs and not any(isinstance(tensor, FakeTensor) for tensor in inputs):
            with unset_fake_temporarily():
                return func(*args, **(kwargs or {}))
        result = func(*args, **(kwargs or {}))
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
