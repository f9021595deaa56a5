"""A slot of an agent: one training at a time, in a process that is kept from one to the next.

A process that crashes, or is killed for its memory, costs the agent nothing. Several slots share a queue: what touches
it, or the listeners, holds the lock of the `Desk`.
"""

from __future__ import annotations

import logging
import platform
import threading
import time
import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import cloudpickle

from tablewright.orchestrator.agents.worker_process import ProcessDied, WorkerProcess
from tablewright.orchestrator.attempts.failed_attempt import end_as_failed, failure_of
from tablewright.orchestrator.attempts.messages import (
    failure_from_text,
    outcome_from_text,
    progress_from_text,
    telling_from_text,
)
from tablewright.orchestrator.listeners import Listeners
from tablewright.orchestrator.project.project import Project
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_records import FailureRecord
from tablewright.orchestrator.work import Outcome, Work
from tablewright.orchestrator.work_queue import WorkQueue
from tablewright.trainables.contract.run import Runtime

POLL_S = 0.2
"""How often it is looked whether the agent is to end."""
MAX_LOST_PROCESSES = 3
"""How often a training is tried again whose process has died."""

logger = logging.getLogger(__name__)


@dataclass
class Desk:
    """What all slots of an agent share while it runs: its queue and listeners, each used by one slot at a time."""

    queue: WorkQueue
    everyone: Listeners
    store: Store
    runtime: Runtime
    waits: bool
    sweep: str = field(default_factory=lambda: uuid.uuid4().hex)
    changed: threading.Condition = field(default_factory=lambda: threading.Condition(threading.RLock()))
    fault: BaseException | None = None

    def next_work(self) -> Work | None:
        """Wait for the next work; None where there will be none, or where it is left to others."""
        with self.changed:
            while not self.queue.is_finished() and self.fault is None:
                work = self.queue.next_work()
                for ended, outcome in self.queue.ended_elsewhere():
                    self.everyone.on_end(ended, outcome)
                if work is not None:
                    return work
                if self.queue.is_finished() or not self.waits:
                    return None
                self.queue.tell_of_waiting()
                self.changed.wait(POLL_S)
            return None

    @contextmanager
    def at(self) -> Generator[tuple[WorkQueue, Listeners]]:
        """Use the queue and the listeners alone; other slots look again what there is to do."""
        with self.changed:
            yield self.queue, self.everyone
            self.changed.notify_all()


