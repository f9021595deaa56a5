"""How trainings stand, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.text import Text

from tablewright.command.screen import errors
from tablewright.orchestrator.status import TrainingStatus

UNUSABLE = ("weights gone", "damaged", "changed")
"""States of records that a person has to put right."""


def describe(states: Counter[Any]) -> str:
    """Counts by state in one line."""
    return ", ".join(f"{number} {state}" for state, number in states.items())


def print_refused(statuses: Sequence[TrainingStatus]) -> None:
    """What is wrong with records, each once."""
    for message in dict.fromkeys(item.message for item in statuses if item.state in UNUSABLE):
        errors.print(Text(f"refused: {message}", style="red"))
