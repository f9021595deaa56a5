"""Cores that a process may use."""

import os
import subprocess
import sys

import pytest

from tablewright.trainables.value.cpus import cpus_of_machine


@pytest.mark.parametrize(
    ("files", "num_cpus"),
    [
        ({}, len(os.sched_getaffinity(0))),
        ({"cpu.max": "max 100000"}, len(os.sched_getaffinity(0))),
        ({"cpu.max": "100000 100000"}, 1),
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, len(os.sched_getaffinity(0))),
        ({"cpu/cpu.cfs_quota_us": "90000", "cpu/cpu.cfs_period_us": "100000"}, 1),
        ({"cpu.max": "what is this"}, len(os.sched_getaffinity(0))),
    ],
)
def test_a_container_is_not_taken_for_its_machine(tmp_path, files, num_cpus):
    """The limit of a control group counts, and so does the scheduler's; a machine without one is itself."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{text}\n")
    assert num_cpus == cpus_of_machine(tmp_path)


@pytest.mark.parametrize(
    ("variables", "num_cpus"),
    [
        ({"SLURM_CPUS_ON_NODE": "1"}, 1),
        ({"SLURM_CPUS_PER_TASK": "1", "SLURM_CPUS_ON_NODE": "9999"}, 1),
        ({"SLURM_CPUS_ON_NODE": "9999"}, len(os.sched_getaffinity(0))),
        ({"SLURM_CPUS_ON_NODE": "0"}, len(os.sched_getaffinity(0))),
        ({"SLURM_CPUS_ON_NODE": "4(x2)"}, len(os.sched_getaffinity(0))),
    ],
)
def test_a_job_of_slurm_does_not_take_the_whole_node(tmp_path, monkeypatch, variables, num_cpus):
    """Where SLURM does not bind a job to its cores, what it was given counts all the same."""
    for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert num_cpus == cpus_of_machine(tmp_path)


@pytest.mark.slow
def test_threads_of_libraries_and_programs_follow(tmp_path):
    """torch that is loaded, torch that is not, and programs that are started keep to what a training was given."""
    code = """
import os, subprocess, sys
from tablewright.trainables.value.cpus import num_cpus, use_cpus
import torch
for cpus in (3, 1.5, 0.25):
    use_cpus(cpus)
    child = subprocess.run(
        [sys.executable, "-c", "import os; print(os.environ['OMP_NUM_THREADS'])"], capture_output=True, text=True
    )
    print(num_cpus(), torch.get_num_threads(), child.stdout.strip())
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ["3 3 3", "1 1 1", "1 1 1"] == ran.stdout.splitlines()
