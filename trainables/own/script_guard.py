"""Leads the processes of a script, so that they live no longer than whoever started it. Run as a program.

It is given the descriptor to report to, those that the command keeps open, and the words of the command. It leads a
process group of its own, in which the command and all that it starts are. When its standard input ends, which is when
whoever holds the other end has ended, however that came, it kills the group. On Linux, what leaves the group, as the
workers of torchrun do, becomes its child at the latest when it loses its parent, and is killed with it. It is itself a
child of nobody: Ray kills the children of a worker that has died, but not theirs, and would kill the guard before the
script. It imports nothing of ours: it starts within a blink.
"""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import NoReturn

PR_SET_CHILD_SUBREAPER = 36
"""Of prctl(2): who has lost its parent becomes a child of this process, and not of init."""
KILL_LIMIT_S = 10.0
"""How long processes are killed that start others as fast."""


def _pass_over(number: int, frame: object) -> None:
    """Do nothing."""


def _end_all() -> NoReturn:
    """Kill what the command has started, in other groups too, and then the group with this process in it."""
    until_s = time.monotonic() + KILL_LIMIT_S
    while (left := _descendants()) and time.monotonic() < until_s:
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    os.killpg(0, signal.SIGKILL)
    raise SystemExit  # never reached: this process is in the group


def _descendants() -> list[int]:
    """Give the children of this process, theirs, and so on, but for those that have ended; none where /proc is not."""
    children: dict[int, list[int]] = {}
    ended: set[int] = set()
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():  # noqa: PTH208, PTH112 (it starts fast)
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
                state, parent = file.read().rpartition(")")[2].split()[:2]
        except OSError:  # it has ended meanwhile
            continue
        children.setdefault(int(parent), []).append(int(name))
        if state in "ZX":
            ended.add(int(name))
    found: list[int] = []
    waiting = [os.getpid()]
    while waiting:
        waiting += (below := children.get(waiting.pop(), []))
        found += below
    return [pid for pid in found if pid not in ended]


def _adopt_orphans() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _wait_for(command: int) -> int:
    """Wait for the command, and take leave of every orphan that ends before it; gives the command's exit code."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == command:
            return os.waitstatus_to_exitcode(status)


def _watch_starter() -> None:
    while os.read(0, 1):
        pass
    _end_all()


def main(report_to: int, kept_open: list[int], words: list[str]) -> None:
    """Run a command to its end, report how it ended, and end what it left behind.

    Args:
        report_to: descriptor.
        kept_open: descriptors for the command too, such as of a lock, which it so holds as long as it lives.
        words: of the command.
    """
    # The signals are for the command. A handler, unlike what is ignored, is not inherited by it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _pass_over)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if os.fork():
        os._exit(0)
    _adopt_orphans()
    threading.Thread(target=_watch_starter, daemon=True).start()
    try:
        child = subprocess.Popen(words, stdin=subprocess.DEVNULL, pass_fds=kept_open)
    except OSError as error:
        report: dict[str, int | str] = {"not_started": f"{error.strerror}: {error.filename}"}
    else:
        report = {"exit_code": _wait_for(child.pid)}
    os.write(report_to, json.dumps(report).encode())
    _end_all()


if __name__ == "__main__":
    main(int(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3:])
