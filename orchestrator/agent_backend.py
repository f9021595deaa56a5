"""An agent: takes trainings one after the other until none is left that nobody has, without Ray.

For a job of an array, a colleague's GPU, a laptop: any number of them, and sweeps, share a store by its claims.
Trainings run in a process beside the agent's own, which is kept from one to the next, so that one that crashes, or
is killed for its memory, costs the agent nothing.
"""

from __future__ import annotations

import logging
import multiprocessing
import platform
import time
import uuid
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import cloudpickle

from tablewright.orchestrator.agent_worker import serve
from tablewright.orchestrator.cards import cards_here
from tablewright.orchestrator.listeners import Listeners
from tablewright.orchestrator.messages import failure_from_text, outcome_from_text, progress_from_text
from tablewright.orchestrator.project import Project, ProjectOnWorker
from tablewright.orchestrator.resources import AUTO
from tablewright.orchestrator.settings import Settings
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_records import FailureRecord
from tablewright.orchestrator.trial import Listener, Outcome, Work, end_as_failed, failure_of
from tablewright.orchestrator.work_queue import WorkQueue
from tablewright.orchestrator.worker_death import how_ended
from tablewright.trainables.contract.memory import Card
from tablewright.trainables.contract.run import Device, Runtime

POLL_S = 0.2
"""How often it is looked whether the agent is to end."""
START_S = 300.0
"""How long a process may take to start: a busy machine imports torch for half a minute."""
MAX_LOST_PROCESSES = 3
"""How often a training is tried again whose process has died."""
HOLDS_S = (10.0, 30.0)
"""Pauses before a training is tried again whose machine has failed, as where a disc is full for a moment."""

logger = logging.getLogger(__name__)


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection


class _Died(Exception):
    """The process of a training has ended by itself."""