class AgentSlot:
    """Runs the work of a desk, one after the other."""

    def __init__(
        self, project: Project | None, variables: Mapping[str, str], holds_s: Sequence[float]
    ) -> None:
        """Start nothing yet.

        Args:
            project: whose modules the work is made of.
            variables: of the environment of its process, such as which GPUs it sees.
            holds_s: pauses before a training is tried again whose machine has failed.
        """
        self._project, self._variables, self._holds_s = project, variables, holds_s
        self._process: WorkerProcess | None = None

    def ask_num_gpus(self, limit_s: float) -> int:
        """Ask the process how many GPUs it sees.

        Raises:
            ValueError: it does not start.
        """
        try:
            self._started().send(b"device")
            return int(self._started().received(limit_s)[1])
        except (ProcessDied, TimeoutError) as error:
            raise ValueError(f"the agent's process did not start: {error or 'no answer'}") from error

    def run(self, desk: Desk) -> None:
        """Run until there is nothing more to do."""
        try:
            while (work := desk.next_work()) is not None:
                self._run(work, desk)
        except BaseException as error:
            with desk.at():
                desk.fault = desk.fault or error
                desk.queue.stop()
            raise
        finally:
            self.end()

    def end(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.end()

    def _run(self, work: Work, desk: Desk) -> None:
        queue = desk.queue
        has_begun, outcome = False, Outcome("stopped")
        num_lost, holds_s = 0, list(self._holds_s)

        def on_begin() -> None:
            nonlocal has_begun
            has_begun = True
            with desk.at():
                queue.note_wait()
                desk.everyone.on_start(work)

        while True:
            try:
                answer = self._attempt(work, desk, on_begin)
            except ProcessDied as error:
                self._process = None
                num_lost += 1
                logger.warning("%s: %s", work.label, error)
                if queue.is_stopping:
                    break
                if num_lost > MAX_LOST_PROCESSES:
                    outcome = end_as_failed(work, desk.store, _failure_of_death(work, desk.store, str(error)))
                    break
                continue
            if isinstance(answer, Outcome):
                outcome = answer
                if outcome.unwritten is not None:
                    outcome = end_as_failed(work, desk.store, outcome.unwritten)
                break
            if answer.kind == "memory":  # it was alone on its device
                outcome = end_as_failed(work, desk.store, answer)
                break
            if answer.kind == "stall":  # the second one is an outcome
                logger.warning("%s: %s; it is tried once more", work.label, answer.message)
                continue
            logger.warning("%s: this machine has failed: %s", work.label, answer.message)
            with desk.at():
                queue.note_wait(
                    f"this machine has failed, and is tried again: {work.label}: {answer.message}"
                )
            if not holds_s or not _hold(holds_s.pop(0), queue):
                if not queue.is_stopping:
                    logger.warning(
                        "this agent ends, as its machine fails; what it had is left to others, or to the next run"
                    )
                    queue.stop()
                break
        with desk.at():
            queue.on_end(work, outcome)
            if has_begun or outcome.state not in ("claimed", "stopped"):
                desk.everyone.on_end(work, outcome)

    def _attempt(self, work: Work, desk: Desk, on_begin: Callable[[], None]) -> Outcome | FailureRecord:
        process, queue = self._started(), desk.queue
        task = (desk.store.url, desk.store.shared_id(), desk.runtime, desk.sweep, cloudpickle.dumps(work))
        process.send(b"work" + cloudpickle.dumps(task))
        is_stop_sent = False
        while True:
            if queue.is_out_of_grace:
                logger.warning(
                    "%s: did not save within the grace and is ended; what it did since its last checkpoint is lost",
                    work.label,
                )
                process.kill()
                self.end()
                return Outcome("stopped")
            if queue.is_stopping and not is_stop_sent:
                process.send(b"stop")
                is_stop_sent = True
            try:
                kind, text = process.received(POLL_S)
            except TimeoutError:
                continue
            if kind == "begun":
                on_begin()
            elif kind == "progress":
                progress = progress_from_text(text)
                with desk.at():
                    desk.everyone.on_progress(work, progress)
                    verdict = queue.on_progress(work, progress)
                process.send(verdict.encode())
            elif kind == "told":
                with desk.at():
                    desk.everyone.on_told(work, telling_from_text(text))
            elif kind == "leaving":
                logger.warning(
                    "machine %s is to go: %s. This agent ends; what it had has saved its state, and is left to others",
                    platform.node(),
                    text,
                )
                queue.stop()
                return Outcome("stopped")
            elif kind == "fault":
                self.end()  # a device whose context is broken fails whatever comes next in it
                return failure_from_text(text)
            else:
                outcome = outcome_from_text(text)
                if outcome.state == "failed":
                    self.end()
                return outcome

    def _started(self) -> WorkerProcess:
        if self._process is None:
            self._process = WorkerProcess(self._project, self._variables)
        return self._process


def _hold(hold_s: float, queue: WorkQueue) -> bool:
    """Wait; false where the agent was told to end meanwhile."""
    until_s = time.monotonic() + hold_s
    while time.monotonic() < until_s and not queue.is_stopping:
        time.sleep(POLL_S)
    return not queue.is_stopping


def _failure_of_death(work: Work, store: Store, how: str) -> FailureRecord:
    """Describe how the process of a training died, by what it has left of that."""
    training = store.training(work.training_id)
    try:
        left, printed = training.failure(), training.output_tail()
    except (OSError, ValueError):  # the store is no help
        left, printed = None, []
    said = "\n".join(["It printed last:", *printed]) if printed else ""
    return left or failure_of(work, f"{how}\n{said}".strip())
