"""A sweep while it runs, whatever it runs on."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Sequence

from rich.text import Text

from tablewright.command.live_view import progress_view
from tablewright.command.screen import console
from tablewright.command.seed_rule import seeds_now
from tablewright.command.source_changes import print_source_changes
from tablewright.command.tracker import begin_tracking
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.projections.tracking import Tracker
from tablewright.orchestrator.run import Backend, SweepResult, run_sweep
from tablewright.orchestrator.settings import Settings
from tablewright.orchestrator.status import TrainingStatus
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.work import Listener, Outcome, Progress, Work
from tablewright.trainables.value.long_work import listening


def sweep_with(
    backend: Backend, settings: Settings, studies: Sequence[Study], store: Store, tracker: Tracker | None
) -> SweepResult:
    """Train what is left, on a backend."""
    with progress_view() as start_view, listening(lambda line: console.print(Text(line, style="dim"))):

        def links() -> dict[str, str]:
            return {**backend.links(), **settings.tracking_link}

        def listeners(plan: Plan, statuses: Sequence[TrainingStatus]) -> list[Listener]:
            print_source_changes(plan, store)
            for name, where in links().items():
                console.print(Text(f"{name}: {where}"), soft_wrap=True)
            if tracker is not None:
                begin_tracking(tracker, settings, plan, statuses)
            return [start_view(plan, statuses), *([tracker] if tracker is not None else []), LoadsEnd()]

        return run_sweep(
            studies,
            store=store,
            runtime=settings.runtime(),
            backend=backend,
            search_storage=settings.search_storage_url,
            listeners=listeners,
            on_stop=lambda: console.print(
                "Stopping: running trainings save their state; Ctrl-C again quits at once."
            ),
            grace_s=settings.grace_s,
            seed_rule=seeds_now(studies),
            keeps_weights=settings.keeps_weights,
            links=links,
            max_gpu_hours=settings.max_gpu_hours,
            max_cpu_hours=settings.max_cpu_hours,
        )


class LoadsEnd:
    """Loads what the end of a sweep needs, two seconds of a processor, once a training runs beside it."""

    def __init__(self) -> None:
        self._has_begun = False

    def on_start(self, work: Work) -> None:
        """Begin, in a thread."""
        if not self._has_begun:
            self._has_begun = True
            name = "tablewright.command.sweep_end"
            threading.Thread(target=importlib.import_module, args=(name,), daemon=True).start()

    def on_progress(self, work: Work, progress: Progress) -> None:
        """It is no matter."""

    def on_end(self, work: Work, outcome: Outcome) -> None:
        """It is no matter."""
