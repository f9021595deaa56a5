"""A Ray of one machine begins with few processes, and has its agents once somebody asks them."""

import os

import psutil
import pytest
import ray
from ray._private.worker import global_worker

from tests.rays import ray_here


@pytest.mark.ray
@pytest.mark.slow
def test_ray_has_no_process_that_nobody_asks():
    """Starting Ray starts a dashboard, an autoscaler or an agent that no training needs.

    Or: a training that asks for an environment by Ray's means gets none.
    """
    with ray_here(num_cpus=1):

        @ray.remote(num_cpus=0)
        def value_of(name):
            return os.environ.get(name)

        assert ray.get(value_of.remote("ASKED_FOR")) is None
        processes = global_worker.node.all_processes
        assert set(processes) == {"gcs_server", "raylet"}
        raylet = psutil.Process(processes["raylet"][0].process.pid)
        assert not [it for it in raylet.children() if "Agent" in it.name()]
        with_environment = value_of.options(runtime_env={"env_vars": {"ASKED_FOR": "here"}})
        assert ray.get(with_environment.remote("ASKED_FOR")) == "here"
        assert len([it for it in raylet.children() if "Agent" in it.name()]) == 1
