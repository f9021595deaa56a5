"""What is read of a cluster's autoscaler: the file that it goes by, and what it says of machines to come."""

import subprocess
import sys
from pathlib import Path

import pytest

from tablewright.orchestrator.on_ray.machine_types import Starting
from tablewright.orchestrator.on_ray.ray_autoscaler import configuration_of, has_named_types, read_report

pytestmark = pytest.mark.slow  # imports Ray


def test_the_file_of_the_clusters_own_autoscaler_is_found(tmp_path):
    """Several clusters may run on one machine; that of another address is not taken for it."""
    options = ["--gcs-address=192.0.2.1:6379", f"--autoscaling-config={tmp_path}/cluster.yaml"]
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"),
            *("autoscaler/_private/monitor.py", *options),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        process.stdout.readline()
        assert Path(f"{tmp_path}/cluster.yaml") == configuration_of("192.0.2.1:6379")
        assert configuration_of("192.0.2.2:6379") is None
    finally:
        process.communicate()


def test_machines_to_come_are_counted_as_ray_status_does():
    """Those that are being launched and those that are set up; a type that cannot be had is told with its reason."""
    report = {
        "active_nodes": {"head": 1},
        "pending_nodes": [["192.0.2.7", "spot", "setting-up"]],
        "pending_launches": {"spot": 2},
        "node_availability_summary": {
            "node_availabilities": {
                "big": {
                    "is_available": False,
                    "unavailable_node_information": {
                        "category": "InsufficientInstanceCapacity",
                        "description": "There is no Spot capacity available",
                    },
                },
                "spot": {"is_available": True, "unavailable_node_information": None},
            }
        },
    }
    why = "big: InsufficientInstanceCapacity There is no Spot capacity available"
    assert Starting(3, (why,)) == read_report({"autoscaler_report": report})


def test_a_cluster_without_an_autoscaler_starts_nothing():
    """Nothing is read of what is not there."""
    assert Starting() == read_report({})
    assert Starting() == read_report({"autoscaler_report": None})


def test_an_autoscaler_is_told_from_a_cluster_of_fixed_size():
    """Ray reports of both; where nothing is ever started, each machine is a type of its own, named by its id."""
    fixed = {"active_nodes": {f"node_{'0a1b' * 14}": 1}}
    grows = {"active_nodes": {"head": 1, "node_pool": 2}}
    assert [False, True, False] == [
        has_named_types({"autoscaler_report": report}) for report in (fixed, grows, None)
    ]
