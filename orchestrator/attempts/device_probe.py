"""Asks the device itself whether it works, in a process of its own, before a training is blamed for a failure."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from tablewright.trainables.contract.program import OURS
from tablewright.trainables.value.printed_text import last_lines

PROBE = (sys.executable, "-P", str(OURS / "trainables" / "training" / "device_probe.py"))
"""A program that needs torch, which this process may have broken and the orchestrator does not import."""

LIMIT_S = 180.0
"""How long the answer may take; to import torch takes a busy machine half a minute."""


def fault_of_device(command: Sequence[str] = PROBE) -> str:
    """Say what is wrong with the device that this process was given; empty where it works.

    Args:
        command: of the program that tries it; it ends with 0 where it works, and else says in its last line why not.
    """
    try:
        tried = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=LIMIT_S,
            check=False,
            env={**os.environ, "PYTHONFAULTHANDLER": "1"},
        )
    except subprocess.TimeoutExpired:
        return f"the device has not answered within {LIMIT_S:g} s"
    except OSError:  # nothing can be started here, which says nothing of the device
        return ""
    if tried.returncode == 0:
        return ""
    said = last_lines(tried.stdout)
    return said[-1] if said else f"the program that tries the device ended with code {tried.returncode}"
