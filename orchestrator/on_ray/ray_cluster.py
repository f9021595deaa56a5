"""A Ray cluster: one that runs at an address, or one that is started on this machine and ends with the sweep."""

from __future__ import annotations

import gc
import logging
import platform
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import ray
from ray._private import ray_constants
from ray._private import worker as ray_worker
from ray._private.state import state as ray_state
from ray._private.worker import global_worker

from tablewright.orchestrator.attempts.resources import Resources
from tablewright.orchestrator.on_ray.ray_address import admitted
from tablewright.orchestrator.on_ray.ray_authentication import authentication_kept, heed_variables
from tablewright.orchestrator.on_ray.ray_node import few_processes
from tablewright.orchestrator.on_ray.ray_session import private_session
from tablewright.orchestrator.on_ray.supervisor import Link
from tablewright.orchestrator.running_processes import wait_for_ends
from tablewright.orchestrator.signals import signals_held_back
from tablewright.trainables.value.cpus import cpus_of_machine

NUM_STARTS = 2
"""How often Ray is started on this machine before the command gives up."""

END_S = 10.0
"""How long processes that were killed may take to be gone."""

WATCH_S = 0.5
"""How often the processes of a Ray on this machine are looked at."""

HEAD = "node:__internal_head__"
"""Resource that the head of a cluster has alone."""

logger = logging.getLogger(__name__)


def machines() -> list[Resources]:
    """Give what each machine has that the cluster has now."""
    return [Resources.of(node["Resources"]) for node in ray.nodes() if node["Alive"]]


def heads_and_others() -> tuple[list[Resources], list[Resources]]:
    """Give what the head has, and what each of the other machines that the cluster has now."""
    nodes: list[dict[str, float]] = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    heads, others = [node for node in nodes if HEAD in node], [node for node in nodes if HEAD not in node]
    return [Resources.of(node) for node in heads], [Resources.of(node) for node in others]


def gone_machines() -> set[str]:
    """Give the ids of those that it had and has no more."""
    return {node["NodeID"] for node in ray.nodes() if not node["Alive"]}


def machine_of(actor_id: str) -> str:
    """Give the id of the machine on which an actor was placed, begun or not; empty where nobody knows."""
    actor: dict[str, Any] = ray_state.actor_table(actor_id) if actor_id else {}
    return str(actor.get("Address", {}).get("NodeID", ""))


class Unwatched:
    """Nobody watches."""

    def on_connecting(self) -> None:
        """Tell nobody."""

    def on_connected(self) -> None:
        """Tell nobody."""

    def keeps(self, path: str) -> None:
        """Tell nobody."""

    def on_lost(self, part: str) -> None:
        """Tell nobody; Ray ends this process by itself."""


