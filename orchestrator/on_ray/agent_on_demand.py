"""Stands where a Ray on this machine would start one of its agents, each of which loads Ray for a second.

A raylet begins two, waits until both have said at which ports they listen, and ends when one of them does.

    agent_on_demand.py                           stands for one that nobody asks
    agent_on_demand.py ADDRESS FILE COMMAND …    becomes an agent once it is asked at a port, which it writes into FILE
                                                 and into the command's option of that name

The bare interpreter runs it, and nothing of this package is imported. It ends when the raylet has.
"""

from __future__ import annotations

import os
import select
import socket
import sys
import time
from pathlib import Path

LOOK_S = 1.0
"""How often it looks whether the raylet is still there."""

PORT = "--runtime-env-agent-port="


def is_raylet_there() -> bool:
    """Whether the process that has begun this one is there, by the number that it hands on."""
    return os.getppid() == int(os.environ["RAY_RAYLET_PID"])


def stand() -> None:
    """Be there as long as the raylet is."""
    while is_raylet_there():
        time.sleep(LOOK_S)


def become_agent_when_asked(address: str, port_file: Path, command: list[str]) -> None:
    """Listen in an agent's place, and become it; the raylet, whose question is lost, asks until it is answered.

    Args:
        address: to listen at.
        port_file: where a raylet looks for the port.
        command: of the agent.
    """
    listening = socket.create_server(
        (address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET
    )
    port = str(listening.getsockname()[1])
    unfinished = port_file.with_name(f".{port_file.name}")
    unfinished.write_text(port, encoding="ascii")
    unfinished.rename(port_file)
    while is_raylet_there():
        if select.select([listening], [], [], LOOK_S)[0]:
            listening.close()
            os.execv(command[0], [PORT + port if part.startswith(PORT) else part for part in command])


if __name__ == "__main__":
    if sys.argv[1:]:
        become_agent_when_asked(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
    else:
        stand()
