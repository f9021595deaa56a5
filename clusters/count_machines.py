"""Wait on the head until every machine of the cluster file has joined; else name those that did not, and exit with 1.

    ray exec clusters/on_premises.yaml 'python project/clusters/count_machines.py'

`ray up` ends well once the head runs, whether or not a worker ever starts.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from joined import addresses

CLUSTER_FILE = Path("~/ray_bootstrap_config.yaml")
"""The cluster file as `ray up` leaves it on the head."""
PATIENCE_S, POLL_S = 300.0, 2.0


def missing(cluster_file: Mapping[str, Any], joined: list[str]) -> list[str]:
    """Name the machines that a cluster file wants from the start and that have not joined.

    Args:
        cluster_file: whose provider names machines, or whose kinds of machines say how many there are at least.
        joined: the addresses of those that are there, the head's among them.
    """
    provider = cluster_file["provider"]
    if "worker_ips" in provider:
        wanted = [provider["head_ip"], *provider["worker_ips"]]
        return [name for name in wanted if socket.gethostbyname(name) not in joined]
    kinds = cluster_file["available_node_types"].items()
    num_wanted = 1 + sum(
        kind.get("min_workers", 0) for name, kind in kinds if name != cluster_file["head_node_type"]
    )
    num_missing = max(0, num_wanted - len(joined))
    return [f"{num_missing} of {num_wanted} machines"] if num_missing else []


def main(patience_s: float = PATIENCE_S) -> int:
    """Say who joins, as they do, and give the exit code."""
    cluster_file = json.loads(CLUSTER_FILE.expanduser().read_text(encoding="utf-8"))
    head = os.environ["SSH_CONNECTION"].split()[2]
    end_s = time.monotonic() + patience_s
    known: list[str] = []
    while True:
        joined = addresses(f"{head}:6379")
        absent = missing(cluster_file, joined)
        if joined != known:
            sys.stdout.write(f"{len(joined)} joined: {', '.join(joined)}\n")
            sys.stdout.flush()
            known = joined
        if not absent:
            return 0
        if time.monotonic() > end_s:
            break
        time.sleep(POLL_S)
    sys.stderr.write(
        f"missing after {patience_s:g} s: {', '.join(absent)}; `ray monitor` with the cluster file shows what failed "
        "there (SSH, a set-up command, or `ray start`)\n"
    )
    return 1


if __name__ == "__main__":
    sys.exit(main(*map(float, sys.argv[1:])))
