"""A table without a format: what stands in each cell, what is best, and what must be said below it.

Renderers print it and decide nothing. Values are fractions until `number` prints them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, cast

import pandas as pd

from orchestrator.changes import apply_changes
from orchestrator.design import Row, full_label
from orchestrator.plan import Plan
from orchestrator.study import Ablation, Dataset, Study
from reports.cell import Seed, TableCell, build_cell
from reports.number import value_text
from reports.source_note import source_notes
from reports.statistics import correct
from trainables.contract import DatasetFacts, Metric

DEMO_NOTICE = "demo data, not comparable with the paper"


@dataclass(frozen=True)
class Column:
    """One metric of one data set; behind it the paper's column where that has any value."""

    dataset: str
    metric: Metric
    has_published: bool

    @property
    def num_printed(self) -> int:
        """How many columns it takes in print."""
        return 2 if self.has_published else 1


@dataclass(frozen=True)
class Spanner:
    """A data set over its columns, in printed columns counted from 0 behind the stub."""

    label: str
    start: int
    num_printed: int


@dataclass(frozen=True)
class TableRow:
    """A row label and its cells, one a column."""

    label: str
    cells: tuple[TableCell, ...]


@dataclass(frozen=True)
class RowGroup:
    """Rows that stand together, under a head unless the label is empty."""

    label: str
    rows: tuple[TableRow, ...]


class RowTrainings(NamedTuple):
    """The trainings of one row on one data set, in the order of seeds, and the cells they fill.

    Attributes:
        row_number: counted from 0 over all groups.
        row: label with its group in front.
        dataset: label.
        training_ids: whole ids.
        cells: with what each measures.
    """

    row_number: int
    row: str
    dataset: str
    training_ids: tuple[str, ...]
    cells: tuple[tuple[Metric, TableCell], ...]


@dataclass(frozen=True)
class Table:
    """What one declared ablation came to.

    Attributes:
        study: name of the study.
        name: file name.
        caption: without the final stop.
        stub_head: head of the column of row labels.
        columns: in printing order; those of one data set stand together.
        groups: in printing order.
        source_notes: sentences below the table.
    """

    study: str
    name: str
    caption: str
    stub_head: str
    columns: tuple[Column, ...]
    groups: tuple[RowGroup, ...]
    source_notes: tuple[str, ...]

    @property
    def rows(self) -> tuple[TableRow, ...]:
        """Every row, in printing order."""
        return tuple(row for group in self.groups for row in group.rows)

    @property
    def spanners(self) -> tuple[Spanner, ...]:
        """The data sets over the columns."""
        spanners: list[Spanner] = []
        start = 0
        for label, columns in itertools.groupby(self.columns, key=lambda column: column.dataset):
            num_printed = sum(column.num_printed for column in columns)
            spanners.append(Spanner(label, start, num_printed))
            start += num_printed
        return tuple(spanners)

    @property
    def num_printed(self) -> int:
        """Printed columns behind the stub."""
        return sum(column.num_printed for column in self.columns)

    @property
    def is_complete(self) -> bool:
        """Say whether every cell has every seed."""
        return all(cell.is_complete for row in self.rows for cell in row.cells)

    def trainings(self) -> Iterator[RowTrainings]:
        """Give what stands behind each row on each data set, whose metrics come from the same trainings."""
        number = 0
        for group in self.groups:
            for row in group.rows:
                label = f"{group.label} / {row.label}" if group.label else row.label
                cells: dict[str, list[tuple[Metric, TableCell]]] = {}
                for column, cell in zip(self.columns, row.cells, strict=True):
                    if cell.training_ids:
                        cells.setdefault(column.dataset, []).append((column.metric, cell))
                for dataset, some in cells.items():
                    yield RowTrainings(number, label, dataset, some[0][1].training_ids, tuple(some))
                number += 1


