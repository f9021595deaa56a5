"""Tables on the screen, and a word on each that is not what it was."""

from __future__ import annotations

from pathlib import Path

from rich.text import Text

from tablewright.command.screen import console, errors
from tablewright.orchestrator.settings import Settings
from tablewright.reports.console import loses_styles
from tablewright.reports.latex.latex import latex_warnings
from tablewright.reports.latex.tex_check import tex_complaints
from tablewright.reports.table_files import WrittenTables
from tablewright.reports.terminal import to_terminal


def print_tables(written: WrittenTables) -> None:
    """Print every table, and a word on each that has lost cells, is narrower, or could not be written."""
    for item in written.tables:
        console.print(to_terminal(item.table, marks_with_signs=loses_styles(console)), soft_wrap=False)
    for item in written.tables:
        if item.emptied is not None:
            name = f"{item.table.study}/{item.table.name}"
            kept = (
                "it was written anew; undo the change, or run the same command again until they are filled"
                if item.urls
                else "its files are kept as they were; run the study without --report to fill it, or undo the change"
            )
            errors.print(Text(f"{name}: {item.emptied}; {kept}.", style="red"))
        if item.narrowed:
            name = f"{item.table.study}/{item.table.name}"
            again = "its files were written without them; ask for them again (--seeds, --datasets) to have them back"
            errors.print(Text(f"{name}: {item.narrowed}; {again}.", style="yellow"))
        if item.latex is not None:
            for warning in latex_warnings(item.latex.text):
                errors.print(Text(f"{item.latex.name}.tex: {warning}.", style="yellow"))
    for refusal in written.refusals:
        errors.print(Text(f"refused: {refusal}", style="red"))


def print_what_tex_says(written: WrittenTables, settings: Settings) -> None:
    """Say which LaTeX tables a TeX of this machine finds not to fit, where there is one."""
    latex = [item.latex for item in written.tables if item.latex is not None]
    cache = Path(settings.cache_dir).expanduser() / "tex"
    for name, complaints in tex_complaints(latex, cache).items():
        errors.print(Text(f"{name}.tex: TeX finds it {', '.join(complaints)}.", style="yellow"))
