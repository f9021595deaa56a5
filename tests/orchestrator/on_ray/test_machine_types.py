"""What a cluster that grows could run, and what is said while nothing runs on it."""

from pathlib import Path

import pytest
import yaml

from tablewright.orchestrator.attempts.resources import Resources
from tablewright.orchestrator.on_ray.machine_types import (
    MachineTypes,
    Starting,
    num_reachable,
    words_of_waiting,
)

HEAD = Resources(0, 0)
SPOT = {"resources": {"CPU": 8, "GPU": 1}, "max_workers": 8}
CONFIG = {
    "max_workers": 10,
    "head_node_type": "head",
    "available_node_types": {
        "head": {"resources": {"CPU": 64, "GPU": 8}, "max_workers": 0},
        "spot": SPOT,
        "cpu": {"resources": {"CPU": 2}, "max_workers": 4},
        "none": {"resources": {"CPU": 99, "GPU": 99}, "max_workers": 0},
    },
}
GROWTH = MachineTypes.read(CONFIG)


def test_the_files_own_cluster_can_grow():
    """`cluster.yaml` is read as its autoscaler reads it."""
    config = yaml.safe_load(Path("cluster.yaml").read_text(encoding="utf-8"))
    growth = MachineTypes.read(config)
    assert growth.that_fit(Resources(1, 1))
    assert growth.num_trainings(Resources(1, 1)) >= 1


def test_what_is_no_configuration_is_refused():
    """A file of another kind is named as such."""
    with pytest.raises(ValueError, match="no configuration of an autoscaler"):
        MachineTypes.read({"available_node_types": ["spot"]})


@pytest.mark.parametrize(
    ("needed", "num_trainings"),
    [
        (Resources(1, 1), 8),
        (Resources(1, 0.5), 16),
        (Resources(8, 0.5), 8),
        (Resources(1, 0), 8 * 8 + 2 * 2),
        (Resources(1, 2), 0),
    ],
)
def test_a_search_may_ask_for_what_could_be_started(needed, num_trainings):
    """Of each type no more than it may have, and of all no more than the cluster; the head is there already."""
    assert num_trainings == GROWTH.num_trainings(needed)


@pytest.mark.parametrize(
    ("heads", "others", "growth", "grows_unseen", "num_trainings"),
    [
        ([Resources(4, 0)], [Resources(8, 1)], None, False, 1),  # a fixed size: what is up
        ([], [], None, False, 0),
        ([HEAD], [Resources(8, 1)], GROWTH, False, 8),
        ([Resources(64, 8)], [], GROWTH, False, 16),  # the head trains beside all that may be started
        ([HEAD], [Resources(8, 1)] * 12, GROWTH, False, 12),  # more than the file says has joined
        ([HEAD], [], None, True, 2),
        ([HEAD], [Resources(8, 1)] * 3, None, True, 6),
    ],
)
def test_a_search_may_use_what_is_there_and_what_may_be_started(
    heads, others, growth, grows_unseen, num_trainings
):
    """On one machine a search opens more than fits there where the cluster grows, and no more where it does not."""
    assert num_trainings == num_reachable(Resources(1, 1), heads, others, growth, grows_unseen=grows_unseen)


def test_machines_that_were_asked_for_are_said_to_start():
    """They are no reason to say that no machine is enough."""
    words = words_of_waiting(Resources(1, 1), [HEAD], GROWTH, Starting(3))
    assert "; asked for 3 machines, starting" == words
    assert "; asked for 1 machine, starting" == words_of_waiting(Resources(1, 1), [], None, Starting(1))


def test_a_training_that_no_type_is_large_enough_for_is_told_so():
    """It would wait for ever; the words say which types there are and what can be done."""
    words = words_of_waiting(Resources(1, 2), [HEAD], GROWTH, Starting())
    assert (
        "no type of machine that the cluster may start is large enough (spot with 8 CPU and 1 GPU; " in words
    )
    assert "--gpus-per-training" in words
    told = words_of_waiting(Resources(1, 2), [HEAD], None, Starting(is_infeasible=True))
    assert "no type of machine that the cluster may start is large enough: no training" in told


def test_a_type_that_is_not_started_is_told_with_what_failed():
    """As where a region has no spot machines left."""
    words = words_of_waiting(Resources(1, 1), [HEAD], GROWTH, Starting(0, ("no capacity",)))
    assert "one that is enough (spot with 8 CPU and 1 GPU) has not been started yet" in words
    assert words.endswith("starting one failed: no capacity")


def test_a_cluster_that_does_not_grow_is_said_to_be_too_small_or_busy():
    """Nobody starts a machine there."""
    assert ", none of them enough" == words_of_waiting(Resources(1, 1), [HEAD], None, Starting())
    busy = words_of_waiting(Resources(1, 1), [HEAD, Resources(8, 1)], None, Starting())
    assert ", which are busy or still starting" == busy
