"""The cells of all tables of a study: those of now, and of tables that were not asked for now as they were written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.folder import Folder
from tablewright.reports.table.cell_columns import CELL_COLUMNS, SCHEMA, Cells

ENDING = ".parquet"


def all_cells(folder: Folder, order: Sequence[str], cells: Mapping[str, Cells]) -> Cells:
    """Give the cells of every table of a study whose files lie in its folder, written now or earlier.

    A damaged file is left out: it is told where its table is asked for.

    Args:
        folder: of the study's tables.
        order: names of the tables, in which they come.
        cells: table's name -> its cells, of those that are written now.
    """
    return pa.concat_tables([SCHEMA.empty_table(), *_cells(folder, order, cells)])


def _cells(folder: Folder, order: Sequence[str], cells: Mapping[str, Cells]) -> Iterator[Cells]:
    there = set(folder.names())
    for name in order:
        if name in cells:
            yield cells[name]
        elif f"{name}{ENDING}" in there:
            try:
                found = folder.read_table(
                    f"{name}{ENDING}", held="the values of a table", next_step="write the table anew"
                )
                yield _in_todays_columns(found)
            except (DamagedFile, pa.ArrowException):
                continue


def _in_todays_columns(found: Cells) -> Cells:
    """Give what an earlier version wrote with the columns of now; one that it had not is null."""
    columns = [
        found[column.name].cast(column.type)
        if column.name in found.column_names
        else pa.nulls(found.num_rows, column.type)
        for column in CELL_COLUMNS
    ]
    return pa.table(columns, schema=SCHEMA)
