"""The command line in a process that has loaded what it is made of: a fork of one that has, without the command itself.

Loading that costs two to five processor-seconds, most of what a command of a small project takes. The process in which
an agent trains is such a fork too, in the command's place: its folder, its variables, its streams. Ray's own processes
begin from nothing, as always. An agent that is killed with its group is started from nothing (`toy_studies`): here the
processes that it starts are of another.
"""

import atexit
import gc
import os
import runpy
import sys
import tempfile
import traceback
from multiprocessing import context, forkserver
from pathlib import Path

from tests.forks import forks
from tests.waiting import PATIENCE_S

ROOT = Path(__file__).parent.parent


def run_warm(folder, *arguments):
    """Run the command line to its end in a project; gives (exit code, what it printed)."""
    return WarmCommand(folder, *arguments).end()


class WarmCommand:
    """The command line in a project while it runs, in a session of its own.

    Attributes:
        pid: of its process.
    """

    def __init__(self, folder, *arguments, **variables):
        """Start it.

        Args:
            folder: the project's.
            arguments: of the command line.
            variables: of its environment, beside those of this process.
        """
        with tempfile.NamedTemporaryFile(delete=False) as file:
            self._file = Path(file.name)
        self._process = forks.Process(
            target=_be_the_command, args=(folder, arguments, {**os.environ, **variables}, file.name)
        )
        self._process.start()
        self.pid = self._process.pid

    def printed(self):
        """Give what it has printed so far."""
        return self._file.read_text(encoding="utf-8")

    def has_ended(self):
        """Say whether it has ended."""
        return self._process.exitcode is not None

    def end(self):
        """Wait for its end; gives (exit code, what it has printed)."""
        self._process.join(PATIENCE_S)
        code, printed = self._process.exitcode, self.printed()
        self._file.unlink()
        assert code is not None, f"waited for {PATIENCE_S:.0f} s; it has printed {printed}"
        return code, printed


class _WarmProcess(context.ForkServerProcess):
    """What the command starts: a fork of the same server, which does not become what the server is."""

    def __init__(self, group=None, target=None, name=None, args=(), kwargs=None, *, daemon=None):
        place = (dict(os.environ), _printed)
        super().__init__(group, _in_its_place, name, (*place, target, args, kwargs or {}), daemon=daemon)


class _WarmContext(context.ForkServerContext):
    Process = _WarmProcess


_printed = ""


def _in_its_place(variables, printed, target, args, kwargs):
    """Do what was to be started, with the variables and the streams of the command."""
    _enter(variables, printed)
    target(*args, **kwargs)
    sys.stdout.flush()
    sys.stderr.flush()


def _enter(variables, printed):
    """Take the variables, print into the file, and have what is started from here do so too."""
    global _printed
    _printed = printed
    gc.freeze()  # nothing of what was loaded becomes garbage
    with open(printed, "ab") as file:  # noqa: PTH123
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    os.environ.clear()
    os.environ.update(variables)
    for server in (forkserver, forkserver._forkserver):
        server.ensure_running = lambda: None  # it is the one that has forked this
    for kind in ("spawn", "forkserver"):
        context._concrete_contexts[kind] = _WarmContext()


def _be_the_command(folder, arguments, variables, printed):
    """Do what `python sweep.py …` does in a folder; this process has nothing of ours but this module."""
    os.setsid()
    os.chdir(folder)
    _enter({**variables, "PYTHONPATH": str(ROOT), "COLUMNS": "120"}, printed)
    sys.argv, sys.path[:] = ["sweep.py", *arguments], [str(folder), str(ROOT), *sys.path]
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests" and name != __name__]:
        del sys.modules[name]  # a project may have tests of its own
    code = 0
    try:
        runpy.run_path("sweep.py", run_name="__main__")
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
