"""How long a training waits whose worker was taken back before it began."""

from tablewright.orchestrator.attempts.dropped_attempts import MAX_PAUSE_S, DroppedAttempts
from tests.orchestrator.dying import a_work


def test_a_pause_grows_until_a_worker_begins():
    """Twice as long each time, of each training alone, up to some minutes; and it is tried again for ever."""
    dropped, work = DroppedAttempts(), a_work("exits")
    assert [1, 2, 4, 8] == [dropped.on_dropped(work, 0.0) for _ in range(4)]
    assert [MAX_PAUSE_S] * 2 == [dropped.on_dropped(work, 0.0) for _ in range(2000)][-2:]
    assert 1 == dropped.on_dropped(a_work("interrupts"), 0.0)
    dropped.on_begun(work.training_id)
    assert 1 == dropped.on_dropped(work, 0.0)


def test_a_training_is_tried_again_once_its_pause_is_over():
    """Each once, and not before."""
    dropped, first, second = DroppedAttempts(), a_work("exits"), a_work("interrupts")
    dropped.on_dropped(first, 10.0)
    dropped.on_dropped(second, 10.5)
    assert ([], [first, second]) == (dropped.take_due(10.9), dropped.waiting)
    assert ([first], [second]) == (dropped.take_due(11.0), dropped.waiting)
    assert ([second], []) == (dropped.take_due(float("inf")), dropped.waiting)
