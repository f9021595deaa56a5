"""`--mirror`: MLflow and Optuna, made whole from the records."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from tablewright.command.exit_codes import EXIT_INCOMPLETE
from tablewright.command.recorded import existing_store, recorded_plan
from tablewright.command.screen import console, errors
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.project.study_loading import import_studies
from tablewright.orchestrator.projections.mirror import mirror_to_mlflow, mirror_to_optuna
from tablewright.orchestrator.settings import Settings
from tablewright.reports.table.table_numbers import numbers_of
from tablewright.reports.table_files import files_of_tables, write_tables


def mirror_all(settings: Settings, studies: Sequence[Study]) -> int:
    """`--mirror`."""
    store = existing_store(settings)
    if not store.is_there:
        return EXIT_INCOMPLETE
    plan = recorded_plan(settings, studies, store) if studies else None
    import_studies(settings.project)  # whose methods know what the recorded views mean
    mirrored = []
    if settings.tracking_url is not None:
        files: dict[str, str] = {}
        numbers: dict[tuple[str, ...], float] = {}
        if plan is not None:
            files = files_of_tables(plan, store)
            numbers = numbers_of(it.table for it in write_tables(plan, store, writes=False).tables)
        mirrored.append(mirror_to_mlflow(settings.tracking_url, store, plan, files, numbers))
    if plan is not None:
        mirrored.append(mirror_to_optuna(settings.search_storage_url, store, plan, settings.runtime()))
    else:
        console.print(
            "Optuna's storage is left as it is: what its trials are of, the studies say; name them, or all."
        )
    for one in mirrored:
        console.print(Text(f"{one.text}."))
    for warning in dict.fromkeys(warning for one in mirrored for warning in one.warnings):
        errors.print(Text(f"warning: {warning}", style="yellow"))
    return EXIT_INCOMPLETE if any(one.warnings for one in mirrored) else 0
