"""Fifteen trainings of a second, two at a time: `--local 2` beside Ray Tune, exca and Optuna, in one run.

A training sleeps, so that what is measured is what stands around it. Each program starts from nothing, is run
`--rounds` times in turn with the others, and the median is told. Ours keeps records, epochs, checkpoints, MLflow and
Optuna, and writes the tables; exca caches the results; Optuna keeps them in a database; neither makes a table.

    python benchmarks/bench_local.py --exca /path/to/a/python/with/exca
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

STUDY = '''"""Fifteen trainings of a second."""

import time

import tablewright as tw


class Second(tw.Config):
    rate: float = 0.1
    epochs: int = 4


ACCURACY = tw.Metric("accuracy", "Accuracy")


def measure(config, made, split):
    return {"accuracy": 1 - config.rate / 10 + config.seed / 1000}


@tw.method(Second, metrics=[ACCURACY], measure=measure, data=tw.Data("Nothing"))
def fit(config, run):
    for _ in run.epochs(config.epochs):
        time.sleep(1 / config.epochs)
    return config.rate


def make_study():
    rows = [tw.Row("none", {}), *(tw.Row(f"rate {rate}", {"rate": rate}) for rate in (0.2, 0.3, 0.4, 0.5))]
    table = tw.Ablation("rates", "Rates", Second(), [tw.Dataset("Nothing")], rows)
    return tw.Study("second", "Second", "ours", seeds=(0, 1, 2), ablations=[table])
'''

EXCA = """
import time
import exca
import pydantic


class Second(pydantic.BaseModel):
    rate: float = 0.1
    seed: int = 0
    infra: exca.MapInfra = exca.MapInfra(folder="cache", cluster="processpool", max_jobs=2, min_samples_per_job=1)

    @infra.apply(item_uid=str)
    def train(self, items: list[float]) -> "list[float]":
        for item in items:
            time.sleep(1)
            yield 1 - item
"""

CALLS_EXCA = """
from exca_method import Second

if __name__ == "__main__":
    rates = [rate / 10 + seed / 1000 for rate in range(1, 6) for seed in range(3)]
    assert 15 == len(list(Second().train(rates)))
"""

OPTUNA = """
import multiprocessing
import time
import optuna


def objective(trial):
    rate = trial.suggest_float("rate", 0.1, 0.5)
    time.sleep(1)
    return 1 - rate


def work(num_trials):
    study = optuna.load_study(study_name="second", storage="sqlite:///optuna.db")
    study.optimize(objective, n_trials=num_trials)


if __name__ == "__main__":
    optuna.create_study(study_name="second", storage="sqlite:///optuna.db")
    workers = [multiprocessing.get_context("spawn").Process(target=work, args=(number,)) for number in (8, 7)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
"""


def cpu_s_below(folder: Path, command: list[str]) -> tuple[float, float]:
    """Run a command in a folder; gives its wall seconds, and the processor-seconds of all processes below it.

    Children that outlive their parent are counted too: this process is made the one that inherits them.
    """
    script = (
        "import ctypes, os, resource, subprocess, sys, time\n"
        "ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)\n"  # PR_SET_CHILD_SUBREAPER
        "begun_s = time.monotonic()\n"
        "code = subprocess.call(sys.argv[1:], stdout=open('printed', 'w'), stderr=subprocess.STDOUT)\n"
        "wall_s = time.monotonic() - begun_s\n"
        "while True:\n"
        "    try:\n"
        "        os.wait()\n"
        "    except ChildProcessError:\n"
        "        break\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(code, wall_s, used.ru_utime + used.ru_stime)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    told = subprocess.run(
        [sys.executable, "-c", script, *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    ).stdout
    code, wall_s, cpu_s = told.split()
    if code != "0":
        raise SystemExit(f"{command} ended with {code}:\n{(folder / 'printed').read_text(encoding='utf-8')}")
    return float(wall_s), float(cpu_s)


def main() -> None:
    """Run the rounds, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exca", help="a Python that has exca; without it exca is left out")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-ray", action="store_true", help="leave ours through Ray out")
    given = parser.parse_args()
    ours = [sys.executable, str(ROOT / "sweep.py"), "second"]
    commands = {
        "ours --local 2": [*ours, "--local", "2"],
        "ours --local 2 --tracking-uri none": [*ours, "--local", "2", "--tracking-uri", "none"],
        **({} if given.no_ray else {"ours through Ray": [*ours, "--max-concurrent", "2"]}),
        **({"exca, process pool of 2": [given.exca, "with_exca.py"]} if given.exca else {}),
        "Optuna, 2 processes": [sys.executable, "with_optuna.py"],
    }
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for number in range(given.rounds):
        for name, command in commands.items():
            folder = Path(tempfile.mkdtemp(prefix="tablewright-bench-"))
            (folder / "search_spaces").mkdir()
            (folder / "search_spaces/second.py").write_text(STUDY, encoding="utf-8")
            (folder / "exca_method.py").write_text(EXCA, encoding="utf-8")
            (folder / "with_exca.py").write_text(CALLS_EXCA, encoding="utf-8")
            (folder / "with_optuna.py").write_text(OPTUNA, encoding="utf-8")
            begun_s = time.monotonic()
            taken[name].append(cpu_s_below(folder, command))
            print(f"round {number + 1}: {name}: {time.monotonic() - begun_s:.1f} s", file=sys.stderr)
            shutil.rmtree(folder, ignore_errors=True)
    print("fifteen trainings of a second on two workers: wall seconds, processor-seconds (medians)")
    for name, figures in taken.items():
        walls, cpus = zip(*figures, strict=True)
        print(f"{name:36} {statistics.median(walls):6.1f} {statistics.median(cpus):6.1f}")


if __name__ == "__main__":
    main()
