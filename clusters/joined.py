"""Say whether this machine is part of a Ray cluster: the exit code is 0 if it is, else 1.

    python clusters/joined.py 10.0.0.1:6379 10.0.0.2

A cluster file asks it before it starts Ray, so that a second `ray up` stops no sweep that runs. A process that is
there is not enough: for most of a minute after `ray down` those of the cluster before are still there.
"""

from __future__ import annotations

import socket
import sys

from ray._raylet import GcsClient  # pyright: ignore[reportAttributeAccessIssue]

ALIVE = 0
"""What Ray calls the state of a machine that is part of a cluster."""
ANSWER_S = 10.0


def addresses(cluster: str) -> list[str]:
    """List the addresses of the machines that a cluster has now.

    Args:
        cluster: host:port of its head.

    Raises:
        Exception: of whatever kind, as Ray has many; nobody answers there.
    """
    host, _, port = cluster.rpartition(":")
    # Ray itself tries a port where nobody listens for most of a minute.
    socket.create_connection((host, int(port)), timeout=ANSWER_S).close()
    nodes = GcsClient(address=cluster).get_all_node_info(timeout=ANSWER_S)
    return sorted(node.node_manager_address for node in nodes.values() if node.state == ALIVE)


def main(cluster: str, machine: str) -> int:
    """Give the exit code; a cluster that does not answer has no machine."""
    try:
        return int(machine not in addresses(cluster))
    except Exception as error:
        sys.stderr.write(f"no cluster answers at {cluster}: {type(error).__name__}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