def build_table(plan: Plan, study: str, name: str, frame: pd.DataFrame) -> Table:
    """Make a table from the frame that `read_cells` gives.

    Args:
        plan: that the frame was read for.
        study: name of the study.
        name: of one of its tables.
        frame: may hold other tables too.

    Raises:
        ValueError: the rows of a column were measured on different items.
    """
    ablation = plan.tables[study, name]
    facts = _facts_by_dataset(plan, study, ablation)
    mine = cast(pd.DataFrame, frame[(frame["study"] == study) & (frame["table"] == name)])
    _refuse_mixed_items(study, name, mine)
    seeds = _seeds_by_cell(mine)
    reference = reference_row(ablation)

    columns = tuple(
        Column(dataset.label, metric, _has_published(ablation, dataset, metric, facts))
        for dataset in ablation.datasets
        for metric in ablation.metrics
    )
    # On other data than the paper's, what other methods reached there says nothing.
    shows_others = any(column.has_published for column in columns)
    shown = [row for row in ablation.printed_rows if row.is_trained or shows_others]
    declared = next(candidate for candidate in plan.studies if candidate.name == study)
    _add_holes(seeds, ablation, declared)
    rows = {full_label(row): _build_row(row, columns, seeds, reference) for row in shown}
    ranked = dict(zip(rows, _rank(columns, _correct_tests(list(rows.values()))), strict=True))
    groups = tuple(
        RowGroup(label, tuple(ranked[full_label(row)] for row in members))
        for label, members in itertools.groupby(shown, key=lambda row: row.group)
    )
    is_demo = any(fact.is_demo for fact in facts.values())
    caption = f"{ablation.caption} ({DEMO_NOTICE})" if is_demo else ablation.caption
    table = Table(study, name, caption, ablation.stub_head, columns, groups, ())
    cells = [cell for row in table.rows for cell in row.cells]
    notes = source_notes(declared, ablation, cells, facts, mine, reference)
    return replace(table, source_notes=tuple(notes))


# -- cells ---------------------------------------------------------------------------------------

_Seeds = Mapping[tuple[str, str, str, str], Sequence[Seed]]
"""(group, row, data set, metric) -> its seeds."""


def _seeds_by_cell(frame: pd.DataFrame) -> dict[tuple[str, str, str, str], list[Seed]]:
    found: dict[tuple[str, str, str, str], list[Seed]] = {}
    fields = ("group", "row", "dataset", "metric", "seed", "training_id", "partner_ids", "state", "value")
    for group, row, dataset, metric, seed, training_id, partner_ids, state, value in zip(
        *(frame[name].tolist() for name in fields), strict=True
    ):
        measured = Seed(seed, (training_id, *partner_ids.split()), state, value)
        found.setdefault((group, row, dataset, metric), []).append(measured)
    return found


def _add_holes(seeds: dict[tuple[str, str, str, str], list[Seed]], ablation: Ablation, study: Study) -> None:
    """Give a row that cannot be planned yet a missing cell for each seed that it will have."""
    for row in ablation.printed_rows:
        if row.waits_for:
            for dataset, metric in itertools.product(ablation.datasets, ablation.metrics):
                place = (row.group, row.label, dataset.label, metric.name)
                seeds[place] = [
                    Seed(seed, (), "missing", math.nan) for seed in study.all_seeds[: study.num_first_seeds]
                ]


def _build_row(row: Row, columns: Sequence[Column], seeds: _Seeds, reference: Row | None) -> TableRow:
    cells: list[TableCell] = []
    for column in columns:
        place = (column.dataset, column.metric.name)
        published = row.published.get(column.dataset, {}).get(column.metric.name)
        compared = None if reference is None or reference is row else reference
        cells.append(
            build_cell(
                seeds[row.group, row.label, *place] if row.is_trained else (),
                column.metric,
                published=published if column.has_published else None,
                reference=None
                if compared is None or not row.is_trained
                else seeds[compared.group, compared.label, *place],
            )
        )
    return TableRow(row.label, tuple(cells))


def _correct_tests(rows: Sequence[TableRow]) -> list[TableRow]:
    """Correct the tests of each column for the number of rows that are tested in it."""
    cells_of = [list(row.cells) for row in rows]
    for index in range(len(rows[0].cells)):
        tested = [(cells, test) for cells in cells_of if (test := cells[index].significance) is not None]
        corrected = correct([test for _, test in tested])
        for (cells, _), test in zip(tested, corrected, strict=True):
            cells[index] = replace(cells[index], significance=test)
    return [replace(row, cells=tuple(cells)) for row, cells in zip(rows, cells_of, strict=True)]


