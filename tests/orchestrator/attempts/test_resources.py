"""What a training takes of a machine, and of which cores it makes use there."""

import pytest

from tablewright.orchestrator.attempts.resources import Resources

EIGHT_GPUS = Resources(64, 8)
NO_GPU = Resources(16, 0)


@pytest.mark.parametrize(
    ("cpus", "gpus", "machines", "reserved"),
    [
        (None, None, [NO_GPU], (1, 0)),
        (None, None, [], (1, 0)),
        (None, None, [NO_GPU, EIGHT_GPUS], (1, 1)),
        (None, 0, [EIGHT_GPUS], (1, 0)),
        (None, 1, [], (1, 1)),
        (None, 0.25, [Resources(16, 8)], (0.5, 0.25)),
        (None, 0.25, [EIGHT_GPUS, Resources(2, 1)], (0.5, 0.25)),
        (None, 0.1, [Resources(3, 1)], (0.3, 0.1)),
        (None, 0.25, [Resources(0, 1)], (1, 0.25)),
        (8, None, [EIGHT_GPUS], (8, 1)),
        (4, 0.5, [Resources(2, 1)], (4, 0.5)),
    ],
)
def test_no_gpu_waits_for_a_core(cpus, gpus, machines, reserved):
    """As many trainings fit as the GPUs take, unless the user asks for more cores than that leaves."""
    assert Resources(*reserved) == Resources.reserved(cpus, gpus, machines)


@pytest.mark.parametrize(
    ("share", "asked", "machine", "used"),
    [
        (Resources(1, 1), None, EIGHT_GPUS, 8),
        (Resources(1, 0.25), None, EIGHT_GPUS, 2),
        (Resources(0.5, 0.25), None, Resources(16, 8), 1),
        (Resources(1, 0.4), None, Resources(9, 1), 4),
        (Resources(1, 1), None, Resources(1, 8), 1),
        (Resources(1, 0), None, EIGHT_GPUS, 1),
        (Resources(4, 0), 4, NO_GPU, 4),
        (Resources(3, 1), 3, EIGHT_GPUS, 3),
        (Resources(1, 1), None, Resources(0, 0), 1),
    ],
)
def test_no_core_idles_beside_a_gpu(share, asked, machine, used):
    """A training uses its part of its own machine's cores; on a CPU its digits do not follow from the machine."""
    assert used == share.cpus_to_use(asked, machine)
