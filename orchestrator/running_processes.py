"""Which processes of this machine still run.

One that has ended stays in the machine's list until its parent asks how, which the first process of many a container
never does.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import psutil

LOOK_S = 0.02


def has_ended(process: psutil.Process) -> bool:
    """Say whether a process runs no more, asked for or not."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:  # another user's, on a machine that hides these: it is there
        return False


def has_process(number: int) -> bool:
    """Say whether a process of that number runs."""
    try:
        return not has_ended(psutil.Process(number))
    except psutil.NoSuchProcess:
        return False


def wait_for_ends(processes: Sequence[psutil.Process], limit_s: float) -> None:
    """Wait until all have ended, or no longer."""
    until_s = time.monotonic() + limit_s
    while not all(map(has_ended, processes)) and time.monotonic() < until_s:
        time.sleep(LOOK_S)