def _rank(columns: Sequence[Column], rows: Sequence[TableRow]) -> list[TableRow]:
    """Mark best and second of each column among its complete cells; one alone is no best.

    Cells that print the same number are equal: a reader could not see why one of them is set in bold.
    """
    ranks: list[dict[str, Literal[1, 2]]] = []
    for index, column in enumerate(columns):
        complete = [
            cell for cell in (row.cells[index] for row in rows) if cell.is_complete and cell.mean is not None
        ]
        texts = {value_text(cell.mean, column.metric) for cell in complete if cell.mean is not None}
        ordered = sorted(texts, key=float, reverse=column.metric.higher_is_better)
        ranks.append(dict(zip(ordered, (1, 2), strict=False)) if len(complete) > 1 else {})
    return [
        replace(
            row,
            cells=tuple(
                replace(cell, rank=ranks[index].get(value_text(cell.mean, columns[index].metric)))
                if cell.is_complete and cell.mean is not None
                else cell
                for index, cell in enumerate(row.cells)
            ),
        )
        for row in rows
    ]


def reference_row(ablation: Ablation) -> Row | None:
    """Find the row that is the ablation's base itself: what the other rows are differences from."""
    for row in ablation.trained_rows:
        if (row.view or ablation.view) == ablation.view and all(
            ablation.members(row, dataset) == (apply_changes(ablation.base, dataset.changes),)
            for dataset in ablation.datasets
        ):
            return row
    return None


# -- data ----------------------------------------------------------------------------------------


def _facts_by_dataset(plan: Plan, study: str, ablation: Ablation) -> dict[str, DatasetFacts]:
    """Give what is measured on under each label, with what is to be said of any row's data."""
    facts: dict[str, DatasetFacts] = {}
    warnings: dict[str, dict[str, None]] = {}
    for cell in plan.cells:
        if (cell.study, cell.table) != (study, ablation.name):
            continue
        training = plan.trainings[cell.training_id]
        measured = training.views[cell.view_id].data
        facts.setdefault(cell.dataset, measured)
        said = dict.fromkeys([*measured.warnings, *training.data.warnings])
        warnings.setdefault(cell.dataset, {}).update(said)
    return {label: replace(fact, warnings=tuple(warnings[label])) for label, fact in facts.items()}


def _refuse_mixed_items(study: str, name: str, frame: pd.DataFrame) -> None:
    """Refuse a column whose rows are means over different items, which looks like any other."""
    faults: list[str] = []
    known = cast(pd.DataFrame, frame[frame["items_sha256"] != ""])
    for dataset, column in known.groupby("dataset", sort=False):
        rows_of: dict[str, dict[str, None]] = {}
        for digest, items, count, group, row in zip(
            *(column[field].tolist() for field in ("items_sha256", "items", "num_measured", "group", "row")),
            strict=True,
        ):
            label = f"{group} / {row}" if group else row
            rows_of.setdefault(digest, {})[f"“{label}” on {count} {items}"] = None
        if len(rows_of) > 1:
            some = "; ".join(next(iter(rows)) for rows in rows_of.values())
            faults.append(
                f"Table {study}/{name}: the rows under {dataset!r} are measured on different items ({some}) and cannot "
                "stand in one column. Give the rows one view and one data set; or move the older measurements away "
                "(measurements/ in the folders of their trainings), and run again"
            )
    if faults:
        raise ValueError("\n".join(faults))


def _has_published(
    ablation: Ablation, dataset: Dataset, metric: Metric, facts: Mapping[str, DatasetFacts]
) -> bool:
    if facts[dataset.label].is_demo:
        return False  # a number of other data beside ours would ask to be compared with it
    rows = ablation.printed_rows
    return any(row.published.get(dataset.label, {}).get(metric.name) is not None for row in rows)
