"""How a grid is set so that it fits where it is printed: in which type, in how many lines and parts.

What is chosen follows from the widths of signs alone, so that equal tables are set alike on every machine. Tried in
this order: within one column of text, then across the page; in 9, 8 and 7 pt; narrower gaps; heads, then labels in
several lines; columns below each other. What fits nowhere is set as narrow as can be, and says so.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, NamedTuple

from tablewright.orchestrator.declared.venue import Venue
from tablewright.reports.latex.latex_piece import Piece, column_pieces
from tablewright.reports.latex.line_breaking import break_lines, longest_word_pt
from tablewright.reports.latex.sign_width import Font, text_width_pt
from tablewright.reports.table.entry_text import entry_text
from tablewright.reports.table.grid import Grid, GridSpanner
from tablewright.reports.table.text_table import TextTable

LINE_PT = {9: 11.0, 8: 9.5, 7: 8.0}
"""Type size of a table -> from line to line, as LaTeX has them at 10 pt."""
INDENT_EM = 1  # \quad, before a row of a group
SLACK_PT = 1.0
MIN_SHARE_OF_LABELS = 0.25
"""Of the width of a table; labels that have less have too many lines."""

Broken = Literal["nothing", "heads", "labels"]
"""What is set in several lines; heads too where labels are."""


class Way(NamedTuple):
    """One way to set a grid.

    Attributes:
        is_across: whether it spans both columns of text.
        size_pt: of the type.
        separation_pt: on either side of a column, LaTeX's tabcolsep.
        broken: what is set in several lines.
        is_parted: whether columns may stand below each other.
    """

    is_across: bool
    size_pt: int
    separation_pt: float
    broken: Broken = "nothing"
    is_parted: bool = False


_IN_A_COLUMN = (
    Way(False, 9, 4),
    Way(False, 9, 2.5),
    Way(False, 9, 2.5, "heads"),
    Way(False, 8, 2.5),
    Way(False, 8, 2.5, "heads"),
)
_ACROSS = (
    Way(True, 9, 4),
    Way(True, 9, 2.5),
    Way(True, 9, 2.5, "heads"),
    Way(True, 9, 2.5, "labels"),
    Way(True, 8, 2.5),
    Way(True, 8, 2.5, "heads"),
    Way(True, 8, 2.5, "labels"),
    Way(True, 7, 2, "heads"),
    Way(True, 7, 2, "labels"),
    Way(True, 8, 2.5, "labels", is_parted=True),
    Way(True, 7, 2, "labels", is_parted=True),
)


@dataclass(frozen=True)
class PrintFit:
    """How a grid is set.

    Attributes:
        way: that was chosen.
        font: that it was measured in.
        room_pt: that it has, from left to right.
        panels: places of the columns that stand side by side; further panels stand below, with their labels again.
        heads: of every column, in lines.
        labels: place of a column that names rows -> its text in every row, in lines.
        pieces: of every column and row.
        widths_pt: of every column.
        width_pt: of the widest panel.
    """

    way: Way
    font: Font
    room_pt: float
    panels: tuple[tuple[int, ...], ...]
    heads: tuple[tuple[str, ...], ...]
    labels: Mapping[int, tuple[tuple[str, ...], ...]]
    pieces: tuple[tuple[tuple[Piece, ...], ...], ...]
    widths_pt: tuple[float, ...]
    width_pt: float

    @property
    def line_pt(self) -> float:
        """From line to line."""
        return LINE_PT[self.way.size_pt]

    @property
    def overflow_pt(self) -> float:
        """How much wider it is than its room; 0 where it fits."""
        return max(0.0, self.width_pt - self.room_pt)

    def measure(self, text: str) -> float:
        """Tell how wide a plain text is in the type of the table."""
        return text_width_pt(text, self.font, self.way.size_pt)

    def break_italic(self, text: str) -> list[str]:
        """Break a head over all columns to the room of the table."""
        return break_lines(
            text,
            self.room_pt - SLACK_PT,
            lambda some: text_width_pt(some, self.font, self.way.size_pt, "italic"),
        )

    def spanner_lines(self, spanner: GridSpanner, columns: Sequence[int]) -> list[str]:
        """Break a head over several columns to their width."""
        if self.way.broken == "nothing":
            return [spanner.label]
        return _break_head(spanner.label, _below_pt(self.widths_pt, columns, self.way), self.measure)


def fit_grid(grid: Grid, texts: Sequence[TextTable], venue: Venue) -> PrintFit:
    """Choose how a grid is set in a venue, with its tables of words below it."""
    pieces = tuple(
        tuple(column_pieces(grid.entries_of(place))) for place in range(len(grid.columns))
    )  # measured again in each way, but put together once
    ways = (*_IN_A_COLUMN, *_ACROSS) if venue.has_two_columns else _ACROSS
    fits = (_Measured(grid, pieces, venue, way).fit() for way in ways)
    tried: list[PrintFit] = []
    for fit in fits:
        if fit.overflow_pt == 0 and (fit.way.is_across or _fit_as_they_are(texts, fit)):
            return fit
        tried.append(fit)
    return min(tried[-2:], key=lambda fit: fit.overflow_pt)


def text_columns(texts: TextTable, fit: PrintFit) -> list[list[list[str]]]:
    """Break the texts of a table of words to the room of a grid: column -> row, the head first -> lines."""
    columns = [list(column) for column in zip(texts.heads, *texts.rows, strict=True)]
    widths_pt = [max(map(fit.measure, column)) for column in columns]
    room_pt = fit.room_pt - _gaps_pt(len(columns), fit.way)
    if sum(widths_pt) <= room_pt:
        return [[[text] for text in column] for column in columns]
    limit_pt = _common_limit_pt(widths_pt, room_pt - SLACK_PT)
    return [[break_lines(text, limit_pt, fit.measure) for text in column] for column in columns]


def _common_limit_pt(widths_pt: Sequence[float], room_pt: float) -> float:
    """Give the width beyond which texts are broken, so that all columns fit: narrow ones keep theirs."""
    left_pt, num_left = room_pt, len(widths_pt)
    for width_pt in sorted(widths_pt):
        if width_pt * num_left > left_pt:
            break
        left_pt -= width_pt
        num_left -= 1
    return left_pt / max(num_left, 1)


def _fit_as_they_are(texts: Sequence[TextTable], fit: PrintFit) -> bool:
    return all(len(lines) == 1 for some in texts for column in text_columns(some, fit) for lines in column)


class _Measured:
    """A grid that is measured in one way to set it."""

    def __init__(
        self, grid: Grid, pieces: tuple[tuple[tuple[Piece, ...], ...], ...], venue: Venue, way: Way
    ) -> None:
        self._grid, self._pieces, self._way = grid, pieces, way
        self._font: Font = venue.font
        self._room_pt = venue.text_width_pt if way.is_across else venue.column_width_pt

    def fit(self) -> PrintFit:
        """Break what may be broken, and part what may be parted."""
        widths_pt = [
            max(entry_pt, self._head_pt(place)) for place, entry_pt in enumerate(self._entry_widths_pt)
        ]
        limit_pt = self._limit_of_labels_pt(widths_pt)
        labels = {place: tuple(self._label_lines(place, limit_pt)) for place in self._label_places}
        for place, texts in labels.items():
            lines_pt = [self._measure(line) + self._indent_pt(place) for lines in texts for line in lines]
            widths_pt[place] = max(self._head_pt(place), *lines_pt, 0.0)
        panels = self._panels(widths_pt)
        width_pt = max(self._panel_pt(widths_pt, panel) for panel in panels)
        return PrintFit(
            way=self._way,
            font=self._font,
            room_pt=self._room_pt,
            panels=panels,
            heads=tuple(tuple(self._head_lines(place)) for place in range(len(widths_pt))),
            labels=labels,
            pieces=self._pieces,
            widths_pt=tuple(widths_pt),
            width_pt=width_pt + SLACK_PT,
        )

    def _measure(self, text: str) -> float:
        return text_width_pt(text, self._font, self._way.size_pt)

    @cached_property
    def _label_places(self) -> tuple[int, ...]:
        columns = enumerate(self._grid.columns)
        return tuple(place for place, column in columns if column.part in ("group", "label"))

    def _indent_pt(self, place: int) -> float:
        """Tell by how much rows of a group are set in, in the first column."""
        is_indented = place == 0 and any(group.label for group in self._grid.groups)
        return INDENT_EM * self._way.size_pt if is_indented else 0.0

    @cached_property
    def _entry_widths_pt(self) -> list[float]:
        size_pt = self._way.size_pt
        widths_pt = [
            max((sum(piece.width_pt(self._font, size_pt) for piece in some) for some in column), default=0.0)
            for column in self._pieces
        ]
        widths_pt[0] += self._indent_pt(0)
        return widths_pt

    def _head_lines(self, place: int) -> list[str]:
        head = self._grid.columns[place].head
        if self._way.broken == "nothing":
            return [head]
        entry_pt = 0.0 if place in self._label_places else self._entry_widths_pt[place]
        return _break_head(head, entry_pt, self._measure)

    def _head_pt(self, place: int) -> float:
        return max(map(self._measure, self._head_lines(place)))

    def _limit_of_labels_pt(self, widths_pt: Sequence[float]) -> float:
        """Tell how wide labels may be: what the rest of the row leaves, or their share where that is less."""
        if self._way.broken != "labels":
            return float("inf")
        num_labels = max(len(self._label_places), 1)
        share_pt = MIN_SHARE_OF_LABELS * self._room_pt / num_labels
        if self._way.is_parted:
            return share_pt
        without = [
            0.0 if place in self._label_places else width_pt for place, width_pt in enumerate(widths_pt)
        ]
        rest_pt = self._panel_pt(without, range(len(widths_pt)))
        return max((self._room_pt - rest_pt - 2 * SLACK_PT) / num_labels, share_pt)

    def _label_lines(self, place: int, limit_pt: float) -> Iterator[tuple[str, ...]]:
        limit_pt = max(limit_pt, self._head_pt(place))
        for entry in self._grid.entries_of(place):
            text = entry_text(entry)
            if limit_pt == float("inf"):
                yield (text,)
            else:
                yield tuple(break_lines(text, limit_pt - self._indent_pt(place), self._measure))

    def _panel_pt(self, widths_pt: Sequence[float], columns: Sequence[int]) -> float:
        """Tell how wide columns are side by side; LaTeX widens the last of those below a head that is wider."""
        width_pt = _below_pt(widths_pt, columns, self._way)
        for spanner, below in spanners_of(self._grid, columns):
            if spanner.label:
                below_pt = _below_pt(widths_pt, below, self._way)
                lines = (
                    [spanner.label]
                    if self._way.broken == "nothing"
                    else _break_head(spanner.label, below_pt, self._measure)
                )
                width_pt += max(0.0, max(map(self._measure, lines)) - below_pt)
        return width_pt

    def _panels(self, widths_pt: Sequence[float]) -> tuple[tuple[int, ...], ...]:
        every = tuple(range(len(self._grid.columns)))
        if not self._way.is_parted:
            return (every,)
        stubs = every[: max(self._grid.num_stubs, 1)]
        panels: list[tuple[int, ...]] = []
        for block in self._blocks(widths_pt, stubs):
            joined = (*panels[-1], *block) if panels else ()
            if panels and self._panel_pt(widths_pt, joined) + SLACK_PT <= self._room_pt:
                panels[-1] = joined
            else:
                panels.append((*stubs, *block))
        return tuple(panels) or (every,)

    def _blocks(self, widths_pt: Sequence[float], stubs: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        """Give the columns that stay together: those below one head, or those of one metric where that is too wide."""
        columns = self._grid.columns
        rest = range(len(stubs), len(columns))
        for _, spanned in itertools.groupby(rest, key=lambda place: columns[place].spanner):
            block = tuple(spanned)
            if self._panel_pt(widths_pt, (*stubs, *block)) + SLACK_PT <= self._room_pt:
                yield block
            else:
                for _, some in itertools.groupby(
                    block, key=lambda place: columns[place].belongs_to or columns[place].head
                ):
                    yield tuple(some)


def spanners_of(grid: Grid, columns: Sequence[int]) -> list[tuple[GridSpanner, tuple[int, ...]]]:
    """Give the heads over some of the columns, counted among these, each with the places of what is below it."""
    found: list[tuple[GridSpanner, tuple[int, ...]]] = []
    start = 0
    for label, below in itertools.groupby(columns, key=lambda place: grid.columns[place].spanner):
        places = tuple(below)
        found.append((GridSpanner(label, start, len(places)), places))
        start += len(places)
    return found


def _below_pt(widths_pt: Sequence[float], columns: Sequence[int], way: Way) -> float:
    return sum(widths_pt[place] for place in columns) + _gaps_pt(len(columns), way)


def _gaps_pt(num_columns: int, way: Way) -> float:
    return 2 * way.separation_pt * (num_columns - 1)


def _break_head(head: str, room_pt: float, measure: Callable[[str], float]) -> list[str]:
    """Break a head to the width of what is below it, but cut none of its words."""
    return break_lines(head, max(room_pt, longest_word_pt(head, measure)), measure)


def with_widest_font(venue: Venue) -> Venue:
    """Give the venue with what XeLaTeX and LuaLaTeX take for a font that they do not find."""
    return replace(venue, font="Computer Modern")
