"""How a table is arranged in print."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from tablewright.reports.grid import (
    Difference,
    Entry,
    Grid,
    GridColumn,
    GridGroup,
    GridRow,
    Paper,
    Value,
    Words,
)
from tablewright.reports.table import DIFFERENCE_HEAD, Table, TableRow

PAPER_HEAD = "paper"


def lay_out(table: Table) -> Grid:
    """Arrange a table: a row for each of its rows, a column for each metric under its data set."""
    number = itertools.count()
    groups = tuple(
        GridGroup(
            group.label, tuple(GridRow(tuple(_entries(table, row, next(number)))) for row in group.rows)
        )
        for group in table.groups
    )
    return Grid((GridColumn(table.stub_head, "label"), *_columns(table)), groups)


def _columns(table: Table) -> Iterator[GridColumn]:
    for index, part in table.printed_columns:
        column = table.columns[index]
        metric = column.metric.label
        head = {"value": metric, "difference": DIFFERENCE_HEAD, "paper": PAPER_HEAD}[part]
        yield GridColumn(head, part, column.dataset, metric)


def _entries(table: Table, row: TableRow, number: int) -> Iterator[Entry]:
    yield Words(row.label)
    for index, part in table.printed_columns:
        cell, metric = row.cells[index], table.columns[index].metric
        if part == "value":
            yield Value(cell, metric, number, index)
        else:
            yield Difference(cell, metric) if part == "difference" else Paper(cell, metric)
