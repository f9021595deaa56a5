"""The backend of Ray Tune: where and when work runs.

All unique trainings of a sweep are made by the trials of one Tune run, so that workers stay warm from one training to
the next. Tune places them and counts fractions of a GPU. What is tried again is decided by `lost_attempts`, since
Tune takes a lost machine for a failure; what is done by the store alone, so Tune's own checkpoints, snapshots and
loggers are not used.
"""

from __future__ import annotations

import functools
import logging
import os
import tempfile
import time
import uuid
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal

import ray

from tablewright.orchestrator.addresses import causes_of
from tablewright.orchestrator.attempts.cards import cards_here, cards_of_nodes
from tablewright.orchestrator.attempts.packing import FixedShares, MemoryShares
from tablewright.orchestrator.attempts.resources import AUTO, Resources
from tablewright.orchestrator.listeners import Listeners
from tablewright.orchestrator.on_ray.machine_types import MachineTypes, num_reachable
from tablewright.orchestrator.on_ray.ray_autoscaler import machine_types, may_grow
from tablewright.orchestrator.on_ray.ray_cluster import RayCluster, heads_and_others, machines
from tablewright.orchestrator.on_ray.supervisor import Link
from tablewright.orchestrator.project.project import Project, ProjectOnWorker
from tablewright.orchestrator.settings import Settings
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.work import Listener
from tablewright.orchestrator.work_queue import WorkQueue
from tablewright.trainables.contract.memory import Card
from tablewright.trainables.contract.run import Device, Runtime

MAX_PENDING_TRIALS = 64
"""Trials offered to a cluster beyond those that have a place, where it may start machines for them."""

FIRST_HOLD_S = 10.0
"""A machine that failed keeps its slot for so long, twice as long each time until something succeeds there,
so that one with a full disc does not draw the queue to itself."""

LOOK_EVERY_S = 1.0
"""How often it is asked which machines a cluster has, of which every training takes its part: they come and go in
minutes."""

ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the store and MLflow hold what these would write
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C lets running trainings save their state first
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",  # a snapshot of the whole experiment that nobody reads
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_MAX_PENDING_TRIALS_PG": str(MAX_PENDING_TRIALS),
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # the failure record has it
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


