"""What an attempt at a training holds of its machine: what the training costs is counted from that."""

from __future__ import annotations

from collections.abc import Mapping

from tablewright.orchestrator.code.machine import describe_machine
from tablewright.trainables.contract.run import Device
from tablewright.trainables.value.freezing import EMPTY
from tablewright.trainables.value.frozen_model import ClosedModel

UNNAMED_GPU = "a GPU without a name"
_BEHIND_NAME = " (compute capability"
"""What the description of a GPU, as records of its numerics have it, says after its name."""


class Holding(ClosedModel):
    """A part of a machine that one attempt has for itself, and for how long.

    Attributes:
        held_s: from its begin to its end; where it has not ended in good order, to the last sign it gave.
        cpus: processors.
        gpus: GPUs, a fraction where others share one.
        device: name of the GPU, or of the processor where it has no GPU.
        owner: the user who started the sweep.
        energy_j: that its GPUs counted meanwhile, of a shared one its share; None where they do not say.
        has_ended: whether it ended in good order: a killed one has held the machine for longer than it says.
    """

    held_s: float
    cpus: float
    gpus: float
    device: str
    owner: str = ""
    energy_j: float | None = None
    has_ended: bool = False


def name_device(
    device: Device, machine: Mapping[str, str] | None = None, environment: Mapping[str, str] = EMPTY
) -> str:
    """Name what a training runs on, so that a price can be found for it.

    Args:
        device: processor or GPU.
        machine: as records describe it; None is this one.
        environment: what the digits depend on, in which methods name the GPU that they have.
    """
    facts = describe_machine() if machine is None else machine
    if device == "cpu":
        return facts.get("processor", "") or environment.get("processor", "").partition(" (")[0]
    return environment.get("gpu", "").partition(_BEHIND_NAME)[0] or facts.get("gpus", "") or UNNAMED_GPU
