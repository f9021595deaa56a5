"""What one training takes of a machine. Ray is not imported here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

AUTO: Final = "auto"
"""In the place of a number of GPUs: as much as the memory of each training says."""


@dataclass(frozen=True)
class Resources:
    """What one training takes of a machine; of several processes, what each of them takes.

    Attributes:
        cpus: processor cores.
        gpus: whole GPUs or a fraction of one; 0 trains on the CPU.
        num_processes: of the training; they may be on several machines.
    """

    cpus: float = 1.0
    gpus: float = 0.0
    num_processes: int = 1

    @staticmethod
    def of(named: Mapping[str, float]) -> Resources:
        """Read what Ray says that a machine or a cluster has."""
        return Resources(named.get("CPU", 0.0), named.get("GPU", 0.0))

    @staticmethod
    def reserved(cpus: float | None, gpus: float | None, machines: Sequence[Resources]) -> Resources:
        """Choose what a scheduler is asked to keep for one training.

        Args:
            cpus: that the user asks for; None is one, or less where trainings would otherwise wait for a core beside
                an idle GPU.
            gpus: that the user asks for; None is one where a machine has any.
            machines: of the cluster as it is now.
        """
        if gpus is None:
            gpus = 1.0 if any(machine.gpus for machine in machines) else 0.0
        if cpus is None:
            shares = [_share_of_cpus(gpus, machine) for machine in machines if 0 < gpus <= machine.gpus]
            cpus = min([1.0, *filter(None, shares)])
        return Resources(cpus, gpus)

    def cpus_to_use(self, asked: float | None, machine: Resources) -> float:
        """Choose how many cores a training uses on a machine.

        On a GPU's machine it is its part of the cores, as many trainings as fit there, so that none idles. On a CPU it
        is one: the number of threads moves the last digits of a sum, and must not follow from the machine.

        Args:
            asked: by the user; None where that is left to us.
            machine: that it runs on.
        """
        if asked is not None:
            return asked
        if not self.gpus or self.gpus > machine.gpus:
            return max(1.0, self.cpus)
        return max(1.0, math.floor(_share_of_cpus(self.gpus, machine)))

    def fit_into(self, machine: Resources) -> bool:
        """Say whether a machine can ever run a training."""
        return self.cpus <= machine.cpus and self.gpus <= machine.gpus

    def num_in(self, machine: Resources) -> int:
        """Count how many processes of trainings a machine can run at a time."""
        shares = [
            of_machine / needed
            for needed, of_machine in ((self.cpus, machine.cpus), (self.gpus, machine.gpus))
            if needed
        ]
        return math.floor(min(shares, default=1.0) + 1e-9)

    def __str__(self) -> str:
        """For people."""
        each = f"{self.cpus:g} CPU and {self.gpus:g} GPU"
        return each if self.num_processes == 1 else f"{each} for each of its {self.num_processes} processes"


def _share_of_cpus(gpus: float, machine: Resources) -> float:
    """Divide a machine's cores by the trainings that its GPUs take, rounded down to what Ray counts in."""
    num_trainings = math.floor(machine.gpus / gpus + 1e-9)
    return math.floor(machine.cpus / num_trainings * 1e4) / 1e4
