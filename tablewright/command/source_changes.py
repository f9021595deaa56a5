"""Recorded trainings that were made by other code."""

from __future__ import annotations

from rich.text import Text

from tablewright.command.screen import console
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.plans.source_changes import (
    find_source_changes,
    tell_changes_under_one_version,
    tell_source_changes,
)
from tablewright.orchestrator.store.store import Store


def print_source_changes(plan: Plan, store: Store) -> None:
    """Say which recorded trainings were made by other code of their method."""
    told = tell_source_changes(find_source_changes(plan, store))
    for text in [*told, *tell_changes_under_one_version(plan, store)]:
        console.print(Text("changed ", style="yellow") + Text(text))
