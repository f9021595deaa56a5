"""How often a training's state is kept."""

import pytest

from tablewright.trainables.training.checkpoint_pace import LONGEST_S, SHORTEST_S, CheckpointPace


def pace_after(held_s, write_s, cpu_s, steps=(), every_s=None):
    pace = CheckpointPace(every_s)
    pace.hold_up(held_s)
    for wall_s, is_writing in steps:
        pace.step(wall_s, is_writing=is_writing)
    pace.end(write_s, cpu_s)
    return pace


@pytest.mark.parametrize(
    ("pace", "interval_s"),
    [
        (CheckpointPace(None), SHORTEST_S),
        (pace_after(0.001, 0.01, 0.0), SHORTEST_S),
        (pace_after(1.0, 10.0, 0.0), 100.0),
        (pace_after(0.5, 10.0, 1.5), 200.0),
        (pace_after(1.0, 10.0, 9.0, [(1.0, False)] * 50 + [(1.2, True)] * 10), 300.0),
        (pace_after(1.0, 10.0, 9.0, [(1.0, False)] * 50 + [(0.5, True)] * 20), 100.0),
        (pace_after(1.0, 2.0, 1.0, [(1.0, False)] * 50 + [(90.0, True)]), 300.0),
        (pace_after(9.0, 19.0, 0.0), LONGEST_S - 19.0),
        (pace_after(9.0, 19.0, 0.0, every_s=120.0), 120.0),
    ],
    ids=[
        "nothing known",
        "cheap",
        "held up",
        "held up and the processor's time",
        "held up and slower steps",
        "faster steps are chance",
        "no slower than the writing took",
        "dear",
        "stated",
    ],
)
def test_the_next_is_due_when_the_last_has_cost_its_share(pace, interval_s):
    """A hundredth of the time, never more often than a store bears, and never rarer than the work that may be lost."""
    assert pytest.approx(interval_s) == pace.interval_s


def test_each_checkpoint_is_measured_for_itself():
    """One dear checkpoint, such as the first in fresh memory, makes later ones no rarer."""
    pace = pace_after(5.0, 1.0, 0.0)
    pace.hold_up(0.1)
    pace.end(1.0, 0.0)
    assert SHORTEST_S == pace.interval_s
