"""A command that runs beside this process: what it prints, how it ends, and that it ends."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from tablewright.trainables.contract.run import TrainingStalled
from tablewright.trainables.value.printed_text import last_lines

GUARD = Path(__file__).with_name("script_guard.py")

INTERRUPT_GRACE_S, TERMINATE_GRACE_S, KILL_GRACE_S = 30.0, 30.0, 30.0
"""How long it may take over SIGINT, and then over SIGTERM, before the next harder signal."""
POLL_S = 0.1
"""How often somebody who waits looks again."""

HEAD_BYTES, TAIL_BYTES = 2**20, 2**20
"""What is kept of the beginning and of the end of what it prints."""

logger = logging.getLogger(__name__)


class ScriptFailed(RuntimeError):
    """A script did not end as it should; the message has its last words."""


class ScriptStalled(ScriptFailed, TrainingStalled):
    """Nothing was seen of a script for so long that it was ended."""


class Output:
    """What a command printed, standard output and errors together: its beginning and its end.

    Attributes:
        changed_at_s: when something was added last, by the monotonic clock.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self._lock = threading.Lock()
        self._head = b""
        self._tail: deque[bytes] = deque()
        self._num_tail_bytes = 0
        self._num_cut_bytes = 0
        self.changed_at_s = time.monotonic()

    def add(self, printed: bytes) -> None:
        """Take more of it."""
        with self._lock:
            self.changed_at_s = time.monotonic()
            room = HEAD_BYTES - len(self._head)
            self._head += printed[:room]
            if rest := printed[room:]:
                self._tail.append(rest)
                self._num_tail_bytes += len(rest)
            while self._tail and self._num_tail_bytes - len(self._tail[0]) >= TAIL_BYTES:
                cut = self._tail.popleft()
                self._num_tail_bytes -= len(cut)
                self._num_cut_bytes += len(cut)

    def content(self) -> bytes:
        """Give it, with a word in the place of what was cut."""
        with self._lock:
            cut = (
                f"\n[… {self._num_cut_bytes} bytes were cut here …]\n".encode()
                if self._num_cut_bytes
                else b""
            )
            return b"".join([self._head, cut, *self._tail])

    def last_lines(self) -> list[str]:
        """Give the last lines that are not blank, as a message can repeat them."""
        return last_lines(self.content())


