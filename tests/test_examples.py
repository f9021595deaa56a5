"""The examples, as they stand on the page, filled from nothing; what kills one in the middle is here too."""

import json
import os
import shutil
import signal
import textwrap

import pytest

from tests.toy_studies import ROOT, run_installed, start_installed
from tests.waiting import wait_for
from tests.warm_command import run_warm

MAX_LINES = {"digits/digits": 30, "boosting/boosting": 30, "characters/characters": 30, "script/moons": 15}
"""Folder and study -> lines that its file may have, blank ones not counted."""
ON_THE_PAGE = ("digits/digits", "characters/characters", "script/moons")


def file_of(example):
    folder, study = example.split("/")
    return ROOT / f"examples/{folder}/search_spaces/{study}.py"


def copy_of(example, folder):
    """A copy below a path with blanks, where nothing of ours is beside it."""
    project = folder / "my own project"
    shutil.copytree(ROOT / "examples" / example, project, ignore=shutil.ignore_patterns("__pycache__"))
    return project


def records_of(project):
    return {path: path.read_bytes() for path in project.glob("runs/trainings/*/record.json")}


def measured(project):
    """What was measured, by training and view."""
    paths = project.glob("runs/trainings/*/measurements/*.json")
    return {
        f"{path.parent.parent.name}/{path.stem}": json.loads(path.read_text())["metrics"] for path in paths
    }


@pytest.mark.parametrize(("example", "most"), MAX_LINES.items())
def test_a_method_its_table_and_its_search_are_few_lines(example, most):
    """What is hers lies in a file of its own, and the study is what has to be written for us."""
    text = file_of(example).read_text()
    assert sum(bool(line.strip()) for line in text.splitlines()) <= most


@pytest.mark.parametrize("example", ON_THE_PAGE)
def test_the_page_shows_the_examples_as_they_are_run(example):
    """Each stands in the README to the letter."""
    shown = textwrap.indent(file_of(example).read_text(), "    ")
    assert shown in (ROOT / "README.md").read_text()


def kill_in_the_middle_and_go_on(project, *arguments):
    """SIGKILL of all processes of the command once a training is recorded; then it is run to its end."""
    process = start_installed(project, *arguments)
    wait_for(lambda: records_of(project))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    before = records_of(project)
    shutil.copy(ROOT / "sweep.py", project)
    code, printed = run_warm(project, *arguments)
    assert 0 == code, printed
    after = records_of(project)
    assert len(before) < len(after)
    assert before == {path: content for path, content in after.items() if path in before}


@pytest.mark.slow
def test_a_row_of_each_switch_is_measured_image_by_image(tmp_path):
    """Of a network of torch; what a kill in the middle leaves of one is in `test_characters.py`."""
    project = copy_of("digits", tmp_path)
    shutil.copy(ROOT / "sweep.py", project)
    code, printed = run_warm(project, "digits/switches", "--seeds", "0", "--tracking-uri", "none", "--agent")
    assert 0 == code, printed
    assert 5 == len(records_of(project)) == len(measured(project))
    assert all(0.5 < metrics["top1"] <= 1 for metrics in measured(project).values())
    assert "images measured" in (project / "runs/tables/digits/switches.md").read_text()


@pytest.mark.slow
def test_metrics_of_any_scale_are_tabled(tmp_path):
    """Of a function without a run: lower is better, no fraction, with a search."""
    project = copy_of("boosting", tmp_path)
    code, printed = run_installed(project, "boosting", "--seeds", "0,1", "--tracking-uri", "none", "--agent")
    assert 0 == code, printed
    table = (project / "runs/tables/boosting/depths.md").read_text()
    assert "Diabetes<br>RMSE" in table
    assert "demo" not in printed
