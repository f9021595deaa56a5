"""Shut a cluster's head down once it has been idle for so many minutes: no sweep runs on it, and nobody is logged in.

    python clusters/stop_when_idle.py 10.0.0.1:6379 60

The workers of AWS go by themselves (`idle_timeout_minutes`), and a head that is shut down is terminated, so that the
store alone still costs. Ends without a word where the number of minutes is 0.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

from ray._raylet import GcsClient  # pyright: ignore[reportAttributeAccessIssue]

LOOK_EVERY_S = 60.0
ANSWER_S = 10.0


def num_sweeps(cluster: str) -> int:
    """Count the programs that are connected to a cluster; a head service that does not answer has none.

    Args:
        cluster: host:port of its head.
    """
    try:
        jobs = GcsClient(address=cluster).get_all_job_info(timeout=ANSWER_S)
    except Exception:  # as Ray has many
        return 0
    return sum(not job.is_dead for job in jobs.values())


def num_logins() -> int:
    """Count those who are logged in on a terminal."""
    return len(subprocess.run(["who"], capture_output=True, check=True).stdout.splitlines())


def wait_until_idle(minutes: float, is_busy: Callable[[], bool], sleep: Callable[[float], None]) -> None:
    """Return once it was not busy for so many minutes on end.

    Args:
        minutes: of idleness.
        is_busy: asked every minute.
        sleep: waits for so many seconds.
    """
    idle_s = 0.0
    while idle_s < 60 * minutes:
        sleep(LOOK_EVERY_S)
        idle_s = 0.0 if is_busy() else idle_s + LOOK_EVERY_S


def main(cluster: str, minutes: str) -> int:
    """Wait, then shut this machine down; gives the exit code."""
    if float(minutes) <= 0:
        return 0
    wait_until_idle(float(minutes), lambda: num_sweeps(cluster) + num_logins() > 0, time.sleep)
    return subprocess.run(["sudo", "shutdown", "-h", "now"], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
