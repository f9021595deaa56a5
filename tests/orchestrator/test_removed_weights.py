"""Weights that are removed on purpose: once all is measured nothing needs them, and what is asked later is told."""

import shutil

import pytest

from tablewright.orchestrator.declared.design import Row, Sweep
from tablewright.orchestrator.plans.planning import plan_as_recorded
from tablewright.orchestrator.status import read_status
from tablewright.orchestrator.verify import verify_store
from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.retrieval.view import RetrievalView
from tests.orchestrator.toy_sweep import ToySweep, a_search, a_study

GLOBAL = RetrievalView(split="test", embeddings=("global",))
ENSEMBLE = Row("both", ensemble=({"learning_rate": 0.1}, {"learning_rate": 0.2}))
RATES = Sweep("learning_rate", (0.1, 0.2))


@pytest.fixture
def sweep(tmp_path):
    return ToySweep(tmp_path)


def weights(sweep):
    return sorted(path.parts[-3] for path in sweep.folder.glob("trainings/*/checkpoint/final.pt"))


def states(study, sweep):
    store = sweep.store()
    plan = plan_as_recorded([study], store, Runtime(None, "/nowhere"))
    return [status.state for status in read_status(plan, store)]


@pytest.mark.slow
def test_weights_go_once_everything_is_measured_on_them(sweep, tmp_path):
    """Partners of ensembles keep theirs until the ensemble is measured, searches until they end; then none is left."""
    kept = []

    class Looking:
        def on_start(self, work):
            kept.append(len(weights(sweep)))

        def on_progress(self, work, progress):
            pass

        def on_end(self, work, outcome):
            pass

    study = a_study([RATES, ENSEMBLE])
    result, _ = sweep(study, listeners=[Looking()], keeps_weights=False)
    assert (True, [], ["done"] * 2) == (result.is_complete, weights(sweep), states(study, sweep))
    assert [0, 1, 2] == kept  # the ensemble is asked for once more when both are trained
    searching = a_study([RATES, ENSEMBLE], searches=[a_search(num_trials=3)])
    (tmp_path / "other").mkdir()
    other = ToySweep(tmp_path / "other")
    result, _ = other(searching, keeps_weights=False)
    assert (True, []) == (result.is_complete, weights(other))


@pytest.mark.slow
def test_weights_that_an_earlier_sweep_has_kept_go_too(sweep):
    """Running again with nothing to train removes them; once more changes nothing."""
    sweep(a_study([RATES]))
    assert 2 == len(weights(sweep))
    _, events = sweep(a_study([RATES]), keeps_weights=False)
    assert ([], []) == (events.started, weights(sweep))


@pytest.mark.slow
def test_removed_weights_are_no_damage_and_lost_ones_are(sweep):
    """The record stays as it was; who removed them is written beside."""
    sweep(a_study([RATES]), keeps_weights=False)
    assert () == verify_store(sweep.store()).faults
    first, *_ = sorted(sweep.folder.glob("trainings/*/checkpoint/removed.json"))
    first.unlink()
    (fault,) = verify_store(sweep.store()).faults
    assert "checkpoint/final.pt is not there" in fault


@pytest.mark.slow
def test_a_view_that_is_added_later_is_told_before_it_is_asked_for(sweep):
    """Its trainings are neither tried nor trained anew by themselves; deleting their folders trains them again."""
    sweep(a_study([RATES]), keeps_weights=False)
    later = a_study([RATES, Row("global alone", {"learning_rate": 0.2}, view=GLOBAL)])
    assert ["done", "weights gone"] == states(later, sweep)
    result, events = sweep(later)
    assert (False, []) == (result.is_complete, events.started)
    (told,) = (status for status in result.statuses if status.state == "weights gone")
    assert "the view test.global is not measured, and cannot be" in told.message
    assert "were removed by --keep-checkpoints none on " in told.message
    shutil.rmtree(sweep.folder / "trainings" / told.training.training_id)
    result, events = sweep(later)
    assert (True, 1) == (result.is_complete, len(events.started))


@pytest.mark.slow
def test_an_ensemble_says_whose_weights_are_gone(sweep):
    """The weights of its first training are there, those of the other are not."""
    sweep(a_study([RATES]))
    for folder in sweep.folder.glob("trainings/*"):
        if '"learning_rate": 0.2' in (folder / "record.json").read_text(encoding="utf-8"):
            (folder / "checkpoint/final.pt").unlink()
            lost = folder.name[:8]
    result, events = sweep(a_study([RATES, ENSEMBLE]))
    assert (["weights gone", "done"], []) == ([status.state for status in result.statuses], events.started)
    assert f"the weights of training {lost} are not there" in result.statuses[0].message


@pytest.mark.slow
def test_a_search_that_suggests_such_a_training_says_so(sweep):
    """The suggestion fails with the reason; the search goes on with the others."""
    search = a_search(num_trials=2)
    declared = a_study([Sweep("learning_rate", (search.base.learning_rate,))])
    sweep(declared, keeps_weights=False)
    _, events = sweep(a_study([RATES], searches=[search]))
    said = [outcome.message for work, outcome in events.ended if outcome.state == "failed"]
    assert ["the view val is not measured, and cannot be"] == [text.partition(":")[0] for text in said]
