"""Images a second of two ranks in one process, one after the other, and in two processes, side by side.

python benchmarks/bench_ranks.py [cuda]

On a CPU each process has one thread, so that the second process is the second core; on GPUs the second is a second GPU.
Both are made in one run, in turn. The CPU-seconds of the first process tell what there is to gain on cores that nobody
else wants: what one process computes, divided by what each of two does.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from tablewright.orchestrator.store.store import Store
from tablewright.trainables import mgn
from tablewright.trainables.contract.process import Process
from tablewright.trainables.contract.run import Device, EpochReport, FitHooks, Runtime

NUM_RANKS, NUM_EPOCHS, ROUNDS = 2, 3, 3
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Speed:
    """How fast a training was.

    Attributes:
        images_per_s: of the last epoch.
        cpu_s: that the first process took for the whole training.
    """

    images_per_s: float
    cpu_s: float


def train(process: Process, runtime: Runtime, folder: str) -> Speed:
    """Train as one of the processes."""
    if runtime.device == "cuda":
        os.environ["CUDA_VISIBLE_DEVICES"] = str(process.rank)
    config = mgn.demo_config()
    data = config.data.model_copy(update={"num_ranks": NUM_RANKS})
    optimisation = config.optimisation.model_copy(update={"num_epochs": NUM_EPOCHS})
    network = config.network.model_copy(
        update={"backbone": config.network.backbone.model_copy(update={"weights": "random"})}
    )
    config = config.model_copy(update={"data": data, "optimisation": optimisation, "network": network})
    rates: list[float] = []

    def on_epoch(report: EpochReport, network: object) -> None:
        rates.append(report.metrics["images_per_s"])

    checkpoints = Store(folder).training("0" * 64).checkpoints
    trainable = config.make_trainable()
    trainable.prepare_data(config, runtime)
    before_s = time.process_time()
    trainable.fit(config, replace(runtime, process=process), checkpoints, FitHooks(on_epoch))
    return Speed(rates[-1], time.process_time() - before_s)


def speed(num_processes: int, runtime: Runtime) -> Speed:
    """Train in so many processes; the first is this one."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server((LOOPBACK, 0)) as listening:
        first = Process(0, num_processes, LOOPBACK, listening.getsockname()[1], listening.fileno())
        others = [
            multiprocessing.get_context("spawn").Process(
                target=train, args=(replace(first, rank=rank, listening=None), runtime, folder)
            )
            for rank in range(1, num_processes)
        ]
        for other in others:
            other.start()
        try:
            return train(first, runtime, folder)
        finally:
            for other in others:
                other.join()


def main() -> None:
    """Print both rates of every round, and the ratio."""
    device: Device = "cuda" if "cuda" in sys.argv[1:] else "cpu"
    with tempfile.TemporaryDirectory() as cache:
        runtime = Runtime(None, str(Path(cache)), device=device, checkpoint_every_s=1e9)
        rounds = [(speed(1, runtime), speed(2, runtime)) for _ in range(ROUNDS)]
    for alone, beside in rounds:
        print(
            f"one process {alone.images_per_s:6.1f} images/s, {alone.cpu_s:5.1f} CPU-s   "
            f"two processes {beside.images_per_s:6.1f} images/s, {beside.cpu_s:5.1f} CPU-s each   "
            f"{beside.images_per_s / alone.images_per_s:.2f} x, {alone.cpu_s / beside.cpu_s:.2f} x by CPU-seconds"
        )
    rates = statistics.median(beside.images_per_s / alone.images_per_s for alone, beside in rounds)
    by_cpu = statistics.median(alone.cpu_s / beside.cpu_s for alone, beside in rounds)
    print(f"medians {rates:.2f} x, {by_cpu:.2f} x by CPU-seconds")


if __name__ == "__main__":
    main()
