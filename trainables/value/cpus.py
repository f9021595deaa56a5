"""How many cores this process may use: for threads that decode images, and those of libraries."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path

VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""By which libraries are told, and the programs that this process starts."""

CGROUP = Path("/sys/fs/cgroup")

SLURM_VARIABLES = ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE")
"""By which SLURM says how many cores a job was given, where it does not bind the job to them; the first one counts."""

_given: list[int] = []


def use_cpus(cpus: float) -> None:
    """Keep this process to so many cores from now on, libraries that are loaded already and programs too.

    Args:
        cpus: a part of a core counts as one.
    """
    _given[:] = [max(1, math.floor(cpus))]
    os.environ.update(dict.fromkeys(VARIABLES, str(_given[0])))
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(_given[0])


def num_cpus() -> int:
    """Count the cores that this process may use; at least one."""
    return _given[0] if _given else cpus_of_machine()


def cpus_of_machine(cgroup: Path = CGROUP) -> int:
    """Count the cores that a scheduler or a container leaves to this process, of those that the machine has."""
    affinity = getattr(os, "sched_getaffinity", None)
    cpus = os.cpu_count() or 1 if affinity is None else len(affinity(0))
    return max(1, math.ceil(min(cpus, _quota_of(cgroup), _given_by_slurm(os.environ))))


def _given_by_slurm(environment: Mapping[str, str]) -> float:
    """Read how many cores the job of this process has; infinity outside of one."""
    given = next((environment[name] for name in SLURM_VARIABLES if name in environment), "")
    return float(given) if given.isdecimal() and int(given) else math.inf


def _quota_of(cgroup: Path) -> float:
    """Read the limit of a container, in cores; infinity where it has none."""
    try:  # version 2, and 1
        if (limit := cgroup / "cpu.max").exists():
            quota, period = limit.read_text(encoding="ascii").split()
        else:
            quota, period = (
                (cgroup / "cpu" / f"cpu.cfs_{name}_us").read_text(encoding="ascii")
                for name in ("quota", "period")
            )
        return float(quota) / float(period) if float(quota) > 0 else math.inf
    except (OSError, ValueError):  # "max"
        return math.inf
