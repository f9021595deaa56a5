"""What `--report` takes of a study of 500 rows and five seeds: at first, when nothing has changed, and after a change.

The store is made without training anything: records, measurements, items and epochs are written as a sweep would
write them. The command runs as a process of its own, and its processor time is the system's count of it.

    python benchmarks/bench_report.py [--rows 500] [--seeds 5] [--epochs 20] [--folder NEW]
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from made_records import made_record

from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.plans.plan import Plan, configs_of
from tablewright.orchestrator.plans.planning import describe_with, plan_as_recorded
from tablewright.orchestrator.plans.resolution import DataResolver, remember_data
from tablewright.orchestrator.project.project import Project
from tablewright.orchestrator.project.study_loading import load_study
from tablewright.orchestrator.store.store import Store
from tablewright.trainables.contract.run import EpochReport, Runtime
from tablewright.trainables.contract.view import ViewResult

ROOT = Path(__file__).parent.parent
ITEMS = 200
"""Of a measurement, each with its value."""

STUDY = '''"""A study of many rows."""

import tablewright as tw


@tw.script(
    "python train.py {{flags}} --seed {{seed}} --out {{out}}",
    metrics=[tw.Metric("accuracy", "Accuracy"), tw.Metric("loss", "Loss", False, 3, is_fraction=False)],
    data=tw.Data("Moons"),
    progress_file="progress.jsonl",
)
class Moons(tw.Config):
    width: int = 1
    rate: float = 0.1


def make_study():
    rows = [tw.Sweep("width", tuple(range(1, {rows} + 1)))]
    table = tw.Ablation("width", "Width", Moons(), [tw.Dataset("Moons")], rows)
    return tw.Study("many", "Many rows", "ours", seeds=tuple(range({seeds})), ablations=[table])
'''


def main() -> None:
    """Make the store, and print what each report takes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--folder", type=Path, help="where project and store are made, and stay")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.folder or Path(scratch)
        if not (folder / "search_spaces").is_dir():
            make_project(folder, asked.rows, asked.seeds)
        plan = plan_of(folder)
        store = Store(str(folder / "runs"))
        if not store.training_ids():
            record_all(store, plan, asked.epochs)
        print(f"{len(plan.trainings)} trainings of {asked.epochs} epochs; CPU-s, wall s, exit code")
        show("first", folder)
        show("nothing changed", folder)
        show("nothing changed", folder)
        record_one(store, plan, next(iter(plan.trainings)), asked.epochs, quality=0.9)
        show("one record changed", folder)


def make_project(folder: Path, num_rows: int, num_seeds: int) -> None:
    """Write the study and its script."""
    (folder / "search_spaces").mkdir(parents=True)
    (folder / "search_spaces/many.py").write_text(
        STUDY.format(rows=num_rows, seeds=num_seeds), encoding="utf-8"
    )
    (folder / "train.py").write_text("import argparse\n", encoding="utf-8")


def plan_of(folder: Path) -> Plan:
    """Give the plan of the study, as a sweep would make it."""
    os.chdir(folder)
    study = load_study("many", Profile.DEMO, Project(folder))
    runtime = Runtime(None, str(folder / "cache"))
    store = Store(str(folder / "runs"))
    plan = plan_as_recorded([study], store, runtime)
    if not store.is_there:
        store.shared_id()
        remember_data("many", configs_of(plan.tables.values()), DataResolver(describe_with(runtime)), store)
    return plan


def record_all(store: Store, plan: Plan, num_epochs: int) -> None:
    """Write every record of a plan."""
    random = np.random.default_rng(0)
    for identity in plan.trainings:
        record_one(store, plan, identity, num_epochs, quality=0.8 + 0.01 * random.standard_normal())


def record_one(store: Store, plan: Plan, identity: str, num_epochs: int, *, quality: float) -> None:
    """Write what one training leaves: its epochs, its measurements with their items, its record."""
    planned, folder = plan.trainings[identity], store.training(identity)
    reports = [
        EpochReport(epoch, num_epochs, {"loss": 1 / epoch, "val_accuracy": quality * (1 - 0.5 / epoch)}, 1.0)
        for epoch in range(1, num_epochs + 1)
    ]
    folder.write_epochs(reports)
    for view_id, view in planned.views.items():
        items = {"item": np.array([f"{number}" for number in range(ITEMS)]), "is_right": np.ones(ITEMS)}
        result = ViewResult({"accuracy": quality, "loss": 1 - quality}, items, items="items")
        folder.write_measurement(view.view, view_id, result, data=view.data)
    folder.write_record(made_record(planned, num_epochs, folder.checksums()))


def show(what: str, folder: Path) -> None:
    """Run the command and print its processor time."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "tablewright.sweep", "many", "--report"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{what:24} {cpu_s:6.2f} {time.perf_counter() - began:6.2f} {done.returncode}", flush=True)
    if done.returncode:
        print(done.stderr.decode()[-2000:])


if __name__ == "__main__":
    main()
