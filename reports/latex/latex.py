"""A table as LaTeX for a paper; it needs the package booktabs, and longtable where it is higher than a page.

It is set so that it fits the page of a venue (`print_fit.py`); where it does not, the head of the file says by how
much. The training ids of each cell stand beside its row as comments, so that the source of a paper still says where
its numbers come from.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from tablewright.orchestrator.declared.venue import ANY, LatexPackage, Venue
from tablewright.orchestrator.identity import SHORT_ID_DIGITS
from tablewright.reports.latex.latex_page import Sheet, pages
from tablewright.reports.latex.latex_signs import (
    CHECK,
    CROSS,
    FONTS_OF_LOST_SIGNS,
    escape_latex,
    name_lost_signs,
    sign_definitions,
    with_lost_signs,
    without_lost_signs,
)
from tablewright.reports.latex.latex_tabular import Comments, grid_tabulars, text_tabular, with_group_column
from tablewright.reports.latex.print_fit import PrintFit, fit_grid, with_widest_font
from tablewright.reports.table.lay_out import lay_out
from tablewright.reports.table.table import Table

VERDICT_COMMANDS = {
    r"\checkmark": CHECK,
    r"\ballotcross": CROSS,
}  # amssymb's, where it is loaded, is the same sign
_SIGN_OF_USE: Mapping[LatexPackage, str] = {"multirow": r"\multirow{", "siunitx": "S[table-format"}
WARNING = "% warning: "
MAX_NAMED_SIGNS = 8


def to_latex(table: Table, venue: Venue = ANY, packages: Collection[LatexPackage] = ()) -> str:
    """Render a table as floating environments, or as a longtable.

    Args:
        table: to be rendered.
        venue: where it is printed.
        packages: that it may use beside booktabs.
    """
    caption = escape_latex(table.caption)
    words = [table.caption, *(row.label for row in table.rows), *(group.label for group in table.groups)]
    lost = name_lost_signs("\n".join(map(escape_latex, words)))
    grid = with_group_column(lay_out(table)) if "multirow" in packages else lay_out(table)
    fit = fit_grid(grid, table.texts, with_widest_font(venue) if lost else venue)
    sheet = Sheet(
        caption=caption,
        short_caption=without_lost_signs(caption),
        label=f"tab:{table.study.replace('_', '-')}-{table.name.replace('_', '-')}",
        tabulars=(
            *grid_tabulars(grid, fit, _comments(table), packages),
            *(text_tabular(texts, fit) for texts in table.texts),
        ),
        notes=table.source_notes,
        fit=fit,
        venue=venue,
    )
    set_pages = pages(sheet)
    text = with_lost_signs("\n".join(set_pages.lines) + "\n")
    used = [package for package, sign in _SIGN_OF_USE.items() if sign in text]
    needed = ("booktabs", *used, *set_pages.packages)
    head = [
        f"% {table.study}/{table.name}: needs "
        + ", ".join(rf"\usepackage{{{package}}}" for package in needed),
        *_fit_lines(fit, venue, set_pages.num_parts),
        *_sign_lines(text),
        *sign_definitions(text),
    ]
    for command, sign in VERDICT_COMMANDS.items():
        if sign in text:
            head.append(rf"\providecommand{{{command}}}{{{sign}}}")
            text = "\n".join(_with_command(line, sign, command) for line in text.split("\n"))
    return "\n".join([*head, text])


def latex_warnings(latex: str) -> tuple[str, ...]:
    """Give what the head of a table's file warns of."""
    lines = [line for line in latex.splitlines() if line.startswith(WARNING)]
    return tuple(line.removeprefix(WARNING) for line in lines)


def _with_command(line: str, sign: str, command: str) -> str:
    """Name a sign; not in a caption, which a list of tables repeats before the command is defined."""
    return line if line.lstrip().startswith(r"\caption") else line.replace(sign, f"{command}{{}}")


def _fit_lines(fit: PrintFit, venue: Venue, num_parts: int) -> Iterator[str]:
    place = (
        "" if not venue.has_two_columns else ", across both columns" if fit.way.is_across else ", one column"
    )
    parts = f"; in {num_parts} parts, as it is higher than a page" if num_parts > 1 else ""
    yield (
        f"% set for the venue “{venue.name}”{place}: {fit.width_pt:.0f} of {fit.room_pt:.0f} pt wide, in "
        f"{fit.way.size_pt} pt {fit.font}{parts}"
    )
    if fit.overflow_pt:
        yield (
            f"{WARNING}it is {fit.overflow_pt:.0f} pt too wide for the venue “{venue.name}”, in the smallest type that "
            "can be read; shorten the heads of its columns, or show fewer of them"
        )


def _sign_lines(text: str) -> Iterator[str]:
    lost = name_lost_signs(text)
    if lost:
        more = f" and {len(lost) - MAX_NAMED_SIGNS} more" if len(lost) > MAX_NAMED_SIGNS else ""
        yield (
            f"{WARNING}pdfLaTeX prints {', '.join(lost[:MAX_NAMED_SIGNS])}{more} as code points, which is wider; "
            "XeLaTeX and LuaLaTeX print them by the first of these fonts that is there and has them: "
            f"{', '.join(FONTS_OF_LOST_SIGNS)}"
        )


def _comments(table: Table) -> Comments:
    comments: dict[int, list[tuple[tuple[str, ...], str]]] = {}
    for of_row in table.trainings():
        ids = " ".join(training_id[:SHORT_ID_DIGITS] for training_id in of_row.training_ids)
        comment = f"% {' '.join(of_row.dataset.split())}: trainings {ids}"
        comments.setdefault(of_row.row_number, []).append((of_row.training_ids, comment))
    return comments
