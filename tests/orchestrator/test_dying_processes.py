"""What an attempt leaves in the store, however its process ends."""

import subprocess
import sys
from pathlib import Path

import pytest

from tablewright.orchestrator.attempts import training_output
from tablewright.orchestrator.attempts.stall_watch import EXIT_STALLED
from tablewright.orchestrator.attempts.training_output import kept_output
from tablewright.orchestrator.attempts.trial import run_trial
from tablewright.orchestrator.attempts.trial_hooks import TrialHooks
from tablewright.orchestrator.store.store import Store
from tablewright.trainables.contract.run import Runtime
from tests.orchestrator.dying import a_work

QUIET = TrialHooks(lambda progress: None, lambda: False)


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "runs"))


def attempt(store, way, *, stall_s="inf", margin_s=60):
    """Run it in a process of its own; gives its exit code and what it printed where nobody captured that."""
    words = [sys.executable, "-m", "tests.orchestrator.dying", store.url, way, str(stall_s), str(margin_s)]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    return ended.returncode, ended.stdout


@pytest.mark.parametrize(
    ("way", "begins"),
    [
        ("exits", "SystemExit: enough"),
        ("interrupts", "KeyboardInterrupt"),
        ("unprintable", "Unprintable: (what it says cannot be printed: its __str__ raised SystemExit)"),
        ("surrogate", "ValueError: \\ud800\\x1b[2J"),
        ("huge", "ValueError: xxx"),
    ],
)
def test_whatever_a_method_raises_is_recorded(store, monkeypatch, way, begins):
    """In a short line; one that would end the process, or cannot be printed, is a failure like others."""
    monkeypatch.setattr("tablewright.orchestrator.attempts.trial._is_a_persons", lambda error: False)
    work = a_work(way)
    outcome = run_trial(work, store, Runtime(None, ""), QUIET)
    training = store.training(work.training_id)
    assert ("failed", True) == (outcome.state, outcome.message.startswith(begins))
    assert len(outcome.message) <= 2_000
    assert len(training.failure().traceback) <= 64_000
    whole = Path(training.url) / "failure.txt"
    assert (way == "huge") == whole.exists()
    if way == "huge":
        assert b"x" * 2_000_000 in whole.read_bytes()
        training.clear_failure()
        assert not whole.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "code", "last"),
    [
        ("segfaults", -11, "Fatal Python error: Segmentation fault"),
        ("_exit", 9, "of C"),
        ("prints", 0, "of C"),
    ],
)
def test_what_was_printed_is_kept_however_the_process_ends(store, way, code, last):
    """Of Python and of C code; a fault leaves its stack, and the last words begin with its name."""
    assert (code, "outcome done\n" if way == "prints" else "") == attempt(store, way)
    training = store.training(a_work(way).training_id)
    assert training.output().startswith(b"of Python\nof C\n")
    words = training.output_tail()
    assert last in (words[0], words[-1])


@pytest.mark.slow
def test_a_training_that_hangs_is_ended_and_tried_once_more(store):
    """Its failure says where it hung, with the stacks; a third attempt is not begun, but in another sweep."""
    training = store.training(a_work("sleeps").training_id)
    for _ in range(2):
        assert (EXIT_STALLED, "") == attempt(store, "sleeps", stall_s=0.5)
        failure = training.failure()
        assert "stall" == failure.kind
        assert "dying.py" in failure.message.partition("it hung in")[2]
        assert "most recent call first" in failure.traceback
    assert (0, "outcome failed\n") == attempt(store, "sleeps", stall_s=0.5)
    assert "it hung in" in training.failure_message()
    assert [2, 0] == [training.num_stalls("one"), training.num_stalls("two")]


@pytest.mark.slow
def test_a_hang_that_holds_pythons_lock_is_ended_too(store):
    """By a timer that needs no lock; the next attempt records it."""
    training = store.training(a_work("holds").training_id)
    assert (1, "") == attempt(store, "holds", stall_s=0.5, margin_s=0.5)
    assert training.output_tail()[0].startswith("Timeout (")
    assert (1, "") == attempt(store, "holds", stall_s=0.5, margin_s=0.5)
    assert "dying.py" in training.stalls("one")[0].message


def test_output_is_bounded_and_says_what_was_cut_and_which_attempt_it_is_of(store, tmp_path, monkeypatch):
    """Its beginning and its end stay; an attempt that prints nothing leaves no trace."""
    for name in ("HEAD_BYTES", "TAIL_BYTES"):
        monkeypatch.setattr(training_output, name, 100)
    monkeypatch.setattr(training_output, "LOOK_EVERY_S", 0.0)
    training = store.training("0" * 64)
    with kept_output(training, str(tmp_path), 0) as output:
        output.descriptor()
    assert not (Path(training.url) / "output.txt").exists()
    with kept_output(training, str(tmp_path), 0) as output:
        for _ in range(100):
            output.write(b"0123456789")
    kept = training.output()
    head, _, rest = kept.partition(b"\n[\xe2\x80\xa6 ")
    number, _, tail = rest.partition(b" bytes were cut here \xe2\x80\xa6]\n")
    assert 100 == len(head)
    assert 1000 == len(head) + int(number) + len(tail)
    with kept_output(training, str(tmp_path), 1) as output:
        output.write(b"again\n")
    assert ["again"] == training.output_tail()
    assert b"\n[attempt 2, on " in training.output()
