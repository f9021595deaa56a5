"""Whole trainings on a device: an epoch, several at once, killed ones, and some whose GPU is gone or too small."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.papers_at_full_size import PAPERS, Paper
from benchmarks.synthetic_batches import SyntheticBatches
from tablewright.orchestrator.attempts.fault_kind import kind_of
from tablewright.orchestrator.store.store import Store
from tablewright.trainables.contract.run import RESUME_CHECKPOINTS, Device, EpochReport, FitHooks, Runtime
from tablewright.trainables.training.determinism import find_device
from tablewright.trainables.training.fitting import fit
from tablewright.trainables.training.gpu_memory import GpuMemory

PATIENCE_S = 300.0
CHECKPOINT_EVERY_S = 0.5
TRAINING = "0" * 64
HIDDEN = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Job:
    """A training of one epoch in a process of its own.

    Attributes:
        paper: name of one.
        device: to run on.
        is_small: whether it is made small enough for a CPU.
        num_steps: of the epoch; None is a whole pass over the published number of images.
        folder: of its checkpoints; two jobs of one folder go on with one training.
        share: of the GPU's memory that it may hold.
    """

    paper: str
    device: Device
    is_small: bool
    num_steps: int | None = None
    folder: str = ""
    share: float = 1.0

    def find_paper(self) -> Paper:
        """Give the recipe."""
        paper = PAPERS[self.paper]
        return paper.small() if self.is_small else paper


@dataclass(frozen=True)
class Trained:
    """What became of a job.

    Attributes:
        images_per_s: of its epoch.
        wall_s: with building the network, without starting the process.
        peak_gb: of the GPU.
        fault: kind and words of the error that ended it; empty without one.
    """

    images_per_s: float = 0.0
    wall_s: float = 0.0
    peak_gb: float = 0.0
    fault: str = ""


def train(job: Job) -> Trained:
    """Do a job in this process."""
    paper = job.find_paper()
    optimisation = paper.config.optimisation
    one_epoch = optimisation.model_copy(update={"num_epochs": 1})
    config = paper.config.model_copy(update={"optimisation": one_epoch})
    reports: list[EpochReport] = []
    begun_s = time.perf_counter()
    memory = GpuMemory()
    try:
        device = find_device(job.device)
        memory.begin(job.share)
        images = SyntheticBatches(paper, device, job.num_steps or paper.steps_per_epoch())
        with tempfile.TemporaryDirectory() as scratch:
            checkpoints = Store(job.folder or scratch).training(TRAINING).checkpoints
            runtime = Runtime(
                None, scratch, device=job.device, checkpoint_every_s=CHECKPOINT_EVERY_S if job.folder else 1e9
            )
            method = _AtRandom(paper.method)
            fit(
                method,
                config,
                images,
                runtime,
                checkpoints,
                FitHooks(lambda report, _: reports.append(report)),
            )
    except Exception as error:
        kind, _ = kind_of(error)
        return Trained(fault=f"{kind}: {' '.join(str(error).split())[:100]}")
    wall_s = time.perf_counter() - begun_s
    return Trained(reports[-1].metrics["images_per_s"], wall_s, memory.peak_bytes() / 1e9)


class _AtRandom:
    """A method whose network starts at random, whatever file the recipe names."""

    def __init__(self, method: Any) -> None:
        self._method = method

    def __getattr__(self, name: str) -> Any:
        return getattr(self._method, name)

    def weights_files(self, config: Any, data_root: str | None) -> dict[str, Any]:
        return {}


def train_together(jobs: list[Job], hidden: bool = False) -> list[Trained]:
    """Do jobs at once, each in a process of its own.

    Args:
        jobs: that run side by side.
        hidden: whether their processes see no GPU.
    """
    context = multiprocessing.get_context("spawn")
    before = os.environ.get(HIDDEN)
    if hidden:
        os.environ[HIDDEN] = ""
    try:
        with context.Pool(len(jobs)) as pool:
            return pool.map(train, jobs, chunksize=1)
    finally:
        if hidden:
            os.environ.pop(HIDDEN)
            if before is not None:
                os.environ[HIDDEN] = before


@dataclass(frozen=True)
class Resumed:
    """A training that was killed once its first checkpoint was whole.

    Attributes:
        checkpoint_gb: size of the checkpoint.
        until_checkpoint_s: from the start of the process to the first whole one.
        again: what became of the training when it was run again.
    """

    checkpoint_gb: float
    until_checkpoint_s: float
    again: Trained


def kill_and_resume(paper: str, device: Device, *, is_small: bool, num_steps: int) -> Resumed:
    """Kill a training with SIGKILL when a checkpoint is there, and run it again."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        job = Job(paper, device, is_small, num_steps, folder)
        process = context.Process(target=train, args=(job,))
        begun_s = time.monotonic()
        process.start()
        found = _wait_for(lambda: _checkpoints(Path(folder)), process)
        until_s = time.monotonic() - begun_s
        process.kill()
        process.join()
        num_bytes = max((path.stat().st_size for path in found if path.exists()), default=0)
        (again,) = train_together([job])
    return Resumed(num_bytes / 1e9, until_s, again)


def out_of_memory(device: Device, share: float) -> str:
    """Ask for more than a share of the device, and say whose fault that is taken for."""
    with suppress(RuntimeError):
        GpuMemory().begin(share)
    try:
        size = torch.cuda.mem_get_info()[1] if device == "cuda" else 1 << 60
        torch.empty(size, dtype=torch.uint8, device=device)
    except RuntimeError as error:
        return f"{kind_of(error)[0]}: {' '.join(str(error).split())[:100]}"
    finally:
        GpuMemory().begin(1.0)
    return "nothing was refused"


def _checkpoints(folder: Path) -> list[Path]:
    return [path for name in RESUME_CHECKPOINTS for path in folder.rglob(name)]


def _wait_for(find: Callable[[], list[Path]], process: Any) -> list[Path]:
    until_s = time.monotonic() + PATIENCE_S
    while not (found := find()):
        if time.monotonic() > until_s or not process.is_alive():
            raise RuntimeError(
                "the training has ended, or not begun, before it wrote a checkpoint; give it more steps"
            )
        time.sleep(0.01)
    return found
