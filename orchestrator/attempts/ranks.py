"""The further processes of a training, on this machine: started, watched, and ended with it.

The attempt itself is the first process, and the only one that records anything. What another one fails in is its
fault to tell; one that dies loses the training its worker.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Pipe, wait
from typing import Protocol

import cloudpickle

from tablewright.orchestrator.attempts.as_planned import check_code, check_data
from tablewright.orchestrator.attempts.failure_text import words_of
from tablewright.orchestrator.attempts.fault_kind import FaultKind, ProcessLost, kind_of
from tablewright.orchestrator.attempts.measuring import prepare_data
from tablewright.orchestrator.attempts.worker_death import how_ended
from tablewright.orchestrator.project.project import ProjectOnWorker, entered_project
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.work import Work
from tablewright.trainables.contract.process import START_S, Process
from tablewright.trainables.contract.run import FitHooks, Runtime
from tablewright.trainables.value.cpus import use_cpus
from tablewright.trainables.value.secret import masked

LOOPBACK = "127.0.0.1"
NOTICE_S = 5.0
"""So long after a connection broke it is looked which process has ended, and how."""
MODULE = "tablewright.orchestrator.attempts.rank_process"
VISIBLE_GPUS = "CUDA_VISIBLE_DEVICES"
OF_THE_GROUP = ("gloo", "NCCL", "TCPStore", "Connection closed", "process group")
"""Words of errors that a process raises when another one of its group has gone."""


class Rank(Protocol):
    """One of the further processes, as the first one sees it."""

    def wait_until_ready(self, limit_s: float) -> None:
        """Return once it is about to train.

        Raises:
            ProcessLost: it has ended before.
        """
        ...

    def loss(self, limit_s: float) -> ProcessLost | None:
        """Say how it has ended by itself; None where it runs on for so long."""
        ...

    def end(self) -> None:
        """End it."""
        ...


@contextmanager
def beside(work: Work, store: Store, runtime: Runtime) -> Generator[Runtime]:
    """Start the other processes of a training on this machine, where it has some; they end with the context.

    Raises:
        ProcessLost: one has failed or died.
    """

    def start(process: Process) -> LocalRank:
        return LocalRank(work, store, replace(runtime, process=process))

    with together(runtime, LOOPBACK, start) as there:
        yield there


@contextmanager
def together(runtime: Runtime, address: str, start: Callable[[Process], Rank]) -> Generator[Runtime]:
    """Run the first process of a training inside, and the others as `start` starts them.

    Args:
        runtime: of the attempt; its `process` says how many there are.
        address: of this machine, as the others reach it.
        start: starts another one.

    Raises:
        ProcessLost: one of the others has failed or died.
    """
    num_processes = runtime.process.num_processes
    if num_processes == 1:
        yield runtime
        return
    ranks: list[Rank] = []
    with socket.create_server((address, 0)) as listening:
        first = Process(0, num_processes, address, listening.getsockname()[1], listening=listening.fileno())
        try:
            for rank in range(1, num_processes):
                ranks.append(start(replace(first, rank=rank, listening=None)))
            for one in ranks:
                one.wait_until_ready(START_S)
            yield replace(runtime, process=first)
        except RuntimeError as error:
            if any(word in str(error) for word in OF_THE_GROUP) and (lost := _first_loss(ranks)) is not None:
                raise lost from error
            raise
        finally:
            for one in ranks:
                one.end()


def _first_loss(ranks: Sequence[Rank]) -> ProcessLost | None:
    """Give the loss that explains the others: one that a process has for want of another one explains nothing."""
    losses = [loss for one in ranks if (loss := one.loss(NOTICE_S)) is not None]
    causes = [loss for loss in losses if not any(word in str(loss) for word in OF_THE_GROUP)]
    return next(iter(causes), None)


@dataclass(frozen=True)
class RankTask:
    """What another process is told to do.

    Attributes:
        store_id: see `Store.join`.
        project: whose modules the work is made of; None where it is of ours alone.
        work: pickled, to be read once the project is entered.
    """

    store_url: str
    store_id: str
    runtime: Runtime
    project: ProjectOnWorker | None
    work: bytes


def begin_rank(task: RankTask) -> Callable[[], None]:
    """Make everything ready for one of the further processes of a training.

    Returns:
        What trains, until the training ends.

    Raises:
        Exception: this machine has other data or other code.
    """
    if task.runtime.cpus is not None:
        use_cpus(task.runtime.cpus)
    if task.project is not None:
        task.project.enter(task.runtime.cache_dir)
    work: Work = pickle.loads(task.work)
    store = Store.join(task.store_url, task.store_id)
    check_code(work)
    check_data(work.config, work.data, task.runtime)
    prepare_data(work.config, task.runtime)

    def train() -> None:
        checkpoints = store.training(work.training_id).checkpoints
        work.config.make_trainable().fit(work.config, task.runtime, checkpoints, FitHooks())

    return train


def task_of(work: Work, store: Store, runtime: Runtime, project: ProjectOnWorker | None) -> RankTask:
    """Say what another process is to do."""
    return RankTask(store.url, store.shared_id(), runtime, project, cloudpickle.dumps(work))


def told_of(error: BaseException) -> tuple[FaultKind, str]:
    """Say what one of the further processes has failed in: whose fault it is, and the words."""
    kind, known = kind_of(error)
    return kind, ". ".join(filter(None, [masked(words_of(error)), known]))


class LocalRank:
    """A process on this machine.

    Args:
        work: whose training.
        store: of its records.
        runtime: of the process.
    """

    def __init__(self, work: Work, store: Store, runtime: Runtime) -> None:
        self._rank = runtime.process.rank
        project = entered_project()
        task = task_of(work, store, runtime, project and ProjectOnWorker(str(project.folder)))
        self._connection, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", MODULE, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=_environment(runtime),
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # signals are for the first process, which hands on what they mean
            )
        self._connection.send_bytes(pickle.dumps(task))

    def wait_until_ready(self, limit_s: float) -> None:
        """Return once it is about to train."""
        if not wait([self._connection], limit_s):
            raise ProcessLost(
                f"process {self._rank} of the training did not begin in {limit_s:g} s", "machine"
            )
        if (loss := self.loss(0.0)) is not None:
            raise loss

    def loss(self, limit_s: float) -> ProcessLost | None:
        """Say how it has ended by itself; None where it runs on for so long."""
        try:
            if not self._connection.poll(limit_s):
                return None
            word, kind, text = pickle.loads(self._connection.recv_bytes())
        except (EOFError, OSError):
            how = how_ended(self._process.wait())
            return ProcessLost(f"process {self._rank} of the training has died ({how})", "machine")
        return None if word == "ready" else ProcessLost(f"process {self._rank} of the training: {text}", kind)

    def end(self) -> None:
        """End it."""
        self._connection.close()
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # with what it has started
        self._process.wait()


def _environment(runtime: Runtime) -> Mapping[str, str]:
    """Give the process a GPU of its own where it is to have one."""
    environment = dict(os.environ)
    if runtime.device == "cuda":
        visible = environment.get(VISIBLE_GPUS, "").split(",") if environment.get(VISIBLE_GPUS) else None
        rank = runtime.process.rank
        if visible is not None and rank >= len(visible):
            raise ValueError(
                f"a training in {runtime.process.num_processes} processes needs as many GPUs, and "
                f"{VISIBLE_GPUS} shows {len(visible)}; give --gpus-per-training {len(visible)}"
            )
        environment[VISIBLE_GPUS] = str(rank) if visible is None else visible[rank]
    return environment
