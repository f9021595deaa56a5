"""`--check`: a step of each config, before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from tablewright.command.exit_codes import EXIT_INCOMPLETE
from tablewright.command.screen import console
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.plans.check import check_studies
from tablewright.orchestrator.settings import Settings


def run_checks(settings: Settings, studies: Sequence[Study]) -> int:
    """`--check`."""
    num_faults = 0
    for checked in check_studies(studies, settings.runtime()):
        word, style = (
            ("FAULT ", "red")
            if checked.fault
            else ("      ", "")
            if checked.not_tried
            else ("ok    ", "green")
        )
        console.print(Text(word, style=style) + Text(checked.label))
        if checked.fault:
            num_faults += 1
            console.print(Text(f"      {checked.fault}"))
        if checked.not_tried:
            console.print(Text(f"      not tried: {checked.not_tried}"))
    return EXIT_INCOMPLETE if num_faults else 0
