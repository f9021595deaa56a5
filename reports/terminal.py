"""A table on the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import rich.box
import rich.table
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.text import Text

from tablewright.reports.console import plain
from tablewright.reports.table.cell import marks_text
from tablewright.reports.table.entry_text import entry_text, value_texts
from tablewright.reports.table.grid import Entry, Grid, GridColumn, Value
from tablewright.reports.table.lay_out import lay_out
from tablewright.reports.table.table import Table
from tablewright.reports.table.text_table import TextTable

RANK_STYLES = {1: "bold", 2: "underline"}
RANK_SIGNS = {1: "*", 2: "_"}
"""Stand on either side of a value where a style would be lost, as in a file."""

PADDING = 1
"""Columns of blanks behind each column."""
GAP = PADDING + 1
"""Between two columns: the padding, and where a box has its rule."""
INDENT = "  "
"""Before the label of a row that stands below the head of its group."""
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
    """One column: its head and its texts, row by row."""

    head: Text
    texts: tuple[Text, ...]
    style: str
    justify: Literal["left", "center"]

    @property
    def width(self) -> int:
        """Of its widest line, in columns of the terminal, of which some signs take two."""
        lines = [line for text in (self.head, *self.texts) for line in text.plain.split("\n")]
        return max(map(cell_len, lines)) + GAP

    def in_signs_of(self, encoding: str) -> _PrintedColumn:
        """Give the same column in the signs that an encoding has."""
        texts = tuple(_in_signs_of(encoding, text) for text in self.texts)
        return replace(self, head=_in_signs_of(encoding, self.head), texts=texts)


@dataclass(frozen=True)
class _Stub:
    """The columns that name a row: the first is broken into lines where it must be, the others are not.

    Attributes:
        columns: from left to right.
        groups: head and number of rows of each.
    """

    columns: tuple[_PrintedColumn, ...]
    groups: tuple[tuple[str, int], ...]

    @property
    def width(self) -> int:
        """What is kept for it before a table is cut into parts."""
        first, *others = (column.width for column in self.columns)
        return min(first + len(INDENT), MIN_LABEL_WIDTH) + sum(others)


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
            tuple(columns[: self.grid.num_stubs]),
            tuple((plain(group.label, encoding), len(group.rows)) for group in self.grid.groups),
        )
        for part in _parts(columns[self.grid.num_stubs :], options.max_width - stub.width - GAP):
            yield _part(stub, part)


@dataclass(frozen=True)
class _TextGrid:
    """A table of words, whose texts are broken into lines where they are wider than what it is printed on."""

    texts: TextTable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        grid = rich.table.Table(box=rich.box.SIMPLE_HEAD, padding=(0, PADDING, 0, 0))
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
    grid = rich.table.Table(box=rich.box.SIMPLE_HEAD, padding=(0, PADDING, 0, 0))
    first, *others = stub.columns
    grid.add_column(first.head, overflow="fold")
    for column in others:
        grid.add_column(column.head, justify=column.justify, no_wrap=True)
    for column in columns:
        grid.add_column(column.head, justify="right", no_wrap=True, style=column.style)
    number = 0
    for place, (group, num_rows) in enumerate(stub.groups):
        if group:
            grid.add_row(Text(group, style="italic"))
        elif place:
            grid.add_row()  # what belongs together stands apart from the rest
        for _ in range(num_rows):
            indent = Text(INDENT if group else "")
            texts = (column.texts[number] for column in (*others, *columns))
            grid.add_row(indent + first.texts[number], *texts)
            number += 1
    return grid


def _columns(grid: Grid, marks_with_signs: bool) -> Iterator[_PrintedColumn]:
    has_spanner = any(column.spanner for column in grid.columns)
    for place, column in enumerate(grid.columns):
        texts = tuple(_text(entry, marks_with_signs) for entry in grid.entries_of(place))
        style = "dim" if column.part in ("difference", "paper") else ""
        head = Text(_head(column, has_spanner=has_spanner))
        yield _PrintedColumn(head, texts, style, "center" if column.part == "component" else "left")


def _head(column: GridColumn, *, has_spanner: bool) -> str:
    """Put a head below that of its data set, or of what it stands behind."""
    if not has_spanner:
        return column.head
    is_below_value = column.part in ("difference", "paper")
    return f"\n{column.head}" if is_below_value else f"{column.spanner}\n{column.head}"


def _in_signs_of(encoding: str, text: Text) -> Text:
    spelt = Text()
    for span in text.divide([place for of in text.spans for place in (of.start, of.end)]):
        spelt.append(plain(span.plain, encoding), span.spans[0].style if span.spans else span.style)
    return spelt


def _text(entry: Entry, marks_with_signs: bool) -> Text:
    if not isinstance(entry, Value):
        return Text(entry_text(entry))
    cell = entry.cell
    mean, deviation = value_texts(entry)
    text = f"{mean} ± {deviation}" if deviation else mean
    if marks_with_signs:
        sign = RANK_SIGNS.get(cell.rank or 0, "")
        return Text(f"{sign}{text}{sign}{marks_text(cell)}")
    style = "red" if cell.state in ("failed", "refused") else RANK_STYLES.get(cell.rank or 0, "")
    return Text(text, style=style) + Text(marks_text(cell))
