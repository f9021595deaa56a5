"""`--verify`: what of a store is damaged."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from tablewright.command.exit_codes import EXIT_INCOMPLETE
from tablewright.command.recorded import existing_store, recorded_plan
from tablewright.command.screen import console, errors
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.project.study_loading import import_studies
from tablewright.orchestrator.settings import Settings
from tablewright.orchestrator.verify import verify_store


def verify_all(settings: Settings, studies: Sequence[Study]) -> int:
    """`--verify`."""
    store = existing_store(settings)
    plan = recorded_plan(settings, studies, store) if studies else None
    import_studies(settings.project)  # whose methods know what the recorded views mean
    found = verify_store(store, plan)
    for fault in found.faults:
        errors.print(Text(f"fault: {fault}", style="red"))
    older = (
        f", {found.num_without_checksums} of them older than checksums" if found.num_without_checksums else ""
    )
    console.print(
        f"Read {found.num_trainings} trainings ({found.num_records} finished{older}), {found.num_measurements} "
        f"measurements and {found.num_suggestions} suggestions of searches: {len(found.faults) or 'no'} faults."
    )
    if found.unknown_kinds:
        console.print(
            f"Views of the kinds {', '.join(map(repr, found.unknown_kinds))} are of no study here, so that their "
            "metrics were not held against what they are means of; run --verify beside the studies they are from."
        )
    return EXIT_INCOMPLETE if found.faults else 0
