"""The command line, run as a user runs it, on a toy method and a real local Ray."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.toy_studies import ROOT, start, write_project
from tests.waiting import PATIENCE_S, wait_for
from tests.warm_command import WarmCommand, run_warm

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A project whose sweep has ended; tests that change it copy it first."""
    folder = tmp_path_factory.mktemp("finished")
    write_project(folder)
    code, printed = run_warm(folder, "toy", "--max-concurrent", "1")
    assert code == 0, printed
    return folder, printed


@pytest.fixture
def copied(finished, tmp_path):
    return shutil.copytree(finished[0], tmp_path / "project")


def tables(folder):
    found = (folder / "runs/tables/demo/toy").glob("rates.*")
    return {path.name: path.read_bytes() for path in found if path.suffix != ".parquet"}


def runs_by_training(folder):
    """MLflow's runs as (training id, status), read from its database itself."""
    with sqlite3.connect(folder / "runs/mlflow.db") as database:
        return database.execute(
            "select tags.value, runs.status from runs join tags using (run_uuid)"
            " where tags.key = 'tablewright.training_id' and runs.lifecycle_stage = 'active'"
        ).fetchall()


def all_run_states(folder):
    with sqlite3.connect(folder / "runs/mlflow.db") as database:
        return {status for (status,) in database.execute("select status from runs")}


def test_no_study_lists_the_studies(tmp_path):
    """Called without a study, the command lists what there is: the project's own, then what is built in."""
    write_project(tmp_path)
    code, printed = run_warm(tmp_path)
    assert code == 0, printed
    own, built_in = printed.split("built in")
    assert ["toy", "A", "toy", "study."] == own.splitlines()[-1].split()
    assert "mdpr_ablation" in built_in


def test_a_sweep_ends_in_tables_and_one_mlflow_run_a_training(finished):
    """Four trainings fill four cells; tables are printed and written; MLflow has one finished run each."""
    folder, printed = finished
    assert "Every cell is filled" in printed
    assert "demo data, not comparable" in " ".join(printed.split())
    assert {"rates.tex", "rates.md", "rates.html"} <= set(tables(folder))
    found = runs_by_training(folder)
    assert len(found) == len({identity for identity, _ in found}) == 4
    assert {status for _, status in found} == {"FINISHED"}


def test_a_second_run_trains_nothing(copied):
    """Run again, the sweep writes the same tables and starts no training."""
    before = tables(copied)
    code, printed = run_warm(copied, "toy")
    assert code == 0, printed
    assert "done after" not in printed
    assert tables(copied) == before


def test_plan_status_and_report_need_no_ray(copied):
    """The other verbs read the store, and tell by their exit code."""
    code, printed = run_warm(copied, "toy", "--plan")
    assert code == 0, printed
    assert "4 cells from 4 trainings; 4 done." in printed
    shutil.rmtree(copied / "runs/tables")
    for verb in ("--status", "--report", "--check"):
        code, printed = run_warm(copied, "toy", verb)
        assert code == 0, printed
    assert {"rates.csv", "rates.html", "rates.md", "rates.standalone.tex", "rates.tex"} == set(tables(copied))


def test_looking_at_a_store_that_is_not_there_says_where_and_makes_none(tmp_path):
    """A mistyped folder is seen, and nothing is left behind in it."""
    write_project(tmp_path)
    code, printed = run_warm(tmp_path, "toy", "--status", "--store", "elsewhere")
    assert code == 0, printed
    assert f"There is no store at {tmp_path / 'elsewhere'} yet" in " ".join(printed.split())
    assert not (tmp_path / "elsewhere").exists()


def test_verbs_are_given_one_at_a_time(tmp_path):
    """Two of them, or one without a study, are refused."""
    write_project(tmp_path)
    code, printed = run_warm(tmp_path, "toy", "--plan", "--status")
    assert (2, True) == (code, "--plan and --status are given together" in printed)
    code, printed = run_warm(tmp_path, "--plan")
    assert (2, True) == (code, "name a study, or all" in printed)


def test_an_added_row_trains_alone(copied):
    """Editing one row into the study trains that row, for both seeds."""
    write_project(copied, rows='[Sweep("learning_rate", (0.1, 0.2, 0.3))]')
    code, printed = run_warm(copied, "toy", "--tracking-uri", "none", "--agent")
    assert code == 0, printed
    assert printed.count("done after") == 2


