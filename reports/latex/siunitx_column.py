"""A column of numbers as the package siunitx sets it: points and deviations below each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tablewright.reports.latex.latex_piece import PLUS_MINUS
from tablewright.reports.latex.latex_signs import escape_latex
from tablewright.reports.table.cell import marks_text
from tablewright.reports.table.entry_text import entry_text
from tablewright.reports.table.grid import Entry, Value, Words

MINUS = "−"
OPTIONS = "separate-uncertainty=true, detect-weight=true, mode=text"


@dataclass(frozen=True)
class SiunitxColumn:
    """Specification and cells of a column.

    Attributes:
        specification: among the columns of a tabular.
        texts: of every row, in LaTeX.
    """

    specification: str
    texts: tuple[str, ...]


def siunitx_column(entries: Sequence[Entry]) -> SiunitxColumn | None:
    """Write a column of values; None where it holds no number, something that is none, or deviations as subscripts."""
    if any(isinstance(entry, Value) and entry.deviation == "subscript" for entry in entries):
        return None
    numbers = [_number(entry) for entry in entries]
    known = [number for number in numbers if number is not None]
    if not known or not all(isinstance(entry, Value | Words) for entry in entries):
        return None
    num_before = max(len(mean.lstrip("-").partition(".")[0]) for mean, _ in known)
    num_behind = max(len(mean.partition(".")[2]) for mean, _ in known)
    num_of_deviation = max(len(deviation.replace(".", "").lstrip("0")) for _, deviation in known)
    sign = "-" if any(mean.startswith("-") for mean, _ in known) else ""
    point = f".{num_behind}" if num_behind else ""
    deviation = f"({max(num_of_deviation, 1)})" if any(deviation for _, deviation in known) else ""
    marks = max((marks_text(entry.cell) for entry in entries if isinstance(entry, Value)), key=len)
    behind = f", table-space-text-post={{{escape_latex(marks)}}}" if marks else ""
    return SiunitxColumn(
        f"S[table-format={sign}{num_before}{point}{deviation}, {OPTIONS}{behind}]",
        tuple(_text(entry, number) for entry, number in zip(entries, numbers, strict=True)),
    )


def _number(entry: Entry) -> tuple[str, str] | None:
    """Give mean and deviation as siunitx reads them; None where there is no mean."""
    if not isinstance(entry, Value) or entry.cell.mean is None:
        return None
    text = entry_text(entry).removesuffix(marks_text(entry.cell))
    mean, _, deviation = text.replace(MINUS, "-").partition(PLUS_MINUS)
    return (mean, deviation) if mean else None


def _text(entry: Entry, number: tuple[str, str] | None) -> str:
    text = escape_latex(entry_text(entry))
    if number is None or not isinstance(entry, Value):
        return f"{{{text}}}" if text else ""
    marks = escape_latex(marks_text(entry.cell))
    if entry.cell.rank == 2:  # siunitx underlines no number
        return rf"{{\underline{{{text.removesuffix(marks)}}}{marks}}}"
    mean, deviation = number
    value = rf"{mean} \pm {deviation}" if deviation else mean
    return (r"\bfseries " if entry.cell.rank == 1 else "") + value + (f"{{{marks}}}" if marks else "")
