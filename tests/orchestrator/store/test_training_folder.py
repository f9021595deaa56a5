"""What is kept of a training comes back as it was written."""

import math
import os
import time

import numpy as np
import pytest

from tablewright.orchestrator.identity import view_id
from tablewright.orchestrator.store.record import now
from tablewright.orchestrator.store.search_records import SearchTrialRecord
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_records import AttemptRecord, FailureRecord
from tablewright.trainables.contract.run import EpochReport
from tablewright.trainables.contract.view import ViewResult
from tablewright.trainables.retrieval.view import RetrievalView


@pytest.fixture(params=["folder", "memory"])
def store(request, tmp_path):
    """A store in a folder, and one in an object store that lives in memory."""
    return Store(str(tmp_path / "runs") if request.param == "folder" else f"memory://{tmp_path.name}/runs")


def test_epochs_and_measurements_come_back_as_written(store):
    """What is written is what is read, to the last bit."""
    training = store.training("a" * 64)
    reports = [EpochReport(1, 2, {"loss": 0.1}, 1.5), EpochReport(2, 2, {"loss": 1 / 3}, 1.25)]
    training.write_epochs(reports)
    view = RetrievalView()
    result = ViewResult({"map": 1 / 7}, {"average_precision": np.array([0.25, 1 / 3])})
    training.write_measurement(view, view_id(view), result)
    assert reports == training.epochs()
    assert {view_id(view)} == training.measured_views()
    assert training.measurement(view_id(view)).metrics["map"] == 1 / 7
    assert training.items(view_id(view))["average_precision"].to_pylist() == [0.25, 1 / 3]


def test_an_epoch_has_what_it_reported_and_nothing_else(store):
    """A name that comes later, or each second epoch, is neither lost nor made up where it was not reported."""
    training = store.training("a" * 64)
    reported = [
        {"loss": 1.0},
        {"loss": 0.5, "val_ppl": 9.0},
        {"val_ppl": math.inf},
        {},
        {"loss": 0.1, "late": 3.0},
    ]
    reports = [EpochReport(epoch, 5, metrics, 1.0) for epoch, metrics in enumerate(reported, 1)]
    for num_epochs in range(1, 6):
        training.write_epochs(reports[:num_epochs])
        assert reports[:num_epochs] == training.epochs()


def test_numbers_that_are_not_finite_come_back(store):
    """NaN and infinity are read as they were written, so that one of them stops no later sweep."""
    training, view = store.training("a" * 64), RetrievalView()
    values = {"map": 0.5, "minp": math.nan, "rank1": -math.inf}
    training.write_measurement(view, view_id(view), ViewResult(values, {}))
    measured = training.measurement(view_id(view)).metrics
    assert (0.5, -math.inf) == (measured["map"], measured["rank1"])
    assert math.isnan(measured["minp"])
    trial = SearchTrialRecord(
        number=0, params={}, training_id="", state="running", intermediate_values={1: math.nan}
    )
    assert store.create_search_trial("s" * 64, trial)
    (kept,) = store.search_trials("s" * 64)
    assert math.isnan(kept.intermediate_values[1])


def test_an_unfinished_training_has_no_record_and_may_have_a_failure(store):
    """Done means that the record exists, nothing else."""
    training = store.training("b" * 64)
    assert not training.is_done()
    assert training.record() is None
    failure = FailureRecord(
        training_id="b" * 64, label="row", message="boom", traceback="…", host="h", failed_at=now()
    )
    training.write_failure(failure)
    assert failure == training.failure()
    assert store.training_ids() == ["b" * 64]


def test_a_new_attempt_forgets_the_failure_before_it(store):
    """A training that is tried again is no failed one, so that status shows it as started."""
    training = store.training("b" * 64)
    failure = FailureRecord(
        training_id="b" * 64, label="row", message="boom", traceback="…", host="h", failed_at=now()
    )
    training.write_failure(failure)
    training.write_attempt(AttemptRecord(started_at=now(), host="h", pid=1))
    assert training.failure() is None
    assert len(training.attempts()) == 1


@pytest.mark.parametrize("hours_off", [-2, 0, 2])
def test_what_killed_writers_left_is_removed_once_nobody_writes_it(tmp_path, hours_off):
    """A half-written file goes when the training is claimed or done, and not because a clock makes it seem old."""
    training = Store(str(tmp_path / "runs")).training("b" * 64)
    training.checkpoints.write("resume.pt", b"whole")
    folder = tmp_path / "runs/trainings" / ("b" * 64) / "checkpoint"
    half = folder / ".resume.pt.wr1ting"
    half.write_bytes(b"half")
    its_clock_s = time.time() + 3600 * hours_off
    os.utime(half, (its_clock_s, its_clock_s))
    training.remove_leftovers()
    assert [half.name, "resume.pt"] == sorted(path.name for path in folder.iterdir())
    training.remove_leftovers(is_claimed=True)
    assert ["resume.pt"] == sorted(path.name for path in folder.iterdir())


def test_a_damaged_record_is_named(store):
    """A record that is no record is an error with its place, never silently trained over."""
    store.root.write(f"trainings/{'c' * 64}/record.json", b"{}")
    with pytest.raises(ValueError, match=r"record\.json is no TrainingRecord"):
        store.training("c" * 64).record()
