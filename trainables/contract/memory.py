"""What a training takes of a GPU's memory, and what there is of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tablewright.trainables.contract.run import Device

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


class DeviceMemory(Protocol):
    """The memory of the device that this process trains on, as far as it can be told and ruled from within.

    Where nothing is known, as of a device that does not work, nothing is done and nothing is told.
    """

    def begin(self, share: float) -> None:
        """Count a new peak from here on, and let this process hold no more than a share of one device.

        Args:
            share: of one GPU, above 0; from 1 on there is no limit.
        """
        ...

    def peak_bytes(self) -> int:
        """Give the most that this process has held since `begin`; 0 where that is not known."""
        ...

    def give_back(self) -> None:
        """Give back what is kept for later use, to whoever shares the device."""
        ...

    def card(self) -> Card | None:
        """Say which GPU it is; None where it is none, or none answers."""
        ...

    def others_bytes(self) -> int:
        """Give what other processes hold of the GPU now; 0 where that is not known."""
        ...


def memory_of(device: Device) -> DeviceMemory:
    """Give the memory of this process's device."""
    if device == "cuda":
        from tablewright.trainables.training.gpu_memory import GpuMemory

        return GpuMemory()
    from tablewright.trainables.training.host_memory import HostMemory

    return HostMemory()
