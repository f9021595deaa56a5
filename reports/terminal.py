"""A table on the terminal."""

from __future__ import annotations

from collections.abc import Iterator

import rich.box
import rich.table
from rich.console import Group
from rich.text import Text

from reports.cell import TableCell, marks_text, mean_text, published_text
from reports.table import Table, TableRow
from trainables.contract import Metric

RANK_STYLES = {1: "bold", 2: "underline"}


def to_terminal(table: Table) -> Group:
    """Render a table and its notes for `rich`; every text is taken literally, brackets too.

    A narrow terminal breaks cells into lines; it never cuts a number off.
    """
    title = Text(f"{table.study}/{table.name}: {table.caption}", style="bold")
    notes = [Text(note, style="dim") for note in table.source_notes]
    return Group(title, _grid(table), *notes)


def _grid(table: Table) -> rich.table.Table:
    grid = rich.table.Table(box=rich.box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    grid.add_column(Text(table.stub_head), overflow="fold")
    for column in table.columns:
        head = Text(f"{column.dataset}\n{column.metric.label}")
        grid.add_column(head, justify="right", overflow="fold")
        if column.has_published:
            grid.add_column(Text("\npaper"), justify="right", overflow="fold", style="dim")
    for group in table.groups:
        if group.label:
            grid.add_row(Text(group.label, style="italic"))
        for row in group.rows:
            indent = "  " if group.label else ""
            grid.add_row(Text(indent + row.label), *_cell_texts(table, row))
    return grid


def _cell_texts(table: Table, row: TableRow) -> Iterator[Text]:
    for column, cell in zip(table.columns, row.cells, strict=True):
        yield _cell_text(cell, column.metric)
        if column.has_published:
            yield Text(published_text(cell, column.metric))


def _cell_text(cell: TableCell, metric: Metric) -> Text:
    style = "red" if cell.state == "failed" else RANK_STYLES.get(cell.rank or 0, "")
    return Text(mean_text(cell, metric), style=style) + Text(marks_text(cell))
