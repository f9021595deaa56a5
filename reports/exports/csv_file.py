"""Cells as CSV: one line a cell and seed, for R, DuckDB, a spreadsheet or a look with an editor."""

from __future__ import annotations

import io
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from tablewright.reports.frame import LINE
from tablewright.reports.table.cell_columns import Cells

BETWEEN = "; "
"""Stands for a line break within a field, so that a line of the file is always one row."""

_LINE_BREAKS = ("\r\n", LINE, "\r")


def to_csv(cells: Cells) -> bytes:
    """Write cells as UTF-8 with a line of column names; null is an empty field, a text stands in quotation marks."""
    columns: list[Any] = []
    for column in cells.columns:
        if pa.types.is_string(column.type):
            for line_break in _LINE_BREAKS:
                column = cast(Any, pc).replace_substring(column, line_break, BETWEEN)
        columns.append(column)
    buffer = io.BytesIO()
    options = pa_csv.WriteOptions(quoting_style="needed", quoting_header="needed")
    pa_csv.write_csv(pa.table(columns, names=cells.column_names), buffer, options)
    return buffer.getvalue()
