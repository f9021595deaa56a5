"""Loss scaling of fp16, and how many steps it skips: an overflow moves no weight, and nobody would know.

The first steps look for the scale and skip some; later ones test a larger scale now and then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

TOLD_FROM = 0.01
"""Share of skipped steps that a training tells from: one in a hundred is no longer the search for the scale."""


class CountingScaler:
    """Scales a loss, and counts the steps that it skips, on the device and without waiting for it.

    Args:
        device: of the loss.
        enabled: whether anything is scaled; nothing is skipped otherwise.
    """

    def __init__(self, device: torch.device, *, enabled: bool) -> None:
        self.scaler = torch.amp.GradScaler(device.type, enabled=enabled)
        self._is_enabled = enabled
        self._one = torch.ones((), device=device)
        self._num_skipped = torch.zeros((), dtype=torch.int64, device=device)

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Make the optimizer's step, unless a gradient overflows."""
        before = self.scaler.scale(self._one)
        self.scaler.step(optimizer)
        self.scaler.update()
        if self._is_enabled:
            # The scale falls when, and only when, a step was skipped.
            self._num_skipped += self.scaler.scale(self._one) < before

    @property
    def num_skipped(self) -> int:
        """Count the steps skipped so far, those before an interruption too; waits for the device."""
        return int(self._num_skipped)

    def sentence(self, num_steps: int) -> str:
        """Say how many of a training's steps were skipped; empty where that is negligible."""
        num_skipped = self.num_skipped
        if num_skipped < TOLD_FROM * num_steps or not num_skipped:
            return ""
        return (
            f"fp16 overflowed in {num_skipped} of {num_steps} steps ({num_skipped / num_steps:.1%}), which moved no "
            "weight and counted in the schedule all the same; with optimisation.precision 'bf16' or 'fp32' none would"
        )

    def state_dict(self) -> dict[str, Any]:
        """Give what an interrupted training goes on with."""
        return self.scaler.state_dict() | ({"num_skipped": self.num_skipped} if self._is_enabled else {})

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state; one of an older version has not counted."""
        scaling = dict(state)
        self._num_skipped.fill_(scaling.pop("num_skipped", 0))
        self.scaler.load_state_dict(scaling)
