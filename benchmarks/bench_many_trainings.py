"""What the driver pays for many short trainings, and how well they fill the slots.

A sweep of NUMBER trainings that sleep for SECONDS each on SLOTS slots, which Ray is told that this machine has. CPU
time, memory and bytes written are those of the driver's process alone; a training counts as running from the time at
which the driver hears that it has begun until it hears of its end.

    python benchmarks/bench_many_trainings.py NUMBER [--slots 16] [--seconds 0.1] [--mlflow] [--bare | --agents N]

With `--bare` Tune alone runs a function that sleeps and tells as much, on workers that it reuses. With `--agents` so
many agents share one store, each one training at a time without Ray.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import psutil
import ray
from ray import tune

sys.path.insert(0, str(Path(__file__).parent.parent))

from tablewright.orchestrator.agents.agent_backend import AgentBackend
from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Sweep
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.on_ray.ray_backend import ENVIRONMENT, RayBackend
from tablewright.orchestrator.on_ray.ray_cluster import leave_ray
from tablewright.orchestrator.projections.tracking import Tracker
from tablewright.orchestrator.run import run_sweep
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.work import Listener, Outcome, Progress, Work
from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.retrieval.view import MAP, RetrievalView
from tests.toy_method import ToyConfig

ROOT = Path(__file__).parent.parent
SHARES = (0.1, 0.5, 1.0)
"""Of the trainings, after which memory is looked at."""


def cpu_s() -> float:
    """Count the CPU time of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def written_bytes() -> int:
    """Count what this process has handed to files so far, sockets among them."""
    return int(psutil.Process().io_counters().write_chars)  # pyright: ignore[reportAttributeAccessIssue]


class Watch:
    """A listener that notes when trainings begin and end, and what the driver had used by then."""

    def __init__(self, number: int) -> None:
        self.looks = [max(1, round(share * number)) for share in SHARES]
        self.begun_s: dict[str, float] = {}
        self.spans_s: list[tuple[float, float]] = []
        self.memory_bytes: list[int] = []
        self.cpu_s: list[float] = []
        self.written_bytes: list[int] = []

    def on_start(self, work: Work) -> None:
        """Note when it has begun."""
        self.begun_s[work.training_id] = time.monotonic()

    def on_progress(self, work: Work, progress: Progress) -> None:
        """Nothing is noted of an epoch."""

    def on_end(self, work: Work, outcome: Outcome) -> None:
        """Note when it has ended, and now and then what the driver holds."""
        self.spans_s.append((self.begun_s.pop(work.training_id), time.monotonic()))
        if len(self.spans_s) in self.looks:
            self.memory_bytes.append(psutil.Process().memory_info().rss)
            self.cpu_s.append(cpu_s())
            self.written_bytes.append(written_bytes())


def running_at_a_time(spans_s: Sequence[tuple[float, float]], slots: int) -> tuple[float, float]:
    """Give the mean number that run, and the share of time in which all slots do, from when they first all did.

    The last SLOTS ends are left out: nothing is left then to fill the slots with.
    """
    until_s = sorted(end for _, end in spans_s)[-slots]
    changes = sorted([(begin, 1) for begin, _ in spans_s] + [(end, -1) for _, end in spans_s])
    running, since_s, total_s, full_s, area = 0, 0.0, 0.0, 0.0, 0.0
    is_warm = False
    for at_s, change in changes:
        at_s = min(at_s, until_s)
        if is_warm:
            total_s, area = total_s + at_s - since_s, area + running * (at_s - since_s)
            full_s += (at_s - since_s) * (running >= slots)
        running, since_s = running + change, at_s
        is_warm |= running >= slots
    return (area / total_s, full_s / total_s) if total_s else (0.0, 0.0)


