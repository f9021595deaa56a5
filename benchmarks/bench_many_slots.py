"""At which rate one driver of a sweep hands out trainings, on how many slots: with workers that only pretend.

A machine of two cores has no thousand workers. Here a trial's worker is a slot of one of a few actors of Ray's that
sleep for as long as a training takes and tell what a worker tells: that it has begun, an epoch, how it has ended. The
driver is the real one: queue, Tune, Ray's calls and waits, what is handed on to each worker. What the workers would
write is not written, and Optuna's mirror is left out.

    python benchmarks/bench_many_slots.py [SLOTS ...] [--number 3000] [--seconds 0.1]

With so many slots as take trainings faster than the driver hands them out, the rate is the driver's limit.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any
from unittest import mock

import ray
from ray.air.execution import AcquiredResources, FixedResourceManager, ResourceRequest
from ray.air.execution._internal.actor_manager import RayActorManager

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.bench_many_trainings import Watch, running_at_a_time, slots_here, study_of
from tablewright.orchestrator.attempts.messages import outcome_to_text, progress_to_text
from tablewright.orchestrator.on_ray.ray_backend import RayBackend
from tablewright.orchestrator.on_ray.ray_worker import ENDED
from tablewright.orchestrator.plans.plan import make_plan
from tablewright.orchestrator.plans.planning import describe_with
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.work import Outcome, Progress
from tablewright.orchestrator.work_queue import WorkQueue, planned_work
from tablewright.trainables.contract.run import EpochReport, Runtime

CONTROLLER = "ray.tune.execution.tune_controller"
NUM_HOSTS = 2
"""Actors that all slots are on."""


class Host:
    """Pretends to be the workers of many slots."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._num_told: defaultdict[int, int] = defaultdict(int)
        self._tells = [
            {"begun": ray.get_runtime_context().get_node_id()},
            {"progress": progress_to_text(Progress(EpochReport(1, 1, {}, seconds), {})), "attempt": "0"},
            {ENDED: outcome_to_text(Outcome("done"))},
        ]

    async def call(self, slot: int, method: str) -> Any:
        """Do what a worker does when Tune calls a method of it."""
        if method != "train":
            return True
        step = self._num_told[slot] % len(self._tells)
        self._num_told[slot] += 1
        if step == 1:
            await asyncio.sleep(self._seconds)
        return {
            **self._tells[step],
            "done": False,
            "training_iteration": self._num_told[slot],
            "time_this_iter_s": 0.0,
            "time_total_s": 0.0,
            "hostname": platform.node(),
            "pid": os.getpid(),
        }


class Called:
    """A method of a slot."""

    def __init__(self, host: Any, number: int, method: str) -> None:
        self._host, self._number, self._method = host, number, method

    def remote(self, *arguments: Any, **named: Any) -> Any:
        """Have the host do it; what Tune gives along is for a worker that trains."""
        return self._host.call.remote(self._number, self._method)


class Slot:
    """A worker as Tune knows it: what is called of it, its host does."""

    def __init__(self, host: Any, number: int) -> None:
        self._host, self._number = host, number

    def __getattr__(self, method: str) -> Any:
        """Give what Tune calls by `remote`."""
        return Called(self._host, self._number, method)


class SlotsForWorkers(RayActorManager):
    """Tune's own manager of workers, which gives it slots of a few hosts."""

    hosts: tuple[Any, ...] = ()

    def _try_start_actors(self, max_actors: int | None = None) -> int:
        with mock.patch("ray.actor.ActorClass", Started):
            return super()._try_start_actors(max_actors)


class Places(FixedResourceManager):
    """Tune's own count of free places, kept as it goes.

    Theirs is summed up anew whenever it is looked at, which on a thousand slots costs more than the driver's own work;
    a driver that asks Ray for its places does not do it.
    """

    def __init__(self, total_resources: dict[str, float]) -> None:
        super().__init__(total_resources)
        self._free = dict(total_resources)

    @property
    def _available_resources(self) -> dict[str, float]:
        return self._free

    def acquire_resources(self, resource_request: ResourceRequest) -> AcquiredResources | None:
        """Take a place, if one is free."""
        acquired = super().acquire_resources(resource_request)
        if acquired is not None:
            self._add(resource_request, -1)
        return acquired

    def free_resources(self, acquired_resource: AcquiredResources) -> None:
        """Give a place back."""
        super().free_resources(acquired_resource)
        self._add(acquired_resource.resource_request, 1)

    def _add(self, request: ResourceRequest, sign: int) -> None:
        for name, amount in request.required_resources.items():
            self._free[name] += sign * amount


class Started:
    """The class of the workers, each of which is a slot."""

    num_slots = 0

    def options(self, **resources: Any) -> Started:
        """Take no resources of Ray's beyond those that Tune has."""
        return self

    def remote(self, **arguments: Any) -> Slot:
        """Give the next slot."""
        Started.num_slots += 1
        return Slot(SlotsForWorkers.hosts[self.num_slots % NUM_HOSTS], self.num_slots)


def measure(slots: int, number: int, seconds: float) -> str:
    """Run so many trainings on so many slots, and say what it took."""
    watch = Watch(number)
    host: Any = ray.remote(Host).options(num_cpus=0, max_concurrency=100_000)  # pyright: ignore
    runtime, places = Runtime(None, ""), Places({"CPU": slots})
    plan = make_plan([study_of(number, seconds)], DataResolver(describe_with(runtime)))
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch(f"{CONTROLLER}.RayActorManager", SlotsForWorkers),
        mock.patch(f"{CONTROLLER}.PlacementGroupResourceManager", return_value=places),
        mock.patch("tablewright.orchestrator.on_ray.ray_tune._PlainActors.get", return_value=Started()),
    ):
        SlotsForWorkers.hosts = tuple(host.remote(seconds) for _ in range(NUM_HOSTS))
        store = Store(f"{folder}/runs")
        store.shared_id()
        backend = RayBackend(max_concurrent=slots)
        queue = WorkQueue([planned_work(training) for training in plan.trainings.values()])
        with backend.connect():
            backend.run(queue, [watch], store, runtime)
    first, last = watch.looks[0], watch.looks[-1]
    per_training_s = (watch.cpu_s[-1] - watch.cpu_s[0]) / (last - first)
    ends = sorted(end for _, end in watch.spans_s)
    rate = (last - first) / (ends[last - 1] - ends[first - 1])
    at_a_time, _ = running_at_a_time(watch.spans_s, slots)
    grown = (watch.memory_bytes[-1] - watch.memory_bytes[0]) / (last - first)
    return (
        f"{slots:>5} slots: {1000 * per_training_s:5.1f} ms of CPU a training, at most {1 / per_training_s:4.0f} a "
        f"second; {rate:6.1f} a second here, {at_a_time:6.1f} running at a time; {grown / 1e3:.1f} kB a training"
    )


def main() -> None:
    """Measure each number of slots."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("slots", type=int, nargs="*", default=[16, 100, 1000])
    parser.add_argument("--number", type=int, default=3000)
    parser.add_argument("--seconds", type=float, default=0.1)
    asked = parser.parse_args()
    with slots_here(NUM_HOSTS):
        for slots in asked.slots:
            print(measure(slots, max(asked.number, 3 * slots), asked.seconds), flush=True)


if __name__ == "__main__":
    main()
