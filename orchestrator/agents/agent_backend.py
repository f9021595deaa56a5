"""Agents: trainings in processes on this machine, without Ray.

Alone an agent takes one training after the other until none is left that nobody has: for a job of an array, a
colleague's GPU, a laptop; any number of them, and sweeps, share a store by its claims. `--local` is several at once
under one command, which waits for what others have, as a sweep does.
"""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import psutil

from tablewright.orchestrator.agents.agent_slot import AgentSlot, Desk
from tablewright.orchestrator.attempts.cards import cards_here, has_device_of_gpu
from tablewright.orchestrator.attempts.resources import AUTO
from tablewright.orchestrator.listeners import Listeners
from tablewright.orchestrator.project.project import Project
from tablewright.orchestrator.settings import Settings
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.work import Listener
from tablewright.orchestrator.work_queue import WorkQueue
from tablewright.trainables.contract.memory import Card
from tablewright.trainables.contract.run import Device, Runtime
from tablewright.trainables.value.counted import counted
from tablewright.trainables.value.cpus import cpus_of_machine

START_S = 300.0
"""How long a process may take to start: a busy machine imports torch for half a minute."""
HOLDS_S = (10.0, 30.0)
"""Pauses before a training is tried again whose machine has failed, as where a disc is full for a moment."""
PROCESS_BYTES = 200 * 2**20
"""That a process holds of its own before its training does; what torch is made of it shares with the others."""
VISIBLE = "CUDA_VISIBLE_DEVICES"

logger = logging.getLogger(__name__)


