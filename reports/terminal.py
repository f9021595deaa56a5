"""A table on the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import rich.box
import rich.table
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.text import Text

from tablewright.reports.cell import marks_text, mean_text
from tablewright.reports.console import plain
from tablewright.reports.entry_text import entry_text
from tablewright.reports.grid import Entry, Grid, GridColumn, Value
from tablewright.reports.lay_out import lay_out
from tablewright.reports.table import Table
from tablewright.reports.text_table import TextTable

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
    title = _Line(f"{table.study}/{table.name}: {table.caption}", "bold")
    notes = [_Line(note, "dim") for note in table.source_notes]
    texts = [_TextGrid(texts) for texts in table.texts]
    return Group(title, _Cells(lay_out(table), marks_with_signs), *texts, *notes)


@dataclass(frozen=True)
class _Line:
    """A text outside the grid."""

    text: str
    style: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(plain(self.text, console.encoding), style=self.style)


@dataclass(frozen=True)
class _PrintedColumn:
    """One column behind the labels: its head and its texts, row by row."""

    head: Text
    texts: tuple[Text, ...]
    style: str

    @property
    def width(self) -> int:
        """Of its widest line, in columns of the terminal, of which some signs take two."""
        lines = [line for text in (self.head, *self.texts) for line in text.plain.split("\n")]
        return max(map(cell_len, lines)) + GAP

    def in_signs_of(self, encoding: str) -> _PrintedColumn:
        """Give the same column in the signs that an encoding has."""
        texts = tuple(_in_signs_of(encoding, text) for text in self.texts)
        return _PrintedColumn(_in_signs_of(encoding, self.head), texts, self.style)


@dataclass(frozen=True)
class _Stub:
    """The column of labels: its head, and the labels of rows by those of their groups."""

    head: str
    groups: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def width(self) -> int:
        """What is kept for it before a table is cut into parts."""
        labels = [self.head, *(label for _, labels in self.groups for label in labels)]
        return min(max(map(cell_len, labels)) + len("  ") + GAP, MIN_LABEL_WIDTH)


@dataclass(frozen=True)
class _Cells:
    """A grid that is cut into parts where it is wider than what it is printed on."""

    grid: Grid
    marks_with_signs: bool

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # A plain sign may be wider than the one it stands for, so it is put in before anything is measured.
        encoding = console.encoding
        columns = [column.in_signs_of(encoding) for column in _columns(self.grid, self.marks_with_signs)]
        stub = _Stub(
            plain(self.grid.columns[0].head, encoding),
            tuple(
                (
                    plain(group.label, encoding),
                    tuple(plain(entry_text(row.entries[0]), encoding) for row in group.rows),
                )
                for group in self.grid.groups
            ),
        )
        for part in _parts(columns, options.max_width - stub.width - 2 * GAP):
            yield _part(stub, part)


@dataclass(frozen=True)
class _TextGrid:
    """A table of words, whose texts are broken into lines where they are wider than what it is printed on."""

    texts: TextTable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        grid = rich.table.Table(box=rich.box.SIMPLE_HEAD, padding=(0, GAP, 0, 0))
        for head in self.texts.heads:
            grid.add_column(Text(plain(head, console.encoding)), overflow="fold")
        for row in self.texts.rows:
            grid.add_row(*(Text(plain(text, console.encoding)) for text in row))
        yield grid


def _parts(columns: Sequence[_PrintedColumn], width: int) -> list[list[_PrintedColumn]]:
    """Share columns out, as many beside each other as fit; one that is too wide alone stands alone."""
    parts: list[list[_PrintedColumn]] = [[]]
    for column in columns:
        if parts[-1] and sum(other.width for other in parts[-1]) + column.width > width:
            parts.append([])
        parts[-1].append(column)
    return parts


def _part(stub: _Stub, columns: Sequence[_PrintedColumn]) -> rich.table.Table:
    grid = rich.table.Table(box=rich.box.SIMPLE_HEAD, padding=(0, GAP, 0, 0))
    grid.add_column(Text(stub.head), overflow="fold")
    for column in columns:
        grid.add_column(column.head, justify="right", no_wrap=True, style=column.style)
    number = 0
    for group, labels in stub.groups:
        if group:
            grid.add_row(Text(group, style="italic"))
        for label in labels:
            indent = "  " if group else ""
            grid.add_row(Text(indent + label), *(column.texts[number] for column in columns))
            number += 1
    return grid


def _columns(grid: Grid, marks_with_signs: bool) -> Iterator[_PrintedColumn]:
    for place, column in enumerate(grid.columns[1:], start=1):
        texts = tuple(_text(entry, marks_with_signs) for entry in grid.entries_of(place))
        yield _PrintedColumn(
            Text(_head(column)), texts, "dim" if column.part in ("difference", "paper") else ""
        )


def _head(column: GridColumn) -> str:
    is_below_value = column.part in ("difference", "paper")
    return f"\n{column.head}" if is_below_value or not column.spanner else f"{column.spanner}\n{column.head}"


def _in_signs_of(encoding: str, text: Text) -> Text:
    spelt = Text()
    for span in text.divide([place for of in text.spans for place in (of.start, of.end)]):
        spelt.append(plain(span.plain, encoding), span.spans[0].style if span.spans else span.style)
    return spelt


def _text(entry: Entry, marks_with_signs: bool) -> Text:
    if not isinstance(entry, Value):
        return Text(entry_text(entry))
    cell = entry.cell
    text = mean_text(cell, entry.metric)
    if marks_with_signs:
        sign = RANK_SIGNS.get(cell.rank or 0, "")
        return Text(f"{sign}{text}{sign}{marks_text(cell)}")
    style = "red" if cell.state in ("failed", "refused") else RANK_STYLES.get(cell.rank or 0, "")
    return Text(text, style=style) + Text(marks_text(cell))
