"""Whole sweeps on a Ray of their own that is killed, signalled and searched for secrets, through the command line."""

import os
import signal
from pathlib import Path

import psutil
import pytest

from tests.toy_studies import write_project
from tests.waiting import PATIENCE_S, wait_for
from tests.warm_command import WarmCommand

pytestmark = [pytest.mark.ray, pytest.mark.slow]

SECRETS = {
    name: f"planted-{name.lower()}"
    for name in (
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_ACCESS_KEY_ID",
        "HF_TOKEN",
        "WANDB_API_KEY",
    )
}


@pytest.fixture
def waiting(tmp_path):
    """A sweep whose trainings wait behind their first epoch for a file, and what makes it."""

    def begin(*more, **environment):
        write_project(tmp_path, base=f"waits_for={str(tmp_path / 'goes on')!r}")
        options = ("--max-concurrent", "1", "--tracking-uri", "none")  # a second worker would be no other
        command = WarmCommand(tmp_path, "toy", *options, *more, **environment)
        wait_for(lambda: list(tmp_path.glob("runs/trainings/*/epochs.parquet")) or command.has_ended())
        return command, (tmp_path / "goes on").touch

    return begin


def below(process):
    return psutil.Process(process.pid).children(recursive=True)


def parts_named(name, process):
    return [child for child in below(process) if is_alive(child) and child.name() == name]


def workers(process):
    return [child for child in below(process) if "ImplicitFunc" in "".join(words_of(child)[:1])]


def words_of(process):
    try:
        return process.cmdline()
    except psutil.Error:  # it has ended meanwhile
        return []


def is_alive(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def session_of(process):
    (child,) = psutil.Process(process.pid).children()
    (folder,) = Path("/tmp").glob(f"tw-ray-{child.pid}-*")
    return folder


def test_a_killed_part_of_ray_costs_a_new_start(waiting):
    """The tables are filled by the same command, and one line says each time what was lost."""
    process, go_on = waiting()
    sessions = []
    for part in ("raylet", "gcs_server"):
        wait_for(lambda: parts_named("raylet", process) and workers(process))
        sessions.append(session_of(process))
        (victim,) = parts_named(part, process)
        victim.kill()
        wait_for(lambda victim=victim: not is_alive(victim))
        wait_for(lambda: not sessions[-1].exists())
    go_on()
    code, printed = process.end()
    assert 0 == code, printed
    assert 1 == printed.count("The sweep is started again (1 of 2 times)")
    assert 1 == printed.count("The sweep is started again (2 of 2 times)")
    assert "state-dump" not in printed
    assert "Every cell is filled" in printed
    assert [] == [session for session in sessions if session.exists()]


def test_a_signal_to_a_worker_and_then_to_all_processes(waiting, tmp_path):
    """A worker's training is begun again elsewhere; all processes at once save, and Ray is there until they have.

    Then nothing of it is left.
    Meanwhile nothing listens beyond this machine, and none of the planted secrets is in Ray's folder.
    """
    process, _ = waiting(**SECRETS)
    session = session_of(process)
    assert 0o700 == session.stat().st_mode & 0o777
    listening = {
        connection.laddr.ip
        for child in below(process)
        for connection in child.net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    first = workers(process)
    first[0].send_signal(signal.SIGTERM)
    psutil.wait_procs(first[:1], timeout=PATIENCE_S)
    known = {worker.pid for worker in first}
    wait_for(lambda: {worker.pid for worker in workers(process)} - known)
    found = [
        path
        for path in session.rglob("*")
        if path.is_file() and any(secret.encode() in path.read_bytes() for secret in SECRETS.values())
    ]
    assert [] == found
    everything = [psutil.Process(process.pid), *below(process)]
    for child in everything:
        child.send_signal(signal.SIGUSR1)
    code, printed = process.end()
    assert 130 == code, printed
    assert "failed" not in printed
    assert not session.exists()
    assert [] == [child for child in everything if is_alive(child)]


def test_a_training_that_hangs_does_not_outlive_the_grace(waiting):
    """A stopped process answers nothing; the sweep says so and ends."""
    process, _ = waiting("--grace-s", "2")
    for worker in workers(process):
        worker.send_signal(signal.SIGSTOP)
    os.kill(process.pid, signal.SIGTERM)
    code, printed = process.end()
    assert 130 == code, printed
    assert "did not save within the grace and is ended" in printed