class ScriptProcess:
    """A running command, with all that it starts; as a context it ends at the latest with that.

    Attributes:
        output: what it has printed so far.
    """

    def __init__(
        self,
        words: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        kept_open: Sequence[int] = (),
        on_printed: Callable[[bytes], None] = lambda printed: None,
    ) -> None:
        """Start it.

        Args:
            words: program and arguments.
            folder: in which it runs.
            environment: what is set beside this process's own.
            kept_open: descriptors that stay open as long as it runs, such as of a lock.
            on_printed: is given all that it prints, by another thread.
        """
        self.words = list(words)
        self.output = Output()
        self._on_printed = on_printed
        self._is_loss_told = False
        self._status: dict[str, Any] | None = None
        # Elsewhere something that left the group could outlive the guard, and would hold a lock for ever.
        kept_of_command = list(kept_open) if sys.platform == "linux" else []
        report_from, report_to = os.pipe()
        try:
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", str(GUARD), str(report_to), json.dumps(kept_of_command), *words],
                cwd=folder,
                env={**os.environ, **_activated(), "PYTHONUNBUFFERED": "1", **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(report_to, *kept_open),
                start_new_session=True,
            )
        except OSError:
            os.close(report_from)
            raise
        finally:
            os.close(report_to)
        self._guard.wait()  # it goes on as a child of nobody, in the group that has its number
        os.set_blocking(report_from, False)
        self._report_from = report_from
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it where it still runs."""
        self.stop()
        os.close(self._report_from)

    def _read(self) -> None:
        assert self._guard.stdout is not None
        while printed := os.read(self._guard.stdout.fileno(), 2**16):
            self.output.add(printed)
            try:
                self._on_printed(printed)
            except (
                OSError
            ) as error:  # it cannot be kept; were nobody to read on, the command would wait for ever
                if not self._is_loss_told:
                    logger.warning("what the script prints cannot be kept: %s", error)
                self._is_loss_told = True

    def is_running(self) -> bool:
        """Say whether the command itself runs; once it does not, nothing that it started does."""
        if self._status is not None:
            return False
        try:
            report = os.read(self._report_from, 2**16)
        except BlockingIOError:
            return True
        if report:  # it reports, and then ends with all that is left
            os.set_blocking(self._report_from, True)
            while os.read(self._report_from, 2**16):
                pass
        else:  # the guard itself was killed
            self._signal(signal.SIGKILL)
        self._status = json.loads(report) if report else {"exit_code": -signal.SIGKILL}
        self._reader.join(POLL_S * 20)  # what left the group may hold the pipe open
        for pipe in (self._guard.stdin, None if self._reader.is_alive() else self._guard.stdout):
            if pipe is not None:
                pipe.close()
        return False

    def wait(self, limit_s: float) -> bool:
        """Wait for its end; says whether it came."""
        until_s = time.monotonic() + limit_s
        while self.is_running():
            if time.monotonic() >= until_s:
                return False
            time.sleep(POLL_S)
        return True

    def stop(self) -> None:
        """End it, in the order in which most programs can still save something."""
        for number, grace_s in ((signal.SIGINT, INTERRUPT_GRACE_S), (signal.SIGTERM, TERMINATE_GRACE_S)):
            if not self.is_running():
                return
            self._signal(number)
            if self.wait(grace_s):
                return
        if not self.is_running():
            return
        assert self._guard.stdin is not None
        self._guard.stdin.close()  # the guard kills all of them, also what has left its group
        if not self.wait(KILL_GRACE_S):
            self._signal(signal.SIGKILL)
            self.wait(KILL_GRACE_S)

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self._guard.pid, number)
        except (ProcessLookupError, PermissionError):  # nobody is left, or only what waits to be reaped
            return

    def refuse_bad_end(self) -> None:
        """Raise unless it ended well.

        Raises:
            ScriptFailed: how it ended, and its last words.
        """
        status = self._status or {}
        if "not_started" in status:
            raise ScriptFailed(
                f"{self.words[0]} could not be started ({status['not_started']}); correct the command"
            )
        if code := status["exit_code"]:
            raise self.failure(_how_it_ended(code))

    def failure(self, what: str, said: str | None = None) -> ScriptFailed:
        """Describe a failure in the script's own last words.

        Args:
            what: happened.
            said: the words that matter; None takes the very last line, where exceptions name theirs.
        """
        lines = self.output.last_lines()
        program = " ".join(Path(word).name if Path(word).is_absolute() else word for word in self.words[:3])
        if not lines:
            return ScriptFailed(f"{program} … {what}, and printed nothing")
        last = lines[-1].strip() if said is None else said.strip()
        before = lines[:-1] if lines[-1].strip() == last else lines
        return ScriptFailed(
            "\n".join(
                [
                    f"{program} … {what}: {last}",
                    *(["Before that:" if before != lines else "Its last lines:"] if before else []),
                    *before,
                ]
            )
        )


def _activated() -> dict[str, str]:
    """Have `python` in a shell script be the interpreter whose packages are recorded, as activating it does."""
    if sys.prefix == sys.base_prefix:
        return {}
    folder = str(Path(sys.executable).parent)
    return {
        "PATH": os.pathsep.join(filter(None, [folder, os.environ.get("PATH")])),
        "VIRTUAL_ENV": sys.prefix,
    }


def _how_it_ended(code: int) -> str:
    if code > 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name if -code in [*signal.Signals] else "unknown"
    hint = ", as a machine does that runs out of memory" if name == "SIGKILL" else ""
    return f"was ended by signal {-code} ({name}){hint}"
