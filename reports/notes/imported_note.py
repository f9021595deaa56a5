"""What is said below a table of rows that were trained elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.design import full_label
from tablewright.orchestrator.declared.imported_runs import Imported

IMPORTED = "imported"
"""Stands in brackets behind the label of such a row, in every format."""
SHORT_SHA256_DIGITS = 12


def imported_notes(ablation: Ablation) -> Iterator[str]:
    """Give the sentences on imported rows: a file once, with its rows and their runs."""
    labels_of: dict[str, list[str]] = {}
    for row in ablation.printed_rows:
        if row.imported is not None:
            text = f"“{full_label(row)}” {_runs_of(row.imported)}"
            labels_of.setdefault(origin_of(row.imported), []).append(text)
    for origin, texts in labels_of.items():
        yield f"Imported, not trained here: {'; '.join(texts)}; from {origin}."
    if labels_of:
        bold = ", and none takes part in what is set bold" if ablation.emphasis == "evidence" else ""
        yield f"No imported row is compared with another{bold}."


def origin_of(imported: Imported) -> str:
    """Name the file with its digest, so that a changed one is noticed, and what was said of it."""
    said = f", {imported.source}" if imported.source else ""
    return f"{imported.file} (SHA-256 {imported.sha256[:SHORT_SHA256_DIGITS]}{said})"


def _runs_of(imported: Imported) -> str:
    """Count the runs behind a cell, and name their seeds."""
    counts = sorted(
        {
            len(imported.values_of(dataset, metric))
            for run in imported.runs
            for dataset, values in run.values.items()
            for metric in values
        }
    )
    number = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    seeds = [str(run.seed) for run in imported.runs if run.seed is not None]
    which = f"seed{'s' if len(seeds) > 1 else ''} {', '.join(seeds)}" if seeds else "seeds not known"
    return f"n = {number} ({which})"
