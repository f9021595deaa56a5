"""`--keep-found`: what searches found, kept beside the studies."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from tablewright.command.exit_codes import EXIT_INCOMPLETE
from tablewright.command.recorded import existing_store, recorded_plan
from tablewright.command.screen import console, errors
from tablewright.orchestrator.declared.found_config import keep_found
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.searches.found_of_plan import found_of_plan, studies_folder_of
from tablewright.orchestrator.settings import Settings


def keep_what_was_found(settings: Settings, studies: Sequence[Study]) -> int:
    """`--keep-found`."""
    folder, store = studies_folder_of(settings.project), existing_store(settings)
    plan = recorded_plan(settings, studies, store)
    num_lacking = 0
    for study, search, found in found_of_plan(plan, store):
        if found is None:
            num_lacking += 1
            state = plan.searches[study, search]
            errors.print(
                Text(
                    f"search {study}/{search} has no best yet, so that nothing is kept: {state}", style="red"
                )
            )
        else:
            path = keep_found(found, folder)
            console.print(f"kept {path}; commit it, and begin from it with best_of({study!r}, {search!r})")
    return EXIT_INCOMPLETE if num_lacking else 0
