"""What is drawn from the queue for a trial that goes on, and for a new one."""

from dataclasses import replace

from tablewright.orchestrator.attempts.resources import Resources
from tablewright.orchestrator.declared.design import Sweep
from tablewright.orchestrator.on_ray.drawn_work import DrawnWork
from tablewright.orchestrator.plans.plan import make_plan
from tablewright.orchestrator.plans.planning import describe_with
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.orchestrator.work_queue import WorkQueue, planned_work
from tablewright.trainables.contract.run import Runtime
from tests.orchestrator.toy_sweep import a_study

SMALL, LARGE = Resources(1.0, 0.0), Resources(2.0, 0.0)


def works_of(number):
    rates = [0.1 + index / 100 for index in range(number)]
    plan = make_plan(
        [a_study([Sweep("learning_rate", rates)])], DataResolver(describe_with(Runtime(None, "")))
    )
    return [planned_work(training) for training in plan.trainings.values()]


def test_a_worker_goes_on_only_with_what_needs_as_much():
    """A training that needs more of a machine waits for a trial of its own, and is the next that one is made for."""
    first, large, last = works_of(3)
    drawn = DrawnWork(WorkQueue([first, large, last]), lambda work: LARGE if work is large else SMALL)
    assert (first, SMALL) == drawn.next(SMALL)
    assert drawn.next(SMALL) is None
    assert (large, LARGE) == drawn.next()
    assert (last, SMALL) == drawn.next(SMALL)
    assert drawn.next() is None


def test_a_sweep_that_is_stopped_hands_nothing_on():
    """What was drawn and held is not begun either."""
    large, small = works_of(2)
    queue = WorkQueue([large, small])
    drawn = DrawnWork(queue, lambda work: LARGE)
    assert drawn.next(SMALL) is None
    queue.stop()
    assert drawn.next(LARGE) is None


def test_a_higher_priority_is_drawn_first_for_a_worker_that_goes_on():
    """Handing on keeps the order of the queue."""
    low, high = works_of(2)
    drawn = DrawnWork(WorkQueue([low, replace(high, priority=1)]), lambda work: SMALL)
    taken = drawn.next(SMALL)
    assert taken is not None
    assert high.training_id == taken[0].training_id
