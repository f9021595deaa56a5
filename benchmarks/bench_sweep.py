"""What a trial costs beside its training: ours against stock Ray Tune, both tracked by MLflow on SQLite.

Each side runs the same trainings (0.5 s of sleep, five reports) on two CPUs at two lengths; the difference
of the lengths is the cost of a trial, free of start-up. CPU time is that of the whole process tree, looked at
ten times a second: Ray does not wait for a worker that ended, so that the kernel's sum over children lacks it.

    python benchmarks/bench_sweep.py [REPEATS]
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent
FEW, MANY = 6, 30
REPORTS, EPOCH_S = 5, 0.1


def cpu_and_wall_s(command: list[str]) -> tuple[float, float]:
    """Run a command; CPU time of it and all below it, as last seen of each process, and its wall time."""
    seen_cpu_s: dict[tuple[int, float], float] = {}
    started_s = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log) as side,
    ):
        root = psutil.Process(side.pid)
        while side.poll() is None:
            with contextlib.suppress(psutil.NoSuchProcess):
                for process in (root, *root.children(recursive=True)):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        times = process.cpu_times()
                        seen_cpu_s[process.pid, process.create_time()] = times.user + times.system
            time.sleep(0.1)
        if side.returncode:
            log.seek(0)
            raise SystemExit(f"{log.read()}\n{' '.join(command)} ended with exit code {side.returncode}")
    return sum(seen_cpu_s.values()), time.monotonic() - started_s


def run_ours(num_trials: int, folder: Path) -> None:
    """A sweep of the toy method with the tracker, as `sweep.py` wires it."""
    import ray

    from tablewright.orchestrator.declared.ablation import Ablation
    from tablewright.orchestrator.declared.dataset import Dataset
    from tablewright.orchestrator.declared.design import Sweep
    from tablewright.orchestrator.declared.study import Study
    from tablewright.orchestrator.on_ray.ray_backend import RayBackend
    from tablewright.orchestrator.projections.tracking import Tracker
    from tablewright.orchestrator.run import run_sweep
    from tablewright.orchestrator.store.store import Store
    from tablewright.trainables.contract.run import Runtime
    from tablewright.trainables.retrieval.view import MAP, RetrievalView
    from tests.toy_method import ToyConfig

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    rates = [0.1 + index / 1000 for index in range(num_trials)]
    base = ToyConfig(epochs=REPORTS, epoch_s=EPOCH_S)
    rows = [Sweep("learning_rate", rates)]
    table = Ablation("t", "T", base, [Dataset("Toy")], rows, RetrievalView(), [MAP])
    store = Store(str(folder / "runs"))
    tracker = Tracker(f"sqlite:///{folder}/runs/mlflow.db", store)

    def listeners(plan: object, statuses: object) -> list[Tracker]:
        tracker.begin("bench", {})
        return [tracker]

    result = run_sweep(
        [Study("bench", "Bench", "none", (0,), [table])],
        store=store,
        runtime=Runtime(None, str(folder / "cache")),
        backend=RayBackend(),
        search_storage=f"sqlite:///{folder}/optuna.db",
        listeners=listeners,  # pyright: ignore
    )
    tracker.end(succeeded=result.is_complete)
    assert result.is_complete


def run_stock(num_trials: int, folder: Path) -> None:
    """The same trainings as a function trainable with Tune's own MLflow callback."""
    import ray
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback

    def train(config: dict[str, float]) -> None:
        import torch  # noqa: F401  # what any training imports

        for epoch in range(REPORTS):
            time.sleep(EPOCH_S)
            tune.report({"loss": 1 / (epoch + 1), "map": config["rate"]})

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    callback = MLflowLoggerCallback(tracking_uri=f"sqlite:///{folder}/mlflow.db", experiment_name="stock")
    tuner = tune.Tuner(
        tune.with_resources(train, {"cpu": 1}),
        param_space={"rate": tune.grid_search([0.1 + index / 1000 for index in range(num_trials)])},
        run_config=tune.RunConfig(name="stock", storage_path=str(folder), callbacks=[callback], verbose=0),
    )
    assert not tuner.fit().errors


def measure(side: str, num_trials: int) -> tuple[float, float]:
    """CPU and wall time of one side, run in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return cpu_and_wall_s([sys.executable, __file__, "--side", side, str(num_trials), folder])


def main() -> None:
    """Print the cost of a trial on both sides, median of the repeats."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    costs: dict[str, list[tuple[float, float]]] = {"ours": [], "stock": []}
    for _ in range(repeats):
        for side, found in costs.items():
            (few_cpu_s, few_wall_s), (many_cpu_s, many_wall_s) = measure(side, FEW), measure(side, MANY)
            trials = MANY - FEW
            found.append(((many_cpu_s - few_cpu_s) / trials, (many_wall_s - few_wall_s) / trials))
    for side, found in costs.items():
        cpu_s, wall_s = (statistics.median(values) for values in zip(*found, strict=True))
        ideal_s = REPORTS * EPOCH_S / 2
        print(f"{side:5}  {cpu_s:5.2f} CPU-s a trial  {wall_s:5.2f} s a trial (ideal {ideal_s:.2f} s)")
    ratio = statistics.median(
        ours[0] / stock[0] for ours, stock in zip(costs["ours"], costs["stock"], strict=True)
    )
    print(f"ratio  {ratio:.2f} of stock Tune's CPU time a trial, median of {repeats}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--side"]:
        _, _, side_name, count, where = sys.argv
        {"ours": run_ours, "stock": run_stock}[side_name](int(count), Path(where))
    else:
        main()
