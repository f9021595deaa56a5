"""Scripts as methods, through the command line, below a path with blanks: run, killed, changed."""

import json
import os
import shutil
import signal
import subprocess
import sys

import psutil
import pytest

from tests.toy_studies import ROOT, start
from tests.waiting import wait_for
from tests.warm_command import run_warm

pytestmark = pytest.mark.slow

ALONE = ("--tracking-uri", "none", "--agent")


@pytest.fixture
def project(tmp_path):
    """Copies an example into a folder with blanks in its name, with texts of its script replaced by others."""

    def write(example, *changes):
        folder = tmp_path / "my project, v2"
        shutil.copytree(ROOT / "examples" / example, folder, dirs_exist_ok=True)
        shutil.copy(ROOT / "sweep.py", folder / "sweep.py")
        for file, before, after in changes:
            text = (folder / file).read_text()
            assert before in text
            (folder / file).write_text(text.replace(before, after))
        return folder

    return write


def words(printed):
    return " ".join(printed.split())


def measured(folder, *fields):
    """The test metrics of each training, by these fields of its config."""
    found = {}
    for path in folder.glob("runs/trainings/*/measurements/*.json"):
        measurement, record = (
            json.loads(file.read_text()) for file in (path, path.parent.parent / "record.json")
        )
        if measurement["view"]["split"] == "test":
            found[tuple(str(record["config"][field]) for field in fields)] = measurement["metrics"]
    return found


def digits_by_hand(script, place, folder):
    """What a script gives that is run somewhere without any of ours, by its width."""
    digits = {}
    for width in ("4", "16"):
        out = folder / width
        out.mkdir()
        command = [sys.executable, script, "--width", width, "--seed", "0", "--out", out]
        subprocess.run(command, cwd=place, check=True)
        digits[width,] = json.loads((out / "metrics.json").read_text())["test"]
    return digits


def test_a_script_fills_a_table_and_its_changes_are_told(project, tmp_path):
    """With the digits that it gives by hand; a comment is no change, a function's body and a default are."""
    folder = project("script")
    code, printed = run_warm(folder, "moons", "--seeds", "0", "--check")
    assert (0, 2) == (code, printed.count("ok ")), printed
    code, printed = run_warm(folder, "moons", "--seeds", "0", *ALONE)
    assert 0 == code, printed
    example = ROOT / "examples/script"
    assert digits_by_hand(example / "train.py", example, tmp_path) == measured(folder, "width")
    for training in folder.glob("runs/trainings/*"):
        assert (training / "out/last.pt").exists()
        assert "'epoch': 6" in (training / "output.txt").read_text()
    code, printed = run_warm(folder, "moons", "--seeds", "0", "--verify")
    assert (0, True) == (code, "no faults" in printed), printed

    project("script", ("train.py", "def moons(", "# two of them\ndef moons("))
    assert "2 done" in run_warm(folder, "moons", "--seeds", "0", "--plan")[1]
    project("script", ("train.py", "+ 0.2 * torch.randn(x.shape", "+ 0.3 * torch.randn(x.shape"))
    printed = words(run_warm(folder, "moons", "--seeds", "0", "--plan")[1])
    assert (
        "Moons: its code was changed since 2 recorded trainings of these configs: train.py: moons." in printed
    )
    project("script", ("train.py", '"--epochs", type=int, default=6', '"--epochs", type=int, default=7'))
    printed = words(run_warm(folder, "moons", "--seeds", "0", "--plan")[1])
    assert "of these configs: train.py: main." in printed
    field = ("no_noise: bool = False", "no_noise: bool = False\n    lr: float = 0.1")
    project("script", ("search_spaces/moons.py", *field))
    printed = words(run_warm(folder, "moons", "--seeds", "0", "--plan")[1])
    assert "of these configs: search_spaces/moons.py: command of Moons." in printed
    project("script", ("search_spaces/moons.py", "width: int = 16", "width: int = 8"))
    assert "changed" in run_warm(folder, "moons", "--seeds", "0", "--plan")[1]


