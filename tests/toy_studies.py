"""A project of one's own: a copy of the command line beside a folder of toy studies."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.waiting import PATIENCE_S

ROOT = Path(__file__).parent.parent

STUDY = '''"""A toy study."""
from tablewright.orchestrator.declared.design import Row, Sweep
from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.study import Study, UntilDecided
from tests.toy_method import ToyConfig
from tablewright.trainables.retrieval.view import MAP, RANK1, RetrievalView


def make_study(profile):
    table = Ablation(
        "rates", "Learning rates", ToyConfig({base}), [Dataset("Toy")],
        {rows}, RetrievalView(), [MAP, RANK1], stub_head="rate", {more}
    )
    return Study("toy", "Toy", "nowhere", {seeds}, [table])
'''


def write_project(folder, *, rows='[Sweep("learning_rate", (0.1, 0.2))]', base="", more="", seeds="(0, 1)"):
    """Write the project; rows, what the base sets, what the table declares beside, and seeds are Python text."""
    (folder / "search_spaces").mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "sweep.py", folder / "sweep.py")
    study = STUDY.format(rows=rows, base=base, more=more, seeds=seeds)
    (folder / "search_spaces/toy.py").write_text(study, encoding="utf-8")


def start(folder, *arguments, **environment):
    """Start the command line in the project."""
    return subprocess.Popen(
        [sys.executable, "sweep.py", *arguments],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "120",
            "PYTHONFAULTHANDLER": "1",
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def start_installed(folder, *arguments):
    """Start the command that an installation brings, as it stands on the path."""
    return subprocess.Popen(
        [Path(sys.executable).with_name("tablewright"), *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run_installed(folder, *arguments):
    """Run that command to its end; gives (exit code, what it printed)."""
    process = start_installed(folder, *arguments)
    printed, _ = process.communicate(timeout=PATIENCE_S)
    return process.returncode, printed


def run(folder, *arguments, **environment):
    """Run the command line to its end; gives (exit code, what it printed)."""
    process = start(folder, *arguments, **environment)
    printed, _ = process.communicate(timeout=PATIENCE_S)
    return process.returncode, printed
