"""A training step on tensors that have a shape and no memory, for whoever counts what it takes.

The step is the loop's own, from augmented images on. The tensors are those of a CPU, since torch without CUDA makes no
others; network and weights lie in memory as on a GPU.

Legend: R ranks, B images of a rank, C channels, H W height and width in pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.utils._pytree import tree_leaves

from tablewright.trainables.training.memory_layout import put_channels_last
from tablewright.trainables.training.method import FitConfig, Method
from tablewright.trainables.training.optimisation import make_optimizer
from tablewright.trainables.training.step import backpropagate


def fake_tensors() -> AbstractContextManager[Any]:
    """Give the context in which a `FakeStep` is begun and made."""
    return FakeTensorMode(allow_non_fake_inputs=True)


class FakeStep:
    """A step of a method, and the network that makes it; each call but the first is made among `fake_tensors`.

    Args:
        method: whose network and losses.
        config: of the training.
        num_classes: of each classifier.
        shape: of the images of a rank, (B, C, H, W).
        num_ranks: R.
        num_alike: images of a batch that show one class.

    Attributes:
        config: of the training.
        network: in training mode; without tensors until the step is begun.
        optimizer: of its weights, once the step is begun.
    """

    def __init__(
        self,
        method: Method,
        config: FitConfig,
        num_classes: int,
        shape: tuple[int, int, int, int],
        *,
        num_ranks: int = 1,
        num_alike: int = 1,
    ) -> None:
        self._method, self.config, self._shape = method, config, shape
        # Numbers, as code looks into them: whether a batch has equally many images of each class.
        self._labels_RB = [torch.arange(shape[0]) // num_alike % num_classes for _ in range(num_ranks)]
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            self.network: nn.Module = method.build_network(config, num_classes, {}).train()
            put_channels_last(self.network)

    def begin(self) -> None:
        """Make the tensors of the network, and its optimizer, which makes its states in its first step."""
        for module in self.network.modules():
            for tensors in (module._parameters, module._buffers):
                for name, tensor in tensors.items():
                    if tensor is not None:
                        made = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype)
                        is_weight = isinstance(tensor, nn.Parameter)
                        tensors[name] = nn.Parameter(made, tensor.requires_grad) if is_weight else made
        self.optimizer = make_optimizer(self.config.optimisation, self.network.parameters())

    def backpropagate(self, scaler: torch.amp.GradScaler) -> Mapping[str, Tensor]:
        """Make losses and gradients, from random numbers that nobody else misses; give the loss terms."""
        # Kept, as the loop keeps them until the optimizer is done.
        self._images_RBCHW = [torch.empty(self._shape) for _ in self._labels_RB]
        with torch.random.fork_rng(devices=[]):
            return backpropagate(
                self._method,
                self.config,
                self.network,
                scaler,
                self._images_RBCHW,
                self._labels_RB,
                epoch=0,
            )


def run_operation(func: Any, args: Any, kwargs: Any) -> Any:
    """Run an operation of a step for a dispatch mode: one on numbers alone, such as labels, is computed."""
    inputs = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    if inputs and not any(isinstance(tensor, FakeTensor) for tensor in inputs):
        with unset_fake_temporarily():
            return func(*args, **(kwargs or {}))
    return func(*args, **(kwargs or {}))
