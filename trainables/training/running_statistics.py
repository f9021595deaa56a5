"""The running statistics of batch norms, of ranks that are computed side by side.

One after the other, every rank moves them: x becomes a x + b, where a and b follow from the momentum and the rank's
batch alone. Side by side each process makes the moves of its own ranks from the same x. All moves are then made again
by every process, in the order of ranks and in float64, so that all have what one process would have, but for its
rounding.

Legend: N statistics of all batch norms together, M batch norms.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage] (what all batch norms are)

from tablewright.trainables.training.process_group import ProcessGroup


class RunningStatistics:
    """Those of a network, from step to step; in a context that counts how often each batch norm runs.

    Args:
        network: whose batch norms.
        group: the processes of the training.

    Raises:
        ValueError: one averages over all batches it has seen, so that its moves depend on how many there were.
    """

    def __init__(self, network: nn.Module, group: ProcessGroup) -> None:
        self._group = group
        norms = {
            name: module
            for name, module in network.named_modules()
            if isinstance(module, _BatchNorm) and module.running_mean is not None and not group.is_alone
        }
        averaging = [name for name, norm in norms.items() if norm.momentum is None]
        if averaging:
            raise ValueError(
                f"batch norms without a momentum cannot be computed side by side, got {', '.join(averaging)}; give "
                "them one, or train in one process"
            )
        self._norms = list(norms.values())
        self._index_of: dict[nn.Module, int] = {norm: index for index, norm in enumerate(self._norms)}
        self._momentum = [norm.momentum or 0.0 for norm in self._norms]
        self._values = [
            values
            for norm in self._norms
            for values in (norm.running_mean, norm.running_var)
            if values is not None
        ]
        self._num_moves = [0] * len(self._norms)
        self._before_N = torch.zeros(0)
        self._hooks: list[Any] = []

    def __enter__(self) -> Self:
        """Begin to count."""

        def count(norm: nn.Module, _: Any) -> None:
            self._num_moves[self._index_of[norm]] += norm.training

        self._hooks = [norm.register_forward_pre_hook(count) for norm in self._norms]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the network as it was."""
        for hook in self._hooks:
            hook.remove()

    def begin_step(self) -> None:
        """Remember them before the first rank runs."""
        if self._norms:
            self._before_N = self._flat()
            self._num_moves = [0] * len(self._norms)

    def end_step(self) -> None:
        """Make the moves of all ranks, in their order."""
        if not self._norms:
            return
        device = self._before_N.device
        num_moves_M = torch.tensor(self._num_moves)
        kept = [(1 - momentum) ** num for momentum, num in zip(self._momentum, self._num_moves, strict=True)]
        sizes = [len(values) for values in self._values]
        factors = [factor for factor in kept for _ in ("mean", "variance")]
        kept_N = torch.tensor(factors, dtype=torch.float64).repeat_interleave(torch.tensor(sizes)).to(device)
        moved_N = self._flat() - kept_N * self._before_N
        current_N = self._before_N
        for of_process_2N in self._group.gather(torch.stack([kept_N, moved_N])):
            current_N = of_process_2N[0] * current_N + of_process_2N[1]
        for values, current in zip(self._values, current_N.split(sizes), strict=True):
            values.copy_(current)
        of_others = (self._group.sum(num_moves_M.clone()) - num_moves_M).tolist()
        for norm, num in zip(self._norms, of_others, strict=True):
            if norm.num_batches_tracked is not None:
                norm.num_batches_tracked += num

    def _flat(self) -> Tensor:
        return torch.cat([values.double() for values in self._values])