class AgentBackend:
    """Runs work one after the other in a process beside this one."""

    def __init__(
        self,
        *,
        device: Device | None = None,
        cpus: float | None = None,
        project: Project | None = None,
        holds_s: Sequence[float] = HOLDS_S,
    ) -> None:
        """Start nothing yet.

        Args:
            device: to train on; None is a GPU where there is one.
            cpus: cores to train with; None is one, and beside a GPU its part of the machine.
            project: whose modules the work is made of.
            holds_s: see `HOLDS_S`.
        """
        self._device, self._cpus, self._project, self._holds_s = device, cpus, project, holds_s
        self._worker: _Worker | None = None
        self._sweep = uuid.uuid4().hex

    @contextmanager
    def connect(self) -> Generator[Device]:
        """Start the process; gives what it trains on.

        Raises:
            ValueError: it does not start, or lacks the GPU that was asked for.
        """
        try:
            worker = self._started()
            try:
                self._send(worker, b"device")
                _, found = self._received(worker, START_S)
            except (_Died, TimeoutError) as error:
                raise ValueError(f"the agent's process did not start: {error or 'no answer'}") from error
            if self._device == "cuda" and found == "cpu":
                raise ValueError(
                    f"--gpus-per-training asks for a GPU, and machine {platform.node()} shows none to torch; give 0 to "
                    "train on its CPU, or start the agent where there is one"
                )
            device: Device = "cpu" if self._device == "cpu" or found == "cpu" else "cuda"
            yield device
        finally:
            self._end_worker()

    def max_slots(self) -> int:
        """One training at a time."""
        return 1

    def links(self) -> dict[str, str]:
        """Nothing shows more of an agent than the store does."""
        return {}

    def cards(self) -> list[Card]:
        """Give the GPUs of this machine."""
        return cards_here()

    def run(self, queue: WorkQueue, listeners: Sequence[Listener], store: Store, runtime: Runtime) -> None:
        """Run until the queue is told to stop or has nothing that is not in other hands."""
        everyone = Listeners(listeners)
        runtime = replace(runtime, cpus=self._cpus, gpus=1.0 if runtime.device == "cuda" else 0.0)
        while not queue.is_finished():
            work = queue.next_work()
            for ended, outcome in queue.ended_elsewhere():
                everyone.on_end(ended, outcome)
            if work is None:
                return
            self._run(work, queue, everyone, store, runtime)

    def _run(self, work: Work, queue: WorkQueue, everyone: Listeners, store: Store, runtime: Runtime) -> None:
        has_begun, outcome = False, Outcome("stopped")
        num_lost, holds_s = 0, list(self._holds_s)

        def on_begin() -> None:
            nonlocal has_begun
            has_begun = True
            queue.note_wait()
            everyone.on_start(work)

        while True:
            try:
                answer = self._attempt(work, queue, everyone, on_begin, store, runtime)
            except _Died as error:
                num_lost += 1
                logger.warning("%s: %s", work.label, error)
                if queue.is_stopping:
                    break
                if num_lost > MAX_LOST_PROCESSES:
                    outcome = end_as_failed(work, store, _failure_of_death(work, store, str(error)))
                    break
                continue
            if isinstance(answer, Outcome):
                outcome = answer
                if outcome.unwritten is not None:
                    outcome = end_as_failed(work, store, outcome.unwritten)
                break
            if answer.kind == "memory":  # it was alone on its device
                outcome = end_as_failed(work, store, answer)
                break
            if answer.kind == "stall":  # the second one is an outcome
                logger.warning("%s: %s; it is tried once more", work.label, answer.message)
                continue
            logger.warning("%s: this machine has failed: %s", work.label, answer.message)
            queue.note_wait(f"this machine has failed, and is tried again: {work.label}: {answer.message}")
            if not holds_s or not self._hold(holds_s.pop(0), queue):
                if not queue.is_stopping:
                    logger.warning(
                        "this agent ends, as its machine fails; what it had is left to others, or to the next run"
                    )
                    queue.stop()
                break
        queue.on_end(work, outcome)
        if has_begun or outcome.state not in ("claimed", "stopped"):
            everyone.on_end(work, outcome)

    def _attempt(
        self,
        work: Work,
        queue: WorkQueue,
        everyone: Listeners,
        on_begin: Callable[[], None],
        store: Store,
        runtime: Runtime,
    ) -> Outcome | FailureRecord:
        worker = self._started()
        task = (store.url, store.shared_id(), runtime, self._sweep, cloudpickle.dumps(work))
        self._send(worker, b"work" + cloudpickle.dumps(task))
        is_stop_sent = False
        while True:
            if queue.is_out_of_grace:
                logger.warning(
                    "%s: did not save within the grace and is ended; what it did since its last checkpoint is lost",
                    work.label,
                )
                worker.process.kill()
                self._end_worker()
                return Outcome("stopped")
            if queue.is_stopping and not is_stop_sent:
                self._send(worker, b"stop")
                is_stop_sent = True
            try:
                kind, text = self._received(worker, POLL_S)
            except TimeoutError:
                continue
            if kind == "begun":
                on_begin()
            elif kind == "progress":
                progress = progress_from_text(text)
                everyone.on_progress(work, progress)
                self._send(worker, queue.on_progress(work, progress).encode())
            elif kind == "leaving":
                logger.warning(
                    "machine %s is to go: %s. This agent ends; what it had has saved its state, and is left to others",
                    platform.node(),
                    text,
                )
                queue.stop()
                return Outcome("stopped")
            elif kind == "fault":
                self._end_worker()  # a device whose context is broken fails whatever comes next in it
                return failure_from_text(text)
            else:
                outcome = outcome_from_text(text)
                if outcome.state == "failed":
                    self._end_worker()
                return outcome

    def _hold(self, hold_s: float, queue: WorkQueue) -> bool:
        """Wait; false where the agent was told to end meanwhile."""
        until_s = time.monotonic() + hold_s
        while time.monotonic() < until_s and not queue.is_stopping:
            time.sleep(POLL_S)
        return not queue.is_stopping

    # -- the process

    def _started(self) -> _Worker:
        if self._worker is None:
            ours, theirs = multiprocessing.Pipe()
            place = None if self._project is None else ProjectOnWorker(str(self._project.folder))
            process = multiprocessing.get_context("spawn").Process(
                target=serve, args=(theirs, place), name="tablewright agent", daemon=True
            )
            process.start()
            theirs.close()
            self._worker = _Worker(process, ours)
        return self._worker

    def _received(self, worker: _Worker, limit_s: float) -> tuple[str, str]:
        """Take the next message: its kind and its text.

        Raises:
            TimeoutError: there is none in time.
            _Died: the process has ended.
        """
        try:
            if not worker.connection.poll(limit_s):
                raise TimeoutError
            kind, _, text = worker.connection.recv_bytes().decode().partition(" ")
            return kind, text
        except (EOFError, ConnectionResetError):
            raise self._death_of(worker) from None

    def _send(self, worker: _Worker, message: bytes) -> None:
        """Tell the process something.

        Raises:
            _Died: it has ended.
        """
        try:
            worker.connection.send_bytes(message)
        except OSError:
            raise self._death_of(worker) from None

    def _death_of(self, worker: _Worker) -> _Died:
        worker.process.join()
        self._worker = None
        return _Died(f"its process has died ({how_ended(worker.process.exitcode)})")

    def _end_worker(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.connection.close()
            worker.process.join(5.0)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()


def _failure_of_death(work: Work, store: Store, how: str) -> FailureRecord:
    """Describe how the process of a training died, by what it has left of that."""
    training = store.training(work.training_id)
    try:
        left, printed = training.failure(), training.output_tail()
    except (OSError, ValueError):  # the store is no help
        left, printed = None, []
    said = "\n".join(["It printed last:", *printed]) if printed else ""
    return left or failure_of(work, f"{how}\n{said}".strip())


def make_agent(settings: Settings) -> AgentBackend:
    """Give the agent that the command line asks for.

    Raises:
        ValueError: options are given that an agent has no use for, or that it cannot meet.
    """
    faults = [
        f"--{name} is for a sweep on Ray; an agent trains one after another on its own machine. Leave it out; "
        "start more agents to train more at a time"
        for name, value in (("address", settings.address), ("max-concurrent", settings.max_concurrent))
        if value is not None
    ]
    gpus = settings.gpus_per_training
    if gpus not in (None, AUTO) and gpus != int(gpus):
        faults.append(f"--gpus-per-training is {gpus}; an agent takes whole GPUs, such as 1, or none (0)")
    if faults:
        raise ValueError("\n".join(faults))
    return AgentBackend(
        device=None if gpus is None else "cuda" if gpus else "cpu",
        cpus=settings.cpus_per_training,
        project=settings.project,
    )
