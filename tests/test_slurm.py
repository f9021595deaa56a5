"""The files for SLURM: read by bash, and run by a SLURM that the tests start themselves."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import typer

from tablewright import sweep
from tests import slurm_here
from tests.toy_studies import ROOT, start, write_project
from tests.waiting import PATIENCE_S, wait_for

FILES = sorted((ROOT / "clusters").glob("slurm*.sbatch"))


def part(path, first, last):
    """Give the lines of a file from one that begins so to one that does."""
    lines = path.read_text(encoding="utf-8").splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith(first))
    end = next(number for number, line in enumerate(lines) if number > begin and line.startswith(last))
    return lines[begin : end + 1]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_bash_reads_the_file(path):
    """Neither bash nor, where it is installed, shellcheck finds a fault."""
    assert 2 == len(FILES)
    commands = [["bash", "-n"]]
    if shutil.which("shellcheck"):
        commands.append(
            ["shellcheck", "--exclude=SC1091,SC2317"]
        )  # a file of the site's; called by name elsewhere
    for command in commands:
        result = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)
        assert (0, "", "") == (result.returncode, result.stdout, result.stderr)


def test_both_files_are_queued_again_by_the_same_lines():
    """What decides whether SLURM has ended a job is written twice, as SLURM copies a job's file, and is one thing."""
    for first, last in (
        ("# EDIT: what makes", "max_requeues="),
        ("say()", "trap 'is_inter"),
        ("# -- once more", "exit"),
    ):
        assert part(FILES[0], first, last) == part(FILES[1], first, last)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_option_in_it_is_one(path):
    """Variables and options of the command line are such as it has."""
    known = {
        variable
        for it in typer.main.get_command(sweep.app).params
        if (variable := getattr(it, "envvar", None))
    }
    options = {name for it in typer.main.get_command(sweep.app).params for name in it.opts}
    text = path.read_text(encoding="utf-8")
    assert set() == set(re.findall(r"TABLEWRIGHT_\w+", text)) - known
    typed = re.findall(r"(?:tablewright|STUDY|mdpr_ablation) [^`'#\n]*", text)
    named = {name for words in typed for name in re.findall(r"--[a-z-]+", words)} - {"--requeue"}
    assert set() == named - options
    assert {"--status", "--address" if path.name == "slurm.sbatch" else "--agent"} <= named


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """A SLURM with two nodes; skipped, in words, where it cannot be started."""
    if reason := slurm_here.why_not():
        pytest.skip(reason)
    service = slurm_here.Slurm(tmp_path_factory.mktemp("slurm"))
    try:
        service.start()
        yield service
    finally:
        service.end()


@pytest.fixture
def jobs(tmp_path, slurm):
    """Submits the files from a folder; `command` is what `tablewright` is on a node."""

    class Jobs:
        folder = tmp_path / "project"

        def __init__(self):
            self.folder.mkdir()
            for path in FILES:  # these nodes have neither GPUs nor a count of memory
                lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
                kept = [line for line in lines if not line.startswith(("#SBATCH --gpus", "#SBATCH --mem"))]
                (self.folder / path.name).write_text("".join(kept), encoding="utf-8")

        def command(self, text):
            path = tmp_path / "bin/tablewright"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
            path.chmod(0o755)
            folders = (path.parent, Path(sys.executable).parent, os.environ["PATH"])
            more = {"PATH": ":".join(map(str, folders)), "PYTHONPATH": str(ROOT), "COLUMNS": "120"}
            slurm.environment |= more

        def submit(self, file, *words, options=()):
            sbatch = ("sbatch", "--parsable", "--cpus-per-task=1", "--time=30", *options)
            return slurm.printed_by(*sbatch, file, *words, cwd=self.folder)

        def submit_agents(self, array, *words, options=()):
            return self.submit("slurm_agents.sbatch", *words, options=(f"--array={array}", *options))

        def log(self, task):
            path = self.folder / f"tablewright-{task}.log"
            return path.read_text(encoding="utf-8") if path.exists() else ""

        def wait_for(self, task, text):
            wait_for(lambda: text in self.log(task))

    return Jobs()


STAND_IN = f"""#!{sys.executable} -S
import os, signal, sys
code = {{"saves": 130, "fails": 1}}.get(sys.argv[1])
if code is None or "SLURM_RESTART_COUNT" in os.environ:
    sys.exit(0 if code else 2)
for number in (signal.SIGUSR1, signal.SIGTERM):
    signal.signal(number, lambda number, frame: sys.exit(code))
print("trains", flush=True)
signal.pause()
"""
"""Ends as the command line does: when it is told to save, with a failure, or refused; begun again, at once."""


