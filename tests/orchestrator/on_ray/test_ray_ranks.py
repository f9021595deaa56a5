"""A training in several processes on Ray: one bundle each, on one machine or on several."""

import pytest

from tablewright.orchestrator.on_ray.ray_backend import RayBackend
from tests.orchestrator.attempts.test_ranks import losses_and_record, study_of
from tests.orchestrator.shared_training import NUM_EPOCHS
from tests.orchestrator.toy_sweep import ToySweep
from tests.rays import ray_of_machines

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture
def two_machines():
    """Two raylets of one core each."""
    with ray_of_machines(num_cpus=1, num_gpus=0) as cluster:
        cluster.add_node(num_cpus=1, num_gpus=0)
        cluster.wait_for_nodes()
        yield


def test_the_processes_of_a_training_meet_on_two_machines(tmp_path, two_machines):
    """Neither has room for both; they find each other by the address of the first one's."""
    backend = RayBackend(num_processes=2)
    sweep = ToySweep(tmp_path)
    result, _ = sweep(study_of(), backend=backend, num_processes=2)
    assert [""] == [status.message for status in result.statuses]
    losses, record = losses_and_record(sweep)
    assert NUM_EPOCHS == len(losses)
    assert losses[-1] < losses[0]
    assert "2" == record.environment["processes"]