class RayBackend:
    """Runs work on the Ray cluster at an address, or on one that it starts on this machine."""

    def __init__(
        self,
        *,
        address: str | None = None,
        cpus: float | None = None,
        gpus: float | Literal["auto"] | None = None,
        num_processes: int = 1,
        max_concurrent: int | None = None,
        max_lost_workers: int = 3,
        first_hold_s: float = FIRST_HOLD_S,
        project: Project | None = None,
        watcher: Link | None = None,
    ) -> None:
        """Connect nothing yet.

        Args:
            address: of a running cluster; None starts one on this machine.
            cpus: of one training; None is one, or less where that would leave GPUs idle.
            gpus: of one training; None is one where the cluster has any, `auto` as much as its memory says.
            num_processes: that make one training, and share what it takes.
            max_concurrent: trainings at a time; None is as many as fit.
            max_lost_workers: how often a training is tried again after its worker died, or its machine failed; that
                of a machine that was lost is no failure.
            first_hold_s: how long a machine that failed keeps its slot; see `FIRST_HOLD_S`.
            project: whose modules workers must find; its source files are sent to those of another cluster.
            watcher: told how far Ray is.
        """
        self._cluster = RayCluster(address, self._num_at_a_time, watcher)
        self._project = project
        self._cpus = None if cpus is None else cpus / num_processes
        self._gpus: float | Literal["auto"] | None = (
            gpus if gpus is None or gpus == AUTO else gpus / num_processes
        )
        self._num_processes = num_processes
        self._shares: FixedShares | None = None
        self._max_concurrent = max_concurrent
        self._max_lost_workers = max_lost_workers
        self._first_hold_s = first_hold_s
        self._growth: MachineTypes | None = None
        self._grows_unseen = False
        self._machines: list[Resources] = []
        self._looked_at_s = float("-inf")

    @contextmanager
    def connect(self) -> Generator[Device]:
        """Join the cluster, or start one on this machine that ends with the sweep.

        A process that has joined one already, as a test has, keeps it.

        Raises:
            ValueError: the address does not answer, or this machine alone can never run a training. Of a given
                cluster nobody knows: it may start machines when they are asked for.
        """
        os.environ.update({name: os.environ.get(name, value) for name, value in ENVIRONMENT.items()})
        logging.getLogger("ray.tune.tune").setLevel(logging.CRITICAL)  # it names trials that have failed
        with self._cluster.connect():
            self._looked_at_s = float("-inf")
            is_joined = self._cluster.folder is None
            self._growth = machine_types() if is_joined else None
            self._grows_unseen = is_joined and self._growth is None and may_grow()
            if self._cluster.folder is not None:
                self._check_machine()
            yield self._device()

    def _device(self) -> Device:
        return "cuda" if self._needed().gpus else "cpu"

    def _check_machine(self) -> None:
        needed, machine = self._needed(), Resources.of(ray.cluster_resources())
        num_processes = self._num_processes
        in_all = Resources(needed.cpus * num_processes, needed.gpus * num_processes)
        if not in_all.fit_into(machine):
            raise ValueError(
                f"a training takes {needed}, and this machine has {machine}; no training could ever start. "
                f"Give --gpus-per-training of at most {machine.gpus:g} (0 trains on the CPU) and --cpus-per-training "
                f"of at most {machine.cpus:g}, or --address of a cluster that has more"
            )

    def _needed(self) -> Resources:
        """Give what a training takes of which nothing is known."""
        return self._resources_for(1.0 if self._gpus == AUTO else self._gpus)

    def _num_at_a_time(self, machine: Resources) -> int:
        """Count the trainings that could run at a time on one machine alone."""
        gpus = 1.0 if self._gpus == AUTO else self._gpus
        needed = Resources.reserved(self._cpus, gpus, [machine])
        num = num_reachable(replace(needed, num_processes=self._num_processes), [machine], [], None)
        return num if self._max_concurrent is None else min(num, self._max_concurrent)

    def _resources_for(self, gpus: float | None) -> Resources:
        if time.monotonic() - self._looked_at_s >= LOOK_EVERY_S:
            self._machines, self._looked_at_s = machines(), time.monotonic()
        to_come = [] if self._growth is None else [kind.resources for kind in self._growth.types]
        reserved = Resources.reserved(self._cpus, gpus, [*self._machines, *to_come])
        return replace(reserved, num_processes=self._num_processes)

    def cards(self) -> list[Card]:
        """Give the GPUs that there are now, as far as they are known."""
        is_here = self._cluster.folder is not None
        return (cards_here() if is_here else []) or cards_of_nodes(ray.nodes())

    def _shares_of(self, store: Store, runtime: Runtime) -> FixedShares:
        if self._gpus != AUTO:
            return FixedShares(self._needed().gpus)
        cards = self.cards if self._cluster.folder is None else functools.cache(self.cards)
        return MemoryShares(store, runtime.cache_dir, cards, lambda: ray.cluster_resources().get("GPU", 0.0))

    def max_slots(self) -> int:
        """Count the trainings that could run at a time, once the machines that may be started are; at least one."""
        if self._max_concurrent is not None:
            return self._max_concurrent
        num_now, num_grown = self._num_places()
        return max(1, num_now, min(num_grown, MAX_PENDING_TRIALS))

    def _num_offered(self) -> int:
        """Count the trainings that the cluster is to know of: an autoscaler starts machines for those it has."""
        if self._max_concurrent is not None:
            return self._max_concurrent
        num_now, num_grown = self._num_places()
        return max(1, min(num_grown, num_now + MAX_PENDING_TRIALS))

    def _num_places(self) -> tuple[int, int]:
        """Count the trainings that could run at a time now, and once the machines that may be started are there."""
        needed = self._needed() if self._shares is None else self._resources_for(self._shares.smallest())
        heads, others = heads_and_others()
        num_now = num_reachable(needed, heads, others, None)
        return num_now, num_reachable(needed, heads, others, self._growth, grows_unseen=self._grows_unseen)

    def links(self) -> dict[str, str]:
        """Give where Ray's dashboard is, once this is connected; a Ray that was started here has none."""
        url = self._cluster.dashboard_url
        return {"Ray's dashboard": url if "://" in url else f"http://{url}"} if url else {}

    def run(self, queue: WorkQueue, listeners: Sequence[Listener], store: Store, runtime: Runtime) -> None:
        """Run until the queue is finished, or told to stop and every running training has saved its state."""
        # What loads Tune, a second of a processor; meanwhile Ray's first workers begin.
        from tablewright.orchestrator.on_ray.drawn_work import DrawnWork
        from tablewright.orchestrator.on_ray.ray_bridge import Bridge
        from tablewright.orchestrator.on_ray.ray_scheduler import FillsSlots
        from tablewright.orchestrator.on_ray.ray_tune import fit_all
        from tablewright.orchestrator.on_ray.ray_worker import Place, Signals

        self._shares = self._shares_of(store, runtime)
        place = Place(
            uuid.uuid4().hex,
            store.url,
            store.shared_id(),
            runtime,
            self._first_hold_s,
            self._project_on_worker(),
            self._cpus,
        )
        signals = Signals(place.sweep)
        bridge = Bridge(
            queue,
            Listeners(listeners),
            store,
            signals,
            self._shares,
            self._resources_for,
            self._max_lost_workers,
            self.max_slots,
            self._growth,
        )
        drawn = DrawnWork(queue, bridge.share_of, bridge.give_back_due)
        scheduler = FillsSlots(self._num_offered, bridge, drawn)
        with tempfile.TemporaryDirectory(prefix="tablewright-tune-", dir=self._cluster.folder) as scratch:
            try:
                fit_all(drawn, bridge, scheduler, place, scratch)
            except Exception as error:
                if not bridge.was_left:
                    if (of_ray := _error_of_ray(error)) is not None:
                        self._cluster.watcher.on_lost(f"Ray's run of the trainings ({of_ray})")
                    raise
            finally:
                signals.clear()

    def _project_on_worker(self) -> ProjectOnWorker | None:
        if self._project is None:
            return None
        packed = (
            self._project.pack() if self._cluster.address is not None and self._project.has_studies else b""
        )
        return ProjectOnWorker(str(self._project.folder), packed)


def _error_of_ray(error: Exception) -> str | None:
    """Say in a line what Ray itself has failed in, such as workers that it could not start for want of memory."""
    for cause in causes_of(error):
        if type(cause).__module__.partition(".")[0] == "ray":
            return f"{type(cause).__name__}: {next(iter(str(cause).splitlines()), '')[:200]}"
    return None


def make_backend(settings: Settings, watcher: Link | None = None) -> RayBackend:
    """Give the backend that the command line asks for, told of by `watcher`."""
    return RayBackend(
        address=settings.cluster_address(),
        cpus=settings.cpus_per_training,
        gpus=settings.gpus_per_training,
        num_processes=settings.num_processes,
        max_concurrent=settings.max_concurrent,
        project=settings.project,
        watcher=watcher,
    )
