"""What a paper needs beside its tables."""

from __future__ import annotations

from pathlib import Path

from rich.text import Text

from tablewright.command.screen import console, errors
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.settings import Settings
from tablewright.orchestrator.store.store import Store
from tablewright.reports.paper.audit_page import audit_line
from tablewright.reports.paper.paper_files import PaperFiles, write_paper_files
from tablewright.reports.paper.paper_text import typed_numbers
from tablewright.reports.table_files import WrittenTables
from tablewright.trainables.value.counted import counted


def write_beside_tables(plan: Plan, store: Store, written: WrittenTables, settings: Settings) -> PaperFiles:
    """Write numbers, configs, audit, reproduction and reports."""
    return write_paper_files(
        plan, store, written, makes_reports=settings.pdf, are_all_studies=settings.studies == ("all",)
    )


def print_paper_files(beside: PaperFiles) -> None:
    """Say what the audits have found, and where the reports are."""
    for study, findings in beside.findings.items():
        where = f": {beside.audit_urls[study]}" if study in beside.audit_urls else ""
        console.print(Text(f"audit of {study}: {audit_line(findings)}{where}"))
    for url in beside.report_urls:
        console.print(Text(f"report: {url}"))
    for remark in beside.remarks:
        errors.print(Text(f"warning: {remark}", style="yellow"))


def print_typed_numbers(paper: str, plan: Plan, store: Store, written: WrittenTables) -> None:
    """Name the numbers that a paper's text has typed."""
    tables = [item.table for item in written.tables]
    found = typed_numbers(Path(paper).expanduser(), plan, tables, store.root.local_path)
    for one in found:
        console.print(Text(str(one)))
    untold = sum(not one.command for one in found)
    console.print(f"{paper}: {counted(len(found), 'typed number')}, {untold} of which no table gives.")
