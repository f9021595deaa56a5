"""The memory of the device that a process trains on, as whoever runs the training asks of it and rules it."""

from __future__ import annotations

from typing import Protocol

from tablewright.trainables.contract.memory import Card
from tablewright.trainables.contract.run import Device


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
