"""A study by its name alone: run or continue it, on Ray or in processes on this machine."""

from __future__ import annotations

from collections.abc import Sequence

from tablewright.command.sweep_run import sweep_with
from tablewright.command.tracker import make_tracker
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.on_ray.supervisor import Link
from tablewright.orchestrator.run import Backend
from tablewright.orchestrator.settings import Settings


def run_on_ray(settings: Settings, studies: Sequence[Study], watcher: Link) -> int:
    """Run or continue on Ray; `watcher` is told how far it is."""
    from tablewright.orchestrator.on_ray.ray_backend import make_backend

    return _run(make_backend(settings, watcher), settings, studies)


def run_locally(settings: Settings, studies: Sequence[Study]) -> int:
    """`--local`."""
    from tablewright.orchestrator.agents.agent_backend import make_local

    return _run(make_local(settings), settings, studies)


def _run(backend: Backend, settings: Settings, studies: Sequence[Study]) -> int:
    """Train, then write the tables, tell MLflow, and print; in this order, so that nothing is lost."""
    store = settings.open_store()
    tracker = make_tracker(settings, store)
    result = sweep_with(backend, settings, studies, store, tracker)
    from tablewright.command.sweep_end import tell_end, write_all  # see LoadsEnd
    from tablewright.command.tables import print_tables

    written = write_all(result, settings, store, tracker)
    print_tables(written)
    return tell_end(result, written, settings)
