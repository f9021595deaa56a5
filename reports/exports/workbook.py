"""A study as one Excel workbook: a sheet a table as it is printed, and one with the values of every seed."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from openpyxl import Workbook
from openpyxl.cell import Cell
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from tablewright.reports.exports.sheet_rows import MAX_TEXT, with_rows
from tablewright.reports.table.cell import marks_text
from tablewright.reports.table.cell_columns import CELL_COLUMNS, Cells
from tablewright.reports.table.entry_text import entry_text
from tablewright.reports.table.grid import Entry, GridColumn, Value
from tablewright.reports.table.lay_out import lay_out
from tablewright.reports.table.number import value_text
from tablewright.reports.table.table import Table
from tablewright.trainables.value.text import visible

CELLS_SHEET, COLUMNS_SHEET = "all cells", "columns"
MAX_SHEET_NAME = 31
"""Characters of a sheet's name that Excel allows."""
NO_TIME = datetime(1980, 1, 1)
"""Of a workbook and all of its parts: equal records give equal bytes, and 1980 is the first year of a ZIP file."""
_SAVED_AT = re.compile(rb"(<dcterms:modified[^>]*>)[^<]*")  # which openpyxl sets as it saves
_NO_TIME_IN_XML = f"{NO_TIME:%Y-%m-%dT%H:%M:%SZ}".encode()
MAX_WIDTH = 40
"""Of a column, in characters."""

LEFT_OUT = (
    "partner_ids",
    "view_id",
    "failed_ids",
    "git_commits",
    "own_methods",
    "versions",
    "items_sha256",
    "warnings",
    "accepted",
)
"""Columns that CSV and Parquet have: nobody reads them in a spreadsheet."""


def to_workbook(tables: Sequence[Table], cells: Cells) -> bytes:
    """Write a study as a workbook.

    Args:
        tables: each gets a sheet, as it is printed.
        cells: of these and of others, as `cells_of` gives them; in one sheet.
    """
    workbook = Workbook()
    workbook.remove(workbook.worksheets[0])
    taken = [CELLS_SHEET, COLUMNS_SHEET, "history"]  # the last Excel keeps for itself
    for table in tables:
        taken.append(_sheet_name(table.name, taken))
        _print_table(workbook.create_sheet(taken[-1]), table)
    shown = [column for column in CELL_COLUMNS if column.name not in LEFT_OUT]
    names = [column.name for column in shown]
    _head_cells(workbook.create_sheet(CELLS_SHEET), names, cells.num_rows)
    listed = f"xl/worksheets/sheet{len(workbook.worksheets)}.xml"
    meanings = workbook.create_sheet(COLUMNS_SHEET)
    meanings.append(["column", "meaning"])
    for column in shown:
        meanings.append([column.name, column.meaning.replace("`", "")])
    _set_widths(meanings, (24, 100))
    workbook.properties.created = NO_TIME
    buffer = io.BytesIO()
    workbook.save(buffer)
    rows = zip(*(cells[name].to_pylist() for name in names), strict=True)
    return _packed(buffer.getvalue(), {listed: lambda sheet: with_rows(sheet, rows, first_line=2)})


def _sheet_name(name: str, taken: Sequence[str]) -> str:
    """Give a name of at most 31 characters that no other sheet has where case does not count."""
    others = {other.casefold() for other in taken}
    found, number = name[:MAX_SHEET_NAME], 1
    while found.casefold() in others:
        number += 1
        ending = f"-{number}"
        found = name[: MAX_SHEET_NAME - len(ending)] + ending
    return found


