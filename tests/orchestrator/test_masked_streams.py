"""What a process writes to its standard streams, masked however it is written."""

import io
import sys
import threading

import pytest

from tablewright.orchestrator.masked_streams import MAX_HELD_CHARACTERS, MaskedStream

KEY = "-----BEGIN PRIVATE KEY-----\nMIIE5ecret\nMIIF5ecret\n-----END PRIVATE KEY-----\n"


@pytest.fixture
def written():
    """A stream, and what has come of it."""
    there = io.StringIO()
    return MaskedStream(there), there.getvalue


@pytest.mark.parametrize("size", [1, 2, 7])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a password=hunter2 b\n", "a password=… b\n"),
        ("at postgresql://me:hunter2@host/x", "at postgresql://me:…@host/x"),
        ("env-5ecret-1\rsecond\r\n", "…\rsecond\r\n"),
        (f"a\n{KEY}b\n", "a\n-----BEGIN PRIVATE KEY-----…\nb\n"),
    ],
)
def test_a_secret_that_is_written_in_pieces_is_masked(written, monkeypatch, text, expected, size):
    """Wherever it is parted; all is passed on at the end."""
    monkeypatch.setenv("MY_PASSWORD", "env-5ecret-1")
    stream, so_far = written
    for begin in range(0, len(text), size):
        stream.write(text[begin : begin + size])
    stream.flush()
    assert expected == so_far()


def test_what_follows_in_a_line_that_was_flushed_is_masked_as_its_rest(written):
    """As of a prompt, or of a bar of progress; what was shown is not shown again."""
    stream, so_far = written
    print("loading with password=", end="", file=stream, flush=True)
    assert "loading with password=" == so_far()
    print("hunter2", "and more", file=stream)
    print("next", file=stream)
    assert "loading with password=… and more\nnext\n" == so_far()


def test_a_line_without_end_is_passed_on(written):
    """Nothing is held for ever."""
    stream, so_far = written
    stream.write("a " * MAX_HELD_CHARACTERS)
    assert 2 * MAX_HELD_CHARACTERS == len(so_far())


def test_threads_lose_nothing(written):
    """Each line comes as it was written by one of them."""
    stream, so_far = written
    threads = [
        threading.Thread(target=lambda: [stream.write("one line\n") for _ in range(500)]) for _ in range(4)
    ]
    switch_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(switch_s)
    assert "one line\n" * 2000 == so_far()
