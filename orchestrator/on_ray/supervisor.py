"""Watches over a sweep from a process of its own: when Ray dies, the sweep's process dies with it, whatever it does.

The sweep is forked off before anything is loaded, so that both begin at once and the one that stays behind holds
little. Neither Ray nor torch is imported here.
"""

from __future__ import annotations

import atexit
import itertools
import os
import select
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tablewright.orchestrator.signals import (
    ASKING,
    EXIT_STOPPED,
    HARD_END_S,
    REQUESTS,
    Repeats,
    end_on_signals,
)

MAX_RESTARTS = 2
"""How often a sweep is started again that has lost its Ray; what is recorded is not trained again."""

CONNECT_LIMIT_S = 180.0
"""How long Ray may take to start or to be joined."""

LOOK_S = 1.0
EXIT_LOST, EXIT_INCOMPLETE = 75, 1
SHOW_CURSOR = "\x1b[?25h"


class Link(Protocol):
    """What the watched process tells."""

    def on_connecting(self) -> None:
        """Ray is being started or joined."""
        ...

    def on_connected(self) -> None:
        """It is there."""
        ...

    def keeps(self, path: str) -> None:
        """A folder that is to be gone when this process is."""
        ...

    def on_lost(self, part: str) -> None:
        """Ray cannot go on; ends this process."""
        ...


class _Link:
    """The watched process's end of both pipes."""

    def __init__(self, orders: int, words: int, log: Path) -> None:
        self._orders, self._words, self._log = orders, words, log

    def begin(self) -> None:
        """Follow what the other process hands on; where it is gone, end as after a signal."""
        end_on_signals()
        atexit.register(self._tell, "ended")
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        while os.read(self._orders, 1):
            REQUESTS.arrive(is_handed_on=True)
        REQUESTS.arrive(is_handed_on=True)

    def _tell(self, word: str, text: str = "") -> None:
        try:
            os.write(self._words, f"{word} {text}\n".encode())
        except OSError:  # nobody watches any more
            return

    def on_connecting(self) -> None:
        """From here on what Ray's own code prints as errors goes to the log, and our words where they went."""
        self._tell("connecting")
        try:
            shown = os.dup(2)
        except OSError:
            return
        log = os.open(self._log, os.O_WRONLY | os.O_APPEND)
        os.dup2(log, 2)
        os.close(log)
        sys.stderr = open(shown, "w", encoding=sys.stderr.encoding, errors="backslashreplace", buffering=1)  # noqa: PTH123, SIM115

    def on_connected(self) -> None:
        """Tell it."""
        self._tell("connected")

    def keeps(self, path: str) -> None:
        """Tell it."""
        self._tell("keeps", path)

    def on_lost(self, part: str) -> None:
        """Tell it and end: what was running cannot be reached any more."""
        self._tell("lost", part)
        os._exit(EXIT_LOST)


