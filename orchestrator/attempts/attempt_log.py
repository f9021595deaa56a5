"""What one attempt at a training says of itself while it runs, so that it can be told when it is no more.

The record of an attempt is written when it begins, when it warns of something, once a minute while it gives signs of
life, and more often when it is young, and when it ends without having finished the training. One that is killed has
therefore told of half its time, or of all but ten seconds of a short one and a minute of a long one.
"""

from __future__ import annotations

import os
import platform
import time
from contextlib import suppress

from tablewright.orchestrator.attempts.gpu_energy import GpuEnergy
from tablewright.orchestrator.store.holding import Holding, name_device
from tablewright.orchestrator.store.record import now
from tablewright.orchestrator.store.training_folder import TrainingFolder
from tablewright.orchestrator.store.training_records import AttemptRecord
from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.value.cpus import num_cpus

SIGN_EVERY_S, FIRST_SIGN_S = 60.0, 10.0
"""A killed attempt has lost at most so much of what is known of its time."""


class AttemptLog:
    """The record of a running attempt.

    Attributes:
        number: of the attempt among those at its training.
        record: as it is by now.
    """

    def __init__(self, folder: TrainingFolder, runtime: Runtime, sweep: str) -> None:
        """Begin: from now on the attempt holds its part of the machine."""
        self._folder = folder
        self._begun_s = self._signed_s = time.monotonic()
        # Of a training of several processes each sees its own GPUs alone.
        sees_all = runtime.device != "cpu" and runtime.process.num_processes == 1
        self._energy = GpuEnergy(runtime.gpus) if sees_all else None
        holding = Holding(
            held_s=0.0,
            cpus=(num_cpus() if runtime.cpus is None else runtime.cpus) * runtime.process.num_processes,
            gpus=runtime.gpus * runtime.process.num_processes,
            device=name_device(runtime.device),
            owner=runtime.owner,
        )
        self.record = AttemptRecord(
            started_at=now(), host=platform.node(), pid=os.getpid(), sweep=sweep, holding=holding
        )
        self.number = folder.write_attempt(self.record)

    def warn(self, warnings: tuple[str, ...]) -> None:
        """Keep what it has to say: whoever goes on from here may not hear it again."""
        if warnings != self.record.warnings:
            self._write(warnings=warnings)

    def sign(self) -> None:
        """Take a sign of life."""
        known_s = self._signed_s - self._begun_s
        if time.monotonic() >= self._signed_s + min(SIGN_EVERY_S, max(FIRST_SIGN_S, known_s)):
            with suppress(Exception):  # what is known of its costs is no reason for it to fail
                self._write()

    def end(self) -> None:
        """Keep how long it was, where it has ended without finishing the training."""
        with suppress(Exception):  # why it ended is what must be told
            kept = self._folder.attempt(self.number)
            if kept is not None:  # whoever watches over it may have marked it as stalled
                self._write(holding=self.holding(has_ended=True), stall=kept.stall)

    def holding(self, *, has_ended: bool = False) -> Holding:
        """Give what it holds, and for how long it has by now."""
        assert self.record.holding is not None
        held_s = time.monotonic() - self._begun_s
        energy_j = None if self._energy is None else self._energy.used_j()
        return self.record.holding.model_copy(
            update={"held_s": held_s, "energy_j": energy_j, "has_ended": has_ended}
        )

    def _write(self, **changes: object) -> None:
        self._signed_s = time.monotonic()
        self.record = self.record.model_copy(update={"holding": self.holding(), **changes})
        self._folder.rewrite_attempt(self.number, self.record)
