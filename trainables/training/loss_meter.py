"""The loss terms of an epoch, summed on their device.

Legend: T loss terms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


class LossMeter:
    """Sums loss terms over an epoch on their device, without waiting for it.

    Args:
        device: of the terms.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._names: tuple[str, ...] = ()
        self._num_steps = 0
        self._sums_T = torch.zeros(0)
        self._first_bad_step_T = torch.zeros(0)

    def add(self, terms: Mapping[str, Tensor]) -> None:
        """Count a step's terms."""
        if not self._names:
            self._names = tuple(terms)
            self._sums_T = torch.zeros(len(terms), dtype=torch.float64, device=self._device)
            self._first_bad_step_T = torch.zeros(len(terms), dtype=torch.int64, device=self._device)
        assert self._names == tuple(terms)
        values_T = torch.stack(list(terms.values())).double()
        self._num_steps += 1
        self._sums_T += values_T
        is_first_bad_T = ~values_T.isfinite() & (self._first_bad_step_T == 0)
        self._first_bad_step_T += is_first_bad_T * self._num_steps

    def check(self, epoch: int) -> None:
        """Raise FloatingPointError if a term was not finite at some step; waits for the device."""
        bad = {
            name: step
            for name, step in zip(self._names, self._first_bad_step_T.tolist(), strict=True)
            if step
        }
        if bad:
            first = min(bad.values())
            raise FloatingPointError(
                f"loss is not finite in epoch {epoch}, step {first} of it, term "
                f"{', '.join(name for name, step in bad.items() if step == first)}; "
                "lower optimisation.base_lr, or lengthen optimisation.warmup_steps"
            )

    def means(self) -> dict[str, float]:
        """Give `loss` and each term, `loss/<term>`, as means over the steps counted."""
        means_T = (self._sums_T / self._num_steps).tolist()
        terms = {f"loss/{name}": mean for name, mean in zip(self._names, means_T, strict=True)}
        return {"loss": sum(means_T), **terms}

    def state_dict(self) -> dict[str, Any]:
        """Give the sums so far, of finite terms."""
        return {"names": list(self._names), "num_steps": self._num_steps, "sums_T": self._sums_T}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""
        self._names = tuple(state["names"])
        self._num_steps = state["num_steps"]
        self._sums_T = state["sums_T"].to(self._device)
        self._first_bad_step_T = torch.zeros(len(self._names), dtype=torch.int64, device=self._device)
