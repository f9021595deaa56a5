"""How long a sweep on this machine takes to its first training, through Ray and with `--local 2`, and its plan.

Wall seconds, and processor-seconds of all its processes, until the sweep has planned and reached what it trains on
(its first line), and until the first training's first step; of `--plan`, until it has ended. With `--beside` another
checkout of this program is run in turn, so that a change is told as a ratio of one run.

    python benchmarks/bench_start.py --beside ../before
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
SPIRALS = ROOT / "examples/spirals/search_spaces/spirals.py"
LOOK_S = 0.02
LIMIT_S = 300.0


def cpu_s_of(process: psutil.Process) -> float:
    """Sum what a process and all below it have used."""
    used_s = 0.0
    for one in [process, *process.children(recursive=True)]:
        with suppress(psutil.Error):
            times = one.cpu_times()
            used_s += times.user + times.system
    return used_s


def new_project(root: Path) -> tuple[Path, list[str], dict[str, str]]:
    """Make a folder with the spirals' study, which leaves a mark; gives it, and the command with its environment."""
    folder = Path(tempfile.mkdtemp(prefix="tablewright-bench-"))
    (folder / "search_spaces").mkdir()
    study = SPIRALS.read_text(encoding="utf-8")
    marked = study.replace(
        "def fit(config, run):\n", "def fit(config, run):\n    open('mark', 'w').close()\n"
    )
    assert marked != study
    (folder / "search_spaces/spirals.py").write_text(marked, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    return folder, [sys.executable, "-u", str(root / "sweep.py"), "spirals"], environment


def plan_once(root: Path) -> dict[str, tuple[float, float]]:
    """Show the plan of the spirals in a new folder; gives (wall, processor-seconds)."""
    folder, command, environment = new_project(root)
    before, begun_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([*command, "--plan"], cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    wall_s, after = time.monotonic() - begun_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    shutil.rmtree(folder, ignore_errors=True)
    return {"ended": (wall_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)}


def start_once(root: Path, options: list[str]) -> dict[str, tuple[float, float]]:
    """Start a sweep of the spirals in a new folder; gives (wall, processor-seconds) at each stage, then ends it."""
    folder, command, environment = new_project(root)
    command += options
    printed = folder / "printed"
    found: dict[str, tuple[float, float]] = {}
    stages = {
        "planned, machines reached": lambda: "recorded already" in printed.read_text(encoding="utf-8"),
        "first step of a training": (folder / "mark").exists,
    }
    with printed.open("wb") as output:
        begun_s = time.monotonic()
        sweep = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)
        process = psutil.Process(sweep.pid)
        while len(found) < len(stages):
            if sweep.poll() is not None or time.monotonic() > begun_s + LIMIT_S:
                raise SystemExit(f"{command} has not trained:\n{printed.read_text(encoding='utf-8')}")
            for name, is_reached in stages.items():
                if name not in found and is_reached():
                    found[name] = time.monotonic() - begun_s, cpu_s_of(process)
            time.sleep(LOOK_S)
        sweep.terminate()
        sweep.wait()
    shutil.rmtree(folder, ignore_errors=True)
    return found


def main() -> None:
    """Run the rounds, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--beside", type=Path, help="another checkout")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    roots = {"": ROOT} | ({} if given.beside is None else {", the other checkout": given.beside.resolve()})
    cases: dict[str, Callable[[], dict[str, tuple[float, float]]]] = {
        f"{name}{whose}": partial(start, root)
        for name, start in {
            "through Ray": partial(start_once, options=[]),
            "--local 2": partial(start_once, options=["--local", "2"]),
            "--plan": plan_once,
        }.items()
        for whose, root in roots.items()
    }
    taken: dict[str, list[dict[str, tuple[float, float]]]] = {name: [] for name in cases}
    for _ in range(given.rounds):
        for name, take in cases.items():
            taken[name].append(take())
    print("to the first training of the spirals: wall seconds, processor-seconds (medians)")
    for name, rounds in taken.items():
        for stage in rounds[0]:
            walls, cpus = zip(*(of_round[stage] for of_round in rounds), strict=True)
            print(f"{name:32} {stage:28} {statistics.median(walls):6.1f} {statistics.median(cpus):6.1f}")


if __name__ == "__main__":
    main()