@dataclass
class _Watched:
    """A process that is watched, and what it has told.

    Attributes:
        lost: the part of Ray, where it was told.
        kept: folders to remove.
    """

    process_id: int
    words: int
    orders: int
    is_ended: bool = False
    lost: str = ""
    kept: list[str] = field(default_factory=list)
    connecting_since_s: float | None = None
    asked_at_s: float | None = None
    status: int | None = None
    repeats: Repeats = field(default_factory=Repeats)

    def hand_on(self, number: int, frame: object) -> None:
        """Be the handler of an asking signal."""
        if self.repeats.is_one(number):
            return
        self.asked_at_s = self.asked_at_s or time.monotonic()
        try:
            os.write(self.orders, bytes([number]))
        except OSError:  # it is ending
            return

    def follow(self, grace_s: float) -> None:
        """Return once the process is gone; one that has hung for too long is ended."""
        rest, is_open = b"", True
        while self.status is None:
            readable = select.select([self.words] if is_open else [], [], [], LOOK_S if is_open else 0.05)[0]
            if readable:
                got = os.read(self.words, 65536)
                is_open = bool(got)
                *lines, rest = (rest + got).split(b"\n")
                for line in lines:
                    self._hear(*line.decode().partition(" ")[::2])
            found, status = os.waitpid(self.process_id, os.WNOHANG)
            self.status = os.waitstatus_to_exitcode(status) if found else None
            if self.status is None:
                self._end_if_hung(grace_s)
        os.close(self.words)
        os.close(self.orders)
        for path in self.kept:
            shutil.rmtree(path, ignore_errors=True)

    def _hear(self, word: str, text: str) -> None:
        match word:
            case "ended":
                self.is_ended = True
            case "lost":
                self.lost = f"{text} has died"
            case "keeps":
                self.kept.append(text)
            case "connecting":
                self.connecting_since_s = time.monotonic()
            case _:
                self.connecting_since_s = None

    def _end_if_hung(self, grace_s: float) -> None:
        now_s = time.monotonic()
        is_late = self.connecting_since_s is not None and now_s > self.connecting_since_s + CONNECT_LIMIT_S
        if is_late and not self.lost:
            self.lost = f"Ray has not started within {CONNECT_LIMIT_S:.0f} s"
        is_stuck = self.asked_at_s is not None and now_s > self.asked_at_s + grace_s + 2 * HARD_END_S
        if is_late or is_stuck:
            os.kill(self.process_id, signal.SIGKILL)

    @property
    def is_orderly(self) -> bool:
        """Whether it has ended by itself, or because somebody asked."""
        return self.is_ended or self.status == EXIT_STOPPED

    @property
    def why(self) -> str:
        """Why it has not."""
        if self.lost:
            return self.lost
        if self.status is not None and self.status < 0:
            return f"the process of the sweep was ended by {signal.Signals(-self.status).name}"
        return f"the process of the sweep has ended with code {self.status}, as it does when Ray is lost"


def supervise(
    work: Callable[[Link], int], *, report: Callable[[], int], say: Callable[[str], None], grace_s: float
) -> int:
    """Do the work in a process that is started again when it dies; gives the exit code, in both processes.

    Args:
        work: the sweep, which goes on from what is recorded.
        report: writes the tables from the records alone, where the sweep was lost too often.
        say: tells the person in a line.
        grace_s: how long after a signal running trainings may take to save.
    """
    folder = Path(tempfile.mkdtemp(prefix="tablewright-"))
    log = folder / "ray.log"
    log.touch(0o600)
    for num_starts in itertools.count(1):
        watched = _fork(log)
        if isinstance(watched, _Link):
            return work(watched)
        watched.follow(grace_s)
        _show_cursor()
        if watched.is_orderly:
            shutil.rmtree(folder, ignore_errors=True)
            return watched.status or 0
        if watched.asked_at_s is not None:
            say(f"{watched.why} while the sweep was ending; run the same command again to go on.")
            shutil.rmtree(folder, ignore_errors=True)
            return EXIT_STOPPED
        if num_starts > MAX_RESTARTS:
            say(
                f"{watched.why}, after {MAX_RESTARTS} new starts. The tables are written from what is recorded; see "
                f"{log}, mend what it names, and run the same command again to go on."
            )
            break
        say(
            f"{watched.why}. The sweep is started again ({num_starts} of {MAX_RESTARTS} times) and goes on from "
            f"what is recorded; Ray's own words are in {log}"
        )
    watched = _fork(log)
    if isinstance(watched, _Link):
        return report()
    watched.follow(grace_s)
    return EXIT_STOPPED if watched.status == EXIT_STOPPED else EXIT_INCOMPLETE


def _fork(log: Path) -> _Watched | _Link:
    """Begin a process that is watched; gives each of the two its end."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # pyright: ignore[reportUnnecessaryComparison]
            stream.flush()
    words, told = os.pipe()
    orders, handed_on = os.pipe()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ASKING)
    process_id = os.fork()
    if process_id == 0:
        os.close(words)
        os.close(handed_on)
        link = _Link(orders, told, log)
        link.begin()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return link
    os.close(told)
    os.close(orders)
    watched = _Watched(process_id, words, handed_on)
    for number in ASKING:
        signal.signal(number, watched.hand_on)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return watched


def _show_cursor() -> None:
    """Show it again on a terminal, where a live view has died hiding it."""
    if sys.stdout is not None and sys.stdout.isatty():  # pyright: ignore[reportUnnecessaryComparison]
        sys.stdout.write(SHOW_CURSOR)
        sys.stdout.flush()
