"""Signals, of real processes: the first one saves, the second one ends, and a grace is kept."""

import os
import signal
import subprocess
import sys

import pytest

from tablewright.orchestrator.signals import ASKING, SavingOnSignals
from tests.toy_studies import ROOT
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.slow

PROGRAM = """
import sys, time
from tablewright.orchestrator.signals import stopping_on_signals
is_asked = False
def stop():
    global is_asked
    is_asked = True
with stopping_on_signals(stop, grace_s=float(sys.argv[2]), on_grace_over=lambda: print("over", flush=True)):
    print("ready", flush=True)
    while not is_asked or sys.argv[1] == "hangs":
        time.sleep(0.01)
        if is_asked and sys.argv[1] == "hangs":
            print("saving", flush=True)
print("saved", flush=True)
"""


def begin(*arguments):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("number", ASKING)
def test_each_asking_signal_ends_in_good_order(number):
    """Ctrl-C, an order to end, a lost terminal and a scheduler's warning are one: save, then end."""
    process = begin("saves", "60")
    process.send_signal(number)
    assert ("saved\n", None) == process.communicate(timeout=PATIENCE_S)
    assert 0 == process.returncode


def test_a_second_signal_ends_at_once():
    """Whoever does not want to wait does not have to, whichever signal comes second."""
    process = begin("hangs", "600")
    process.send_signal(signal.SIGHUP)
    assert process.stdout.readline() == "saving\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE_S)
    assert 130 == process.returncode


def test_a_signal_that_a_scheduler_sends_twice_is_one():
    """At a time limit SLURM signals all processes of a step, and srun hands on what it got itself: one order."""
    process = begin("hangs", "600")
    for _ in range(2):
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "saving\n"
    assert process.poll() is None
    process.send_signal(signal.SIGUSR1)
    process.communicate(timeout=PATIENCE_S)
    assert 130 == process.returncode


def test_a_worker_takes_a_signal_that_comes_twice_for_one():
    """A training on Ray's worker saves too, and a second signal ends it."""
    saving = SavingOnSignals()
    saving._on_signal(signal.SIGTERM, None)
    saving._on_signal(signal.SIGTERM, None)
    assert "SIGTERM" == saving.asked_by
    with pytest.MonkeyPatch.context() as patch:
        codes = []
        patch.setattr(os, "_exit", codes.append)
        saving._on_signal(signal.SIGUSR1, None)
    assert [128 + signal.SIGUSR1] == codes


def test_the_grace_ends():
    """What still runs is told that its time is over."""
    process = begin("hangs", "0.1")
    process.send_signal(signal.SIGTERM)
    lines = iter(process.stdout.readline, "")
    assert "over\n" in lines
    process.kill()
    process.communicate()
