"""What stands in a cell of a LaTeX table as pieces of text, each of one style, which are both written and measured."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tablewright.reports.cell import compared_text, marks_text, published_text
from tablewright.reports.entry_text import entry_text, value_texts
from tablewright.reports.grid import Difference, EffectOf, Entry, Paper, Value
from tablewright.reports.latex_signs import escape_latex
from tablewright.reports.sign_width import Font, Style, text_width_pt

SMALL_PT = {9: 7, 8: 6, 7: 6}
"""Type size -> what is set small beside it."""
RAISED_PT = {9: 6, 8: 6, 7: 5}
"""Type size -> what \\textsuperscript sets: LaTeX's size of indices."""
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
    aligned = _Alignment([entry for entry in entries if isinstance(entry, Value)])
    column = [
        tuple(aligned.pieces(entry) if isinstance(entry, Value) else _pieces(entry)) for entry in entries
    ]
    behind = [pieces[1] for pieces in column if len(pieces) == 2 and pieces[1].place in ("small", "raised")]
    if not behind:
        return column
    blank = replace(max(behind, key=lambda piece: len(piece.text)), is_blank=True)
    return [(*pieces, blank) if len(pieces) == 1 and pieces[0].text else pieces for pieces in column]


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
        shown = Piece(
            mean,
            style="bold" if value.cell.rank == 1 else "roman",
            is_underlined=value.cell.rank == 2,
        )
        if value.deviation == "subscript":
            yield shown
            behind, sign = replace(shown, place="lowered", is_underlined=False), PLUS_MINUS.strip()
            if deviation:
                yield replace(behind, text=sign + deviation)
        else:
            behind, sign = replace(shown, is_underlined=False), PLUS_MINUS
            yield replace(shown, text=mean + sign + deviation) if deviation else shown
        if self._deviation and not deviation:
            yield replace(behind, text=sign + self._deviation, style="roman", is_blank=True)
        elif missing := len(self._deviation) - len(deviation):
            yield replace(behind, text="0" * missing, is_blank=True)
        if marks:
            yield Piece(marks)
        if blank := self._marks[len(marks) :]:
            yield Piece(blank, is_blank=True)


def _num_before_point(number: str) -> int:
    return sum(1 for _ in itertools.takewhile(lambda sign: sign != ".", number))


def _bold_math(text: str) -> str:
    return text.replace(r"$\pm$", r"\boldmath$\pm$")
