"""The example of a language model, as it stands: epochs are chosen, hopeless trials stopped, curves drawn."""

import json
import shutil

import pyarrow.parquet as pq
import pytest

from tests.test_examples import copy_of, kill_in_the_middle_and_go_on, measured
from tests.toy_studies import ROOT
from tests.warm_command import run_warm

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the example beside the command line, run to its end."""
    folder = tmp_path_factory.mktemp("project") / "characters"
    shutil.copytree(ROOT / "examples/characters", folder)
    shutil.copy(ROOT / "sweep.py", folder / "sweep.py")
    code, printed = run_warm(folder, "characters", "--seeds", "0", "--tracking-uri", "none", "--agent")
    assert 0 == code, printed
    return folder


def trials_of(project):
    """Every suggestion of the search."""
    paths = sorted(project.glob("runs/searches/*/*.json"))
    return [json.loads(path.read_text()) for path in paths]


def val_ppl_of(folder):
    """What a training's epochs reported, and which one each said is kept."""
    epochs = pq.read_table(folder / "epochs.parquet").to_pydict()
    return epochs["val_ppl"], epochs["best_epoch"]


def test_every_training_keeps_its_best_epoch(project):
    """The record says which, and what a search was told is what that epoch had reported, to the last bit."""
    records = list(project.glob("runs/trainings/*/record.json"))
    assert len(records) > 3
    has_kept_an_earlier_one = False
    for path in records:
        values, kept = val_ppl_of(path.parent)
        has_kept_an_earlier_one |= kept[-1] < len(values)
        assert [min(values[: number + 1]) for number in range(len(values))] == [
            values[int(epoch) - 1] for epoch in kept
        ]
    assert has_kept_an_earlier_one
    complete = [trial for trial in trials_of(project) if trial["state"] == "complete"]
    assert complete
    for trial in complete:
        values, _ = val_ppl_of(project / "runs/trainings" / trial["training_id"])
        assert min(values) == trial["value"]


def test_a_pruner_stops_hopeless_trials_between_epochs(project):
    """It sees each epoch's model; a trial that it gave up has no record and is not in the table."""
    trials = trials_of(project)
    pruned = [trial for trial in trials if trial["state"] == "pruned"]
    assert 10 == len(trials)
    assert pruned
    for trial in pruned:
        folder = project / "runs/trainings" / trial["training_id"]
        values, _ = val_ppl_of(folder)
        assert values == list(trial["intermediate_values"].values())
        assert len(values) < 12
        assert not (folder / "record.json").exists()
    assert "best of 10 trials" in (project / "runs/tables/characters/rate.md").read_text()


def test_the_table_says_which_model_was_measured_and_shows_how_it_came_about(project):
    """Metrics of two directions and scales, the rule below them, and a figure of each name that was reported."""
    tables = project / "runs/tables/characters"
    table = (tables / "cells.md").read_text()
    for text in (
        "PPL",
        "bits/char",
        "Accuracy",
        "the model of the epoch with the lowest PPL on val, test split",
    ):
        assert text in table
    names = {path.stem for path in (tables / "figures/cells").iterdir()}
    assert {"loss", "val_ppl"} < names
    assert "a ring is the epoch whose model a seed has kept" in (tables / "cells.html").read_text()


def test_killed_in_the_middle_it_ends_in_the_same_digits(project, tmp_path):
    """With its best epochs, which were kept before the SIGKILL and behind it."""
    killed = copy_of("characters", tmp_path)
    kill_in_the_middle_and_go_on(
        killed, "characters/cells", "--seeds", "0", "--tracking-uri", "none", "--agent"
    )
    assert 3 == len(list(killed.glob("runs/trainings/*/record.json")))
    assert measured(killed).items() <= measured(project).items()