def test_a_failure_is_told_and_the_exit_code_says_so(tmp_path):
    """The other trainings end, the message is printed, status names it, and the code is not 0."""
    write_project(tmp_path, rows='[Row("good"), Row("bad", {"fails_at_epoch": 2})]')
    code, printed = run_warm(tmp_path, "toy", "--seeds", "0", "--tracking-uri", "none", "--agent")
    assert code == 1, printed
    assert "failed: rates: bad [Toy] seed 0: RuntimeError: loss is nan at epoch 2" in printed
    code, printed = run_warm(tmp_path, "toy", "--seeds", "0", "--status")
    assert code == 1, printed
    assert "1 done, 1 failed" in printed


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Tables of trainings that wait for a file which is there, and that file."""
    folder = tmp_path_factory.mktemp("undisturbed")
    goes_on = folder / "goes on"
    goes_on.touch()
    write_project(folder, base=f"waits_for={str(goes_on)!r}")
    code, printed = run_warm(folder, "toy", "--tracking-uri", "none", "--agent")
    assert code == 0, printed
    return tables(folder), goes_on


@pytest.mark.slow
@pytest.mark.parametrize("how", ["SIGKILL", "SIGINT"])
def test_an_interrupted_sweep_ends_in_the_tables_of_an_undisturbed_one(how, tmp_path, undisturbed):
    """Killed or stopped in mid-training and run again: equal tables, one run a training, none RUNNING.

    What was killed is an agent, and goes on with Ray where nobody listens, as after `>&- 2>&-`; what was stopped is
    Ray, and goes on in an agent.
    """
    calm, goes_on = undisturbed
    goes_on.unlink()  # no training ends before the sweep is interrupted
    write_project(tmp_path, base=f"waits_for={str(goes_on)!r}")

    def is_begun():
        return list(tmp_path.glob("runs/trainings/*/epochs.parquet"))

    if how == "SIGKILL":
        process = start(tmp_path, "toy", "--agent")
        wait_for(is_begun)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=PATIENCE_S)
    else:
        command = WarmCommand(tmp_path, "toy", "--max-concurrent", "1")
        wait_for(is_begun)
        os.kill(command.pid, signal.SIGINT)
        code, printed = command.end()
        assert code == 130, printed
        assert "Run the same command again to go on" in printed
        assert "RUNNING" not in all_run_states(tmp_path)
    assert [] == list(tmp_path.glob("runs/trainings/*/record.json"))
    goes_on.touch()
    if how == "SIGKILL":
        command = ["bash", "-c", f"'{sys.executable}' sweep.py toy --max-concurrent 1 <&- >&- 2>&-"]
        variables = {**os.environ, "PYTHONPATH": str(ROOT)}
        assert 0 == subprocess.run(command, cwd=tmp_path, env=variables, timeout=PATIENCE_S).returncode
    else:
        code, printed = run_warm(tmp_path, "toy", "--agent")
        assert code == 0, printed
    found = runs_by_training(tmp_path)
    assert len(found) == len({identity for identity, _ in found}) == 4
    assert all_run_states(tmp_path) == {"FINISHED"}
    assert tables(tmp_path) == calm


def test_mistakes_are_told_at_once_and_nothing_is_trained(tmp_path):
    """Several faults of one command line come in one message, with a way out each."""
    write_project(tmp_path)
    code, printed = run_warm(tmp_path, "toy", "--profile", "papr", "--data-root", "/no/where", "--seeds", "a")
    assert code == 2, printed
    told = " ".join(printed.split())
    for part in ("one of demo, paper", "/no/where is no folder", "such as 0,1,2"):
        assert part in told
    code, printed = run_warm(tmp_path, "toi")
    assert code == 2, printed
    assert "Did you mean 'toy'?" in printed
    code, printed = run_warm(tmp_path, "toy", "--gpus-per-training", "1.5")
    assert code == 2, printed
    assert "--gpus-per-training is 1.5" in printed
    code, printed = run_warm(tmp_path, "toy", "--pdf")
    assert code == 2, printed
    assert "--pdf goes with --report" in printed
    for option, needed in (
        ("--max-concurrent", "a whole number is needed"),
        ("--gpus-per-training", "a number is ne"),
    ):
        code, printed = run_warm(tmp_path, "toy", option, "many")
        assert (2, True) == (code, f"{needed}" in printed), printed
        assert "Input should" not in printed
    assert not (tmp_path / "runs/trainings").exists()


def test_help_that_cannot_be_printed_is_no_traceback(tmp_path):
    """A full disc behind a redirection is told in a line."""
    write_project(tmp_path)
    with Path("/dev/full").open("wb") as full:
        process = subprocess.run(
            [sys.executable, "sweep.py", "--help"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert 1 == process.returncode
    assert b"error: nothing could be printed: No space left on device\n" == process.stderr


def test_a_misspelt_field_is_refused_when_the_study_is_read(tmp_path):
    """A row that names no field is told with the nearest one, before anything runs."""
    write_project(tmp_path, rows='[Row("a", {"network.atention.num_attentions": 4})]')
    code, printed = run_warm(tmp_path, "toy")
    assert code == 2, printed
    assert "did you mean network.attention?" in " ".join(printed.split())
