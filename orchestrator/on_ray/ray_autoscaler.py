"""What the autoscaler of the connected cluster may start, and what it is starting now."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import ray
import yaml
from ray._private import ray_constants
from ray._raylet import GcsClient  # pyright: ignore
from ray.autoscaler.v2.utils import is_autoscaler_v2
from ray.core.generated.autoscaler_pb2 import GetClusterStatusReply  # pyright: ignore
from ray.experimental.internal_kv import _internal_kv_get as kv_get  # pyright: ignore[reportPrivateUsage]

from tablewright.orchestrator.on_ray.machine_types import MachineTypes, Starting

ASK_S = 5.0
"""How long the cluster's head may take to say what is being started."""

_TYPE_OF_ONE = re.compile("node_[0-9a-f]{56}")
"""As Ray calls the type of a machine that nobody starts: by its id."""

logger = logging.getLogger(__name__)


def machine_types() -> MachineTypes | None:
    """Read which machines the cluster may start, where the autoscaler runs on this machine, as it does on the head.

    Ray keeps this nowhere in the cluster, so that from another machine nobody knows: None, as where there is no
    autoscaler.
    """
    path = configuration_of(ray.get_runtime_context().gcs_address)
    if path is None:
        return None
    try:
        return MachineTypes.read(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, yaml.YAMLError) as error:
        logger.warning("which machines the cluster may start is not known: %s: %s", path, error)
        return None


def configuration_of(gcs_address: str) -> Path | None:
    """Find the file that the autoscaler of a cluster goes by, from its command line."""
    for process in psutil.process_iter(["cmdline"]):
        words: list[str] = process.info["cmdline"] or []
        if not any(word.endswith("monitor.py") for word in words):
            continue
        options = dict(word.split("=", 1) for word in words if word.startswith("--") and "=" in word)
        if options.get("--gcs-address") == gcs_address and "--autoscaling-config" in options:
            return Path(options["--autoscaling-config"]).expanduser()
    return None


def may_grow() -> bool:
    """Say whether the cluster has an autoscaler, wherever it runs; false where the head does not answer."""
    try:
        return has_named_types(_report()) or (is_autoscaler_v2(fetch_from_server=True) and _has_named_nodes())
    except Exception as error:  # Ray raises many kinds, and nothing depends on it but how much is asked for
        logger.debug("whether the cluster grows is not known: %s", error)
        return False


def has_named_types(told: Mapping[str, Any]) -> bool:
    """Say whether what is told of a cluster names types of machines, as only an autoscaler that starts some does.

    On a cluster of fixed size Ray calls each machine a type of its own, by the machine's id.
    """
    report: Mapping[str, Any] = told.get("autoscaler_report") or {}
    return any(not _TYPE_OF_ONE.fullmatch(name) for name in report.get("active_nodes") or {})


def _has_named_nodes() -> bool:
    nodes = _status_of_second_version().cluster_resource_state.node_states
    return any(node.ray_node_type_name for node in nodes)


def starting() -> Starting:
    """Ask which machines were asked for and are not there yet; nothing where the head does not answer."""
    try:
        first, second = _of_first_version(), _of_second_version()
    except Exception as error:  # Ray raises many kinds, and what it says here is only told
        logger.debug("the autoscaler says nothing: %s", error)
        return Starting()
    return Starting(
        first.num_machines + second.num_machines,
        tuple(dict.fromkeys((*first.failures, *second.failures))),
        second.is_infeasible,
    )


def _of_first_version() -> Starting:
    return read_report(_report())


def _report() -> Mapping[str, Any]:
    return json.loads(kv_get(ray_constants.DEBUG_AUTOSCALING_STATUS) or b"{}")


def read_report(told: Mapping[str, Any]) -> Starting:
    """Read what the first version of the autoscaler leaves in the cluster, as `ray status` does."""
    report: Mapping[str, Any] = told.get("autoscaler_report") or {}
    availabilities = (report.get("node_availability_summary") or {}).get("node_availabilities") or {}
    failures = {
        name: record.get("unavailable_node_information") or {}
        for name, record in availabilities.items()
        if not record.get("is_available", True)
    }
    return Starting(
        sum((report.get("pending_launches") or {}).values()) + len(report.get("pending_nodes") or ()),
        tuple(
            f"{name}: {why.get('category', '')} {why.get('description', '')}".strip()[:300]
            for name, why in failures.items()
        ),
    )


def _status_of_second_version() -> Any:
    reply = GetClusterStatusReply()
    client = GcsClient(address=ray.get_runtime_context().gcs_address)
    reply.ParseFromString(client.get_cluster_status(timeout_s=ASK_S))
    return reply


def _of_second_version() -> Starting:
    state = _status_of_second_version().autoscaling_state
    return Starting(
        sum(request.count for request in state.pending_instance_requests) + len(state.pending_instances),
        tuple(
            f"{request.ray_node_type_name}: {request.reason}"[:300]
            for request in state.failed_instance_requests
        ),
        bool(state.infeasible_gang_resource_requests),
    )
