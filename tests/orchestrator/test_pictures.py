"""Pictures of a training: drawn once, kept in the store, and never worth a training."""

import pytest

from tablewright.orchestrator.attempts.trial import run_trial
from tablewright.orchestrator.attempts.trial_hooks import TrialHooks
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_folder import PNG
from tablewright.orchestrator.work import Work
from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.retrieval.view import RetrievalView
from tests.planned_views import planned_views
from tests.toy_method import ToyConfig, ToyTrainable

TEST, VAL, FLIPPED = RetrievalView(), RetrievalView(split="val"), RetrievalView(flip=True)


@pytest.fixture
def trial(tmp_path):
    """Run an attempt in one store; gives its outcome and the training's folder."""
    store, runtime = Store(str(tmp_path / "runs")), Runtime(None, str(tmp_path / "cache"))

    def run(config, *views):
        facts = ToyTrainable().describe_data(config, runtime)
        work = Work("a" * 64, config, facts, planned_views(config, facts, *views), "toy", "study")
        outcome = run_trial(work, store, runtime, TrialHooks(lambda progress: None, lambda: False))
        return outcome, store.training("a" * 64)

    return run


def test_pictures_are_kept_beside_the_measurements(trial):
    """A training measured on `test` has the pictures that its method drew."""
    outcome, folder = trial(ToyConfig(), TEST, VAL)
    assert ("done", "") == (outcome.state, outcome.message)
    assert ["weight"] == folder.pictures()
    assert folder.picture("weight").startswith(b"\x89PNG\r\n\x1a\nPNG of 0.")
    assert "" == folder.picture_warning()


def test_a_training_that_sees_no_test_split_draws_nothing(trial):
    """What a search tries out on `val` costs no second extraction."""
    _, folder = trial(ToyConfig(), VAL)
    assert folder.is_done()
    assert [] == folder.pictures()


def test_pictures_come_with_the_first_view_of_the_test_split(trial):
    """A finished training that is measured on `test` later is drawn then, and not again by a further view."""
    trial(ToyConfig(), VAL)
    _, folder = trial(ToyConfig(), VAL, TEST)
    assert ["weight"] == folder.pictures()
    folder.write_pictures({"weight": PNG + b"the first"})
    trial(ToyConfig(), VAL, TEST, FLIPPED)
    assert PNG + b"the first" == folder.picture("weight")


def test_a_failure_to_draw_loses_no_training(trial):
    """The training is done and measured; why nothing was drawn stands in words, until it is drawn."""
    outcome, folder = trial(ToyConfig(fails_to_draw=True), TEST)
    assert "done" == outcome.state
    assert "not every picture could be drawn: RuntimeError: no ink" == outcome.message
    assert outcome.message == folder.picture_warning()
    assert folder.is_done()
    assert 1 == len(folder.measured_views())
    assert folder.failure() is None
    trial(ToyConfig(), TEST, FLIPPED)
    assert "" == folder.picture_warning()
    assert ["weight"] == folder.pictures()
