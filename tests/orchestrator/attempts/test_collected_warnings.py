"""What a training warns of reaches its record, the status, the table's note and MLflow."""

import logging
import warnings

import pytest

from tablewright.orchestrator.attempts.collected_warnings import MAX_WARNINGS, collected_warnings
from tablewright.orchestrator.declared.design import Row
from tablewright.trainables.contract.run import RESUME_CHECKPOINT
from tests.orchestrator.toy_sweep import StopAfter, ToySweep, a_study
from tests.toy_method import ToyConfig, ToyTrainable


def test_both_ways_of_warning_are_heard_once_each():
    """Python's warnings and logging from WARNING on, whoever says them, in the order of their first words."""
    with collected_warnings() as said, warnings.catch_warnings():
        warnings.simplefilter("always", append=True)
        for _ in range(3):
            logging.getLogger("my_loss").warning("margin %s is\n  negative", -1)
        warnings.warn("lr_scheduler.step() before optimizer.step()", UserWarning, stacklevel=1)
        logging.getLogger("my_loss").info("nothing to worry about")
        warnings.warn("old name", DeprecationWarning, stacklevel=1)
        logging.getLogger("ray.worker").warning("a worker of Ray speaks of itself")
    assert ("margin -1 is negative", "lr_scheduler.step() before optimizer.step()") == said.so_far()


def test_what_is_said_outside_is_not_heard():
    """A training has the words of its own time alone."""
    logging.getLogger("before").warning("before")
    with collected_warnings() as said:
        pass
    logging.getLogger("after").warning("after")
    assert () == said.so_far()


def test_a_flood_is_cut_and_counted():
    """A record stays small, and says how much it left out."""
    with collected_warnings() as said:
        for number in range(MAX_WARNINGS + 5):
            logging.getLogger("flood").warning("image %d is grey", number)
    assert MAX_WARNINGS + 1 == len(said.so_far())
    assert "5 further warnings are left out" == said.so_far()[-1]


def test_a_record_that_cannot_be_put_into_words_is_kept_as_written():
    """A slip in a call of logging ends no training."""
    with collected_warnings() as said:
        said.emit(logging.LogRecord("m", logging.WARNING, "f", 1, "%d images", ("many",), None))
    assert ("%d images",) == said.so_far()


@pytest.fixture
def warning_method(monkeypatch):
    fit, measure = ToyTrainable.fit, ToyTrainable.measure

    def warn_and_fit(self, config, *rest):
        if config.learning_rate > 0.15:
            logging.getLogger("toy").warning("learning rate %s is high", config.learning_rate)
        return fit(self, config, *rest)

    def warn_and_measure(self, *rest):
        warnings.warn("one query has no name", UserWarning, stacklevel=1)
        return measure(self, *rest)

    monkeypatch.setattr(ToyTrainable, "fit", warn_and_fit)
    monkeypatch.setattr(ToyTrainable, "measure", warn_and_measure)


@pytest.mark.slow
def test_what_a_training_says_stands_in_its_record(warning_method, tmp_path):
    """Training and measuring are told apart: a view that is measured later has words of its own."""
    sweep = ToySweep(tmp_path)
    result, _ = sweep(a_study([Row("low"), Row("high", {"learning_rate": 0.2})], base=ToyConfig()))
    low, high = (sweep.store().training(identity) for identity in result.plan.trainings)
    assert ((), ("learning rate 0.2 is high",)) == (low.record().warnings, high.record().warnings)
    measured = [folder.measurement(*folder.measured_views()) for folder in (low, high)]
    assert [("one query has no name",)] * 2 == [measurement.warnings for measurement in measured]
    of_both = ("one query has no name",)
    expected = [of_both, ("learning rate 0.2 is high", *of_both)]
    assert expected == [status.warnings for status in result.statuses]


@pytest.mark.slow
def test_what_an_interrupted_training_said_stands_in_its_record(monkeypatch, tmp_path):
    """Whoever goes on with it need not hear it again, as what is said of the first step alone."""
    fit = ToyTrainable.fit

    def warn_at_first_and_fit(self, config, runtime, checkpoints, hooks):
        if not checkpoints.exists(RESUME_CHECKPOINT):
            logging.getLogger("toy").warning("the first step is skipped")
        return fit(self, config, runtime, checkpoints, hooks)

    monkeypatch.setattr(ToyTrainable, "fit", warn_at_first_and_fit)
    sweep, study = ToySweep(tmp_path), a_study([Row("one")], base=ToyConfig(epoch_s=0.01))
    stopped, _ = sweep(study, backend=StopAfter(1))
    assert stopped.was_stopped
    result, _ = sweep(study)
    (status,) = result.statuses
    assert ("done", ("the first step is skipped",)) == (status.state, status.warnings)
    record = sweep.store().training(status.training.training_id).record()
    assert (2, ("the first step is skipped",)) == (record.attempts, record.warnings)


@pytest.mark.slow
def test_what_is_said_while_drawing_is_told_with_the_pictures(monkeypatch, tmp_path):
    """It concerns no number, and stands where a failure to draw does, and in the states."""
    illustrate = ToyTrainable.illustrate

    def warn_and_illustrate(self, *rest):
        warnings.warn("the map is empty", UserWarning, stacklevel=1)
        return illustrate(self, *rest)

    monkeypatch.setattr(ToyTrainable, "illustrate", warn_and_illustrate)
    sweep = ToySweep(tmp_path)
    result, events = sweep(a_study([Row("one")]))
    (status,) = result.statuses
    folder = sweep.store().training(status.training.training_id)
    assert "the map is empty" == folder.picture_warning()
    assert ("the map is empty",) == status.warnings
    assert ["the map is empty"] == [outcome.message for _, outcome in events.ended]
    assert (["weight"], ()) == (folder.pictures(), folder.record().warnings)
