"""A table on the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import rich.box
import rich.table
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.text import Text

from reports.cell import TableCell, compared_text, marks_text, mean_text, published_text
from reports.table import DIFFERENCE_HEAD, Table
from trainables.contract import Metric

RANK_STYLES = {1: "bold", 2: "underline"}
RANK_SIGNS = {1: "*", 2: "_"}
"""Stand on either side of a value where a style would be lost, as in a file."""

GAP = 1
"""Columns of blanks behind each column."""
MIN_LABEL_WIDTH = 16
"""Columns that the labels of rows keep before a table is cut into parts."""


def to_terminal(table: Table, *, marks_with_signs: bool = False) -> Group:
    """Render a table and its notes for `rich`; every text is taken literally, brackets too.

    A narrow terminal breaks labels into lines, and a table into parts one below the other; never a number.

    Args:
        table: to be shown.
        marks_with_signs: mark best and second by signs, as where styles would be lost.
    """
    title = Text(f"{table.study}/{table.name}: {table.caption}", style="bold")
    notes = [Text(note, style="dim") for note in table.source_notes]
    return Group(title, _Grid(table, marks_with_signs), *notes)


@dataclass(frozen=True)
class _PrintedColumn:
    """One column behind the labels: its head and its texts, row by row."""

    head: Text
    texts: tuple[Text, ...]
    style: str

    @property
    def width(self) -> int:
        """Of its widest line."""
        lines = [line for text in (self.head, *self.texts) for line in text.plain.split("\n")]
        return max(map(len, lines)) + GAP


@dataclass(frozen=True)
class _Grid:
    """A table that is cut into parts where it is wider than what it is printed on."""

    table: Table
    marks_with_signs: bool

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        columns = list(_columns(self.table, self.marks_with_signs))
        labels = [self.table.stub_head, *(row.label for row in self.table.rows)]
        label_width = min(max(map(len, labels)) + len("  ") + GAP, MIN_LABEL_WIDTH)
        for part in _parts(columns, options.max_width - label_width - 2 * GAP):
            yield _part(self.table, part)


def _parts(columns: Sequence[_PrintedColumn], width: int) -> list[list[_PrintedColumn]]:
    """Share columns out, as many beside each other as fit; one that is too wide alone stands alone."""
    parts: list[list[_PrintedColumn]] = [[]]
    for column in columns:
        if parts[-1] and sum(other.width for other in parts[-1]) + column.width > width:
            parts.append([])
        parts[-1].append(column)
    return parts


def _part(table: Table, columns: Sequence[_PrintedColumn]) -> rich.table.Table:
    grid = rich.table.Table(box=rich.box.SIMPLE_HEAD, padding=(0, GAP, 0, 0))
    grid.add_column(Text(table.stub_head), overflow="fold")
    for column in columns:
        grid.add_column(column.head, justify="right", no_wrap=True, style=column.style)
    number = 0
    for group in table.groups:
        if group.label:
            grid.add_row(Text(group.label, style="italic"))
        for row in group.rows:
            indent = "  " if group.label else ""
            grid.add_row(Text(indent + row.label), *(column.texts[number] for column in columns))
            number += 1
    return grid


def _columns(table: Table, marks_with_signs: bool) -> Iterator[_PrintedColumn]:
    for index, part in table.printed_columns:
        column = table.columns[index]
        cells = [row.cells[index] for row in table.rows]
        if part == "value":
            head = f"{column.dataset}\n{column.metric.label}"
            texts = [_value_text(cell, column.metric, marks_with_signs) for cell in cells]
        elif part == "difference":
            head = f"\n{DIFFERENCE_HEAD}"
            texts = [Text(compared_text(cell, column.metric)) for cell in cells]
        else:
            head = "\npaper"
            texts = [Text(published_text(cell, column.metric)) for cell in cells]
        yield _PrintedColumn(Text(head), tuple(texts), "" if part == "value" else "dim")


def _value_text(cell: TableCell, metric: Metric, marks_with_signs: bool) -> Text:
    text = mean_text(cell, metric)
    if marks_with_signs:
        sign = RANK_SIGNS.get(cell.rank or 0, "")
        return Text(f"{sign}{text}{sign}{marks_text(cell)}")
    style = "red" if cell.state in ("failed", "refused") else RANK_STYLES.get(cell.rank or 0, "")
    return Text(text, style=style) + Text(marks_text(cell))
