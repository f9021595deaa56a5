"""The processes that make one training together, and where they meet."""

from __future__ import annotations

from dataclasses import dataclass

START_S = 300.0
"""How long processes wait for each other to begin: a busy machine imports torch for half a minute."""


@dataclass(frozen=True)
class Process:
    """One of the processes of a training. The first one is the attempt itself: it alone writes and reports.

    Attributes:
        rank: from 0 on.
        num_processes: of the training, on all machines.
        address: of the first one's machine, as the others reach it.
        port: at which the first one waits for the others.
        listening: file descriptor of the socket that listens there already, in the first one alone, so that nobody
            takes the port meanwhile.
    """

    rank: int = 0
    num_processes: int = 1
    address: str = ""
    port: int = 0
    listening: int | None = None

    @property
    def is_first(self) -> bool:
        """Say whether this one writes and reports."""
        return self.rank == 0

    def environment(self) -> dict[str, str]:
        """Give the variables that programs which train in several processes read, as torchrun sets them.

        Each process sees its own GPU alone, which is therefore its first, as where each has a machine of its own.
        """
        return {
            "RANK": str(self.rank),
            "WORLD_SIZE": str(self.num_processes),
            "LOCAL_RANK": "0",
            "LOCAL_WORLD_SIZE": "1",
            "MASTER_ADDR": self.address,
            "MASTER_PORT": str(self.port),
            "TORCHELASTIC_USE_AGENT_STORE": "True",  # the first process has the port already
            "TORCHELASTIC_RESTART_COUNT": "0",
        }


ALONE = Process()
"""A training in one process."""
