"""A function of one's own as a method, through the command line and a real Ray: killed, changed, accepted."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.spirals import POINTS, write_spirals
from tests.toy_studies import ROOT, run_installed, start
from tests.waiting import wait_for
from tests.warm_command import run_warm

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def words(printed):
    return " ".join(printed.split())


def metrics_of(folder):
    """What was measured, by the config it was trained by."""
    found = {}
    for path in folder.glob("runs/trainings/*/measurements/*.json"):
        record = json.loads((path.parent.parent / "record.json").read_text())
        if json.loads(path.read_text())["view"]["split"] == "test":
            config = record["config"]
            key = (config["dropout"], config["width"], config["lr"], config["seed"])
            found[key] = json.loads(path.read_text())["metrics"]
    return found


def test_a_function_is_trained_measured_and_tabled(tmp_path):
    """Metrics of any scale and direction; other code is told and trained anew, or accepted and noted."""
    write_spirals(tmp_path)
    code, printed = run_warm(tmp_path, "spirals", "--tracking-uri", "none", "--agent")
    assert 0 == code, printed
    table = (tmp_path / "runs/tables/spirals/parts.md").read_text()
    assert "Spirals<br>PPL" in table
    assert "best of 6 trials" in (tmp_path / "runs/tables/spirals/rate.md").read_text()
    assert "Spirals: 200 items measured" in table
    undisturbed = metrics_of(tmp_path)
    assert all({"accuracy", "ppl"} == values.keys() for values in undisturbed.values())
    assert all(values["ppl"] > 1 for values in undisturbed.values())

    write_spirals(tmp_path, ("def points(split):", "# where the points lie\ndef points(split):"))
    code, printed = run_warm(tmp_path, "spirals/parts", "--plan")
    assert "9 done" in printed
    assert "changed" not in printed

    write_spirals(tmp_path, ("+ 0.1 * torch", "+ 0.2 * torch"))
    code, printed = run_warm(tmp_path, "spirals/parts", "--plan")
    assert "9 to train" in printed
    said = "Spirals: its code was changed since 9 recorded trainings of these configs: "
    assert f"{said}search_spaces/spirals.py: points." in words(printed)
    code, printed = run_warm(tmp_path, "spirals/rate", "--plan")
    assert "0 of 6 trials made; it begins anew, as 6 were made by other code of its method" in words(printed)
    code, printed = run_warm(
        tmp_path, "spirals/parts", "--report", "--accept", "twice the noise is as little"
    )
    assert 0 == code, printed
    assert "“twice the noise is as little”" in words(printed)
    code, printed = run_warm(tmp_path, "spirals/parts", "--plan")
    assert "9 done" in printed
    code, printed = run_warm(tmp_path, "spirals/parts", "--verify")
    assert (0, True) == (code, "no faults" in printed), printed

    write_spirals(tmp_path, ("lr: float = 0.05", "lr: float = 0.04"))
    code, printed = run_warm(tmp_path, "spirals/parts", "--plan")
    assert "recorded with lr = 0.05 and is planned with 0.04" in words(printed)
    assert "9 changed" in printed


def test_workers_find_her_modules_though_her_folders_are_called_as_ours(tmp_path):
    """Below a path with blanks, from the installed command, with nothing but her folder to find them in."""
    project = tmp_path / "my own project"
    write_spirals(
        project,
        ("import tablewright as tw", "import tablewright as tw\nfrom trainables.points import points"),
        (POINTS, ""),
    )
    (project / "sweep.py").write_text("raise SystemExit('hers')\n")
    for name in ("trainables", "reports", "orchestrator"):
        (project / name).mkdir()
        (project / name / "__init__.py").write_text("")
    (project / "trainables/points.py").write_text(f"import torch\n\n\n{POINTS}")
    code, printed = run_installed(
        project, "spirals/parts", "--seeds", "0", "--tracking-uri", "none", "--max-concurrent", "1"
    )
    assert 0 == code, printed
    assert "demo" not in printed
    assert (project / "runs/tables/spirals/parts.tex").is_file()
    (record, *_) = map(
        json.loads, (path.read_text() for path in project.glob("runs/trainings/*/record.json"))
    )
    assert "trainables/points.py: points" in record["source"]


def test_code_that_is_edited_during_a_sweep_trains_nothing(tmp_path):
    """What was running ends; what would import other code than the plan has is refused; the next run plans with it."""
    flag = tmp_path / "go on"
    write_spirals(
        tmp_path,
        ("def fit(config, run):\n", "def fit(config, run):\n    from rates import FACTOR\n"),
        ("config.lr, momentum", "FACTOR * config.lr, momentum"),
        (
            "        run.report(loss=loss)\n",
            "        run.report(loss=loss)\n"
            f"        while _ == 3 and not __import__('os').path.exists({str(flag)!r}):\n"
            "            __import__('time').sleep(0.05)\n",
        ),
    )
    (tmp_path / "rates.py").write_text("FACTOR = 1\n")
    options = ("--seeds", "0", "--tracking-uri", "none")
    process = start(tmp_path, "spirals/parts", *options, "--agent")
    wait_for(lambda: list(tmp_path.glob("runs/trainings/*/epochs.parquet")))
    (tmp_path / "rates.py").write_text("FACTOR = 2\n")
    flag.touch()
    printed, _ = process.communicate()
    assert 1 == process.returncode, printed
    assert 1 == len(list(tmp_path.glob("runs/trainings/*/record.json")))
    assert "is not that of the plan (rates.py: FACTOR): it was edited since the sweep was started" in words(
        printed
    )
    code, printed = run_warm(tmp_path, "spirals/parts", *options, "--agent")
    assert 0 == code, printed
    assert "1 recorded training of these configs: rates.py: FACTOR." in words(printed)
    assert 4 == len(list(tmp_path.glob("runs/trainings/*/record.json")))


@pytest.fixture
def cluster(monkeypatch):
    """Address of a cluster of one machine that is there before the sweep."""
    from tests.rays import cluster_of

    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with cluster_of(num_cpus=1) as cluster:
        yield cluster.address


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="hides a folder as root can")
def test_machines_of_a_cluster_train_by_modules_that_they_do_not_see(tmp_path, cluster):
    """The driver alone sees the project's folder; its sources are sent, data files among them where they are text."""
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    command = Path(sys.executable).with_name("tablewright")
    places = f"--store {tmp_path}/runs --cache-dir {tmp_path}/cache --address {cluster} --tracking-uri none"
    script = (
        f"mount -t tmpfs tmpfs {hidden} && cp -r {ROOT}/examples/characters {hidden}/p && cd {hidden}/p && "
        f"{command} characters/cells --seeds 0 {places}"
    )
    process = subprocess.run(
        ["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, check=False
    )
    assert 0 == process.returncode, process.stdout + process.stderr
    assert not (hidden / "p").exists()
    assert 3 == len(list(tmp_path.glob("runs/trainings/*/record.json")))
    assert (tmp_path / "runs/tables/characters/cells.tex").is_file()
