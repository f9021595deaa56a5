"""What is left of a plan."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from tablewright.command.screen import console
from tablewright.orchestrator.costs.counted_work import CountedWork
from tablewright.orchestrator.costs.outlook import Machines, look_ahead, room_for_checkpoints
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.settings import Settings
from tablewright.orchestrator.status import TrainingStatus
from tablewright.orchestrator.store.store import Store
from tablewright.reports.notes.outlook_text import outlook_lines, room_lines, room_warning


def print_outlook(plan: Plan, statuses: Sequence[TrainingStatus], store: Store, settings: Settings) -> None:
    """What is left of a plan will cost, and whether the store has room for it."""
    count, prices = CountedWork(settings.runtime().cache_dir), settings.prices()
    machines = Machines.expected(prices, is_elsewhere=settings.trains_elsewhere)
    lines = outlook_lines(
        look_ahead(statuses, count, machines),
        prices,
        max_concurrent=settings.max_concurrent,
        without=[
            *(["what searches will train"] if plan.unfilled_searches else []),
            *(["the rows that wait for them"] if plan.num_waiting_cells else []),
        ],
    )
    room = room_for_checkpoints(statuses, store, count)
    for line in (*lines, *room_lines(room, keeps_weights=settings.keeps_weights)):
        console.print(Text(line))
    if warning := room_warning(room):
        console.print(Text("warning ", style="yellow") + Text(warning))
