"""Which processes still run: one that has ended and that nobody asks for does not, though the machine lists it."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tablewright.orchestrator.on_ray.ray_session import PREFIX, remove_abandoned
from tablewright.orchestrator.projections.mlflow_found import _is_dead, this_process
from tablewright.orchestrator.running_processes import has_ended, has_process, wait_for_ends
from tests.waiting import wait_for


@pytest.fixture
def unasked() -> Iterator[psutil.Process]:
    """A process that has ended, and whose parent has not asked how."""
    started = subprocess.Popen([sys.executable, "-c", ""])
    process = psutil.Process(started.pid)
    wait_for(lambda: process.status() == psutil.STATUS_ZOMBIE)
    yield process
    started.wait()


def test_a_process_that_nobody_asks_for_has_ended(unasked: psutil.Process) -> None:
    """As do those that have been asked for; this one runs."""
    assert unasked.is_running()
    assert has_ended(unasked)
    assert not has_process(unasked.pid)
    assert not has_ended(psutil.Process())
    ended = subprocess.Popen([sys.executable, "-c", ""])
    known = psutil.Process(ended.pid)
    ended.wait()
    assert has_ended(known)
    assert not has_process(ended.pid)


def test_a_process_that_may_not_be_looked_at_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a machine hides the processes of other users: what is theirs stays."""

    def refuse(process: psutil.Process) -> str:
        raise psutil.AccessDenied(process.pid)

    monkeypatch.setattr(psutil.Process, "status", refuse)
    assert has_process(psutil.Process().pid)


def test_only_those_that_run_are_waited_for(unasked: psutil.Process) -> None:
    """The end of a sweep took as long as an init takes to ask, or ten seconds where none does."""
    begun_s = time.monotonic()
    wait_for_ends([unasked], 60.0)
    assert time.monotonic() < begun_s + 30.0
    wait_for_ends([unasked, psutil.Process()], 0.1)
    assert time.monotonic() >= begun_s + 0.1


def test_what_it_has_left_is_nobodys(unasked: psutil.Process, tmp_path: Path) -> None:
    """Its folder of Ray's files is removed, and a run of MLflow's that it was writing is ended."""
    left, ours = (tmp_path / f"{PREFIX}{number}-x" for number in (unasked.pid, psutil.Process().pid))
    left.mkdir()
    ours.mkdir()
    remove_abandoned(tmp_path)
    assert [ours] == list(tmp_path.iterdir())
    host, pid, _ = this_process().rsplit(" ", 2)
    assert _is_dead(f"{host} {unasked.pid} {unasked.create_time():.0f}")
    assert not _is_dead(this_process())
    assert pid == str(psutil.Process().pid)
