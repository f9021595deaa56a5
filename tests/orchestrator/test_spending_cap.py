"""A sweep that may take so many hours and no more."""

import pytest

from tablewright.orchestrator import spending_cap
from tablewright.orchestrator.costs.cost import cost_sheet
from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.inline_backend import InlineBackend
from tablewright.orchestrator.spending_cap import SpendingCap
from tablewright.orchestrator.work import Outcome
from tablewright.orchestrator.work_queue import WorkQueue
from tests.orchestrator.test_work_queue import FakeSource, a_work
from tests.orchestrator.toy_sweep import ToySweep, a_search, a_study
from tests.toy_method import ToyConfig

EPOCH_S = 0.02
HOURS_OF_ONE = 3 * EPOCH_S / 3600
GPU = {"cpus": 2.0, "gpus": 1.0}
ROWS = [Row(str(number), {"learning_rate": 0.1 * number, "epoch_s": EPOCH_S}) for number in (1, 2, 3)]


class Reached:
    """A cap that is reached when a test says so."""

    is_it = False

    def is_reached(self):
        return self.is_it

    def begin(self, training_id):
        pass

    def look_again(self):
        pass


def states(result):
    return [status.state for status in result.statuses]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gpu", "cpu"])
def test_nothing_is_begun_once_the_hours_are_spent(tmp_path, kind):
    """What ran has ended and is recorded; the same command with more hours goes on, and fills the table."""
    sweep, study = ToySweep(tmp_path), a_study(ROWS)
    capped, _ = sweep(study, holds=GPU, **{f"max_{kind}_hours": HOURS_OF_ONE / 2})
    assert ["done", "to train", "to train"] == states(capped)
    assert f"of at most {HOURS_OF_ONE / 2:g} {kind.upper()}-hours" in capped.reached_cap
    assert (False, False) == (capped.is_complete, capped.was_stopped)
    more, _ = sweep(study, holds=GPU, **{f"max_{kind}_hours": 1.0})
    assert ["done"] * 3 == states(more)
    assert "" == more.reached_cap


class NeverAsked(InlineBackend):
    """No machine is to be reached."""

    def connect(self):
        raise AssertionError("nothing may be begun")


@pytest.mark.slow
def test_what_earlier_runs_have_spent_counts(tmp_path):
    """The same command again begins nothing, and reaches for no machine."""
    sweep, study = ToySweep(tmp_path), a_study(ROWS)
    first, _ = sweep(study, holds=GPU, max_gpu_hours=HOURS_OF_ONE)
    again, _ = sweep(study, holds=GPU, max_gpu_hours=HOURS_OF_ONE, backend=NeverAsked())
    assert ["done", "to train", "to train"] == states(first) == states(again)
    assert again.reached_cap
    spent_s = cost_sheet(again.plan, sweep.store()).total.gpu_s
    assert f"{spent_s / 3600:.4g} of at most" in again.reached_cap


@pytest.mark.slow
def test_trials_of_a_search_count(tmp_path):
    """And a search that is ended so goes on with more hours."""
    sweep = ToySweep(tmp_path)
    study = a_study(ROWS[:1], searches=[a_search(base=ToyConfig(epoch_s=EPOCH_S))])
    capped, _ = sweep(study, holds=GPU, max_gpu_hours=1.5 * HOURS_OF_ONE)
    assert 1 <= len(sweep.store().training_ids()) <= 2
    assert capped.reached_cap
    more, _ = sweep(study, holds=GPU, max_gpu_hours=1.0)
    assert more.is_complete


@pytest.mark.slow
def test_gpu_hours_of_a_sweep_without_gpus_are_said_to_end_nothing(tmp_path, caplog):
    """Rather than taken for a limit that holds."""
    result, _ = ToySweep(tmp_path)(a_study(ROWS[:1]), max_gpu_hours=HOURS_OF_ONE / 1000)
    assert result.is_complete
    assert "--max-gpu-hours ends nothing" in caplog.text


def test_a_complete_study_needs_no_hours():
    """A queue with nothing left is finished, and not ended by its cap."""
    cap = Reached()
    queue = WorkQueue([a_work()], cap=cap)
    work = queue.next_work()
    queue.on_end(work, Outcome("done"))
    assert queue.next_work() is None
    cap.is_it = True
    assert queue.is_finished()


def test_what_runs_goes_on_to_its_end():
    """The queue is not finished before, and is not stopping: nobody is asked to save and leave."""
    cap, source = Reached(), FakeSource(a_work(rate=0.3))
    queue = WorkQueue([a_work(), a_work(rate=0.2)], [source], cap=cap)
    running = queue.next_work()
    cap.is_it = True
    assert queue.next_work() is None
    assert (True, False, False) == (queue.starts_no_more, queue.is_stopping, queue.is_finished())
    queue.on_end(running, Outcome("done"))
    assert queue.next_work() is None
    assert queue.is_finished()
    assert [] == source.told


def test_a_lost_training_is_not_begun_again():
    """What was given back by a lost machine stays to be trained."""
    cap = Reached()
    queue = WorkQueue([a_work()], cap=cap)
    lost = queue.next_work()
    cap.is_it = True
    queue.give_back(lost)
    assert queue.next_work() is None
    assert queue.is_finished()


def test_a_store_that_cannot_be_read_ends_no_sweep(tmp_path, monkeypatch, caplog):
    """What was known last holds until it can."""

    def is_away(identities, store):
        raise OSError("the network is down")

    monkeypatch.setattr(spending_cap, "read_costs", is_away)
    cap = SpendingCap(ToySweep(tmp_path).store(), lambda: ["a"], max_gpu_hours=1.0)
    assert not cap.is_reached()
    assert "the network is down" in caplog.text