def is_script_of(folder, process):
    try:
        return "train.py" in process.cmdline() and process.cwd() == str(folder)
    except psutil.Error:
        return False


WALK = """
import argparse, json, pickle, random, time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--no_noise", action="store_true")
for name in ("--width", "--seed"):
    parser.add_argument(name, type=int, default=16)
for name in ("--out", "--resume"):
    parser.add_argument(name, type=Path)
given = parser.parse_args()
place, first, chance = 0.0, 1, random.Random(given.seed)
if given.resume:
    place, last, state = pickle.loads(given.resume.read_bytes())
    chance.setstate(state)
    first = last + 1
for epoch in range(first, 7):
    place += given.width / 100 * chance.random()
    (given.out / "last.part").write_bytes(pickle.dumps((place, epoch, chance.getstate())))
    (given.out / "last.part").replace(given.out / "last.pt")
    with (given.out / "progress.jsonl").open("a") as file:
        file.write(json.dumps({"epoch": epoch, "loss": place}) + chr(10))
    while epoch == 3 and not Path("go on").exists():
        time.sleep(0.05)
(given.out / "metrics.json").write_text(json.dumps({"test": {"accuracy": place}}))
"""
"""A script in the place of `train.py` that loads no library, and waits in the middle for a file."""


@pytest.mark.parametrize("goes_on", [True, False])
def test_a_killed_script_ends_in_the_same_digits(project, tmp_path, goes_on):
    """SIGKILL of everything in the middle: the script ends too, and the same command goes on, or begins anew."""
    resume = ("search_spaces/moons.py", '    resume="--resume {out}/last.pt",\n', "")
    folder = project("script", *([] if goes_on else [resume]))
    (folder / "train.py").write_text(WALK)
    process = start(folder, "moons", "--seeds", "0", *ALONE)
    wait_for(lambda: list(folder.glob("runs/trainings/*/epochs.parquet")))
    scripts = [one for one in psutil.process_iter() if is_script_of(folder, one)]
    assert scripts
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    wait_for(lambda: not any(script.is_running() for script in scripts))
    (folder / "go on").touch()
    assert not list(folder.glob("runs/trainings/*/record.json"))

    code, printed = run_warm(folder, "moons", "--seeds", "0", *ALONE)
    assert 0 == code, printed
    assert digits_by_hand(folder / "train.py", folder, tmp_path) == measured(folder, "width")
    lines = [path.read_text().count('"epoch"') for path in folder.glob("runs/trainings/*/out/progress.jsonl")]
    assert [6, 6] == lines  # neither trained twice in one folder nor told twice
    records = [json.loads(path.read_text()) for path in folder.glob("runs/trainings/*/record.json")]
    assert [1, 2] == sorted(record["attempts"] for record in records)  # one had begun
    assert "2 done" in run_warm(folder, "moons", "--seeds", "0", "--plan")[1]


FAULTY = """
import argparse, json, os, pathlib, time
parser = argparse.ArgumentParser()
parser.add_argument("--fault")
parser.add_argument("--seed")
parser.add_argument("--out", type=pathlib.Path)
given = parser.parse_args()
if given.fault == "hangs":
    print("waiting for the lock", flush=True)
    time.sleep(600)
if given.fault == "raises":
    raise ValueError("a loss of nan")
if given.fault == "writes half":
    (given.out / "metrics.json").write_text('{"accuracy": 0.')
if given.fault == "writes nan":
    (given.out / "metrics.json").write_text('{"accuracy": NaN}')
"""
FAULTY_STUDY = '''"""What goes wrong."""
import tablewright as tw

@tw.script(
    "python faulty.py {flags} --seed {seed} --out {out}", metrics=[tw.Metric("accuracy", "Accuracy")],
    data=tw.Data("None"), silent_limit_s=4.0,
)
class Faulty(tw.Config):
    fault: str = "hangs"


def make_study(profile):
    faults = ("hangs", "raises", "writes half", "writes nan", "writes nothing")
    table = tw.Ablation("faults", "Faults", Faulty(), [tw.Dataset("None")], [tw.Sweep("fault", faults)])
    return tw.Study("faulty", "Faulty", "ours", seeds=(0,), ablations=[table])
'''


