"""Rays that tests start; afterwards this process is as if there had been none."""

from contextlib import contextmanager

import psutil
import ray
from ray.cluster_utils import Cluster

from tablewright.orchestrator.on_ray.ray_authentication import authentication_kept, heed_variables
from tablewright.orchestrator.on_ray.ray_cluster import leave_ray
from tablewright.orchestrator.on_ray.ray_node import few_processes


@contextmanager
def joined(address, **settings):
    """Be a driver of the cluster at an address, or of one that is started here."""
    with authentication_kept(), few_processes():
        try:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR", **settings)
            yield
        finally:
            leave_ray()


def ray_here(**machine):
    """Start a Ray of one machine, and be its driver."""
    return joined("local", include_dashboard=False, **machine)


@contextmanager
def cluster_of(**head):
    """Start a cluster of raylets on this machine for other drivers; give what adds machines to it and loses them."""
    with authentication_kept(), few_processes():
        heed_variables()
        cluster = Cluster(initialize_head=True, head_node_args=head)
        try:
            yield cluster
        finally:
            cluster.shutdown()


@contextmanager
def ray_of_machines(**head):
    """Start a cluster of raylets on this machine, be its driver, and give what adds machines to it and loses them."""
    with cluster_of(**head) as cluster, joined(cluster.address):
        yield cluster


def workers_below(process_id):
    """Find the processes in which Tune runs trainings."""
    children = psutil.Process(process_id).children(recursive=True)
    return [child for child in children if child.name().startswith("ray::ImplicitFunc")]
