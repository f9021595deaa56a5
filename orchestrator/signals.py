"""What a signal asks of a sweep: the first one to save and end in good order, the second one to end at once.

The same signal may arrive twice, from a terminal straight and handed on by the process that watches over this one.
Both ways are counted, and the larger count is how often somebody has asked.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
"""Ctrl-C, an order to end, a lost terminal, and the warning that a scheduler sends before its time is up."""

EXIT_STOPPED = 130
DEFAULT_GRACE_S = 120.0
HARD_END_S = 15.0
"""After the grace, how long the way out may take before the process is ended where it stands."""
ONE_BREATH_S = 1.0
"""What comes again within so short a time was asked once: SLURM sends its SIGTERM to every process of a job, and srun,
which is one of them, hands it on to the same ones."""


class Repeats:
    """Tells what a scheduler sends twice in one breath from what somebody sends again; Ctrl-C is always somebody's."""

    def __init__(self) -> None:
        self._came_at_s: dict[int, float] = {}

    def is_one(self, number: int) -> bool:
        """Say of a signal that has just come whether it is the one before once more."""
        now_s = time.monotonic()
        before_s, self._came_at_s[number] = self._came_at_s.get(number, float("-inf")), now_s
        return number != signal.SIGINT and now_s - before_s < ONE_BREATH_S


class Requests:
    """Counts how often this process was asked to end, and answers each time."""

    def __init__(self) -> None:
        self._num_straight = self._num_handed_on = self._num_answered = 0
        self._answer: Callable[[int], None] = _end_at_once
        self._repeats = Repeats()

    def arrive(self, *, is_handed_on: bool = False) -> None:
        """Take one more, by either way."""
        if is_handed_on:
            self._num_handed_on += 1
        else:
            self._num_straight += 1
        if max(self._num_straight, self._num_handed_on) > self._num_answered:
            self._num_answered += 1
            self._answer(self._num_answered)

    @contextmanager
    def answered_by(self, answer: Callable[[int], None]) -> Generator[None]:
        """Answer by this for a while."""
        before, self._answer = self._answer, answer
        try:
            yield
        finally:
            self._answer = before

    def on_signal(self, number: int, frame: Any) -> None:
        """Be a signal handler."""
        if not self._repeats.is_one(number):
            self.arrive()


def _end_at_once(num_asked: int) -> None:
    os._exit(EXIT_STOPPED)


REQUESTS = Requests()
"""Of this process; signals come to a process, not to an object."""


def end_on_signals() -> None:
    """Let every asking signal end this process at once, with the code of a sweep that was stopped."""
    for number in ASKING:
        signal.signal(number, REQUESTS.on_signal)


@contextmanager
def stopping_on_signals(
    stop: Callable[[], None],
    *,
    on_stop: Callable[[], None] = lambda: None,
    grace_s: float = DEFAULT_GRACE_S,
    on_grace_over: Callable[[], None] = lambda: None,
) -> Generator[None]:
    """Let the first signal end what runs here in good order, and a second one at once.

    Args:
        stop: asks what runs to save and end; called in a signal handler, so it may only set something.
        on_stop: tells the person.
        grace_s: how long it may take. `on_grace_over` is called then, in a thread, to end hard what still runs; a
            process that is here yet `HARD_END_S` later is ended with `EXIT_STOPPED`.
        on_grace_over: see `grace_s`.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    timers: list[threading.Timer] = []

    def answer(num_asked: int) -> None:
        if timers:
            _end_at_once(num_asked)
        for wait_s, then in ((grace_s, on_grace_over), (grace_s + HARD_END_S, lambda: _end_at_once(1))):
            timers.append(threading.Timer(wait_s, then))
            timers[-1].daemon = True
            timers[-1].start()
        stop()
        on_stop()

    before = {number: signal.getsignal(number) for number in ASKING}
    with REQUESTS.answered_by(answer):
        for number in ASKING:
            signal.signal(number, REQUESTS.on_signal)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            for timer in timers:
                timer.cancel()


class SavingOnSignals:
    """In a worker: the first signal asks its training to save, the second one ends the process at once."""

    def __init__(self) -> None:
        self.asked_by: str | None = None
        self._repeats = Repeats()

    def install(self) -> None:
        """Take the signals, which the processes of Ray are started without; in the main thread alone."""
        for number in ASKING:
            signal.signal(number, self._on_signal)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ASKING)

    def _on_signal(self, number: int, frame: Any) -> None:
        if self._repeats.is_one(number):
            return
        if self.asked_by is not None:
            os._exit(128 + number)
        self.asked_by = signal.Signals(number).name


@contextmanager
def signals_held_back() -> Generator[None]:
    """Start processes that hear no asking signal: who sends one to all wants trainings saved, not their Ray gone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ASKING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
