"""A Ray on this machine without the processes that nothing here asks: they take most of what its start takes.

Ray starts, beside its head service and the raylet, what scales a cluster, what prints workers' logs at the driver, what
serves a dashboard, and two agents for which the raylet waits before it starts a worker: one for the dashboard and
metrics, one for what `runtime_env` says, which a training of a user's own may ask for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from subprocess import list2cmdline
from typing import Any

from ray import _raylet
from ray._private import node as ray_node
from ray._private import services

from tablewright.orchestrator.attempts.resources import Resources
from tablewright.orchestrator.on_ray import agent_on_demand

raylet: Any = _raylet  # compiled, without types

NOT_IN_USE = -1
"""Port by which Ray's agents say that they serve nothing."""

DASHBOARD_AGENT, RUNTIME_AGENT = "--dashboard_agent_command", "--runtime_env_agent_command"
"""The raylet's options for what it starts them by."""

WORKERS = "--num_prestart_python_workers"

STAND_IN = [sys.executable, "-I", "-S", agent_on_demand.__file__]


class _SmallNode(ray_node.Node):
    """Starts the head service and the raylet alone, and agents when they are asked."""

    count_workers: Callable[[Resources], int]

    def start_monitor(self) -> None:
        """No machine is added to it."""

    def start_log_monitor(self) -> None:
        """The driver prints no worker's log."""

    def start_api_server(self, *, include_dashboard: bool | None, raise_on_failure: bool) -> None:
        """There is no dashboard."""
        self._webui_url = ""

    def start_raylet(self, *arguments: Any, **options: Any) -> None:
        """Start it with what stands in its agents' places."""
        session, start = self.get_session_dir_path(), services.start_ray_process
        for name in (
            raylet.METRICS_AGENT_PORT_NAME,
            raylet.METRICS_EXPORT_PORT_NAME,
            raylet.DASHBOARD_AGENT_LISTEN_PORT_NAME,
        ):
            raylet.persist_port(session, self._node_id, name, NOT_IN_USE)
        port_file = f"{session}/{raylet.RUNTIME_ENV_AGENT_PORT_NAME}_{self._node_id}"

        spec = self.get_resource_and_label_spec()
        num_workers = self.count_workers(Resources(spec.num_cpus or 0.0, spec.num_gpus or 0.0))

        def in_place(part: str) -> str:
            option, _, agent = part.partition("=")
            if option == WORKERS:
                return f"{option}={num_workers}"
            if option == DASHBOARD_AGENT:
                return f"{option}={list2cmdline(STAND_IN)}"
            if option == RUNTIME_AGENT:
                return f"{option}={list2cmdline([*STAND_IN, self.node_ip_address, port_file])} {agent}"
            return part

        def start_in_place(command: list[str], process_type: str, **how: Any) -> Any:
            return start([in_place(part) for part in command], process_type, **how)

        services.start_ray_process = start_in_place
        try:
            super().start_raylet(*arguments, **options)
        finally:
            services.start_ray_process = start


@contextmanager
def few_processes(
    count_workers: Callable[[Resources], int] = lambda machine: int(machine.cpus),
) -> Generator[None]:
    """Start Ray with few processes, wherever that is done meanwhile.

    Args:
        count_workers: that are begun before anything is asked of them, on a machine that has so much; as Ray does, one
            a core.
    """
    node = ray_node.Node
    ray_node.Node = type("Node", (_SmallNode,), {"count_workers": staticmethod(count_workers)})
    try:
        yield
    finally:
        ray_node.Node = node
