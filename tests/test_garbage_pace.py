"""How often the command's own process looks for garbage, and that it does not at its end."""

import subprocess
import sys

SCRIPT = """
import atexit, gc
from tablewright.command.garbage_pace import look_rarely

atexit.register(lambda: print(gc.get_freeze_count() > 0, gc.get_threshold()[0] > 100_000, flush=True))
look_rarely()
atexit.register(lambda: print(gc.get_freeze_count() == 0, flush=True))
"""


def test_what_is_there_at_the_end_is_not_gone_through_once_more():
    """After what others do at the end, which still finds everything as it was."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert ["True", "True True"] == done.stdout.splitlines()
