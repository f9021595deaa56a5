"""Rows of a worksheet, written into a workbook that has none: with openpyxl each cell takes ten times as long."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from xml.sax.saxutils import escape

from openpyxl.utils import get_column_letter

from tablewright.trainables.value.text import visible

MAX_TEXT = 32_767
"""Characters of a cell that Excel allows."""

Plain = str | float | bool | None


def with_rows(sheet: bytes, rows: Iterable[Sequence[Plain]], first_line: int) -> bytes:
    """Give a worksheet's file with rows below those that it has.

    Args:
        sheet: `xl/worksheets/sheet….xml`.
        rows: a text, a number, a truth or nothing for each column.
        first_line: number of the first of these rows, counted from 1.
    """
    text = cache(_text)
    lines = (_row(number, row, text) for number, row in enumerate(rows, start=first_line))
    end = b"</sheetData>"
    assert sheet.count(end) == 1, "a worksheet has one table of cells, which is not empty"
    return sheet.replace(end, "".join(lines).encode() + end)


def _row(number: int, row: Sequence[Plain], text: Callable[[str], str]) -> str:
    return f'<row r="{number}">{"".join(_cells(number, row, text))}</row>'


def _cells(number: int, row: Sequence[Plain], text: Callable[[str], str]) -> Iterator[str]:
    for letter, value in zip(_letters(len(row)), row, strict=True):
        if isinstance(value, bool):
            yield f'<c r="{letter}{number}" t="b"><v>{value:d}</v></c>'
        elif isinstance(value, str):
            if value:
                yield f'<c r="{letter}{number}" t="inlineStr"><is><t xml:space="preserve">{text(value)}</t></is></c>'
        elif value is not None:
            yield f'<c r="{letter}{number}"><v>{value!r}</v></c>'


@cache
def _letters(num_columns: int) -> list[str]:
    return [get_column_letter(place) for place in range(1, num_columns + 1)]


def _text(text: str) -> str:
    return escape(visible(text)[:MAX_TEXT])
