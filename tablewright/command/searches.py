"""How the searches of a plan stand."""

from __future__ import annotations

from rich.text import Text

from tablewright.command.screen import console
from tablewright.orchestrator.plans.plan import Plan
from tablewright.trainables.value.counted import counted


def print_searches(plan: Plan) -> None:
    """A line for each search."""
    for study, search, state in plan.searched():
        console.print(Text(f"{study.name}/{search.label}: a search, {state}"))
    if plan.num_waiting_cells:
        cells = counted(plan.num_waiting_cells, "further cell")
        console.print(f"{cells} of tuned rows will be planned once the searches of these rows have ended.")