def test_each_fault_of_a_script_is_told_in_its_own_words(project):
    """In its failure record and on the screen; nothing of it stands in a table."""
    folder = project("script")
    (folder / "faulty.py").write_text(FAULTY)
    (folder / "search_spaces/faulty.py").write_text(FAULTY_STUDY)
    code, printed = run_warm(folder, "faulty", *ALONE)
    assert 1 == code, printed
    told = [json.loads(path.read_text())["message"] for path in folder.glob("runs/trainings/*/failure.json")]
    for expected in (
        "for 4 s (silent_limit_s), and was ended: waiting for the lock",
        "ended with exit code 1: ValueError: a loss of nan",
        "metrics.json is no whole JSON",
        "metrics.json has accuracy = nan, which no table can average",
        "left no metrics.json in {out}; there is nothing",
    ):
        assert 1 == sum(expected in message for message in told), told
        assert expected in words(printed)
    assert [] == [*folder.glob("runs/trainings/*/record.json")]


def test_an_app_of_hydra_fills_a_table(project):
    """With nested fields, values off, text with blanks, and values per item; one of its files is its code."""
    folder = project("hydra_app")
    code, printed = run_warm(folder, "clouds", "--seeds", "0", "--check")
    assert (0, 4) == (code, printed.count("ok ")), printed
    code, printed = run_warm(folder, "clouds", "--seeds", "0", *ALONE)
    assert 0 == code, printed
    assert "Clouds: 200 items measured" in (folder / "runs/tables/clouds/parts.md").read_text()
    accuracies = measured(folder, "bias", "standardise", "optimizer").values()
    assert 4 == len({values["accuracy"] for values in accuracies})
    project("hydra_app", ("conf/config.yaml", "steps: 200", "steps: 100"))
    printed = words(run_warm(folder, "clouds", "--seeds", "0", "--plan")[1])
    assert "4 recorded trainings of these configs: conf/config.yaml." in printed
    project(
        "hydra_app",
        ("search_spaces/clouds.py", "bias: bool", "bais: bool"),
        ("search_spaces/clouds.py", '"bias": F', '"bais": F'),
    )
    code, printed = run_warm(folder, "clouds", "--check")
    assert (1, True) == (code, "'bais' is not in struct" in words(printed)), printed


SEARCH = """
    search = tw.Search(
        "rate", "Learning rate found", Sine(max_epochs=2), tw.Dataset("Sine"),
        {"learning_rate": tw.FloatRange(0.001, 0.1, log=True)},
        tw.Objective(tw.Metric("mse", "MSE", higher_is_better=False, digits=3, is_fraction=False), Sine.view("val")),
        num_trials=1, pruner=tw.Median(),
    )
    return tw.Study("sine", "A sine", "ours", seeds=(0,), searches=[search])
"""


def test_a_trainer_is_searched_by_what_it_tells_of_its_epochs(project):
    """Lightning's, whose progress serves the search and whose last metrics fill the table."""
    lines = (ROOT / "examples/trainer/search_spaces/sine.py").read_text().splitlines(keepends=True)
    declared = "".join(lines[-3:])
    also_val = ('json.dumps({"test": measured})', 'json.dumps({"test": measured, "val": measured})')
    folder = project("trainer", ("search_spaces/sine.py", declared, SEARCH), ("train.py", *also_val))
    code, printed = run_warm(folder, "sine", *ALONE)
    assert 0 == code, printed
    trials = [json.loads(path.read_text()) for path in folder.glob("runs/searches/*/*.json")]
    assert ["1", "2"] in [[*trial["intermediate_values"]] for trial in trials]
    assert "MSE" in (folder / "runs/tables/sine/rate.md").read_text()
