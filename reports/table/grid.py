"""A table as it is arranged in print: what stands where, and in no format. Renderers print it and decide nothing.

Where a table says what is known, a grid says how it is shown: as check marks, with values across, with effects below.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tablewright.orchestrator.declared.paper_table import DeviationPlace
from tablewright.reports.statistics.table_statistics import Compared
from tablewright.reports.table.cell import TableCell
from tablewright.trainables.contract.metric import Metric

GridPart = Literal["group", "label", "component", "value", "difference", "paper"]
"""Of a column: names groups of rows, names rows, says what a row is made of, holds what was measured, or what stands
behind that."""


@dataclass(frozen=True)
class Words:
    """A text, such as the label of a row."""

    text: str


@dataclass(frozen=True)
class Check:
    """Whether a row has a component."""

    is_on: bool


@dataclass(frozen=True)
class Value:
    """Mean and deviation of a cell, with its marks.

    Attributes:
        cell: that is shown.
        metric: that it is measured by.
        row: number of the cell's row in the table, counted from 0 over all groups.
        column: number of its column likewise.
        deviation: where the deviation stands; a format without subscripts has it beside the mean.
    """

    cell: TableCell
    metric: Metric
    row: int
    column: int
    deviation: DeviationPlace = "beside"


@dataclass(frozen=True)
class Difference:
    """How far a cell is from the one that it is compared with, and the interval of that."""

    cell: TableCell
    metric: Metric


@dataclass(frozen=True)
class Paper:
    """What the paper printed for a cell, and how far ours is from it."""

    cell: TableCell
    metric: Metric


@dataclass(frozen=True)
class EffectOf:
    """An effect of several rows, such as a main effect."""

    compared: Compared
    metric: Metric


Entry = Words | Check | Value | Difference | Paper | EffectOf


@dataclass(frozen=True)
class GridColumn:
    """One printed column.

    Attributes:
        head: over its entries.
        part: what its entries are.
        spanner: over it and its neighbours that have the same; empty for none.
        belongs_to: head of the column that it stands behind, as a difference does; its own head otherwise.
    """

    head: str
    part: GridPart
    spanner: str = ""
    belongs_to: str = ""


@dataclass(frozen=True)
class GridRow:
    """One printed row: an entry for each column."""

    entries: tuple[Entry, ...]

    @property
    def table_rows(self) -> tuple[int, ...]:
        """The table's rows whose values stand in it, each once, from left to right."""
        return tuple(dict.fromkeys(entry.row for entry in self.entries if isinstance(entry, Value)))


@dataclass(frozen=True)
class GridGroup:
    """Rows that stand together, under a head unless the label is empty."""

    label: str
    rows: tuple[GridRow, ...]


@dataclass(frozen=True)
class GridSpanner:
    """A head over several columns, counted from 0 over all of them."""

    label: str
    start: int
    num_columns: int


@dataclass(frozen=True)
class Grid:
    """A table as it is arranged in print.

    Attributes:
        columns: from left to right; those that name a row stand first.
        groups: from top to bottom.
    """

    columns: tuple[GridColumn, ...]
    groups: tuple[GridGroup, ...]

    @property
    def num_stubs(self) -> int:
        """Count the leading columns that name a row and say what it is made of."""
        return sum(
            1
            for _ in itertools.takewhile(
                lambda column: column.part in ("group", "label", "component"), self.columns
            )
        )

    @property
    def rows(self) -> tuple[GridRow, ...]:
        """Every row, from top to bottom."""
        return tuple(row for group in self.groups for row in group.rows)

    @property
    def spanners(self) -> tuple[GridSpanner, ...]:
        """Heads over several columns, empty ones among them: together they are as wide as the grid."""
        return tuple(self._spanners())

    def _spanners(self) -> Iterator[GridSpanner]:
        start = 0
        for label, columns in itertools.groupby(self.columns, key=lambda column: column.spanner):
            num_columns = len(list(columns))
            yield GridSpanner(label, start, num_columns)
            start += num_columns

    def entries_of(self, place: int) -> tuple[Entry, ...]:
        """Give the entries of one column, from top to bottom."""
        return tuple(row.entries[place] for row in self.rows)
