"""A grid as the lines of LaTeX tabulars, each row with its height, in which they are put on pages."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tablewright.orchestrator.declared.venue import LatexPackage
from tablewright.reports.latex.latex_signs import escape_latex
from tablewright.reports.latex.print_fit import PrintFit, spanners_of, text_columns
from tablewright.reports.latex.siunitx_column import SiunitxColumn, siunitx_column
from tablewright.reports.table.grid import Grid, GridColumn, GridGroup, GridRow, Value, Words
from tablewright.reports.table.text_table import TextTable

RULE_EM = 0.6  # of booktabs' \midrule and what lies around it
MIN_SHARE_OF_STRETCHED = 0.85
"""Of its room; a tabular that takes as much is stretched to all of it, as tabular* does."""

Comments = Mapping[int, Sequence[tuple[tuple[str, ...], str]]]
"""Row of the table -> the trainings of some of its cells, and the comment that names them."""


@dataclass(frozen=True)
class TabularRow:
    """A row, or the head of a group of rows.

    Attributes:
        lines: of LaTeX.
        height_pt: that it takes.
        group: lines of the head that it stands below; none where it is such a head, or has none.
        is_group_head: whether it is one.
        is_tied: whether it stays with the row above, as where one label stands beside both.
    """

    lines: tuple[str, ...]
    height_pt: float
    group: tuple[str, ...] = ()
    is_group_head: bool = False
    is_tied: bool = False


@dataclass(frozen=True)
class Tabular:
    """A tabular that may be taken apart between its rows.

    Attributes:
        columns: their specification.
        num_columns: that it has.
        head: lines above the first rule between rows.
        head_pt: how high head, and the rules at top and bottom, are.
        rows: from top to bottom.
        width_pt: to which it is stretched; None for as wide as it is.
    """

    columns: str
    num_columns: int
    head: tuple[str, ...]
    head_pt: float
    rows: tuple[TabularRow, ...]
    is_stretched: bool

    def lines(self, rows: Sequence[TabularRow]) -> Iterator[str]:
        """Write some of its rows, under its head."""
        if self.is_stretched:
            yield rf"\begin{{tabular*}}{{\linewidth}}{{@{{\extracolsep{{\fill}}}}{self.columns}@{{}}}}"
        else:
            yield rf"\begin{{tabular}}{{@{{}}{self.columns}@{{}}}}"
        yield r"  \toprule"
        yield from self.head
        yield r"  \midrule"
        yield from without_first_rule(rows)
        yield r"  \bottomrule"
        yield r"\end{tabular*}" if self.is_stretched else r"\end{tabular}"


def without_first_rule(rows: Sequence[TabularRow]) -> Iterator[str]:
    """Give the lines of rows; above the first is the rule of the head."""
    lines = (line for row in rows for line in row.lines)
    yield from itertools.dropwhile(lambda line: line == MIDRULE, lines)


MIDRULE = r"  \midrule"


def with_group_column(grid: Grid) -> Grid:
    """Put the heads of groups beside their rows; a grid without groups stays as it is."""
    if not any(group.label for group in grid.groups):
        return grid
    groups = tuple(
        GridGroup(
            "",
            tuple(
                GridRow((Words("" if place else group.label), *row.entries))
                for place, row in enumerate(group.rows)
            ),
        )
        for group in grid.groups
    )
    return Grid((GridColumn("", "group"), *grid.columns), groups)


def grid_tabulars(
    grid: Grid, fit: PrintFit, comments: Comments, packages: Collection[LatexPackage] = ()
) -> list[Tabular]:
    """Write a grid as it was fitted: a tabular for each panel.

    Args:
        grid: that was fitted; with multirow, one that has a column of groups where it has any.
        fit: how it is set.
        comments: that stand behind its rows.
        packages: that it may use beside booktabs.
    """
    return [_PanelWriter(grid, fit, panel, comments, packages).tabular() for panel in fit.panels]


def text_tabular(texts: TextTable, fit: PrintFit) -> Tabular:
    """Write a table of words."""
    columns = text_columns(texts, fit)
    head, *rows = (list(row) for row in zip(*columns, strict=True))
    return Tabular(
        "l" * len(texts.heads),
        len(texts.heads),
        (_row_line([stacked(lines, "b", "l") for lines in head]),),
        max(map(len, head)) * fit.line_pt + 2 * RULE_EM * fit.way.size_pt,
        tuple(
            TabularRow(
                (_row_line([stacked(lines, "t", "l") for lines in row]),), max(map(len, row)) * fit.line_pt
            )
            for row in rows
        ),
        is_stretched=False,
    )


def stacked(lines: Sequence[str], position: str, alignment: str) -> str:
    """Spell a text that was broken into lines, in one cell."""
    if len(lines) == 1:
        return escape_latex(lines[0])
    text = r"\\".join(map(escape_latex, lines))
    return rf"\begin{{tabular}}[{position}]{{@{{}}{alignment}@{{}}}}{text}\end{{tabular}}"


def _row_line(texts: Sequence[str]) -> str:
    return "  " + " & ".join(texts) + r" \\"


class _PanelWriter:
    """Writes the columns of one panel."""

    def __init__(
        self,
        grid: Grid,
        fit: PrintFit,
        panel: Sequence[int],
        comments: Comments,
        packages: Collection[LatexPackage],
    ) -> None:
        self._grid, self._fit, self._panel, self._comments = grid, fit, panel, comments
        self._size_pt = fit.way.size_pt
        self._has_group_column = grid.columns[0].part == "group"
        self._numbers: dict[int, SiunitxColumn] = {}
        for place in panel if "siunitx" in packages else ():
            if (column := siunitx_column(grid.entries_of(place))) is not None:
                self._numbers[place] = column

    def tabular(self) -> Tabular:
        head, num_lines = self._head()
        return Tabular(
            "".join(map(self._specification, self._panel)),
            len(self._panel),
            tuple(head),
            num_lines * self._fit.line_pt + 3 * RULE_EM * self._size_pt,
            tuple(self._rows()),
            is_stretched=MIN_SHARE_OF_STRETCHED * self._fit.room_pt
            <= self._fit.width_pt
            <= self._fit.room_pt,
        )

    def _specification(self, place: int) -> str:
        if place in self._numbers:
            return self._numbers[place].specification
        return "l" if place in self._fit.labels else "c"

    def _head(self) -> tuple[list[str], int]:
        """Write the heads; gives how many lines high they are, too."""
        lines: list[str] = []
        num_lines = 0
        spanned = [
            (spanner, self._fit.spanner_lines(spanner, below))
            for spanner, below in spanners_of(self._grid, self._panel)
        ]
        if any(spanner.label for spanner, _ in spanned):
            texts = [
                rf"\multicolumn{{{spanner.num_columns}}}{{c}}{{{stacked(words, 'b', 'c')}}}"
                if spanner.label
                else " & " * (spanner.num_columns - 1)
                for spanner, words in spanned
            ]
            rules = [
                rf"\cmidrule(lr){{{spanner.start + 1}-{spanner.start + spanner.num_columns}}}"
                for spanner, _ in spanned
                if spanner.label
            ]
            lines += [_row_line(texts), "  " + " ".join(rules)]
            num_lines += max(len(words) for _, words in spanned)
        heads = [self._head_text(place) for place in self._panel]
        lines.append(_row_line(heads))
        return lines, num_lines + max(len(self._fit.heads[place]) for place in self._panel)

    def _head_text(self, place: int) -> str:
        text = stacked(self._fit.heads[place], "b", "l" if place in self._fit.labels else "c")
        if place in self._numbers:
            return f"{{{text}}}"  # which siunitx would read as a number
        return rf"\textit{{{text}}}" if self._grid.columns[place].part == "paper" else text

    def _rows(self) -> Iterator[TabularRow]:
        number = itertools.count()
        for group in self._grid.groups:
            rule, group_head = MIDRULE, tuple(self._group_lines(group))
            if group_head:
                height_pt = len(group_head) * self._fit.line_pt + RULE_EM * self._size_pt
                yield TabularRow((rule, *group_head), height_pt, is_group_head=True)
            for place, row in enumerate(group.rows):
                row_number = next(number)
                opens = not group_head and place == 0
                is_parted_below = not self._has_group_column or place + 1 == len(group.rows)
                line = self._row_text(row, row_number, group, place) + ("" if is_parted_below else "*")
                yield TabularRow(
                    (*((rule,) if opens else ()), line, *self._comment_lines(row)),
                    self._row_pt(row_number, group) + (RULE_EM * self._size_pt if opens else 0.0),
                    group_head,
                    is_tied=self._has_group_column and place > 0,
                )

    def _row_pt(self, number: int, group: GridGroup) -> float:
        """Tell how high a row is, by its labels; one beside several rows makes none of them higher."""
        num_lines = [
            len(texts[number])
            for place, texts in self._fit.labels.items()
            if not self._is_beside_rows(place, number, group)
        ]
        return max(num_lines, default=1) * self._fit.line_pt

    def _is_beside_rows(self, place: int, number: int, group: GridGroup) -> bool:
        """Say whether a label stands beside all rows of its group, which have room for its lines."""
        num_lines = len(self._fit.labels[place][number])
        return self._grid.columns[place].part == "group" and num_lines <= len(group.rows) > 1

    def _group_lines(self, group: GridGroup) -> Iterator[str]:
        if group.label:
            fit = self._fit
            for line in fit.break_italic(group.label):
                text = rf"\textit{{{escape_latex(line)}}}"
                yield rf"  \multicolumn{{{len(self._panel)}}}{{@{{}}l@{{}}}}{{{text}}} \\"

    def _row_text(self, row: GridRow, number: int, group: GridGroup, place_in_group: int) -> str:
        texts: list[str] = []
        for place in self._panel:
            if place in self._numbers:
                text = self._numbers[place].texts[number]
            elif place in self._fit.labels and self._is_beside_rows(place, number, group):
                label = stacked(self._fit.labels[place][number], "c", "l")
                text = "" if place_in_group else rf"\multirow{{{len(group.rows)}}}{{*}}{{{label}}}"
            elif place in self._fit.labels:
                text = stacked(self._fit.labels[place][number], "t", "l")
            else:
                text = "".join(piece.latex(self._size_pt) for piece in self._fit.pieces[place][number])
            texts.append((r"\quad " if group.label and place == 0 else "") + text)
        return _row_line(texts)

    def _comment_lines(self, row: GridRow) -> Iterator[str]:
        """Name the trainings whose values stand in this panel."""
        values = [entry for place in self._panel if isinstance(entry := row.entries[place], Value)]
        shown = {value.cell.training_ids for value in values}
        for table_row in row.table_rows:
            for training_ids, comment in self._comments.get(table_row, ()):
                if training_ids in shown:
                    yield f"  {comment}"
