"""What stands in a cell of a LaTeX table as pieces of text, each of one style, which are both written and measured."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tablewright.reports.latex.latex_signs import escape_latex
from tablewright.reports.latex.sign_width import Font, Style, text_width_pt
from tablewright.reports.table.cell import compared_text, marks_text, published_text
from tablewright.reports.table.entry_text import entry_text, value_texts
from tablewright.reports.table.grid import Difference, EffectOf, Entry, Paper, Value

SMALL_PT = {9: 7, 8: 6, 7: 6}
"""Type size -> what is set small beside it."""
RAISED_PT = {9: 6, 8: 6, 7: 5}
"""Type size -> LaTeX's size of indices and exponents."""
PLUS_MINUS = " ± "


@dataclass(frozen=True)
class Piece:
    """A text of one style.

    Attributes:
        text: without markup.
        style: of its letters.
        place: `small` and `raised` stand a thin space behind the piece before them, `lowered` below its end.
        is_underlined: as the second of a column is.
        is_blank: it takes its room and is not seen, so that what stands above it stands at the same place.
    """

    text: str
    style: Style = "roman"
    place: Literal["line", "small", "raised", "lowered"] = "line"
    is_underlined: bool = False
    is_blank: bool = False

    def latex(self, size_pt: int) -> str:
        """Spell it, in a table of some type size."""
        text = escape_latex(self.text)
        if self.style == "bold":
            text = rf"\textbf{{{_bold_math(text)}}}"
        elif self.style == "italic":
            text = rf"\textit{{{text}}}"
        if self.is_underlined:
            text = rf"\underline{{{text}}}"
        if self.place == "small":
            small_pt = SMALL_PT[size_pt]
            text = rf"\,{{\fontsize{{{small_pt}}}{{{small_pt + 1}}}\selectfont {text}}}"
        elif self.place == "raised":
            text = rf"\,\textsuperscript{{{text}}}"
        elif self.place == "lowered":
            text = rf"\textsubscript{{{text}}}"
        return rf"\phantom{{{text}}}" if self.is_blank else text

    def width_pt(self, font: Font, size_pt: int) -> float:
        """Tell how wide it is, in a table of some type size."""
        if self.place == "line":
            return text_width_pt(self.text, font, size_pt, self.style)
        size_of = SMALL_PT if self.place == "small" else RAISED_PT
        gap_pt = 0 if self.place == "lowered" else size_pt / 6
        return gap_pt + text_width_pt(self.text, font, size_of[size_pt], self.style)


def column_pieces(entries: Sequence[Entry]) -> list[tuple[Piece, ...]]:
    """Put the entries of a column into pieces, with blanks that set the points of its numbers below each other."""
    values = [entry for entry in entries if isinstance(entry, Value)]
    aligned = _Alignment(values)
    column = [
        tuple(aligned.pieces(entry) if isinstance(entry, Value) else _pieces(entry)) for entry in entries
    ]
    behind = [pieces[1] for pieces in column if len(pieces) == 2 and pieces[1].place in ("small", "raised")]
    if values or not behind:  # what stands behind an effect leaves no room behind a value
        return column
    blank = replace(max(behind, key=lambda piece: len(piece.text)), is_blank=True)
    is_short = [
        len(pieces) == 1 and bool(pieces[0].text) and not isinstance(entry, Value)
        for entry, pieces in zip(entries, column, strict=True)
    ]
    return [(*pieces, blank) if short else pieces for pieces, short in zip(column, is_short, strict=True)]


def _pieces(entry: Entry) -> Iterator[Piece]:
    match entry:
        case Paper(cell, metric):
            value, _, compared = published_text(cell, metric).partition(" ")
            yield Piece(value)
            if compared:  # raised and small, or two data sets would not fit across a page
                yield Piece(compared.strip("()"), place="raised")
        case Difference(cell, metric):
            yield from _with_interval(compared_text(cell, metric))
        case EffectOf():
            yield from _with_interval(entry_text(entry))
        case _:
            yield Piece(entry_text(entry))


def _with_interval(text: str) -> Iterator[Piece]:
    value, _, interval = text.partition(" ")
    yield Piece(value)
    if interval:
        yield Piece(interval, place="small")


class _Alignment:
    """How the numbers of one column stand below each other."""

    def __init__(self, values: Sequence[Value]) -> None:
        texts = [value_texts(value) for value in values if value.cell.mean is not None]
        self._num_before = max((_num_before_point(mean) for mean, _ in texts), default=0)
        self._deviation = max((deviation for _, deviation in texts), key=len, default="")
        self._marks = max((marks_text(value.cell) for value in values), key=len, default="")

    def pieces(self, value: Value) -> Iterator[Piece]:
        """Put a value into pieces."""
        mean, deviation = value_texts(value)
        marks = marks_text(value.cell)
        if value.cell.mean is None or not mean:
            yield Piece(mean)
            if marks:
                yield Piece(marks)
            return
        if missing := self._num_before - _num_before_point(mean):
            yield Piece("0" * missing, is_blank=True)
        style: Style = "bold" if value.cell.rank == 1 else "roman"
        is_second = value.cell.rank == 2
        if value.deviation == "subscript":
            place, sign = "lowered", PLUS_MINUS.strip()
            yield Piece(mean, style, is_underlined=is_second)
            if deviation:
                yield Piece(sign + deviation, style, place)
        else:
            place, sign = "line", PLUS_MINUS
            yield Piece(mean + sign + deviation if deviation else mean, style, is_underlined=is_second)
        if self._deviation and not deviation:
            yield Piece(sign + self._deviation, place=place, is_blank=True)
        elif missing := len(self._deviation) - len(deviation):
            yield Piece("0" * missing, style, place, is_blank=True)
        if marks:
            yield Piece(marks)
        if blank := self._marks[len(marks) :]:
            yield Piece(blank, is_blank=True)


def _num_before_point(number: str) -> int:
    return sum(1 for _ in itertools.takewhile(lambda sign: sign != ".", number))


def _bold_math(text: str) -> str:
    return text.replace(r"$\pm$", r"\boldmath$\pm$")
