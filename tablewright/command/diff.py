"""`--diff`: in what two trainings differ."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from tablewright.command.recorded import existing_store
from tablewright.command.screen import console
from tablewright.orchestrator.differences import compare_trainings
from tablewright.orchestrator.project.study_loading import import_studies
from tablewright.orchestrator.settings import Settings


def show_differences(settings: Settings, first: str, second: str) -> int:
    """`--diff`."""
    store = existing_store(settings)
    import_studies(
        settings.project
    )  # whose methods know what the recorded views mean; those of others are shown by their fields
    found = compare_trainings(store, first, second)
    for one in (found.first, found.second):
        console.print(Text(f"{one.training_id[:12]}  ", style="bold") + Text(one.in_words))
    for group, differences in {**found.causes, **found.outcome}.items():
        if not differences:
            continue
        grid = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        for difference in differences:
            grid.add_row(Text(f"  {difference.name}"), Text(difference.text))
        console.print(Text(group, style="bold"))
        console.print(grid)
    console.print(Text(found.conclusion))
    return 0