class RayCluster:
    """The cluster that a sweep runs on.

    Attributes:
        address: of a running one; None starts one on this machine.
        folder: of the Ray that was started here; None before and after, and of another one's.
        dashboard_url: of a running one that was joined, as its head knows it; empty where it has none.
    """

    def __init__(
        self, address: str | None, count_trainings: Callable[[Resources], int], watcher: Link | None
    ) -> None:
        """Connect nothing yet.

        Args:
            address: see above.
            count_trainings: that run at a time on a machine that has so much; as many workers are begun with Ray.
            watcher: told how far Ray is.
        """
        self.address = address
        self._count_trainings = count_trainings
        self.folder: Path | None = None
        self.dashboard_url = ""
        self.watcher = watcher or Unwatched()

    @contextmanager
    def connect(self) -> Generator[None]:
        """Join the cluster, or start one on this machine that ends with this.

        A process that has joined one already, as a test has, keeps it.

        Raises:
            ValueError: the address does not answer, or Ray does not start.
        """
        logging.getLogger("ray").setLevel(logging.ERROR)
        ray_worker._worker_logs_enabled = False  # pyright: ignore  # a raylet that has died is told in our words
        if ray.is_initialized():
            yield
            return
        self.watcher.on_connecting()
        with self._started_here() if self.address is None else self._joined(self.address):
            self.watcher.on_connected()
            yield

    @contextmanager
    def _joined(self, address: str) -> Generator[None]:
        with admitted(address) as found:
            try:
                joined: Any = ray.init(address=found, log_to_driver=False, logging_level=logging.ERROR)
            except Exception as error:  # of another Python, behind a firewall, or about to end
                raise ValueError(
                    f"the Ray cluster at {found} answers, and cannot be joined ({type(error).__name__}: "
                    f"{' '.join(str(error).split())[:300]}); see that its machines and this one reach each other and "
                    f"run Python {platform.python_version()} as here, or give --address local to start a cluster here"
                ) from error
            self.dashboard_url = joined.dashboard_url or ""
            try:
                yield
            finally:
                self.dashboard_url = ""
                leave_ray()

    @contextmanager
    def _started_here(self) -> Generator[None]:
        """Start a Ray that listens to this machine alone and keeps its files in a folder of the user's."""
        is_over = threading.Event()
        with authentication_kept(), private_session(self.watcher.keeps) as folder:
            self.folder = folder
            can_cluster, ray_constants.ENABLE_RAY_CLUSTER = ray_constants.ENABLE_RAY_CLUSTER, False
            heed_variables()
            try:
                _start_ray(folder / "r", self._count_trainings)
                try:
                    threading.Thread(target=self._watch_over_ray, args=(is_over,), daemon=True).start()
                    yield
                finally:
                    is_over.set()
                    _end_ray()
            finally:
                ray_constants.ENABLE_RAY_CLUSTER = can_cluster
                self.folder = None

    def _watch_over_ray(self, is_over: threading.Event) -> None:
        """See within a second that a part of Ray has died; Ray itself notices after a minute, or never."""
        node = global_worker.node
        parts = {"raylet": "Ray's raylet", "gcs_server": "Ray's head service"}
        while node is not None and not is_over.wait(WATCH_S):
            for kind, in_words in parts.items():
                processes: Any = node.all_processes.get(kind, [])
                if any(info.process.poll() is not None for info in processes) and not is_over.is_set():
                    self.watcher.on_lost(in_words)


def leave_ray() -> None:
    """Be a driver no longer.

    Ray ends a process that lets go of one of its objects while it is being shut down, as any thread does that comes
    upon garbage just then. So nothing looks for it meanwhile.
    """
    looks_for_garbage = gc.isenabled()
    gc.disable()
    try:
        ray.shutdown()
    finally:
        if looks_for_garbage:
            gc.enable()


def _end_ray() -> None:
    """End the Ray of this machine at once: by itself it waits a second for each process, as these hear no signal."""
    node: Any = global_worker.node
    processes: list[psutil.Process] = []
    if node is not None:
        end = node.kill_all_processes
        node.kill_all_processes = lambda **how: end(check_alive=False, allow_graceful=False, wait=True)  # pyright: ignore
        for info in (info for infos in node.all_processes.values() for info in infos):
            with suppress(psutil.Error):
                processes += psutil.Process(info.process.pid).children(recursive=True)
    leave_ray()
    for process in processes:  # they would tell a head that is gone, for a minute, that it is gone
        with suppress(psutil.Error):
            process.kill()
    wait_for_ends(processes, END_S)


def _start_ray(folder: Path, count_workers: Callable[[Resources], int]) -> None:
    """Start Ray, and once more where that fails, as it does on a machine that is very busy.

    Raises:
        ValueError: it does not start; with Ray's own words.
    """
    for start in range(1, NUM_STARTS + 1):
        try:
            with signals_held_back(), few_processes(count_workers):
                ray.init(
                    address="local",
                    num_cpus=cpus_of_machine(),
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    _temp_dir=str(folder),
                )
            return
        except Exception as error:  # Ray raises one of many kinds, a bare Exception among them
            leave_ray()
            why = f"{type(error).__name__}: {' '.join(str(error).split())[:400]}"
            if start == NUM_STARTS:
                raise ValueError(
                    f"Ray does not start on this machine, in {NUM_STARTS} tries ({why}). See that no RAY_ variable is "
                    "set that you do not mean and that the machine has memory, disc and processes left; then run the "
                    "same command again"
                ) from error
            logger.warning("Ray did not start (%s); it is tried once more", why)
