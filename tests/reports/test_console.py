"""Printing cannot undo work: a stream that fails, or lacks a sign, stops nothing."""

from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console
from rich.live import Live
from rich.text import Text

from tablewright.reports.console import (
    ForgivingStream,
    loses_styles,
    make_console,
    open_closed_streams,
    plain,
)


class Terminal(io.StringIO):
    """A terminal that a person looks at."""

    def isatty(self) -> bool:
        return True


def test_a_live_view_on_a_terminal_lets_others_print(monkeypatch: pytest.MonkeyPatch):
    """What others print stands above it once, and what it shows itself does not come back to it."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with Live(Text("7 of 12 trainings"), console=make_console("stdout"), auto_refresh=False) as live:
        sys.stdout.write("a line of a library\n")
        live.refresh()
    assert terminal is sys.stdout
    assert 1 == terminal.getvalue().count("a line of a library")
    assert "7 of 12 trainings" in terminal.getvalue().rpartition("a line of a library")[2]


@pytest.mark.parametrize(
    ("text", "encoding", "expected"),
    [
        ("86.1 ± 0.4†", "ascii", "86.1 +- 0.4+"),
        ("λ — Δ", "ascii", "lambda -- Delta"),
        ("über", "ascii", "uber"),
        ("行人", "ascii", "U+884CU+4EBA"),
        ("86.1 ± 0.4†", "latin-1", "86.1 ± 0.4+"),
        ("86.1 ± 0.4† 行", "utf-8", "86.1 ± 0.4† 行"),
    ],
)
def test_a_sign_that_a_terminal_lacks_is_a_plain_one(text: str, encoding: str, expected: str):
    """What it can show stays as it is."""
    assert expected == plain(text, encoding)


def test_a_terminal_without_a_sign_gets_the_rest_as_it_is(monkeypatch: pytest.MonkeyPatch):
    """Nothing is raised, and numbers are whole."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    console = make_console("stdout")
    console.print("mAP 86.1 ± 0.4 ✓")
    sys.stdout.flush()
    assert b"mAP 86.1 +- 0.4 (yes)\n" == raw.getvalue()


class Broken(io.StringIO):
    """A stream whose other side is gone, or whose disc is full."""

    def __init__(self, error: Exception):
        super().__init__()
        self._error = error

    def write(self, text: str) -> int:
        raise self._error

    def flush(self) -> None:
        raise self._error


@pytest.mark.parametrize(
    "error",
    [BrokenPipeError(32, "Broken pipe"), OSError(28, "No space left on device"), ValueError("closed file")],
)
def test_a_stream_that_fails_stops_nothing(monkeypatch: pytest.MonkeyPatch, error: Exception):
    """What is said later goes nowhere, and Python's own end does not try it again."""
    monkeypatch.setattr(sys, "stdout", Broken(error))
    console = make_console("stdout")
    console.print("one")
    console.print("two")
    assert sys.stdout is None
    assert not ForgivingStream("stdout").isatty()


def test_closed_streams_are_opened_to_nowhere(monkeypatch: pytest.MonkeyPatch):
    """A program that was started with 2>&- has streams all the same, and those that are open stay as they are."""
    stdout = sys.stdout
    monkeypatch.setattr(sys, "stderr", None)
    open_closed_streams()
    assert stdout is sys.stdout
    assert sys.stderr is not None
    assert sys.stderr.fileno() > 0
    make_console("stderr").print("nobody reads this")
    sys.stderr.close()


@pytest.mark.parametrize(
    ("is_terminal", "kind", "is_lost"),
    [(True, "xterm", False), (True, "dumb", True), (True, "unknown", True), (False, "xterm", True)],
)
def test_a_terminal_without_styles_gets_signs(is_terminal: bool, kind: str, is_lost: bool):
    """On a dumb terminal bold and underline are lost as they are in a file."""
    console = Console(file=io.StringIO(), force_terminal=is_terminal, _environ={"TERM": kind})
    assert is_lost == loses_styles(console)
