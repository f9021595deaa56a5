"""A study by its name alone: run or continue it on Ray."""

from __future__ import annotations

from collections.abc import Sequence

from tablewright.command.sweep_end import tell_end, write_all
from tablewright.command.sweep_run import sweep_with
from tablewright.command.tables import print_tables
from tablewright.command.tracker import make_tracker
from tablewright.orchestrator.ray_backend import make_backend
from tablewright.orchestrator.settings import Settings
from tablewright.orchestrator.study import Study
from tablewright.orchestrator.supervisor import Link


def run(settings: Settings, studies: Sequence[Study], watcher: Link) -> int:
    """Run or continue, then write the tables, tell MLflow, and print; in this order, so that nothing is lost."""
    store = settings.open_store()
    tracker = make_tracker(settings, store)
    result = sweep_with(make_backend(settings, watcher), settings, studies, store, tracker)
    written = write_all(result, settings, store, tracker)
    print_tables(written)
    return tell_end(result, written, settings)
