"""Which cells of a table are set bold, and which second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from tablewright.reports.statistics.table_statistics import TableStatistics
from tablewright.reports.table.cell import TableCell
from tablewright.reports.table.number import value_text
from tablewright.reports.table.table import Column, TableRow


def emphasise(
    rows: dict[str, TableRow], columns: Sequence[Column], statistics: TableStatistics
) -> dict[str, TableRow]:
    """Set the rows bold that may be the best; what prints like one of them is bold as well."""
    texts = [
        {
            printed_mean(row.cells[place], column)
            for label, row in rows.items()
            if (label, column.dataset, column.metric.name) in statistics.best
        }
        for place, column in enumerate(columns)
    ]
    ours = {label: row for label, row in rows.items() if row.imported is None}
    return {**rows, **_with_ranks(ours, columns, [dict.fromkeys(some, 1) for some in texts])}


def rank(rows: dict[str, TableRow], columns: Sequence[Column]) -> dict[str, TableRow]:
    """Mark highest and second of each column among its complete cells, whatever chance may have done.

    Cells that print the same number are equal: a reader could not see why one of them is set in bold.
    """
    ranks: list[dict[str, Literal[1, 2]]] = []
    for place, column in enumerate(columns):
        complete = [] if column.is_cost else [row.cells[place] for row in rows.values()]
        complete = [cell for cell in complete if cell.is_complete and cell.mean is not None]
        texts = {printed_mean(cell, column) for cell in complete}
        ordered = sorted(texts, key=float, reverse=column.metric.higher_is_better)
        ranks.append(dict(zip(ordered, (1, 2), strict=False)) if len(complete) > 1 else {})
    return _with_ranks(rows, columns, ranks)


def _with_ranks(
    rows: dict[str, TableRow], columns: Sequence[Column], ranks: Sequence[Mapping[str, Literal[1, 2]]]
) -> dict[str, TableRow]:
    def ranked(cell: TableCell, place: int) -> TableCell:
        rank = ranks[place].get(printed_mean(cell, columns[place])) if cell.mean is not None else None
        return replace(cell, rank=rank)

    return {
        label: replace(row, cells=tuple(ranked(cell, place) for place, cell in enumerate(row.cells)))
        for label, row in rows.items()
    }


def printed_mean(cell: TableCell, column: Column) -> str:
    """Print a cell's mean as its column does; empty without one."""
    return "" if cell.mean is None else value_text(cell.mean, column.metric)