def _print_table(sheet: Worksheet, table: Table) -> None:
    grid = lay_out(table)
    _put(sheet, 1, 1, table.caption).font = Font(bold=True)
    for spanner in grid.spanners:
        if spanner.label:
            _put(sheet, 2, spanner.start + 1, spanner.label).alignment = Alignment(horizontal="center")
            last = spanner.start + spanner.num_columns
            sheet.merge_cells(start_row=2, end_row=2, start_column=spanner.start + 1, end_column=last)
    for place, column in enumerate(grid.columns, start=1):
        cell = _put(sheet, 3, place, column.head)
        cell.font, cell.alignment = Font(bold=True), Alignment(horizontal=_side(column))
    line = 4
    for group in grid.groups:
        if group.label:
            _put(sheet, line, 1, group.label).font = Font(italic=True)
            line += 1
        for row in group.rows:
            for place, (column, entry) in enumerate(zip(grid.columns, row.entries, strict=True), start=1):
                _put_entry(sheet, line, place, entry).alignment = Alignment(horizontal=_side(column))
            line += 1
    _set_widths(sheet, _widths(grid.columns, [row.entries for row in grid.rows]))
    for texts in table.texts:
        line += 1
        for words in (texts.heads, *texts.rows):
            for place, text in enumerate(words, start=1):
                cell = _put(sheet, line, place, text)
                if words is texts.heads:
                    cell.font = Font(bold=True)
            line += 1
    for note in table.source_notes:
        line += 1
        _put(sheet, line, 1, note)
    sheet.freeze_panes = f"{get_column_letter(grid.num_stubs + 1)}4"


def _side(column: GridColumn) -> str:
    return {"label": "left", "component": "center"}.get(column.part, "right")


def _put_entry(sheet: Worksheet, line: int, place: int, entry: Entry) -> Cell:
    """Put a mean without a deviation or a mark as a number, to go on computing with; anything else as it is printed."""
    if not isinstance(entry, Value):
        return _put(sheet, line, place, entry_text(entry))
    found, metric = entry.cell, entry.metric
    if found.mean is not None and found.deviation is None and not marks_text(found):
        cell = _cell(sheet, line, place)
        cell.value = float(value_text(found.mean, metric))
        cell.number_format = f"0.{'0' * metric.digits}" if metric.digits else "0"
    else:
        cell = _put(sheet, line, place, entry_text(entry))
    if found.rank is not None:
        cell.font = Font(bold=True) if found.rank == 1 else Font(underline="single")
    return cell


def _head_cells(sheet: Worksheet, names: Sequence[str], num_rows: int) -> None:
    """Make the sheet of all cells without these: they are written once the workbook is packed."""
    for place, name in enumerate(names, start=1):
        _put(sheet, 1, place, name).font = Font(bold=True)
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(names))}{num_rows + 1}"


def _cell(sheet: Worksheet, line: int, place: int) -> Cell:
    cell = sheet.cell(line, place)
    assert isinstance(cell, Cell), "nothing is put into what was merged away"
    return cell


def _put(sheet: Worksheet, line: int, place: int, text: str) -> Cell:
    """Put a text that stays one: what begins with = is no formula."""
    cell = _cell(sheet, line, place)
    cell.value = visible(text)[:MAX_TEXT]
    cell.data_type = "s"
    return cell


def _widths(columns: Sequence[GridColumn], rows: Sequence[Sequence[Entry]]) -> Iterator[int]:
    for place, column in enumerate(columns):
        texts = [column.head, *(entry_text(row[place]) for row in rows)]
        yield min(max(map(len, texts)) + 2, MAX_WIDTH)


def _set_widths(sheet: Worksheet, widths: Iterator[int] | Sequence[int]) -> None:
    for place, width in enumerate(widths, start=1):
        sheet.column_dimensions[get_column_letter(place)].width = width


def _packed(content: bytes, changes: Mapping[str, Callable[[bytes], bytes]]) -> bytes:
    """Pack a workbook anew, with some of its parts changed and without the time at which it was packed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as made, zipfile.ZipFile(buffer, "w") as packed:
        for name in made.namelist():
            part = zipfile.ZipInfo(name, NO_TIME.timetuple()[:6])
            part.compress_type = zipfile.ZIP_DEFLATED
            written = _SAVED_AT.sub(rb"\g<1>" + _NO_TIME_IN_XML, made.read(name))
            packed.writestr(part, changes[name](written) if name in changes else written)
    return buffer.getvalue()
