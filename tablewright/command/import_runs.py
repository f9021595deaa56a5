"""`--import`: runs of another tracker as a CSV file."""

from __future__ import annotations

from pathlib import Path

from rich.text import Text

from tablewright.command.screen import console
from tablewright.orchestrator.importing import copy_runs
from tablewright.trainables.value.counted import counted


def import_foreign_runs(source: str, target: str) -> int:
    """`--import`."""
    copied = copy_runs(source, Path(target).expanduser())
    console.print(
        Text(f"wrote {copied.path}: {counted(copied.num_runs, 'run')}; commit it, and declare its rows:")
    )
    columns = ", ".join(f"{metric!r}: ('DATA SET', 'METRIC')" for metric in copied.metrics)
    seeds = f"seed_column={copied.seed_column!r}, " if copied.seed_column else ""
    call = f"tw.imported({str(copied.path)!r}, {{{columns}}}, label='ROW', {seeds}source={copied.source!r})"
    console.print(Text(f"    {call}"))
    return 0
