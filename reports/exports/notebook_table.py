"""A table as a notebook shows it: a piece of HTML that stands alone and takes its colours from the page around it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

import pandas as pd

from tablewright.reports.markdown import to_markdown
from tablewright.reports.table.cell import marks_text, mean_text
from tablewright.reports.table.entry_text import entry_text
from tablewright.reports.table.grid import Entry, GridColumn, GridRow, Value
from tablewright.reports.table.lay_out import lay_out
from tablewright.reports.table.table import Table

_RULE = "border-top:1px solid currentColor"
_HEAD = "font-weight:bold;vertical-align:bottom"


@dataclass(frozen=True)
class NotebookTable:
    """A table that a notebook shows as it is printed.

    Attributes:
        table: what is printed.
        frame: its values, one row a cell and seed; the columns are those of `index.parquet`.
    """

    table: Table
    frame: pd.DataFrame

    def __repr__(self) -> str:
        """Give it as Markdown, for where no HTML is shown."""
        return to_markdown(self.table)

    def _repr_html_(self) -> str:
        return "".join(_pieces(self.table))


def _pieces(table: Table) -> Iterator[str]:
    grid = lay_out(table)
    yield f'<table style="border-collapse:collapse;{_RULE};border-bottom:1px solid currentColor">'
    yield f'<caption style="text-align:left">{escape(table.caption)}</caption><thead><tr>'
    for spanner in grid.spanners:
        yield f'<th colspan="{spanner.num_columns}" style="text-align:center">{escape(spanner.label)}</th>'
    yield "</tr><tr>"
    for column in grid.columns:
        yield f'<th scope="col" style="{_HEAD};text-align:{_side(column)}">{escape(column.head)}</th>'
    yield "</tr></thead>"
    for group in grid.groups:
        yield f'<tbody style="{_RULE}">'
        if group.label:
            yield f'<tr><th colspan="{len(grid.columns)}" style="text-align:left;font-weight:normal;font-style:italic">'
            yield f"{escape(group.label)}</th></tr>"
        for row in group.rows:
            yield from _row(grid.columns, row)
        yield "</tbody>"
    yield "</table>"
    for texts in table.texts:
        yield f'<table style="border-collapse:collapse;{_RULE}"><tr>'
        yield from (f'<th style="text-align:left">{escape(head)}</th>' for head in texts.heads)
        yield "</tr>"
        for words in texts.rows:
            cells = "".join(f'<td style="text-align:left">{escape(text)}</td>' for text in words)
            yield f"<tr>{cells}</tr>"
        yield "</table>"
    yield f'<p style="max-width:60em;font-size:smaller">{escape(" ".join(table.source_notes))}</p>'


def _side(column: GridColumn) -> str:
    return {"label": "left", "component": "center"}.get(column.part, "right")


def _row(columns: tuple[GridColumn, ...], row: GridRow) -> Iterator[str]:
    yield "<tr>"
    for column, entry in zip(columns, row.entries, strict=True):
        tag = 'th scope="row"' if column.part == "label" else "td"
        style = f"font-weight:normal;text-align:{_side(column)};white-space:nowrap"
        yield f'<{tag} style="{style}">{_entry(entry)}</{tag.partition(" ")[0]}>'
    yield "</tr>"


def _entry(entry: Entry) -> str:
    if not isinstance(entry, Value):
        return escape(entry_text(entry))
    text = escape(mean_text(entry.cell, entry.metric))
    tag = {1: "strong", 2: "u"}.get(entry.cell.rank or 0)
    text = f"<{tag}>{text}</{tag}>" if tag else text
    return text + escape(marks_text(entry.cell))
