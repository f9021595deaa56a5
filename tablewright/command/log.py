"""`--log`: what trainings have printed."""

from __future__ import annotations

from collections.abc import Sequence

from tablewright.command.named_trainings import found_trainings
from tablewright.command.recorded import existing_store
from tablewright.command.screen import console
from tablewright.orchestrator.attempts.training_log import read_log
from tablewright.orchestrator.settings import Settings


def print_log(settings: Settings, ids: Sequence[str]) -> int:
    """`--log`."""
    store = existing_store(settings)
    for found in found_trainings(settings, store, ids, "--log"):
        try:
            for piece in read_log(store, found):
                console.file.write(piece)  # as it was printed: neither wrapped nor styled
            console.file.flush()
        except BrokenPipeError:
            console.on_broken_pipe()
    return 0
