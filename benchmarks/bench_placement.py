"""Where trainings run on one machine of eight GPUs: which GPU each is given, from when to when, and how many share one.

Ray counts the GPUs; none need be there, as the trainings only sleep. With `auto` nothing is known at first of the two
kinds: one holds 16 GB of an H100, one 60 GB.

    python benchmarks/bench_placement.py [1 0.5 0.25 auto]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
NUM_GPUS = 8
SMALL_BYTES, LARGE_BYTES = 16_000_000_000, 60_000_000_000
EPOCH_S = 2.0
NUM_AUTO = 28


def run(gpus: str, folder: Path) -> list[dict[str, float | str]]:
    """Run a sweep that fills the machine once, or with `auto` several times; gives where each training ran."""
    import ray

    from tablewright.orchestrator.declared.ablation import Ablation
    from tablewright.orchestrator.declared.dataset import Dataset
    from tablewright.orchestrator.declared.design import Row
    from tablewright.orchestrator.declared.study import Study
    from tablewright.orchestrator.on_ray.ray_backend import RayBackend
    from tablewright.orchestrator.run import run_sweep
    from tablewright.orchestrator.store.store import Store
    from tablewright.trainables.contract.process import Process
    from tablewright.trainables.contract.run import Runtime
    from tablewright.trainables.retrieval.view import MAP, RetrievalView
    from tests.placed_method import PlacedConfig, placements

    ray.init(
        address="local",
        num_cpus=NUM_GPUS,
        num_gpus=NUM_GPUS,
        resources={"accelerator_type:H100": 1},
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
    )
    num_trainings = NUM_AUTO if gpus == "auto" else int(NUM_GPUS / float(gpus))
    num_processes = 1 if gpus == "auto" else max(1, int(float(gpus)))
    base = PlacedConfig(notes=str(folder / "notes"), epochs=1, epoch_s=EPOCH_S)
    rows = [Row("small", {"holds_bytes": SMALL_BYTES})] if gpus == "auto" else [Row("any")]
    rows += [Row("large", {"holds_bytes": LARGE_BYTES})] if gpus == "auto" else []
    table = Ablation("t", "T", base, [Dataset("Toy")], rows, RetrievalView(), [MAP])
    seeds = tuple(range(num_trainings // len(rows)))
    result = run_sweep(
        [Study("placement", "Placement", "none", seeds, [table])],
        store=Store(str(folder / "runs")),
        runtime=Runtime(None, str(folder / "cache"), process=Process(num_processes=num_processes)),
        backend=RayBackend(gpus="auto" if gpus == "auto" else float(gpus), num_processes=num_processes),
        search_storage=f"sqlite:///{folder}/optuna.db",
        listeners=lambda plan, statuses: [],
    )
    assert result.is_complete, [status.message for status in result.statuses]
    return placements(folder / "notes")


def show(gpus: str, notes: list[dict[str, float | str]], wall_s: float) -> None:
    """Print a line for each training, and what the whole comes to."""
    begin_s = min(float(note["from_s"]) for note in notes)
    print(f"--gpus-per-training {gpus}: {len(notes)} attempts in {wall_s:.0f} s")
    print("  holds GB  part of a GPU  CUDA_VISIBLE_DEVICES  from s    to s")
    for note in notes:
        held_gb, share = float(note["holds_bytes"]) / 1e9, float(note["share"])
        from_s, to_s = (float(note[name]) - begin_s for name in ("from_s", "to_s"))
        print(f"  {held_gb:8.0f}  {share:13g}  {note['gpus']:>20}  {from_s:6.1f}  {to_s:6.1f}")
    most: Counter[str] = Counter()
    for note in notes:
        together = [
            float(other["share"])
            for other in notes
            if other["gpus"] == note["gpus"] and other["from_s"] <= note["from_s"] < other["to_s"]
        ]
        most[str(note["gpus"])] = max(most[str(note["gpus"])], len(together))
        assert sum(together) <= 1 + 1e-9, "more than a whole GPU was given away"
    print("  most at once on a GPU:", ", ".join(f"{gpu}: {number}" for gpu, number in sorted(most.items())))


def main() -> None:
    """Run each way on the command line, or all, each in a process of its own that finds the toy method."""
    if sys.argv[1:2] == ["--way"]:
        gpus = sys.argv[2]
        begun_s = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="tw-") as folder:
            show(gpus, run(gpus, Path(folder)), time.monotonic() - begun_s)
        return
    for gpus in sys.argv[1:] or ["1", "0.5", "0.25", "2", "auto"]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, __file__, "--way", gpus], env=environment, check=True)


if __name__ == "__main__":
    main()
