"""What a search may spend beside its number of trials, and what it has spent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from tablewright.trainables.value.counted import counted
from tablewright.trainables.value.declaration import Declaration
from tablewright.trainables.value.refusal import Fault


@dataclass(frozen=True)
class Spending:
    """What the trainings that a search has made of its own have taken.

    Attributes:
        num_epochs: that were trained; one that was lost with its machine and trained again counts once.
        held_s: that they held a machine, added up over trainings; those that run count as far as they have told.
        gpu_s: the same of GPUs, as costs are counted.
    """

    num_epochs: int = 0
    held_s: float = 0.0
    gpu_s: float = 0.0


@dataclass(frozen=True)
class Budget(Declaration):
    """Ends a search before it has made all its trials, whichever comes first.

    Once one of them is spent nothing more is suggested or promoted, and what runs goes on to its end, so that a
    little more is spent than is named. What the store has answered costs nothing.

    Attributes:
        epochs: that its trials train, all together.
        hours: that its trainings hold a machine, added up over trainings.
        gpu_hours: that its trainings hold GPUs, as `--status` counts them; nothing on machines without one.
    """

    epochs: Annotated[int | None, Field(ge=1)] = None
    hours: Annotated[float | None, Field(gt=0)] = None
    gpu_hours: Annotated[float | None, Field(gt=0)] = None

    def find_faults(self) -> Iterator[Fault]:
        """Find that it limits nothing."""
        if self.epochs is None and self.hours is None and self.gpu_hours is None:
            yield Fault("", "it limits nothing; give epochs=…, hours=… or gpu_hours=…")

    def spent(self, spending: Spending) -> str:
        """Name what is spent of it, such as `200 epochs`; empty while nothing is."""
        limits = (
            (self.epochs, spending.num_epochs, counted(self.epochs or 0, "epoch")),
            (self.hours, spending.held_s / 3600, f"{self.hours:g} hours" if self.hours else ""),
            (
                self.gpu_hours,
                spending.gpu_s / 3600,
                f"{self.gpu_hours:g} GPU-hours" if self.gpu_hours else "",
            ),
        )
        return next((text for most, used, text in limits if most is not None and used >= most), "")
