"""What runs where at this moment, read from the store alone: on any machine that sees it, without Ray or a driver.

Of each running training that costs an object store two requests beside the listing: its claim and its epochs. What is
told is as old as the last sign of life, and times of another machine are those of its clock.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from tablewright.orchestrator.status import UNFINISHED, TrainingStatus
from tablewright.orchestrator.store.claims import EXPIRES_AFTER_S, TRAINING, Claims, Owner
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.parallel_reading import read_all
from tablewright.orchestrator.store.record import now
from tablewright.orchestrator.store.signs_of_life import SWEEPS, SweepSign, TrainingSign, sign_from
from tablewright.orchestrator.store.store import Store
from tablewright.trainables.contract.run import EpochReport
from tablewright.trainables.value.counted import counted

LAST_EPOCHS = 5
"""By whose mean time the rest is foretold: earlier ones warmed up, or ran beside others."""


@dataclass(frozen=True)
class RunningTraining:
    """A training that is claimed.

    Attributes:
        training_id: of it.
        owner: the process that has claimed it.
        sign: what that tells; None where an older version runs it.
        epoch: the last one that it has reported.
        num_epochs: of how many; 0 where it has reported none.
        epoch_s: what an epoch takes now; None before the first.
        read_at: when this was read.
    """

    training_id: str
    owner: Owner
    sign: TrainingSign | None
    epoch: int
    num_epochs: int
    epoch_s: float | None
    read_at: datetime.datetime

    @property
    def is_dead(self) -> bool:
        """Say whether its process is known to have ended; whoever takes it up goes on from its checkpoint."""
        return self.owner.is_known_to_be_dead()

    @property
    def sign_age_s(self) -> float | None:
        """Say how long ago it gave a sign of life, by the clocks of two machines."""
        return None if self.sign is None else _age_s(self.sign.signed_at, self.read_at)

    @property
    def runs_since_s(self) -> float | None:
        """Say for how long this attempt has run."""
        return None if self.sign is None else _age_s(self.sign.started_at, self.read_at)

    @property
    def left_s(self) -> float | None:
        """Foretell how long its epochs still take, measuring not counted; None before its first."""
        return None if self.epoch_s is None else self.epoch_s * (self.num_epochs - self.epoch)

    @property
    def doing(self) -> str:
        """Say what it does that no epoch tells of, and how far it is; empty where it trains."""
        return "" if self.sign is None else self.sign.doing

    @property
    def where(self) -> str:
        """Name machine, device and process."""
        device = "" if self.sign is None else f" {self.sign.device}"
        return f"{self.owner.host}{device}, process {self.owner.pid}"

    @property
    def signed(self) -> str:
        """Say in words when it gave the last sign of life."""
        if self.is_dead:
            return "its process has ended"
        if self.sign_age_s is None:
            return "told nothing"
        is_silent = self.sign_age_s > EXPIRES_AFTER_S
        return f"{in_words(self.sign_age_s)} ago{', as if dead' if is_silent else ''}"

    @property
    def memory(self) -> str:
        """Say what it holds of its machine's memory, and of its GPU's."""
        if self.sign is None:
            return ""
        on_gpu = self.sign.gpu_memory_bytes
        return f"{self.sign.host_memory_bytes / 1e9:.1f} GB" + (
            "" if on_gpu is None else f", GPU {on_gpu / 1e9:.1f} GB"
        )


@dataclass(frozen=True)
class RunningSweep:
    """A sweep or agent that has announced itself.

    Attributes:
        owner: its process.
        sign: what it tells.
        read_at: when this was read.
    """

    owner: Owner
    sign: SweepSign
    read_at: datetime.datetime

    @property
    def is_alive(self) -> bool:
        """Say whether it may still run."""
        is_silent = _age_s(self.sign.signed_at, self.read_at) > EXPIRES_AFTER_S
        return not self.owner.is_known_to_be_dead() and not is_silent

    def __str__(self) -> str:
        """Say whose it is and how long it runs, and in a second line how much it has in hand."""
        sign = self.sign
        kind = "agent" if "--agent" in sign.command_line.split() else "sweep"
        state = "" if self.is_alive else " (it has ended without a word, or cannot be reached)"
        return (
            f"{kind} of {sign.started_by or 'nobody who is known'}, {self.owner}, for "
            f"{in_words(_age_s(sign.started_at, self.read_at))}{state}: {sign.command_line}\n    "
            f"{in_words(_age_s(sign.signed_at, self.read_at))} ago: {counted(sign.num_running, 'training')} in hand, "
            f"{sign.num_queued} waiting for their turn, {sign.num_aside} in other hands"
        )


@dataclass(frozen=True)
class LiveStatus:
    """What runs on a store.

    Attributes:
        trainings: that are claimed, the longest running first.
        sweeps: that have announced themselves.
        num_others: trainings of other studies that run beside.
    """

    trainings: tuple[RunningTraining, ...]
    sweeps: tuple[RunningSweep, ...]
    num_others: int = 0

    @property
    def living_ids(self) -> set[str]:
        """Give the trainings whose process is not known to be dead."""
        return {item.training_id for item in self.trainings if not item.is_dead}

    def state_of(self, status: TrainingStatus) -> str:
        """Tell what runs now from what was begun and left, or waits."""
        is_running = status.state in UNFINISHED and status.training.training_id in self.living_ids
        return "running" if is_running else status.state

    @property
    def in_words(self) -> str:
        """Add up what runs, in a sentence."""
        living = [item for item in self.trainings if not item.is_dead]
        hosts = {item.owner.machine or item.owner.host for item in living}
        others = f"; of other studies {self.num_others} more" if self.num_others else ""
        on = f" on {counted(len(hosts), 'machine')}" if living else ""
        return f"{counted(len(living), 'training')} running{on}{others}"


def read_live(store: Store, studies: Collection[str], training_ids: Collection[str]) -> LiveStatus:
    """Read what runs.

    Args:
        store: as it is now, or was when it was listed.
        studies: whose trainings are asked for.
        training_ids: that their tables need; what their searches suggest is known by its study.
    """
    claims, sweeps = Claims(store), Claims(store, SWEEPS)
    names = [name for name in sorted(claims.names()) if name.startswith(TRAINING)]
    read_at = now()
    found = [item for item in read_all(lambda name: _running(store, claims, name, read_at), names) if item]
    ours = [
        item
        for item in found
        if item.training_id in training_ids or (item.sign is not None and item.sign.study in studies)
    ]
    announced = read_all(lambda name: _sweep(sweeps, name, read_at), sorted(sweeps.names()))
    return LiveStatus(
        trainings=tuple(sorted(ours, key=lambda item: -(item.runs_since_s or 0.0))),
        sweeps=tuple(item for item in announced if item and set(item.sign.studies) & set(studies)),
        num_others=sum(not item.is_dead for item in found) - sum(not item.is_dead for item in ours),
    )


def _running(store: Store, claims: Claims, name: str, read_at: datetime.datetime) -> RunningTraining | None:
    owner, identity = claims.last_owner(name), name.removeprefix(TRAINING)
    if owner is None:  # it has ended a moment ago
        return None
    try:
        epochs = store.training(identity).epochs()
    except (DamagedFile, OSError):  # that is told of the training itself
        epochs = []
    last = epochs[-1] if epochs else None
    return RunningTraining(
        training_id=identity,
        owner=owner,
        sign=sign_from(owner.told, TrainingSign),
        epoch=last.epoch if last else 0,
        num_epochs=last.num_epochs if last else 0,
        epoch_s=_epoch_s(epochs[-LAST_EPOCHS:]),
        read_at=read_at,
    )


def _sweep(sweeps: Claims, name: str, read_at: datetime.datetime) -> RunningSweep | None:
    owner = sweeps.last_owner(name)
    sign = None if owner is None else sign_from(owner.told, SweepSign)
    return None if owner is None or sign is None else RunningSweep(owner, sign, read_at)


def _epoch_s(epochs: Iterable[EpochReport]) -> float | None:
    walls_s = [report.wall_s for report in epochs]
    return sum(walls_s) / len(walls_s) if walls_s else None


def _age_s(then: datetime.datetime, read_at: datetime.datetime) -> float:
    return max((read_at - then).total_seconds(), 0.0)


def in_words(seconds: float) -> str:
    """Say a time as people do, in the two units that matter."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"
