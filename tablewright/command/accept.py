"""`--accept`: a changed default that moves no number."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from tablewright.command.recorded import existing_store, recorded_plan
from tablewright.command.screen import console
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.plans.acceptance import accept_changed_defaults
from tablewright.orchestrator.plans.recorded_config import accepted_in_words
from tablewright.orchestrator.settings import Settings


def accept_changes(settings: Settings, studies: Sequence[Study], reason: str) -> None:
    """`--accept`, before a run or a report."""
    store = existing_store(settings)
    for change in accept_changed_defaults(recorded_plan(settings, studies, store), store, reason):
        console.print(Text(f"accepted: {accepted_in_words(change)} ({change.reason})"))
