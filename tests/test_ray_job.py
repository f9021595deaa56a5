"""The command as a Ray job, as `ray job submit` and KubeRay's RayJob run it: in an environment that Ray has set."""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tablewright.orchestrator.addresses import FOLDER_OF_JOBS
from tests.ports import answers, free_port
from tests.toy_studies import ROOT, write_project
from tests.waiting import PATIENCE_S, wait_for
from tests.warm_command import run_warm

pytestmark = [pytest.mark.ray, pytest.mark.slow]

RAY = Path(sys.executable).with_name("ray")


@pytest.fixture
def cluster():
    """A node that demands a token, as KubeRay makes them; gives the environment of who submits to it."""
    folder = Path(tempfile.mkdtemp(prefix="tw-job-", dir="/tmp"))  # the path of a socket has to be short
    port, dashboard, agent = free_port(), free_port(), free_port()
    environment = {
        **{
            name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "TABLEWRIGHT_"))
        },
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{dashboard}",
        "RAY_JOB_STOP_WAIT_TIME_S": "140",
    }
    node = [
        "--head",
        f"--port={port}",
        "--node-ip-address=127.0.0.1",
        "--num-cpus=1",
        "--include-log-monitor=false",
        f"--temp-dir={folder}/r",
    ]
    node += [
        "--include-dashboard=true",
        f"--dashboard-port={dashboard}",
        f"--dashboard-agent-listen-port={agent}",
    ]
    process = subprocess.Popen(
        [RAY, "start", "--block", "--disable-usage-stats", *node],
        env=environment,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(lambda: answers(dashboard) and answers(agent))
        yield environment
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def job(verb, environment, *arguments):
    """Run `ray job VERB`; gives (exit code, what it printed)."""
    done = subprocess.run(
        [RAY, "job", verb, *arguments], env=environment, capture_output=True, text=True, timeout=PATIENCE_S
    )
    return done.returncode, done.stdout + done.stderr


def tables(store):
    return {path.name: path.read_text() for path in sorted(store.glob("tables/demo/toy/*.md"))}


def test_a_ray_job_trains_on_its_cluster_and_fills_the_tables_of_an_ordinary_run(cluster, tmp_path):
    """Its folder is a copy that Ray removes; told to stop, its training saves; submitted again, it goes on."""
    project, goes_on = tmp_path / "project", tmp_path / "goes on"
    write_project(project, base=f"waits_for={str(goes_on)!r}")
    options = ["--tracking-uri", "none", "--seeds", "0", "--cache-dir", str(tmp_path / "cache")]
    store = tmp_path / "runs"
    submit = ["--working-dir", str(project)]
    command = ["--", sys.executable, "sweep.py", "toy", *options, "--store", str(store)]
    code, printed = job("submit", cluster, *submit, "--no-wait", "--submission-id", "stopped", *command)
    assert 0 == code, printed
    wait_for(lambda: [*store.glob("trainings/*/epochs.parquet")])
    copies = Path(cluster["HOME"]).glob(f"r/session_2*/runtime_resources/{FOLDER_OF_JOBS}/*/sweep.py")
    assert 1 == len([*copies]), "a store beside it would be refused"
    job("stop", cluster, "stopped")
    assert [] == [*store.glob("trainings/*/failure.json")]
    assert 1 == len([*store.glob("trainings/*/checkpoint/*")]), "it has saved its state"
    assert [] == [*store.glob("claims/*")]

    goes_on.touch()
    code, printed = job("submit", cluster, *submit, *command)
    assert 0 == code, printed
    assert "Every cell is filled" in printed
    assert 2 == len([*store.glob("trainings/*/record.json")])

    code, printed = run_warm(project, "toy", *options, "--agent", "--store", str(tmp_path / "undisturbed"))
    assert 0 == code, printed
    assert tables(tmp_path / "undisturbed") == tables(store) != {}