class AgentBackend:
    """Runs work in processes beside this one, each one training after the other."""

    def __init__(
        self,
        *,
        num_slots: int = 1,
        device: Device | None = None,
        gpus: float | None = None,
        cpus: float | None = None,
        waits: bool = False,
        project: Project | None = None,
        holds_s: Sequence[float] = HOLDS_S,
    ) -> None:
        """Start nothing yet.

        Args:
            num_slots: trainings at a time.
            device: to train on; None is a GPU where there is one.
            gpus: of one training; None is one.
            cpus: cores to train with; None is one, and beside a GPU its part of the machine.
            waits: for what others have, rather than to leave it to them.
            project: whose modules the work is made of.
            holds_s: see `HOLDS_S`.
        """
        self._num_slots, self._device, self._waits = num_slots, device, waits
        self._gpus, self._cpus = 1.0 if gpus is None else gpus, cpus
        self._project, self._holds_s = project, holds_s
        self._slots: list[AgentSlot] = []

    @contextmanager
    def connect(self) -> Generator[Device]:
        """Find out what is trained on.

        Raises:
            ValueError: a process does not start, lacks the GPU that was asked for, or there are fewer GPUs than
                trainings at a time would take.
        """
        first = AgentSlot(self._project, {}, self._holds_s)
        try:
            self._slots = [first]
            num_gpus = first.ask_num_gpus(START_S) if self._device != "cpu" and has_device_of_gpu() else 0
            if self._device == "cuda" and not num_gpus:
                raise ValueError(
                    f"--gpus-per-training asks for a GPU, and machine {platform.node()} shows none to torch; give 0 to "
                    "train on its CPU, or start the agent where there is one"
                )
            self._slots += self._further_slots(num_gpus)
            yield "cuda" if num_gpus else "cpu"
        finally:
            for slot in self._slots:
                slot.end()

    def _further_slots(self, num_gpus: int) -> list[AgentSlot]:
        """Make the slots beside the first one, each with the GPUs that it sees; the first then sees its own alone."""
        if self._num_slots == 1:
            return []
        if not num_gpus:
            if self._num_slots > (num_cpus := cpus_of_machine()):
                logger.warning(
                    "--local %d is more than this machine has cores (%d); the trainings share them",
                    self._num_slots,
                    num_cpus,
                )
            return [AgentSlot(self._project, {}, self._holds_s) for _ in range(self._num_slots - 1)]
        shown = share_gpus(self._num_slots, self._gpus, num_gpus, os.environ)
        if self._cpus is None:
            self._cpus = max(1.0, cpus_of_machine() // self._num_slots)
        self._slots.pop().end()
        return [AgentSlot(self._project, {VISIBLE: names}, self._holds_s) for names in shown]

    def max_slots(self) -> int:
        """Count the trainings at a time."""
        return self._num_slots

    def links(self) -> dict[str, str]:
        """Nothing shows more of an agent than the store does."""
        return {}

    def cards(self) -> list[Card]:
        """Give the GPUs of this machine."""
        return cards_here()

    def run(self, queue: WorkQueue, listeners: Sequence[Listener], store: Store, runtime: Runtime) -> None:
        """Run until the queue is finished or told to stop; without waiting, until others have what is left."""
        gpus = self._gpus if runtime.device == "cuda" else 0.0
        there = replace(runtime, cpus=self._cpus, gpus=gpus)
        desk = Desk(queue, Listeners(listeners), store, there, self._waits)
        with ThreadPoolExecutor(len(self._slots), thread_name_prefix="slot") as threads:
            runs = [threads.submit(slot.run, desk) for slot in self._slots]
        for run in runs:
            run.result()


def share_gpus(num_slots: int, gpus: float, num_gpus: int, environment: Mapping[str, str]) -> list[str]:
    """Say which GPUs each of several trainings at a time sees, as CUDA is told it.

    Args:
        num_slots: trainings at a time.
        gpus: of one: whole ones, or a part of one.
        num_gpus: that this machine shows.
        environment: in which some may be named that alone are to be used.

    Raises:
        ValueError: there are too few.
    """
    named = [name.strip() for name in environment.get(VISIBLE, "").split(",") if name.strip()]
    names = named[:num_gpus] if len(named) >= num_gpus else [str(number) for number in range(num_gpus)]
    if gpus < 1:
        num_each = int(1 / gpus + 1e-9)
        shown = [name for _ in range(num_each) for name in names]  # the least busy one first
    else:
        each = int(gpus)
        shown = [",".join(names[start : start + each]) for start in range(0, num_gpus - each + 1, each)]
    if num_slots > len(shown):
        raise ValueError(
            f"--local {num_slots} trains so many at a time, and this machine has {counted(num_gpus, 'GPU')}, on which "
            f"{len(shown)} of {gpus:g} GPU each fit. Give --local {len(shown)}, a smaller --gpus-per-training such as "
            f"{max(1, num_gpus) / num_slots:.2g}, or 0 to train on the CPU"
        )
    return shown[:num_slots]


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


def make_local(settings: Settings) -> AgentBackend:
    """Give the agents of `--local`.

    Raises:
        ValueError: options are given that only a sweep on Ray has, or there is no memory for so many processes.
    """
    assert settings.local is not None
    faults = [
        f"--{name} is for a sweep on Ray, and --local {settings.local} trains on this machine without it; leave one of "
        f"them out{hint}"
        for name, is_given, hint in (
            ("address", settings.address is not None, ""),
            (
                "max-concurrent",
                settings.max_concurrent is not None,
                ": --local says how many train at a time",
            ),
            (
                "gpus-per-training auto",
                settings.gpus_per_training == AUTO,
                ", or say the part of a GPU that a training takes, such as 0.5",
            ),
        )
        if is_given
    ]
    free_bytes = psutil.virtual_memory().available
    if settings.local * PROCESS_BYTES > free_bytes:
        faults.append(
            f"--local is {settings.local}; this machine has {free_bytes / 1e9:.1f} GB of memory free, and each process "
            f"takes {PROCESS_BYTES / 1e9:.1f} GB before it trains: at most {free_bytes // PROCESS_BYTES} fit"
        )
    if faults:
        raise ValueError("\n".join(faults))
    gpus = settings.gpus_per_training
    assert gpus != AUTO
    return AgentBackend(
        num_slots=settings.local,
        device=None if gpus is None else "cuda" if gpus else "cpu",
        gpus=gpus or None,
        cpus=settings.cpus_per_training,
        waits=True,
        project=settings.project,
    )
