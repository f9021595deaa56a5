"""What of a table stands on which page: in one float, in several where that is higher than a page, or in a longtable.

A longtable breaks by itself, but in one column of text only; elsewhere rows are counted out to floats.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tablewright.orchestrator.declared.venue import Venue
from tablewright.reports.latex.latex_signs import escape_latex
from tablewright.reports.latex.latex_tabular import Tabular, TabularRow, without_first_rule
from tablewright.reports.latex.line_breaking import break_lines
from tablewright.reports.latex.print_fit import PrintFit
from tablewright.reports.latex.sign_width import text_width_pt

NOTE_PT, NOTE_LINE_PT = 8, 9.5
CAPTION_PT, CAPTION_LINE_PT, CAPTION_SKIP_PT = 10, 12, 20
RULE_GAP_PT = 3
"""Above the topmost rule of a tabular."""
GAP_PT = 15
"""Between the parts of a float, and what a page keeps free."""
LOOSENESS = 1.06
"""How much longer a paragraph is than the sum of its signs: lines are not full."""
MAX_NOTE_SIGNS = 1500
"""Of a note that may not be parted; a longer one could be higher than a page."""
MIN_ROWS_BEFORE_A_BREAK = 3
MAX_WORD_SIGNS = 24
"""Beyond which a word of a note may be broken."""


@dataclass(frozen=True)
class Sheet:
    """A table, ready to be put on pages.

    Attributes:
        caption: of LaTeX.
        short_caption: for a list of tables.
        label: to be referred to.
        tabulars: from top to bottom.
        notes: plain sentences below them.
        fit: how it is set.
        venue: where.
    """

    caption: str
    short_caption: str
    label: str
    tabulars: tuple[Tabular, ...]
    notes: tuple[str, ...]
    fit: PrintFit
    venue: Venue

    @property
    def type_lines(self) -> tuple[str, str, str]:
        """Choose type and gaps; article.cls leaves none between a caption and a rule."""
        way = self.fit.way
        return (
            rf"\fontsize{{{way.size_pt}}}{{{self.fit.line_pt:g}}}\selectfont",
            rf"\setlength{{\tabcolsep}}{{{way.separation_pt:g}pt}}",
            rf"\setlength{{\abovetopsep}}{{{RULE_GAP_PT}pt}}",
        )

    @property
    def caption_lines(self) -> tuple[str, str]:
        """Write caption and label."""
        short = "" if self.short_caption == self.caption else f"[{{{self.short_caption}}}]"
        return rf"\caption{short}{{{self.caption}}}", rf"\label{{{self.label}}}"

    @property
    def page_pt(self) -> float:
        """How high a float may be."""
        return self.venue.text_height_pt - GAP_PT

    @property
    def caption_pt(self) -> float:
        """How high the caption is."""
        width_pt = text_width_pt(f"Table 10: {self.caption}", self.fit.font, CAPTION_PT)
        return math.ceil(LOOSENESS * width_pt / self.fit.room_pt) * CAPTION_LINE_PT + CAPTION_SKIP_PT


class Pages(NamedTuple):
    """A table on its pages.

    Attributes:
        lines: of LaTeX.
        packages: beside booktabs.
        num_parts: floats that it was parted into.
    """

    lines: list[str]
    packages: tuple[str, ...]
    num_parts: int


def pages(sheet: Sheet) -> Pages:
    """Put a table on as few floats as hold it, or into a longtable where no float holds its rows."""
    heights_pt = [
        tabular.head_pt + sum(row.height_pt for row in tabular.rows) + GAP_PT for tabular in sheet.tabulars
    ]
    if not sheet.venue.has_two_columns and sheet.caption_pt + sum(heights_pt) > sheet.page_pt:
        return Pages(list(_long_lines(sheet)), ("longtable",), 1)
    floats = _fill_floats(sheet)
    environment = "table*" if sheet.venue.has_two_columns and sheet.fit.way.is_across else "table"
    lines: list[str] = []
    for number, content in enumerate(floats):
        if number:
            lines.append("")
        lines += [rf"\begin{{{environment}}}[tbp]", r"  \centering"]
        lines += [
            f"  {line}"
            for line in (
                sheet.caption_lines
                if number == 0
                else (rf"\tablename~\ref{{{sheet.label}}} (continued)\par\smallskip",)
            )
        ]
        lines += [f"  {line}" for line in sheet.type_lines]
        lines += [f"  {line}".rstrip() for line in content]
        lines.append(rf"\end{{{environment}}}")
    return Pages(lines, (), len(floats))


# -- floats --------------------------------------------------------------------------------------


@dataclass
class _Floats:
    """Floats that are filled from the first to the last."""

    page_pt: float
    left_pt: float
    contents: list[list[str]] = field(default_factory=lambda: [[]])

    def turn(self) -> None:
        """Begin another float."""
        self.contents.append([])
        self.left_pt = self.page_pt - CAPTION_LINE_PT - GAP_PT

    def add(self, lines: Sequence[str], height_pt: float) -> None:
        """Set something below what the float has already."""
        if self.contents[-1]:
            self.contents[-1] += ["", r"\medskip"]
        self.contents[-1] += lines
        self.left_pt -= height_pt + GAP_PT


def _fill_floats(sheet: Sheet) -> list[list[str]]:
    floats = _Floats(sheet.page_pt, sheet.page_pt - sheet.caption_pt)
    for tabular in sheet.tabulars:
        rows = list(tabular.rows)
        while rows:
            num_fitting = _num_fitting(rows, floats.left_pt - tabular.head_pt)
            is_stub = num_fitting < min(MIN_ROWS_BEFORE_A_BREAK, len(rows))
            if is_stub and floats.contents[-1]:
                floats.turn()
                continue
            num_taken = max(num_fitting, 1)
            taken, rows = rows[:num_taken], rows[num_taken:]
            floats.add(list(tabular.lines(taken)), tabular.head_pt + sum(row.height_pt for row in taken))
            if rows:
                floats.turn()
                if not rows[0].is_group_head and rows[0].group:
                    rows.insert(
                        0,
                        TabularRow(rows[0].group, len(rows[0].group) * sheet.fit.line_pt, is_group_head=True),
                    )
    notes = list(_short_notes(sheet.notes))
    while notes:
        num_fitting = sum(
            1 for number in range(len(notes)) if _notes_pt(notes[: number + 1], sheet) <= floats.left_pt
        )
        if num_fitting == 0 and floats.contents[-1]:
            floats.turn()
            continue
        taken, notes = notes[: max(num_fitting, 1)], notes[max(num_fitting, 1) :]
        floats.add(list(_note_lines(taken)), _notes_pt(taken, sheet))
    return floats.contents


def _num_fitting(rows: Sequence[TabularRow], room_pt: float) -> int:
    """Count the rows that fit; a head of a group is not the last of them, and rows with one label stay together."""
    heights_pt = [row.height_pt for row in rows]
    number = sum(1 for end in range(len(rows)) if sum(heights_pt[: end + 1]) <= room_pt)
    fitting = number
    while number and number < len(rows) and (rows[number - 1].is_group_head or rows[number].is_tied):
        number -= 1
    return number or fitting


# -- notes ---------------------------------------------------------------------------------------


def _short_notes(notes: Sequence[str]) -> Iterator[str]:
    for note in notes:
        yield from break_lines(note, MAX_NOTE_SIGNS, len)


def _notes_pt(notes: Sequence[str], sheet: Sheet) -> float:
    width_pt = text_width_pt(" ".join(notes), sheet.fit.font, NOTE_PT)
    return math.ceil(LOOSENESS * width_pt / sheet.fit.room_pt) * NOTE_LINE_PT


def _note_lines(notes: Sequence[str]) -> Iterator[str]:
    yield r"\begin{minipage}{\linewidth}"
    yield rf"  \fontsize{{{NOTE_PT}}}{{{NOTE_LINE_PT}}}\selectfont\sloppy"
    for note in notes:
        yield f"  {breakable(note)}"
    yield r"\end{minipage}"


def breakable(text: str) -> str:
    """Spell a text for a paragraph, in which a word that no line holds may be broken."""
    words: list[str] = []
    for word in re.split(r"(\s+)", text):
        parts = break_lines(word, MAX_WORD_SIGNS, len) if len(word) > MAX_WORD_SIGNS else [word]
        words.append(r"\allowbreak{}".join(map(escape_latex, parts)))
    return "".join(words)


# -- longtable -----------------------------------------------------------------------------------


def _long_lines(sheet: Sheet) -> Iterator[str]:
    yield r"\begingroup"
    yield from sheet.type_lines
    yield r"\setlength{\LTcapwidth}{\linewidth}"
    for number, tabular in enumerate(sheet.tabulars):
        yield rf"\begin{{longtable}}{{@{{}}{tabular.columns}@{{}}}}"
        caption, label = sheet.caption_lines
        name = rf"\tablename~\ref{{{sheet.label}}} (continued)"
        continued = rf"  \multicolumn{{{tabular.num_columns}}}{{@{{}}c@{{}}}}{{{name}}} \\[4pt]"
        yield rf"  {caption}{label} \\" if number == 0 else continued
        head = (r"  \toprule", *tabular.head, r"  \midrule")
        yield from head
        yield r"  \endfirsthead"
        yield continued
        yield from head
        yield r"  \endhead"
        yield r"  \bottomrule"
        yield r"  \endfoot"
        yield from without_first_rule(tabular.rows)
        yield r"\end{longtable}"
    yield r"\noindent"
    yield from _note_lines_of_a_page(sheet.notes)
    yield r"\par\endgroup"


def _note_lines_of_a_page(notes: Sequence[str]) -> Iterator[str]:
    """Write notes as a paragraph, which pages may part."""
    yield rf"\fontsize{{{NOTE_PT}}}{{{NOTE_LINE_PT}}}\selectfont\sloppy"
    for note in notes:
        yield breakable(note)
