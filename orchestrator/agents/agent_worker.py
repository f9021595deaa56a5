"""The process in which an agent's trainings run, and what it tells the agent: data, and nothing that is executed."""

from __future__ import annotations

import os
import pickle
import queue
import signal
import threading
from collections.abc import Mapping
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Literal

from tablewright.orchestrator.attempts.attempt_end import MachineFault, raise_verdict
from tablewright.orchestrator.attempts.guarded_trial import run_on_worker
from tablewright.orchestrator.attempts.messages import (
    failure_to_text,
    outcome_to_text,
    progress_to_text,
    telling_to_text,
)
from tablewright.orchestrator.attempts.ranks import beside
from tablewright.orchestrator.attempts.termination_notice import NoticeWatch
from tablewright.orchestrator.attempts.trial_hooks import TrialHooks
from tablewright.orchestrator.masked_streams import mask_streams
from tablewright.orchestrator.project.project import ProjectOnWorker
from tablewright.orchestrator.searches.rungs import Verdict
from tablewright.orchestrator.signals import ASKING
from tablewright.orchestrator.work import Progress, Work
from tablewright.trainables.contract.run import Device, Runtime
from tablewright.trainables.value.cpus import cpus_of_machine

Kind = Literal["device", "begun", "progress", "told", "outcome", "fault", "leaving"]
"""What a message is, before its text: how many GPUs torch sees here; or of a training, that it begins, an epoch (which
is answered), how far long work is, how it ended, why this machine has failed it, or that it has saved its state since
this machine is to go. See `messages`."""


class _Agent:
    """The agent at the other end."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.should_stop = threading.Event()
        self._tasks: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._verdicts: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=self._listen, name="agent", daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                message = self._connection.recv_bytes()
            except (EOFError, OSError):  # the agent has ended or was killed: what runs saves its state
                self.should_stop.set()
                self._verdicts.put(b"go on")
                self._tasks.put(None)
                return
            if message == b"stop":
                self.should_stop.set()
            elif message in (b"go on", b"pause", b"prune"):
                self._verdicts.put(message)
            else:
                self._tasks.put(message)

    def next_task(self) -> bytes | None:
        """Wait for what is to be done; None where there is nothing more."""
        return self._tasks.get()

    def tell(self, kind: Kind, text: str = "") -> None:
        """Send a message; an agent that is gone hears nothing, and the store has all that counts."""
        try:
            self._connection.send_bytes(f"{kind} {text}".encode())
        except OSError:
            self.should_stop.set()

    def verdict(self, progress: Progress) -> Verdict:
        """Tell of an epoch, and hear whether the training goes on."""
        self.tell("progress", progress_to_text(progress))
        said = self._verdicts.get()
        return "prune" if said == b"prune" else "pause" if said == b"pause" else "go on"


def serve(connection: Connection, project: ProjectOnWorker | None, environment: Mapping[str, str]) -> None:
    """Do what the agent asks for until it ends; signals are for the agent, which hands them on.

    Args:
        connection: to the agent.
        project: whose modules the work is made of.
        environment: all variables that there are to be; this process is forked from one that began earlier.
    """
    os.environ.clear()
    os.environ.update(environment)
    for number in ASKING:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ASKING)  # which the server was started without
    mask_streams()
    agent, notices = _Agent(connection), NoticeWatch()
    while (task := agent.next_task()) is not None:
        if task == b"device":
            agent.tell("device", str(_num_gpus()))
            continue
        url, store_id, runtime, sweep, pickled = pickle.loads(task.removeprefix(b"work"))
        if project is not None:
            project.enter(runtime.cache_dir)
        _attempt(pickle.loads(pickled), url, store_id, runtime, sweep, agent, notices)


def _attempt(
    work: Work, url: str, store_id: str, runtime: Runtime, sweep: str, agent: _Agent, notices: NoticeWatch
) -> None:
    def on_progress(progress: Progress) -> None:
        raise_verdict(agent.verdict(progress))

    if runtime.cpus is None:
        runtime = replace(runtime, cpus=_part_of_machine(runtime.device))
    hooks = TrialHooks(
        on_progress,
        agent.should_stop.is_set,
        lambda: agent.tell("begun"),
        sweep=sweep,
        processes=beside,
        on_told=lambda telling: agent.tell("told", telling_to_text(telling)),
    )
    try:
        outcome = run_on_worker(work, url, store_id, runtime, hooks, notices)
    except MachineFault as fault:
        agent.tell("fault", failure_to_text(fault.failure))
        return
    if outcome.state == "stopped" and (notice := notices.notice) is not None:
        agent.tell("leaving", notice.text)
    else:
        agent.tell("outcome", outcome_to_text(outcome))


def _part_of_machine(device: Device) -> float:
    """Count the cores of a GPU, where each has an agent; without one it is one core, as on Ray."""
    import torch

    return max(1.0, cpus_of_machine() // max(1, torch.cuda.device_count())) if device == "cuda" else 1.0


def _num_gpus() -> int:
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0
