"""The process that watches over a sweep: what it does when the sweep's process dies, hangs or is asked to end."""

import os
import signal
import subprocess
import sys

import pytest

from tests.toy_studies import ROOT
from tests.waiting import PATIENCE_S, wait_for

pytestmark = pytest.mark.slow

PROGRAM = """
import os, signal, sys, time
from pathlib import Path
from tablewright.orchestrator.signals import stopping_on_signals
from tablewright.orchestrator.on_ray.supervisor import supervise
marks = Path(sys.argv[2])
def work(link):
    number = len(list(marks.iterdir()))
    (marks / str(os.getpid())).touch()
    link.on_connecting()
    os.write(2, b"dump of Ray\\n")
    link.on_connected()
    how = sys.argv[1]
    if how == "dies" or how == "dies once" and number == 0:
        os._exit(1)
    if how == "loses":
        link.on_lost("Ray's raylet")
    if how == "raises":
        raise RuntimeError("a fault of ours")
    if how == "waits":
        is_asked = []
        with stopping_on_signals(lambda: is_asked.append(1)):
            print("ready", flush=True)
            while not is_asked:
                time.sleep(0.01)
        (marks / "saved").touch()
        return 130
    return 0
def report():
    print("tables", flush=True)
    return 0
sys.exit(supervise(work, report=report, say=lambda text: print(text, flush=True), grace_s=60))
"""


def begin(folder, how):
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, how, str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(folder, how):
    process = begin(folder, how)
    printed, errors = process.communicate(timeout=PATIENCE_S)
    return process.returncode, printed, errors


def test_a_sweep_that_dies_once_is_started_again(tmp_path):
    """It ends with its own code; Ray's dump is not on the terminal but in a log, which is gone afterwards."""
    code, printed, errors = run(tmp_path / "marks", "dies once")
    assert (0, "") == (code, errors)
    assert (
        "has ended with code 1, as it does when Ray is lost. The sweep is started again (1 of 2 times)"
        in printed
    )
    assert [] == list(tmp_path.glob("tablewright-*"))


def test_a_sweep_that_dies_too_often_ends_in_tables_and_a_line(tmp_path):
    """The tables are written from the records, the code is 1, and the log that the line names is kept."""
    code, printed, _ = run(tmp_path / "marks", "loses")
    assert 1 == code
    assert 3 == len(list((tmp_path / "marks").iterdir()))
    assert (
        "Ray's raylet has died, after 2 new starts. The tables are written from what is recorded" in printed
    )
    assert "tables\n" in printed
    (log,) = tmp_path.glob("tablewright-*/ray.log")
    assert "dump of Ray" in log.read_text()
    assert (0o700, 0o600) == (log.parent.stat().st_mode & 0o777, log.stat().st_mode & 0o777)


def test_a_fault_of_ours_is_not_started_again(tmp_path):
    """A traceback is shown once, on the terminal."""
    code, printed, errors = run(tmp_path / "marks", "raises")
    assert (1, "") == (code, printed)
    assert 1 == errors.count("RuntimeError: a fault of ours")


def test_a_signal_is_handed_on_once_however_often_it_arrives(tmp_path):
    """Ctrl-C reaches both processes; that is one request, and the sweep saves."""
    process = begin(tmp_path / "marks", "waits")
    assert process.stdout.readline() == "ready\n"
    (child,) = [int(path.name) for path in (tmp_path / "marks").iterdir()]
    os.kill(child, signal.SIGINT)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE_S)
    assert (130, True) == (process.returncode, (tmp_path / "marks/saved").exists())


def test_the_sweep_saves_where_its_watcher_is_killed(tmp_path):
    """Nothing trains on behind a command that is gone."""
    process = begin(tmp_path / "marks", "waits")
    assert process.stdout.readline() == "ready\n"
    process.kill()
    wait_for((tmp_path / "marks/saved").exists)
    process.communicate(timeout=PATIENCE_S)
