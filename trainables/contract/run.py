"""What a training is given by whoever runs it, and what it tells back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol

from tablewright.trainables.contract.cache import ImageCache
from tablewright.trainables.contract.process import ALONE, Process

Device = Literal["cpu", "cuda"]


@dataclass(frozen=True)
class Runtime:
    """Settings of one machine that cannot change a weight, and so are in no identity.

    Attributes:
        data_root: folder that holds the published data sets; None where only embedded data is used.
        cache_dir: where this machine keeps decoded images; shared by its trainings.
        device: what trainings run on; the machine that plans them may have none of it.
        checkpoint_every_s: time between two checkpoints; None lets it follow from what one costs the training.
        stall_s: a training of which nothing is seen for so long is ended; None is by its own rhythm, and
            infinity never.
        cpus: cores that one training may use; None is all of this machine.
        gpus: that one training holds: whole ones, or a part of one; 0 is none.
        command_line: by which the sweep was started, without secrets; for records.
        process: which of the processes of the training this one is; sums are added up in another order by more.
        owner: the user who started the sweep; for records.
        data_were_seen: whether the plan has just looked at every file of the data sets, so that of large ones that
            this machine has read before it is enough to look at their folders.
        image_cache: how this machine keeps images.
    """

    data_root: str | None
    cache_dir: str
    device: Device = "cpu"
    checkpoint_every_s: float | None = None
    stall_s: float | None = None
    cpus: float | None = None
    gpus: float = 0.0
    command_line: str = ""
    process: Process = ALONE
    owner: str = ""
    data_were_seen: bool = False
    image_cache: ImageCache = "auto"


@dataclass(frozen=True)
class EpochReport:
    """Progress of a training at the end of an epoch.

    Attributes:
        epoch: epochs completed, from 1 on.
        num_epochs: epochs of the whole training.
        metrics: means over the epoch, `loss` among them.
        wall_s: time the epoch took on this machine.
    """

    epoch: int
    num_epochs: int
    metrics: Mapping[str, float]
    wall_s: float


class Checkpoints(Protocol):
    """Where one training keeps its state. Writing is atomic: a reader sees all of a file or none."""

    @property
    def url(self) -> str:
        """Say where it is, for messages."""
        ...

    def exists(self, name: str) -> bool:
        """Say whether a complete file of that name is there."""
        ...

    def open_to_read(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Open a complete file."""
        ...

    def open_to_write(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Open a file that appears under its name only when the context ends without error."""
        ...


class CheckpointFolder(Checkpoints, Protocol):
    """The same as a folder among others of the training."""

    @property
    def beside(self) -> FileFolder:
        """The folder that it lies in: for files that programs of the training write, and that people look at."""
        ...


class FileFolder(CheckpointFolder, Protocol):
    """A folder of one training for files of any name, which are kept as they are when it is done."""

    @property
    def local_path(self) -> Path | None:
        """Where it is on this machine, so that other programs can write into it; None in an object store."""
        ...

    def __truediv__(self, name: str) -> FileFolder:
        """Name a folder inside this one."""
        ...

    def file_names(self) -> list[str]:
        """List the files in it and in the folders inside it, such as `a.txt` and `b/c.txt`."""
        ...

    def remove(self, *names: str) -> None:
        """Remove files or folders; one that is not there is no fault."""
        ...


RESUME_CHECKPOINT = "resume.pt"
"""Everything that continuing needs: weights, optimizer, schedule, scaler, sampler, generators."""

RESUME_CHECKPOINTS = (RESUME_CHECKPOINT, "resume_2.pt")
"""The files that take it in turn, so that the one before the last is there until the next is whole."""

FINAL_CHECKPOINT = "final.pt"
"""What a training keeps: the weights of the last epoch, or of the best one; what views added later are measured on."""

BEST_EPOCH = "best_epoch"
"""Name by which each epoch reports which one is kept so far, where a method keeps the best one's weights."""


class TrainingStopped(Exception):
    """A training was asked to stop; its resume checkpoint is written."""


class TrainingStalled(Exception):
    """Nothing was seen of a training for so long that it was ended; where it hung is said."""


class NoDevice(ValueError):
    """This machine has not the device that was asked for."""


@dataclass(frozen=True)
class FitHooks:
    """How a training talks to whoever runs it.

    Attributes:
        on_epoch: called when an epoch ends, before a checkpoint that counts it is written, so that no
            report is lost by a crash; an epoch repeated after one reports the same again. Gets the
            network too, to measure it between epochs. It may raise `TrainingStopped`.
        should_stop: asked every step; when true the training writes its checkpoint and raises
            `TrainingStopped`.
        together: a context in which several epochs that are known at once are reported, so that they are written
            once and not each by itself.
        printed: takes what a program prints that the training runs, so that it is kept; of this process whoever runs
            it sees to that.
    """

    on_epoch: Callable[[EpochReport, Any], None] = lambda report, network: None
    should_stop: Callable[[], bool] = lambda: False
    together: Callable[[], AbstractContextManager[None]] = nullcontext
    printed: Callable[[bytes], None] = lambda printed: None
