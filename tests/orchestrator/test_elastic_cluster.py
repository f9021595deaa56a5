"""Machines that come and go under a sweep: one that is drained, and those that an autoscaler starts and ends."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest
import ray
from ray._raylet import GcsClient
from ray.core.generated.autoscaler_pb2 import DrainNodeReason
from ray.util import placement_group_table

from tablewright.orchestrator.declared.design import Row, Sweep
from tablewright.orchestrator.declared.samplers import Random
from tablewright.orchestrator.on_ray.ray_autoscaler import may_grow
from tablewright.orchestrator.on_ray.ray_backend import RayBackend
from tests.orchestrator.toy_sweep import Events, ToySweep, a_search, a_study
from tests.ports import free_port
from tests.rays import joined, ray_of_machines, workers_below
from tests.toy_method import ToyConfig
from tests.waiting import PATIENCE_S, wait_for

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture
def cluster():
    """A head that trains nothing, to which machines are added."""
    with ray_of_machines(num_cpus=0, num_gpus=0) as cluster:
        yield cluster


def test_a_training_saves_where_its_machine_is_drained_and_goes_on_on_another(cluster, tmp_path, caplog):
    """It repeats no epoch, nothing further is begun on that machine, and the word says why."""
    first = cluster.add_node(num_cpus=1)
    gate = tmp_path / "gate"

    class Draining(Events):
        def on_start(self, work):
            super().on_start(work)
            if len(self.started) == 2:
                gate.touch()

        def on_progress(self, work, progress):
            super().on_progress(work, progress)
            if len(self.epochs) == 1:
                reason = DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
                is_accepted, _ = GcsClient(address=cluster.gcs_address).drain_node(
                    first.node_id, reason, "", 0
                )
                assert is_accepted
                cluster.add_node(num_cpus=1)

    events = Draining()
    result, _ = ToySweep(tmp_path)(
        a_study([Row("a", {"waits_for": str(gate)})]),
        backend=RayBackend(max_lost_workers=0),
        listeners=[events],
    )
    assert result.is_complete
    assert [1, 2, 3] == [epoch for _, epoch in events.epochs]
    assert (2, 1) == (len(events.started), len(events.ended))
    assert "its machine is to go: Ray drains it. Its state is saved" in caplog.text


def test_half_gpus_of_two_machines_and_one_lost(tmp_path):
    """Half-GPU trainings fill both; when one is lost, its trainings end on the other, and have not failed."""
    is_lost = tmp_path / "is lost"  # no training ends before

    class Losing(Events):
        running, most_at_once = 0, 0

        def on_start(self, work):
            super().on_start(work)
            self.running += 1
            self.most_at_once = max(self.most_at_once, self.running)

        def on_progress(self, work, progress):
            if self.running == 4 and len(nodes) == 2:
                node = nodes.pop()
                workers = workers_below(node.all_processes["raylet"][0].process.pid)
                cluster.remove_node(node, allow_graceful=False)
                self.lost, _ = psutil.wait_procs(workers, timeout=PATIENCE_S)  # none ends its training alone
                is_lost.touch()

        def on_end(self, work, outcome):
            super().on_end(work, outcome)
            self.running -= 1

    events, sweep = Losing(), ToySweep(tmp_path)
    rates = [0.1 + index / 100 for index in range(6)]
    base = ToyConfig(meets_in=str(tmp_path / "met"), num_met=4, waits_for=str(is_lost))
    # The driver joins while the head is alone, so that no node is lost under it.
    with ray_of_machines(num_cpus=1, num_gpus=0) as cluster:
        nodes = [cluster.add_node(num_cpus=2, num_gpus=1) for _ in range(2)]
        backend = RayBackend(cpus=0.5, gpus=0.5, max_lost_workers=0)
        result, _ = sweep(
            a_study([Sweep("learning_rate", rates)], base=base), backend=backend, listeners=[events]
        )
    assert result.is_complete, [(outcome.state, outcome.message) for _, outcome in events.ended]
    assert len(events.lost) == 2
    assert events.most_at_once == 4
    records = [sweep.store().training(identity).record() for identity in result.plan.trainings]
    assert max(record.attempts for record in records) >= 2
    assert {record.device for record in records} == {"cuda"}


HEAD_TYPE = "ray.head.default"
HEAD_ID = f"{'f' * 51}00000"
"""As Ray's fake provider calls them."""


