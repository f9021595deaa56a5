"""The numbers of tables, each with where it stands."""

from __future__ import annotations

from collections.abc import Iterable

from tablewright.reports.table.cell import TableCell
from tablewright.reports.table.table import Table


def numbers_of(tables: Iterable[Table]) -> dict[tuple[str, ...], float]:
    """Give mean, sample deviation and number of seeds of every cell that has a mean, in printing order.

    Args:
        tables: in any order.

    Returns:
        By study, table, row, data set, metric and `mean`, `deviation` or `n`.
    """
    return {
        (table.study, table.name, label, column.dataset, column.metric.name, statistic): value
        for table in tables
        for group in table.groups
        for row in group.rows
        for label in (f"{group.label} / {row.label}" if group.label else row.label,)
        for column, cell in zip(table.columns, row.cells, strict=True)
        for statistic, value in _statistics(cell).items()
    }


def _statistics(cell: TableCell) -> dict[str, float]:
    if cell.mean is None:
        return {}
    deviation = {} if cell.deviation is None else {"deviation": cell.deviation}
    return {"mean": cell.mean, **deviation, "n": float(cell.n)}
