"""Ends a process in which a training hangs, and says where it hung.

A thread of the process looks now and then when the training was last seen: it asked whether it should stop, as it
does in every step, told an epoch, began another part of its work. Where that is too long ago, the stacks of all
threads are told and the process ends: nobody can end a thread that hangs. Should code that hangs hold Python's lock,
so that no thread runs, a timer of `faulthandler`, which needs no lock, prints the stacks and ends the process a
little later.
"""

from __future__ import annotations

import faulthandler
import logging
import math
import os
import sys
import sysconfig
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import psutil

SHORTEST_S = 1800.0
"""Never ended before, unless another time was asked for."""
TIMES_LONGEST = 10.0
"""Ended after so many times the longest time for which nothing was seen so far."""
UNKNOWN_RHYTHM_S = 24 * 3600.0
"""As long as nothing was seen yet, as in the first epoch of a function, a process that computes is left alone for so
long: nobody knows how long an epoch takes."""
COMPUTING_SHARE = 0.05
"""Of one core, by which a process with its children is said to compute."""

MARGIN_S = 60.0
"""After what the thread should have done the timer does it."""
TELL_LIMIT_S = 60.0
"""How long telling the store may take, which may be what hangs."""
LOOK_SHARE, LOOK_AT_MOST_S = 0.1, 10.0
"""How often it is looked: in shares of the limit."""

EXIT_STALLED = 75
"""Exit code of a process that was ended so."""

logger = logging.getLogger(__name__)


class StallWatch:
    """Watches one training in this process; as a context it begins and ends."""

    def __init__(self, limit_s: float | None, on_stall: Callable[[str, str], None]) -> None:
        """Begin nothing yet.

        Args:
            limit_s: without a sign of the training; None is by its own rhythm, and infinity never.
            on_stall: told in one line where it hung, and the stacks of all threads, before the process ends.
        """
        self._asked_s, self._on_stall = limit_s, on_stall
        self._thread_id = threading.get_ident()
        self._seen_at_s = self._begun_at_s = time.monotonic()
        self._longest_s, self._num_signs = 0.0, 0
        self._part = "starting"
        self._cpu_s, self._looked_at_s = 0.0, self._begun_at_s
        self._ended = threading.Event()
        self._watching = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        """Begin to watch the thread that enters."""
        self._thread_id = threading.get_ident()
        self._seen_at_s = self._begun_at_s = self._looked_at_s = time.monotonic()
        self._cpu_s = _cpu_s()
        if self._asked_s != math.inf:
            self._arm()
            self._watching.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._ended.set()
        if self._watching.is_alive():
            self._watching.join()
            faulthandler.cancel_dump_traceback_later()

    def sign(self) -> None:
        """Say that the training goes on; cheap enough for every step."""
        now_s = time.monotonic()
        self._longest_s = max(self._longest_s, now_s - self._seen_at_s)
        self._seen_at_s = now_s
        self._num_signs += 1

    @contextmanager
    def part(self, name: str) -> Generator[None]:
        """Say that a part of the work begins that has another rhythm, such as to measure between epochs."""
        before = self._part, self._longest_s, self._num_signs
        self._begin(name, 0.0, 0)
        try:
            yield
        finally:
            self._begin(*before)

    def _begin(self, name: str, longest_s: float, num_signs: int) -> None:
        self._part, self._longest_s, self._num_signs = name, longest_s, num_signs
        self._seen_at_s = self._begun_at_s = time.monotonic()

    def limit_s(self) -> float:
        """Say how long nothing may be seen of the training now."""
        return max(SHORTEST_S, TIMES_LONGEST * self._longest_s) if self._asked_s is None else self._asked_s

    def _look_every_s(self) -> float:
        return min(LOOK_AT_MOST_S, LOOK_SHARE * self.limit_s())

    def _arm(self) -> None:
        later_s = self.limit_s() + self._look_every_s() + MARGIN_S
        faulthandler.dump_traceback_later(later_s, exit=True, file=2)

    def _watch(self) -> None:
        while not self._ended.wait(every_s := self._look_every_s()):
            now_s = time.monotonic()
            late_s = now_s - self._looked_at_s - every_s
            is_computing = self._is_computing(now_s)
            if late_s > max(30.0, 2 * every_s):  # the whole process was stopped, as by Ctrl-Z
                self._seen_at_s += late_s
            if self._asked_s is None and not self._num_signs and is_computing:
                self._seen_at_s = max(
                    self._seen_at_s, min(now_s, self._begun_at_s + UNKNOWN_RHYTHM_S - SHORTEST_S)
                )
            self._arm()
            silent_s = now_s - self._seen_at_s
            if silent_s > self.limit_s() and not self._ended.is_set():
                self._end(silent_s)

    def _is_computing(self, now_s: float) -> bool:
        cpu_s, elapsed_s = _cpu_s(), now_s - self._looked_at_s
        used_s, self._cpu_s, self._looked_at_s = cpu_s - self._cpu_s, cpu_s, now_s
        return used_s > COMPUTING_SHARE * elapsed_s

    def _end(self, silent_s: float) -> None:
        faulthandler.dump_traceback_later(2 * TELL_LIMIT_S, exit=True, file=2)
        message = (
            f"nothing was seen of it for {_duration(silent_s)} ({self._part}), and its process was ended; it hung in "
            f"{place_of(self._thread_id)}"
        )
        with tempfile.TemporaryFile("w+b") as file:
            faulthandler.dump_traceback(file=file, all_threads=True)
            file.seek(0)
            stacks = file.read().decode(errors="replace")
        sys.stderr.write(f"\n{message}\n{stacks}")
        telling = threading.Thread(target=self._tell, args=(message, stacks), daemon=True)
        telling.start()
        telling.join(TELL_LIMIT_S)
        end_process()

    def _tell(self, message: str, stacks: str) -> None:
        try:
            self._on_stall(message, stacks)
        except Exception as error:  # of the store, which may be why it hangs; the process ends anyway
            logger.warning("it cannot be recorded that the training hung: %s", error)


def end_process() -> None:
    """End this process at once, with all that it has started."""
    for child in psutil.Process().children(recursive=True):
        try:
            child.kill()
        except psutil.Error:  # it has ended
            continue
    os._exit(EXIT_STALLED)


def _cpu_s() -> float:
    """Add up what this process and its living children have used."""
    used_s = 0.0
    process = psutil.Process()
    for one in (process, *process.children(recursive=True)):
        try:
            times = one.cpu_times()
        except psutil.Error:  # it has ended
            continue
        used_s += times.user + times.system
    return used_s


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.1f} s"


def place_of(thread_id: int) -> str:
    """Say where a thread is now: the innermost line, and the innermost one that is no library's."""
    frame = sys._current_frames().get(thread_id)  # pyright: ignore[reportPrivateUsage]
    if frame is None:
        return "a thread that has ended"
    stack = traceback.extract_stack(frame)
    libraries = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib")]
    own = [
        one
        for one in stack
        if not any(Path(one.filename).resolve().is_relative_to(library) for library in libraries)
        and not one.filename.startswith("<")
    ]
    told = _line(stack[-1])
    return told if not own or own[-1] is stack[-1] else f"{told}, called from {_line(own[-1])}"


def _line(frame: traceback.FrameSummary) -> str:
    return f"{frame.filename}:{frame.lineno} ({frame.name})"
