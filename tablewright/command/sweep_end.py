"""A sweep's end: its tables are written, MLflow is told, and a person what came of it."""

from __future__ import annotations

from collections import Counter

from rich.text import Text

from tablewright.command.exit_codes import EXIT_INCOMPLETE
from tablewright.command.paper_files import write_beside_tables
from tablewright.command.screen import console, errors
from tablewright.command.states import describe, print_refused
from tablewright.command.tracker import begin_tracking
from tablewright.orchestrator.projections.tracking import Tracker
from tablewright.orchestrator.run import SweepResult, recorded_ids
from tablewright.orchestrator.settings import Settings
from tablewright.orchestrator.signals import EXIT_STOPPED
from tablewright.orchestrator.store.store import Store
from tablewright.reports.cost_table import write_costs
from tablewright.reports.table.table_numbers import numbers_of
from tablewright.reports.table_files import WrittenTables, folder_of_studies, write_tables


def write_all(
    result: SweepResult, settings: Settings, store: Store, tracker: Tracker | None
) -> WrittenTables:
    """Write the tables, and hand them to MLflow."""
    written = write_tables(result.plan, store)
    write_costs(result.plan, store, settings.prices())
    write_beside_tables(result.plan, store, written, settings)
    if tracker is not None:
        if not tracker.has_begun:  # there was nothing to train, but MLflow may have lost something
            begin_tracking(tracker, settings, result.plan, result.statuses)
        tracker.reconcile(recorded_ids(result.plan, result.statuses))  # others may have ended some since
        tracker.show(result.plan, is_final=True)
        tracker.log_tables(artifacts_of(written, store), numbers_of(it.table for it in written.tables))
        tracker.end(succeeded=result.is_complete)
    return written


def tell_end(result: SweepResult, written: WrittenTables, settings: Settings) -> int:
    """Say how the sweep ended, and where things are."""
    for item in result.statuses:
        if item.state == "cancelled":
            identity = item.training.training_id[:8]
            console.print(
                Text(f"{item.training.label}: {item.message}; --retry {identity} has it tried again")
            )
    failed = [item for item in result.statuses if item.state == "failed"]
    for item in failed:
        errors.print(Text(f"failed: {item.training.label}: {item.message}", style="red"))
        where = f"{settings.store}/trainings/{item.training.training_id}/failure.json"
        errors.print(Text(f"        traceback in {where}"))
    print_refused(result.statuses)
    for study, search, state in result.plan.searched():
        if state.best is None:
            errors.print(Text(f"search {study.name}/{search.label}: {state}"))
    if result.is_complete and not written.refusals:
        folders = dict.fromkeys(map(folder_of_studies, result.plan.studies))
        console.print(
            f"Every cell is filled. Tables: {', '.join(f'{settings.store}/{it}' for it in folders)}"
        )
        return 0
    states = Counter(item.state for item in result.statuses)
    if result.reached_cap:
        console.print(
            f"{result.reached_cap} are spent, so that nothing more was begun: {describe(states)}. Run the same command "
            "with more hours to go on."
        )
        return EXIT_STOPPED if result.was_stopped else EXIT_INCOMPLETE
    mend = " Mend what failed, then run" if failed else " Run"
    again = f"{mend} the same command again to go on." if set(states) - {"done", "cancelled"} else ""
    console.print(f"Not every cell is filled: {describe(states)}.{again}")
    return EXIT_STOPPED if result.was_stopped else EXIT_INCOMPLETE


def artifacts_of(written: WrittenTables, store: Store) -> dict[str, str]:
    """Artifact path in MLflow -> file, of every table and its figures: as they lie in the store."""
    urls = [
        url
        for item in written.tables
        for url in (*item.urls.values(), item.index_url, *item.figure_urls.values())
    ]
    return {url.removeprefix(f"{store.root.url}/tables/"): url for url in urls}
