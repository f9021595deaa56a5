"""The queue: no training twice at a time, and none for a source that no longer wants it."""

from dataclasses import replace

import pytest

from tablewright.orchestrator.work import Outcome, Work
from tablewright.orchestrator.work_queue import WorkQueue
from tablewright.trainables.retrieval.view import RetrievalView
from tests.planned_views import planned_views
from tests.toy_method import ToyConfig


def a_work(rate=0.1, label="row"):
    config = ToyConfig(learning_rate=rate)
    data = config.make_trainable().describe_data(config, None)
    return Work(f"{rate}", config, data, planned_views(config, data, RetrievalView()), label, "toy")


class FakeSource:
    """Suggests given works; as a search does, it takes one outcome as the answer to every equal one."""

    priority = 0

    def __init__(self, *works):
        self.works, self.open, self.told = list(works), [], []

    def next_work(self):
        if not self.works:
            return None
        self.open.append(self.works[0])
        return self.works.pop(0)

    def is_finished(self):
        return not self.works and not self.open

    def still_wants(self, work):
        return any(work.label == other.label for other in self.open)

    def on_progress(self, work, progress):
        return False

    def on_end(self, work, outcome):
        self.told += [(other.label, outcome.state) for other in self.open if self.equal(other, work)]
        self.open = [other for other in self.open if not self.equal(other, work)]

    @staticmethod
    def equal(one, other):
        return one.training_id == other.training_id


@pytest.mark.parametrize("state", ["pruned", "failed", "done"])
def test_a_waiting_suggestion_that_is_answered_is_not_handed_out(state):
    """Two equal suggestions: whatever becomes of the first is the answer to both, and nothing runs for nobody."""
    source = FakeSource(a_work(label="trial 1"), a_work(label="trial 2"))
    queue = WorkQueue([], [source])
    first = queue.next_work()
    assert queue.next_work() is None  # the second waits
    assert not queue.is_finished()
    queue.on_end(first, Outcome(state))
    assert [("trial 1", state), ("trial 2", state)] == source.told
    assert queue.next_work() is None
    assert queue.is_finished()


def test_a_planned_row_that_waits_is_always_handed_out():
    """A row needs its own views and is never answered by what became of a search's trial."""
    row, trial = a_work(label="row"), a_work(label="trial 1")
    queue = WorkQueue([], [FakeSource(trial)], lambda: [])
    running = queue.next_work()
    queue._waiting.append((row, None))
    queue.on_end(running, Outcome("pruned"))
    assert row is queue.next_work()


def test_a_suggestion_waits_for_an_equal_row():
    """What runs for a table is not trained for a search at the same time, and is asked again behind it."""
    row, trial = a_work(label="row"), a_work(label="trial 1")
    queue = WorkQueue([row], [FakeSource(trial)])
    assert row is queue.next_work()
    assert queue.next_work() is None
    queue.on_end(row, Outcome("done"))
    assert trial is queue.next_work()


@pytest.mark.parametrize("is_planned", [True, False])
def test_what_is_given_back_comes_first_and_is_answered_once(is_planned):
    """A worker that was lost before it began costs its training nothing, whoever asked for it."""
    work, other = a_work(label="work"), a_work(0.2, label="other")
    source = FakeSource(*([] if is_planned else [work, other]))
    queue = WorkQueue([work, other] if is_planned else [], [source], lambda: [])
    assert work is queue.next_work()
    queue.give_back(work)
    assert not queue.is_finished()
    assert work is queue.next_work()
    assert other is queue.next_work()
    queue.on_end(work, Outcome("done"))
    queue.on_end(other, Outcome("done"))
    assert queue.next_work() is None
    assert queue.is_finished()
    assert source.told == ([] if is_planned else [("work", "done"), ("other", "done")])


def test_higher_priorities_come_first_those_of_searches_among_them():
    """Of one priority planned work comes in its order, and before suggestions."""
    works = [a_work(0.1, "low"), a_work(0.2, "first"), a_work(0.3, "high"), a_work(0.4, "second")]
    planned = [replace(work, priority=at) for work, at in zip(works, (-1, 0, 2, 0), strict=True)]
    urgent, usual = FakeSource(a_work(0.5, "urgent")), FakeSource(a_work(0.6, "usual"))
    urgent.priority = 1
    queue = WorkQueue(planned, [usual, urgent])
    handed_out = []
    while (work := queue.next_work()) is not None:
        handed_out.append(work.label)
    assert ["high", "urgent", "first", "second", "usual", "low"] == handed_out


class FakeRetries:
    """Orders that are there from the beginning."""

    def __init__(self, *ids):
        self.ids = set(ids)

    def ordered(self, *, looks_now=False):
        return set(self.ids)

    def carry_out(self, ids):
        self.ids -= set(ids)


@pytest.mark.parametrize("state", ["failed", "cancelled", "done"])
def test_what_has_ended_badly_is_handed_out_again_when_somebody_wants_it(state):
    """Once an order, also where nothing else is left; what is done is not, whatever was ordered."""
    work, other = a_work(label="work"), a_work(0.2, label="other")
    retries = FakeRetries(work.training_id)
    queue = WorkQueue([work, other], retries=retries)
    assert work is queue.next_work()
    queue.on_end(work, Outcome(state))
    expected = [other] if state == "done" else [work, other]
    found = []
    while (handed_out := queue.next_work()) is not None:
        found.append(handed_out)
        queue.on_end(handed_out, Outcome("done"))
    assert (expected, True) == (found, queue.is_finished())


@pytest.mark.parametrize("fault_in", ["next_work", "on_progress", "on_end"])
def test_a_source_that_raises_ends_alone(fault_in, caplog):
    """A search whose suggestions cannot be kept stops; planned rows and the sweep go on to their end."""

    class Failing(FakeSource):
        def __str__(self):
            return "search rate"

    def on_a_full_disk(*arguments):
        raise OSError(28, "No space left on device")

    source = Failing(a_work(label="trial 1"), a_work(label="trial 2"))
    setattr(source, fault_in, on_a_full_disk)
    row = a_work(0.2)
    queue = WorkQueue([row], [source])
    assert row is queue.next_work()
    if (trial := queue.next_work()) is not None:
        queue.on_progress(trial, None)
        queue.on_end(trial, Outcome("done"))
    queue.on_end(row, Outcome("done"))
    assert queue.next_work() is None
    assert queue.is_finished()
    assert caplog.text.count("search rate cannot go on (OSError: [Errno 28] No space left on device)") == 1
