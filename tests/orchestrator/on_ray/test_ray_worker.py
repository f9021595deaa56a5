"""What a worker of Ray's makes of what it is sent."""

import pickle
import threading

import pytest

from tablewright.orchestrator.attempts.attempt_end import BackendEnded, MachineFault
from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.on_ray.ray_worker import Payload, Place, _loaded, in_own_thread
from tablewright.orchestrator.plans.plan import make_plan
from tablewright.orchestrator.plans.planning import describe_with
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.orchestrator.work import Outcome
from tablewright.orchestrator.work_queue import planned_work
from tablewright.trainables.contract.run import Runtime
from tests.orchestrator.toy_sweep import a_study

RUNTIME = Runtime(None, "")
PLACE = Place("sweep", "store", "id", RUNTIME, 0.0, None)


@pytest.mark.ray
def test_a_machine_that_cannot_load_a_training_says_why():
    """Another installation there is a fault of the machine, told in its own words and by the training's name."""
    (training,) = make_plan([a_study([Row("a")])], DataResolver(describe_with(RUNTIME))).trainings.values()
    payload = Payload(planned_work(training))
    sent = pickle.loads(pickle.dumps(payload))
    assert payload.work == _loaded(sent, PLACE)
    sent.__dict__.update(_work=None, _pickled=b"cno_such_module\nX\n.")
    words = r"cannot load the training \(ModuleNotFoundError: .* 'no_such_module'\)"
    with pytest.raises(MachineFault, match=words) as caught:
        _loaded(sent, PLACE)
    failure = caught.value.failure
    assert ("machine", payload.training_id, payload.label) == (
        failure.kind,
        failure.training_id,
        failure.label,
    )


def test_what_a_training_sets_for_its_thread_is_not_the_next_ones():
    """Trainings that a worker makes one after the other share no thread, as torch's modes are a thread's."""
    kept = threading.local()

    def training():
        before = getattr(kept, "mode", "as it was")
        kept.mode = "another"
        return Outcome("done", before)

    assert [Outcome("done", "as it was")] * 2 == [in_own_thread(training) for _ in range(2)]


@pytest.mark.parametrize("error", [ValueError("ours"), SystemExit(0), BackendEnded()])
def test_what_ends_an_attempt_ends_what_makes_attempts(error):
    """Whatever is raised in an attempt's thread, Tune's own exit among it, is raised where it was asked for."""

    def training():
        raise error

    with pytest.raises(type(error)):
        in_own_thread(training)