@pytest.fixture
def growing_cluster():
    """A head that trains nothing, and an autoscaler that may start four raylets of one CPU on this machine."""
    folder = Path(tempfile.mkdtemp(prefix="tw-", dir="/tmp"))  # Ray's sockets have short names
    address = f"{ray.util.get_node_ip_address()}:{free_port()}"
    commands = ("initialization", "setup", "head_setup", "worker_setup", "head_start_ray", "worker_start_ray")
    config = {
        "cluster_name": "fake",
        "max_workers": 4,
        "idle_timeout_minutes": 0.2,
        "upscaling_speed": 100,
        "provider": {
            "type": "fake_multinode",
            "gcs_address": address,
            "use_node_id_as_ip": True,  # all are at one address
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
        },
        "available_node_types": {
            HEAD_TYPE: {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            "cpu": {"resources": {"CPU": 1}, "node_config": {}, "min_workers": 0, "max_workers": 4},
        },
        "head_node_type": HEAD_TYPE,
        **{f"{name}_commands": [] for name in commands},
        **{"auth": {}, "docker": {}, "file_mounts": {}, "cluster_synced_files": []},
        **{"rsync_exclude": [], "rsync_filter": [], "file_mounts_sync_continuously": False},
    }
    (folder / "cluster.yaml").write_text(json.dumps(config), encoding="utf-8")
    environment = {
        "AUTOSCALER_UPDATE_INTERVAL_S": "1",
        "RAY_AUTH_MODE": "disabled",  # it would demand a token of whoever has used Ray in this home before
        "RAY_FAKE_CLUSTER": "1",
        "RAY_OVERRIDE_NODE_ID_FOR_TESTING": HEAD_ID,
        "RAY_enable_autoscaler_v2": "0",
    }
    with (folder / "printed").open("w") as printed:
        head = subprocess.Popen(
            [
                *(str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--num-cpus=0"),
                *(
                    "--include-dashboard=false",
                    f"--temp-dir={folder}/r",
                    f"--port={address.rpartition(':')[2]}",
                ),
                f"--autoscaling-config={folder}/cluster.yaml",
            ],
            env={**os.environ, **environment},
            start_new_session=True,
            stdout=printed,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(lambda: head.poll() is not None or "Ray runtime started" in (folder / "printed").read_text())
        assert head.poll() is None, (folder / "printed").read_text()
        with joined(address):
            yield
    finally:
        if head.poll() is None:
            processes = [head_process := psutil.Process(head.pid), *head_process.children(recursive=True)]
            os.killpg(head.pid, signal.SIGKILL)
            head.wait()
            psutil.wait_procs(processes, timeout=PATIENCE_S)
        shutil.rmtree(folder, ignore_errors=True)


def started_machines():
    """All that the autoscaler has ever started."""
    return [node for node in ray.nodes() if node["NodeID"] != HEAD_ID]


def test_a_cluster_grows_to_what_the_plan_can_use_and_shrinks_when_it_is_done(
    growing_cluster, tmp_path, caplog, monkeypatch
):
    """A search asks for machines that are not there yet; none is asked for beyond what is to be trained."""
    monkeypatch.setattr("tablewright.orchestrator.on_ray.ray_bridge.WAITING_AFTER_S", 0.5)
    together = ToyConfig(meets_in=str(tmp_path / "met"), num_met=2)  # ends only where two run at once
    search = a_search(base=together, num_trials=2, sampler=Random())
    backend = RayBackend()
    study = a_study([Row("a", {"learning_rate": 0.2})], searches=[search])
    result, _ = ToySweep(tmp_path)(study, backend=backend)
    assert [""] * len(result.statuses) == [status.message for status in result.statuses]
    assert result.is_complete
    assert (4, True) == (backend.max_slots(), may_grow())
    assert "waiting for resources: a training takes 1 CPU and 0 GPU" in caplog.text
    assert "machine, starting" in caplog.text or "machines, starting" in caplog.text
    assert "none of them enough" not in caplog.text
    assert 2 <= len(started_machines())
    assert len(placement_group_table()) <= 3  # what the cluster was ever asked for, a machine each
    wait_for(lambda: not any(node["Alive"] for node in started_machines()))