@pytest.mark.slow
def test_a_job_is_queued_again_where_slurm_ends_it_and_nowhere_else(jobs, slurm):
    """By the warning before its time limit or for a job that goes first; not one that failed, was refused or cancelled.

    Of an array that one alone is: the last one has the number of all of them.
    """
    jobs.command(STAND_IN)
    array = jobs.submit_agents("1-3", "saves")
    fails, refused = jobs.submit_agents("1", "fails"), jobs.submit_agents("1", "--no-such-option")
    preempted = jobs.submit_agents("1", "saves", options=("--nodelist=n2", "--cpus-per-task=8"))
    begun = [f"{array}_1", f"{array}_2", f"{array}_3", f"{fails}_1", f"{preempted}_1"]
    for task in begun:
        jobs.wait_for(task, "trains")
    slurm.printed_by("sbatch", "--partition=urgent", "--nodelist=n2", "--cpus-per-task=8", "--wrap=true")
    for task in (f"{array}_3", f"{fails}_1"):
        slurm.printed_by("scancel", "--batch", "--signal=USR1", task)
    slurm.printed_by("scancel", f"{array}_1")
    for task in (f"{array}_3", f"{preempted}_1"):
        jobs.wait_for(task, "the sweep has ended with code 0")
    wait_for(
        lambda: "2" == slurm.printed_by("squeue", "--noheader", "--format=%K")
    )  # of the array, that one trains on
    slurm.printed_by("scancel", f"{array}_2")
    wait_for(lambda: not slurm.printed_by("squeue", "--noheader"))
    ends = {
        task: re.findall("(?<=ended with )code [0-9]+|queued again", jobs.log(task))
        for task in [*begun, f"{refused}_1"]
    }
    assert {
        f"{array}_1": ["code 130"],
        f"{array}_2": ["code 130"],
        f"{array}_3": ["code 130", "queued again", "code 0"],
        f"{fails}_1": ["code 1"],
        f"{preempted}_1": ["code 130", "queued again", "code 0"],
        f"{refused}_1": ["code 2"],
    } == ends


def tables_in(folder):
    """Give the content of every table of a store, by its name."""
    return {path.name: path.read_bytes() for path in (folder / "runs/tables").rglob("rates.*")}


@pytest.mark.slow
def test_a_sweep_outlives_the_time_limit_of_its_job(tmp_path, jobs, slurm):
    """Its agent saves when it is warned, is queued again and goes on; the tables are those of an undisturbed run."""
    gate = tmp_path / "goes on"
    jobs.command(f'#!/bin/sh\nexec {sys.executable} {jobs.folder}/sweep.py "$@"\n')
    for folder in (jobs.folder, tmp_path / "undisturbed"):
        write_project(folder, rows='[Row("one")]', seeds="(0,)", base=f"waits_for={str(gate)!r}")
    options = ("toy", "--gpus-per-training", "0")
    task = jobs.submit_agents("1", *options) + "_1"
    undisturbed = start(tmp_path / "undisturbed", *options, "--agent", "--tracking-uri", "none")
    wait_for(lambda: list(jobs.folder.glob("runs/trainings/*/epochs.parquet")))
    slurm.printed_by("scancel", "--batch", "--signal=USR1", task)
    jobs.wait_for(task, "queued again")
    gate.touch()
    printed, _ = undisturbed.communicate(timeout=PATIENCE_S)
    assert 0 == undisturbed.returncode, printed
    wait_for(lambda: not slurm.printed_by("squeue", "--noheader"))
    assert "start 2" in jobs.log(task)
    assert "Every cell is filled" in jobs.log(task)
    assert tables_in(tmp_path / "undisturbed") == tables_in(jobs.folder)
    assert {"rates.tex", "rates.md", "rates.html", "rates.parquet"} <= set(tables_in(jobs.folder))


LOOKS_AT_RAY = f"""#!{sys.executable}
import json, os, signal, sys
from pathlib import Path
import ray
signal.signal(signal.SIGUSR1, lambda number, frame: sys.exit(3))
ray.init(sys.argv[sys.argv.index("--address") + 1], log_to_driver=False, logging_level="ERROR")
token = Path(os.environ["RAY_AUTH_TOKEN_PATH"])
nodes = {{node["NodeName"]: node["Resources"].get("CPU") for node in ray.nodes() if node["Alive"]}}
modes = [oct(path.stat().st_mode & 0o777) for path in (token.parent, token)]
Path("seen.json").write_text(json.dumps([nodes, modes, str(token.parent)]))
print("trains", flush=True)
signal.pause()
"""


@pytest.mark.ray
@pytest.mark.slow
def test_a_job_has_a_ray_over_its_nodes_and_cores(jobs, slurm):
    """It is shut to others, has the cores of the job alone, and ends with the sweep, which hears of the time limit.

    It leaves nothing in /tmp, and a sweep that fails when it is to save is not begun again.
    """
    jobs.command(LOOKS_AT_RAY)
    job = jobs.submit("slurm.sbatch", "toy", options=("--nodes=2", "--cpus-per-task=3"))
    jobs.wait_for(job, "trains")
    slurm.printed_by("scancel", "--batch", "--signal=USR1", job)
    wait_for(lambda: not slurm.printed_by("squeue", "--noheader"))
    assert "the sweep has ended with code 3" in jobs.log(job)
    assert "queued again" not in jobs.log(job)
    nodes, modes, folder = json.loads((jobs.folder / "seen.json").read_text(encoding="utf-8"))
    assert {"n1": 3.0, "n2": 3.0} == nodes
    assert ["0o700", "0o600"] == modes
    assert [] == list(Path("/tmp").glob(f"{Path(folder).stem}.*"))
    assert [] == [
        it.pid for it in psutil.process_iter(["cmdline"]) if folder in " ".join(it.info["cmdline"] or ())
    ]