@contextlib.contextmanager
def slots_here(slots: int) -> Generator[None]:
    """Start a Ray that takes this machine for one of so many cores."""
    os.environ["PYTHONPATH"] = str(ROOT)
    os.environ["OMP_NUM_THREADS"] = "1"
    ray.init(
        address="local",
        num_cpus=slots,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    try:
        yield
    finally:
        leave_ray()


def study_of(number: int, seconds: float) -> Study:
    """Declare so many trainings that sleep for so long each."""
    rates = [0.1 + index / 100_000 for index in range(number)]
    table = Ablation(
        "t",
        "T",
        ToyConfig(epochs=1, epoch_s=seconds),
        [Dataset("Toy")],
        [Sweep("learning_rate", rates)],
        RetrievalView(),
        [MAP],
    )
    return Study("bench", "Bench", "none", (0,), [table])


def run_bare(number: int, slots: int, seconds: float) -> None:
    """Run as many trials of Tune alone, and print what they took."""
    ended: list[tuple[float, float]] = []

    def sleep(config: dict[str, Any]) -> None:
        tune.report({"begun": "here"})
        time.sleep(seconds)
        tune.report({"progress": "an epoch"})
        tune.report({"outcome": "done", "done": True})

    class Ends(tune.Callback):
        def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
            ended.append((cpu_s(), time.monotonic()))

    os.environ.update(ENVIRONMENT)
    with tempfile.TemporaryDirectory() as folder, slots_here(slots):
        tune.Tuner(
            tune.with_resources(sleep, {"cpu": 1}),
            param_space={"number": tune.grid_search(list(range(number)))},
            tune_config=tune.TuneConfig(reuse_actors=True),
            run_config=tune.RunConfig(storage_path=folder, callbacks=[Ends()], verbose=0),
        ).fit()
    first, last = round(SHARES[0] * number), number
    used_s, took_s = (ended[last - 1][index] - ended[first - 1][index] for index in range(2))
    print(f"{number} trials of {seconds} s on {slots} slots, Tune alone")
    print(f"driver  {1000 * used_s / (last - first):.1f} ms of CPU a trial, from {first} to {last}")
    print(f"slots   {(last - first) / took_s:.1f} trials a second")


def run_agent(folder: str, number: int, seconds: float) -> None:
    """Be one of several agents on a store."""
    run_sweep(
        [study_of(number, seconds)],
        store=Store(f"{folder}/runs"),
        runtime=Runtime(None, f"{folder}/cache"),
        backend=AgentBackend(device="cpu"),
        search_storage=f"sqlite:///{folder}/optuna.db",
        listeners=lambda plan, statuses: [],
    )


def run_agents(number: int, num_agents: int, seconds: float) -> None:
    """Have agents share the trainings, and print what they took."""
    with tempfile.TemporaryDirectory() as folder:
        Store(f"{folder}/runs").shared_id()
        context = multiprocessing.get_context("spawn")
        agents = [
            context.Process(target=run_agent, args=(folder, number, seconds)) for _ in range(num_agents)
        ]
        for agent in agents:
            agent.start()
        for agent in agents:
            agent.join()
        store = Store(f"{folder}/runs")
        records = [
            record for identity in store.training_ids() if (record := store.training(identity).record())
        ]
    assert len(records) == number
    assert all(record.attempts == 1 for record in records)
    ends = sorted(record.ended_at for record in records)
    first = round(SHARES[1] * number)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    rate = (number - first) / (ends[-1] - ends[first - 1]).total_seconds()
    print(
        f"{number} trainings of {seconds} s by {num_agents} agents on one store: {rate:.1f} a second, from {first} on"
    )
    print(
        f"CPU     {1000 * (used.ru_utime + used.ru_stime) / number:.0f} ms a training in all, starts among them"
    )


def main() -> None:
    """Run the sweep and print what it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("number", type=int)
    parser.add_argument("--slots", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=0.1)
    parser.add_argument("--mlflow", action="store_true")
    parser.add_argument("--bare", action="store_true")
    parser.add_argument("--agents", type=int)
    asked = parser.parse_args()
    if asked.bare:
        run_bare(asked.number, asked.slots, asked.seconds)
        return
    if asked.agents is not None:
        run_agents(asked.number, asked.agents, asked.seconds)
        return
    watch = Watch(asked.number)
    with tempfile.TemporaryDirectory() as folder, slots_here(asked.slots):
        store = Store(f"{folder}/runs")
        tracker = Tracker(f"sqlite:///{folder}/runs/mlflow.db", store) if asked.mlflow else None

        def listeners(plan: Any, statuses: Any) -> list[Listener]:
            if tracker is not None:
                tracker.begin("bench", {})
                tracker.show(plan)
            begun.append((cpu_s(), written_bytes(), time.monotonic()))
            return [watch, *([] if tracker is None else [tracker])]

        begun: list[tuple[float, int, float]] = []
        result = run_sweep(
            [study_of(asked.number, asked.seconds)],
            store=store,
            runtime=Runtime(None, f"{folder}/cache"),
            backend=RayBackend(),
            search_storage=f"sqlite:///{folder}/optuna.db",
            listeners=listeners,
        )
        trained_s = time.monotonic()
        if tracker is not None:
            tracker.end(succeeded=result.is_complete)
    assert result.is_complete
    (begun_cpu_s, begun_bytes, begun_s) = begun[0]
    at_a_time, share_full = running_at_a_time(watch.spans_s, asked.slots)
    first, last = watch.looks[0], watch.looks[-1]
    per_training_s = (watch.cpu_s[-1] - watch.cpu_s[0]) / (last - first)
    print(f"{asked.number} trainings of {asked.seconds} s on {asked.slots} slots{', MLflow' * asked.mlflow}")
    print(f"driver  {1000 * per_training_s:.1f} ms of CPU a training, from {first} to {last}")
    print(f"        {1000 * (cpu_s() - begun_cpu_s) / asked.number:.1f} ms with start and end of the sweep")
    memory = ", ".join(
        f"{held / 1e6:.0f} MB at {look}" for look, held in zip(watch.looks, watch.memory_bytes, strict=True)
    )
    grown = (watch.memory_bytes[-1] - watch.memory_bytes[0]) / (last - first)
    print(f"        {memory}: {grown / 1e3:.1f} kB a training")
    written = (watch.written_bytes[-1] - watch.written_bytes[0]) / (last - first)
    print(
        f"        {written / 1e3:.1f} kB written a training; {(written_bytes() - begun_bytes) / 1e6:.1f} MB in all"
    )
    ends = sorted(end for _, end in watch.spans_s)
    rate = (last - first) / (ends[last - 1] - ends[first - 1])
    print(
        f"slots   {at_a_time:.2f} running at a time, {share_full:.0%} of the time all; {rate:.1f} trainings a second"
    )
    print(f"wall    {trained_s - begun_s:.1f} s")
    print(
        f"limit   {1 / per_training_s:.0f} trainings a second by one driver that has a core: 1,000 slots are busy with "
        f"trainings of {1000 * per_training_s:.0f} s or more"
    )


if __name__ == "__main__":
    main()
