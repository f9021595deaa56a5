"""A table as one page, and all tables of a study on one page: a single file that needs nothing beside it.

Styles, script, pictures and what is known of each cell are inside; nothing is loaded from anywhere. Without the
script a page can be read whole: a list below each table has what opens where somebody clicks on a cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tablewright.reports.cost_table import CostTable
from tablewright.reports.figures.figures import TableFigures
from tablewright.reports.notes.hole import Hole
from tablewright.reports.page.embedded_pictures import PAGE_LIMIT_BYTES, EmbeddedPictures
from tablewright.reports.page.page_facts import Json, facts_to_json
from tablewright.reports.page.page_template import page_script, page_template, parted
from tablewright.reports.paper.audit import Finding
from tablewright.reports.table.grid import Grid
from tablewright.reports.table.lay_out import lay_out
from tablewright.reports.table.table import Table
from tablewright.reports.training_facts import TrainingFacts

NO_FIGURES = TableFigures()
TO_STORE = "../.."
"""Link from the folder of a study's tables to the root of the store, where a study has no profiles."""

MAX_SIGNS = 100
"""In the longest line of a table. A wider one has intervals below their numbers; where that is not enough either, it is
printed on a page that lies on its side."""
SIGNS_BETWEEN_COLUMNS = 3
SPARED_BYTES = 2**19
"""Of a page's limit for what is neither a picture nor a fact: tables, notes, styles."""


@dataclass(frozen=True)
class StudyPage:
    """What stands on the page of a study beside its tables.

    Attributes:
        study: its name.
        title: of the page.
        beside: figures by name of the table.
        endings: of the files of each table that are linked, by its name.
        others: names of the study's tables whose pages are as they were written earlier.
        to_store: link from the page's folder to the root of the store.
        facts: what opens where somebody clicks on a cell.
        trainings: how each training went, for who cannot click.
        holes: what its tables lack, and why.
        costs: what its trainings have cost; None where that is nothing.
        findings: what its tables lack; none on a page of a part of them.
    """

    study: str
    title: str
    beside: Mapping[str, TableFigures] = field(default_factory=dict[str, TableFigures])
    endings: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    others: Sequence[str] = ()
    to_store: str = TO_STORE
    facts: Json = field(default_factory=dict[str, Any])
    trainings: Mapping[str, TrainingFacts] = field(default_factory=dict[str, TrainingFacts])
    holes: Sequence[Hole] = ()
    costs: CostTable | None = None
    findings: Sequence[Finding] = ()


def to_html(table: Table, beside: TableFigures = NO_FIGURES, to_store: str = TO_STORE) -> str:
    """Render the page of one table, and its figures but those of times.

    It says nothing of how its trainings went: equal records of other runs give an equal page.
    """
    page = StudyPage(
        table.study,
        f"{table.study}/{table.name}",
        {table.name: beside.without_times()},
        {table.name: beside.files},
        to_store=to_store,
    )
    return _render(page, [table], is_index=False)


def index_to_html(page: StudyPage, tables: Sequence[Table]) -> str:
    """Render the page of all tables of a study, in printing order, with links to their files in other formats."""
    return _render(page, tables, is_index=True)


def _render(page: StudyPage, tables: Sequence[Table], *, is_index: bool) -> str:
    shown = [table.with_differences() for table in tables]
    grids = {table.name: lay_out(table) for table in shown}
    facts = facts_to_json(page.facts) if page.facts else ""
    pictures = EmbeddedPictures(PAGE_LIMIT_BYTES - SPARED_BYTES - len(facts.encode()))
    return page_template("page.html.jinja").render(
        page=page,
        tables=shown,
        grids=grids,
        wide={name for name, grid in grids.items() if _num_signs(grid, 1) > MAX_SIGNS},
        sideways={name for name, grid in grids.items() if _num_signs(grid, 0) > MAX_SIGNS},
        beside={table.name: page.beside.get(table.name, NO_FIGURES) for table in tables},
        is_index=is_index,
        facts=facts,
        place_picture=pictures.place,
        script=page_script(),
    )


def _num_signs(grid: Grid, share: int) -> int:
    """Count the signs of the longest line of a table, as if each were as wide as any other.

    Args:
        grid: the table.
        share: 1 where intervals stand beside their numbers, 0 where they stand below.
    """
    widths: list[int] = []
    for place, column in enumerate(grid.columns):
        parts = [parted(entry) for entry in grid.entries_of(place)]
        lengths = [max(len(number) + share * len(behind), len(behind)) for number, behind in parts]
        widths.append(max([len(column.head), *lengths]))
    return sum(widths) + SIGNS_BETWEEN_COLUMNS * len(widths)
