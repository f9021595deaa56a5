"""Leads the processes of a script, so that they live no longer than whoever started it. Run as a program.

It is given the descriptor to report to, and the words of a command. It leads a process group of its own, in which the
command and all that it starts are. When its standard input ends, which is when whoever holds the other end has ended,
however that came, it kills the group. It is a child of nobody: Ray kills the children of a worker that has died, but
not theirs, and would kill the guard before the script. It imports nothing of ours: it starts within a blink.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from typing import NoReturn


def _pass_over(number: int, frame: object) -> None:
    """Do nothing."""


def _end_group() -> NoReturn:
    os.killpg(0, signal.SIGKILL)
    raise SystemExit  # never reached: this process is in the group


def _watch_starter() -> None:
    while os.read(0, 1):
        pass
    _end_group()


def main(report_to: int, words: list[str]) -> None:
    """Run a command to its end, report how it ended, and end what it left behind."""
    # The signals are for the command. A handler, unlike what is ignored, is not inherited by it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _pass_over)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if os.fork():
        os._exit(0)
    threading.Thread(target=_watch_starter, daemon=True).start()
    try:
        child = subprocess.Popen(words, stdin=subprocess.DEVNULL)
    except OSError as error:
        report: dict[str, int | str] = {"not_started": f"{error.strerror}: {error.filename}"}
    else:
        report = {"exit_code": child.wait()}
    os.write(report_to, json.dumps(report).encode())
    _end_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
