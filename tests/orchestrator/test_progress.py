"""How far a running sweep is, by what has ended and by what running trainings tell."""

import json
from types import SimpleNamespace

import pytest

from tablewright.orchestrator import progress as progress_module
from tablewright.orchestrator.attempts.messages import telling_from_text, telling_to_text
from tablewright.orchestrator.listeners import Listeners
from tablewright.orchestrator.progress import SweepProgress
from tablewright.orchestrator.store.record import now
from tablewright.orchestrator.store.signs_of_life import TrainingSign, sign_from, told_of
from tablewright.orchestrator.work import Outcome
from tablewright.trainables.value.long_work import Telling


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands until it is moved."""
    clock = SimpleNamespace(now_s=1000.0)
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: clock.now_s)
    return clock


def work(number):
    config = SimpleNamespace(planned_epochs=lambda: 3)
    return SimpleNamespace(training_id=str(number), label=f"training {number}", config=config)


def ended(progress, clock, number, seconds):
    progress.on_start(work(number))
    clock.now_s += seconds
    progress.on_end(work(number), Outcome("done"))


def test_what_a_training_tells_of_its_measuring_is_in_the_estimate(clock):
    """A training that takes longer than others is not said to end at once; the estimate falls with the clock."""
    progress = SweepProgress(2, 0)
    ended(progress, clock, 1, 100)
    progress.on_start(work(2))
    clock.now_s += 130
    assert 0 == progress.left_s()
    progress.on_told(work(2), Telling("embedding the gallery: 5 of 50, about 450 s left", 450.0))
    assert 450 == progress.left_s()
    clock.now_s += 50
    assert 400 == progress.left_s()


def test_the_first_training_has_an_estimate_once_it_measures(clock):
    """No other has ended by which it could be known; what still waits is not known either."""
    progress, several = SweepProgress(1, 0), SweepProgress(2, 0)
    for one in (progress, several):
        one.on_start(work(1))
        assert one.left_s() is None
        one.on_told(work(1), Telling("embedding", 60.0))
    assert (60, None) == (progress.left_s(), several.left_s())


def test_trainings_that_wait_are_counted_by_those_that_ended(clock):
    """Two at a time: what runs and what waits, by their mean."""
    progress = SweepProgress(6, 0)
    progress.on_start(work(1))
    progress.on_start(work(2))
    clock.now_s += 100
    for number in (1, 2):
        progress.on_end(work(number), Outcome("done"))
    progress.on_start(work(3))
    progress.on_start(work(4))
    clock.now_s += 40
    assert (60 + 60 + 2 * 100) / 2 == progress.left_s()


def test_those_who_do_not_hear_of_long_work_are_not_told():
    """A listener without the word is followed all the same."""
    heard = []
    hears = SimpleNamespace(on_told=lambda work, telling: heard.append((work.label, telling)))
    listeners = Listeners([SimpleNamespace(), hears])
    listeners.on_told(work(1), Telling("embedding"))
    listeners.on_told(work(1), Telling("ranking"))
    assert [("training 1", "embedding"), ("training 1", "ranking")] == heard


@pytest.mark.parametrize("left_s", [None, 12.5])
def test_a_telling_travels_as_text(left_s):
    """Words and estimate; anything else is refused."""
    telling = telling_from_text(telling_to_text(Telling("embedding: 1 of 2", left_s)))
    assert ("embedding: 1 of 2", left_s) == (telling, telling.left_s)
    for text in ("[]", "{", "[1, 2]", '["a"]'):
        with pytest.raises(ValueError, match="no message of this version"):
            telling_from_text(text)


def test_a_sign_of_life_says_what_is_done(clock):
    """A sign of an earlier version, which says nothing of it, is read too."""
    sign = TrainingSign("a", "toy", "anna", "", "CPU", now(), now(), 1, doing="embedding: 1 of 2")
    told = json.loads(json.dumps(told_of(sign)))
    assert sign == sign_from(told, TrainingSign)
    del told["doing"]
    assert "" == sign_from(told, TrainingSign).doing
