"""The command line in a process that has the libraries already: a fork of one that has them, and nothing of ours.

Loading them costs two to four processor-seconds, most of what a command of a small project takes. What is killed, runs
on Ray or is compared to the byte is started from nothing: see `toy_studies`.
"""

import atexit
import multiprocessing
import os
import runpy
import sys
import tempfile
import traceback
from pathlib import Path

from tests.waiting import PATIENCE_S

ROOT = Path(__file__).parent.parent
LIBRARIES = [
    "numpy",
    "scipy.stats",
    "pandas",
    "pyarrow.parquet",
    "pydantic",
    "fsspec",
    "psutil",
    "yaml",
    "typer",
    "rich.live",
    "optuna",
    "torch",
    "jinja2",
    "matplotlib.figure",
    "pylatexenc.latexencode",
]

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(LIBRARIES)


def run_warm(folder, *arguments):
    """Run the command line to its end in a project; gives (exit code, what it printed)."""
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as printed:
        process = _forks.Process(
            target=_be_the_command, args=(folder, arguments, dict(os.environ), printed.name)
        )
        process.start()
        process.join(PATIENCE_S)
        assert process.exitcode is not None, f"waited for {PATIENCE_S:.0f} s"
        return process.exitcode, printed.read()


def _be_the_command(folder, arguments, variables, printed):
    """Do what `python sweep.py …` does in a folder; this process has nothing of ours but this module."""
    with open(printed, "wb") as file:  # noqa: PTH123
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables, PYTHONPATH=str(ROOT), COLUMNS="120")
    sys.argv, sys.path[:] = ["sweep.py", *arguments], [str(folder), str(ROOT), *sys.path]
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
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
