"""Long work before a training says how far it is."""

from __future__ import annotations

import pytest

from tablewright.trainables.value import long_work
from tablewright.trainables.value.long_work import listening, told


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on by a second whenever it is looked at."""
    seconds = iter(range(1000))
    monkeypatch.setattr(long_work.time, "monotonic", lambda: float(next(seconds)))


@pytest.mark.usefixtures("clock")
def test_long_work_is_told_of_from_time_to_time():
    """Whoever waits sees what is done, how far it is and how long it still takes, not more than every ten seconds."""
    lines: list[str] = []
    with listening(lines.append):
        assert list(range(40)) == list(told(range(40), "decoding", 40))
    assert ["decoding: 3 of 40, about 37 s left", "decoding: 13 of 40, about 27 s left"] == lines[:2]
    assert 4 == len(lines)


@pytest.mark.usefixtures("clock")
def test_short_work_and_work_that_nobody_waits_for_is_not_told_of():
    """What is done within three seconds prints nothing, and work without a listener is done all the same."""
    lines: list[str] = []
    with listening(lines.append):
        list(told(range(2), "decoding", 2))
    list(told(range(40), "decoding", 40))
    assert [] == lines


@pytest.mark.usefixtures("clock")
def test_an_item_may_stand_for_several():
    """As a batch of images does; the estimate comes along as a number."""
    heard: list[long_work.Telling] = []
    with listening(heard.append):
        assert list(range(0, 90, 10)) == list(told(range(0, 90, 10), "embedding", 85, lambda _: 10))
    assert "embedding: 30 of 85, about 6 s left" == heard[0]
    assert 5.5 == pytest.approx(heard[0].left_s)
