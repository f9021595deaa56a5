"""What a training takes of a GPU's memory, and what there is of it."""

from __future__ import annotations

from dataclasses import dataclass

CONTEXT_BYTES = 600_000_000
"""What CUDA and its libraries hold in each process beside torch's tensors; about 0.5 GB on an H100."""


@dataclass(frozen=True)
class StepMemory:
    """What one optimisation step takes, counted without a GPU.

    It is what tensors take, and so less than a process holds: CUDA itself, the working memory of convolutions and the
    gaps between tensors come on top.

    Attributes:
        weights_bytes: weights and buffers.
        optimizer_bytes: what the optimizer keeps between two steps.
        step_bytes: at the most of everything else that is there at once: what the forward pass leaves for the
            backward pass, and gradients.
    """

    weights_bytes: int
    optimizer_bytes: int
    step_bytes: int

    @property
    def num_bytes(self) -> int:
        """All of it together."""
        return self.weights_bytes + self.optimizer_bytes + self.step_bytes


@dataclass(frozen=True)
class Card:
    """One GPU.

    Attributes:
        name: as its vendor calls it.
        memory_bytes: that it has, whoever uses it.
    """

    name: str
    memory_bytes: int
