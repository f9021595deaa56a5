"""`--report`: tables from the records alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.text import Text

from tablewright.command.exit_codes import EXIT_INCOMPLETE
from tablewright.command.more_seeds import print_further_seeds
from tablewright.command.paper_files import print_paper_files, print_typed_numbers, write_beside_tables
from tablewright.command.recorded import existing_store, recorded_plan
from tablewright.command.screen import console, errors, words_of
from tablewright.command.states import print_refused
from tablewright.command.tables import print_tables, print_what_tex_says
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.plans.planning import is_complete
from tablewright.orchestrator.settings import Settings
from tablewright.orchestrator.status import read_status
from tablewright.orchestrator.store.last_report import ReportMemory, witnessed
from tablewright.orchestrator.store.store import Store
from tablewright.reports.console import how_it_prints
from tablewright.reports.cost_table import write_costs
from tablewright.reports.paper.paper_files import PaperFiles
from tablewright.reports.table_files import write_tables
from tablewright.trainables.contract.method import TrainingConfig


def write_report(settings: Settings, studies: Sequence[Study]) -> int:
    """`--report`: what the last one said, where nothing has changed since."""
    store = existing_store(settings)
    if not store.is_there or store.fault or settings.paper is not None:  # a paper is read anew each time
        return make_report(settings, studies, store)
    asked = [repr(settings), repr(settings.prices()), repr(how_it_prints(console))]
    memory = ReportMemory(store, studies, asked)
    if (last := memory.unchanged()) is not None:
        console.file.write(last.printed)
        return last.exit_code
    with witnessed() as witness, console.capture() as printed, errors.capture() as told:
        code = make_report(settings, studies, store, lambda _: witness.ask_machine())
    console.file.write(printed.get())
    errors.file.write(told.get())
    if not told.get():
        memory.remember(witness, code, printed.get())
    return code


def make_report(
    settings: Settings,
    studies: Sequence[Study],
    store: Store,
    on_machine: Callable[[TrainingConfig], None] = lambda config: None,
) -> int:
    """Write the tables and print them."""
    prices = settings.prices()
    plan = recorded_plan(settings, studies, store, on_machine)
    unwritten, beside = "", PaperFiles()
    try:
        written = write_tables(plan, store, keeps_fuller=True)
        write_costs(plan, store, prices)
        beside = write_beside_tables(plan, store, written, settings)
    except OSError as error:  # a store that may be read alone is shown all the same
        unwritten = words_of(error)
        written = write_tables(plan, store, writes=False)
    print_tables(written)
    print_what_tex_says(written, settings)
    print_paper_files(beside)
    if settings.paper is not None:
        print_typed_numbers(settings.paper, plan, store, written)
    if unwritten:
        errors.print(Text(f"error: not every file of the tables was written: {unwritten}", style="red"))
    statuses = read_status(plan, store)
    print_further_seeds(plan, store, settings)
    print_refused(statuses)
    is_whole = not unwritten and not written.refusals and not any(table.emptied for table in written.tables)
    return 0 if is_whole and is_complete(plan, statuses) else EXIT_INCOMPLETE
