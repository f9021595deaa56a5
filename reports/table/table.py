"""A table without a format: what stands in each cell, what is best, and what must be said below it.

Renderers print it and decide nothing. Values are fractions until `number` prints them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, NamedTuple, cast

import pandas as pd

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.composition import Level
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Row, full_label
from tablewright.orchestrator.declared.imported_runs import Imported
from tablewright.orchestrator.declared.paper_table import DeviationPlace
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.declared.venue import AskedVenue
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.searches.search_result import SearchResult, search_result
from tablewright.orchestrator.searches.tuned_rows import TunedRows
from tablewright.reports.cost_columns import cost_notes, in_larger_units
from tablewright.reports.notes.imported_note import IMPORTED, imported_notes
from tablewright.reports.notes.search_note import parameter_table, search_notes
from tablewright.reports.notes.source_note import source_notes
from tablewright.reports.notes.statistics_note import rigour_text, statistics_notes
from tablewright.reports.notes.tuning_note import tuned_table, tuning_notes
from tablewright.reports.pareto_table import pareto_table
from tablewright.reports.statistics.item_comparisons import ItemComparison
from tablewright.reports.statistics.seed import Place, Seed, seeds_by_place
from tablewright.reports.statistics.seed_noise import NOTHING_VARIES
from tablewright.reports.statistics.table_statistics import (
    Compared,
    SmallestDifference,
    TableStatistics,
    table_statistics,
)
from tablewright.reports.statistics.table_values import table_values
from tablewright.reports.table.arrangement import PrintedArrangement, is_swept, printed_arrangement
from tablewright.reports.table.cell import TableCell, build_cell, imported_cell
from tablewright.reports.table.number import value_text
from tablewright.reports.table.row_levels import factors_of, levels_of
from tablewright.reports.table.text_table import TextTable
from tablewright.trainables.contract.data import DatasetFacts
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.value.freezing import EMPTY
from tablewright.trainables.value.secret import masked
from tablewright.trainables.value.text import visible

NOT_ASKED_FOR: Mapping[Place, ItemComparison] = MappingProxyType({})

DEMO_NOTICE = "demo data, not comparable with the paper"
DIFFERENCE_HEAD = "Δ"
DIFFERENCE_NOTE = (
    f"{DIFFERENCE_HEAD}: the row minus the one that it is compared with, over the seeds that both have; in brackets "
    "the 95 % interval of this difference alone."
)

Part = Literal["value", "difference", "paper"]
"""Of a column: mean and deviation, difference from the row it is compared with, what the paper printed."""


@dataclass(frozen=True)
class Column:
    """One metric of one data set.

    Attributes:
        dataset: its label.
        metric: what is measured.
        has_published: whether the paper's column stands behind it, where that has any value.
        has_difference: whether a column stands behind it of how far each row is from what it is compared with.
        is_cost: whether it says what a row takes, not how good it is: such a column is neither tested nor bold.
    """

    dataset: str
    metric: Metric
    has_published: bool
    has_difference: bool = False
    is_cost: bool = False

    @property
    def parts(self) -> tuple[Part, ...]:
        """What stands beside each other in print."""
        difference: tuple[Part, ...] = ("difference",) if self.has_difference else ()
        return "value", *difference, *(("paper",) if self.has_published else ())

    @property
    def num_printed(self) -> int:
        """How many columns it takes in print."""
        return len(self.parts)


class PrintedColumn(NamedTuple):
    """One part of a column as it is printed.

    Attributes:
        place: of the column in the table.
        part: of it.
    """

    place: int
    part: Part


@dataclass(frozen=True)
class Spanner:
    """A data set over its columns, in printed columns counted from 0 behind the stub."""

    label: str
    start: int
    num_printed: int


@dataclass(frozen=True)
class TableRow:
    """A row label and its cells, one a column.

    Attributes:
        label: within its group.
        cells: one a column.
        levels: factor of the table -> level that the row has, true or false of a component; those not known are left
            out.
        is_spelt_out: whether the levels say all that the label says.
        imported: its runs, where it was trained elsewhere.
    """

    label: str
    cells: tuple[TableCell, ...]
    levels: Mapping[str, Level] = EMPTY
    is_spelt_out: bool = False
    imported: Imported | None = None


@dataclass(frozen=True)
class RowGroup:
    """Rows that stand together, under a head unless the label is empty.

    Attributes:
        label: the head.
        rows: in printing order.
        is_spelt_out: whether the levels of the rows say all that the label says.
    """

    label: str
    rows: tuple[TableRow, ...]
    is_spelt_out: bool = False


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
class Effect:
    """A contrast of several rows, such as a main effect of a factorial design.

    Attributes:
        label: what it is.
        compared: in each column where it could be compared, in printing order.
    """

    label: str
    compared: tuple[tuple[Column, Compared], ...]


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
        effects: what is compared of several rows together.
        texts: small tables of words between the cells and the notes.
        factors: that rows differ in, in printing order; empty where none are known.
        arrangement: how it is laid out in print.
        deviation: where the deviations over seeds stand in print.
        shows_arrows: whether each metric's head says which way is better.
        venue: where it is printed; None where its study is.
        smallest: differences that its tested columns could have found.
        rigour: for a paper's text, what its numbers are and how they were compared.
    """

    study: str
    name: str
    caption: str
    stub_head: str
    columns: tuple[Column, ...]
    groups: tuple[RowGroup, ...]
    source_notes: tuple[str, ...]
    effects: tuple[Effect, ...] = ()
    texts: tuple[TextTable, ...] = ()
    factors: tuple[str, ...] = ()
    arrangement: PrintedArrangement = "plain"
    deviation: DeviationPlace = "beside"
    shows_arrows: bool = False
    venue: AskedVenue | None = None
    smallest: tuple[SmallestDifference, ...] = ()
    rigour: str = ""

    def with_differences(self) -> Table:
        """Give the table with a column of differences behind each that is compared, and what they are."""
        columns = tuple(
            replace(column, has_difference=any(row.cells[index].compared is not None for row in self.rows))
            for index, column in enumerate(self.columns)
        )
        if columns == self.columns:
            return self
        return replace(self, columns=columns, source_notes=(*self.source_notes, DIFFERENCE_NOTE))

    @property
    def printed_columns(self) -> tuple[PrintedColumn, ...]:
        """What stands behind the stub, from left to right."""
        return tuple(
            PrintedColumn(index, part) for index, column in enumerate(self.columns) for part in column.parts
        )

    @property
    def rows(self) -> tuple[TableRow, ...]:
        """Every row, in printing order."""
        return tuple(row for group in self.groups for row in group.rows)

    def labelled_rows(self) -> Iterator[tuple[str, TableRow]]:
        """Give each row with its label, its group in front."""
        for group in self.groups:
            for row in group.rows:
                yield f"{group.label} / {row.label}" if group.label else row.label, row

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


def build_table(
    plan: Plan,
    study: str,
    name: str,
    frame: pd.DataFrame,
    items: Mapping[Place, ItemComparison] = NOT_ASKED_FOR,
    printed_as: Ablation | None = None,
) -> Table:
    """Make a table from the frame that `read_cells` gives.

    Args:
        plan: that the frame was read for.
        study: name of the study.
        name: of one of its tables.
        frame: may hold other tables too.
        items: comparisons over queries or images, where the table asks for them.
        printed_as: the same table with other wishes for print; None for those of the plan.

    Raises:
        ValueError: the rows of a column were measured on different items.
    """
    ablation, tuned = printed_as or plan.tables[study, name], plan.tuned.get((study, name))
    facts = _facts_by_dataset(plan, study, ablation)
    mine = cast(pd.DataFrame, frame[(frame["study"] == study) & (frame["table"] == name)])
    _refuse_mixed_items(study, name, mine)
    declared = next(candidate for candidate in plan.studies if candidate.name == study)
    seeds = seeds_by_place(mine)
    costs, of_costs = in_larger_units(ablation, seeds)
    seeds |= of_costs
    values = table_values(ablation, seeds, declared.all_seeds)
    statistics = table_statistics(declared, ablation, values)
    _add_holes(seeds, ablation, declared, tuned)

    columns = tuple(
        Column(
            dataset.label,
            metric,
            _has_published(ablation, dataset, metric, facts),
            is_cost=metric.name in costs,
        )
        for dataset in ablation.datasets
        for metric in (*ablation.metrics, *costs.values())
    )
    # On other data than the paper's, what other methods reached there says nothing.
    shows_others = any(column.has_published for column in columns)
    shown = [row for row in ablation.printed_rows if row.is_trained or row.imported or shows_others]
    rows = {full_label(row): _build_row(row, columns, seeds) for row in shown}
    rows = _compare(rows, columns, statistics, items)
    if ablation.emphasis == "evidence":
        rows = _emphasise(rows, columns, statistics)
    elif ablation.emphasis == "highest":
        rows = rank(rows, columns)
    groups = tuple(
        RowGroup(label, tuple(rows[full_label(row)] for row in members))
        for label, members in itertools.groupby(shown, key=lambda row: row.group)
    )
    groups = _with_imported_marked(_with_levels(groups, ablation))
    is_demo = any(fact.is_demo for fact in facts.values())
    caption = f"{ablation.caption} ({DEMO_NOTICE})" if is_demo else ablation.caption
    effects = _effects(columns, statistics)
    searched = _search_of(plan, declared, name)
    texts = (
        *(() if searched is None else _texts_of(searched)),
        *(() if tuned is None else (tuned_table(tuned),)),
    )
    table = Table(
        study,
        name,
        caption,
        ablation.stub_head,
        columns,
        groups,
        (),
        effects,
        texts,
        factors_of(ablation),
        printed_arrangement(
            ablation.arrangement,
            factors_of(ablation),
            [row.levels for group in groups for row in group.rows],
            is_swept=is_swept(ablation),
        ),
        shows_arrows=True,
        smallest=statistics.smallest,
    )
    cells = [  # of ours and of the paper: what was imported has a note of its own
        (column.metric, cell)
        for row in table.rows
        for column, cell in zip(columns, row.cells, strict=True)
        if row.imported is None
    ]
    of_quality = [
        cell
        for row in table.rows
        for column, cell in zip(columns, row.cells, strict=True)
        if not column.is_cost
    ]
    unknown = {
        column.metric.label
        for row in table.rows
        for column, cell in zip(columns, row.cells, strict=True)
        if column.is_cost and cell.state == "missing"
    }
    notes = (
        *statistics_notes(declared, ablation, of_quality, values, statistics),
        *(() if searched is None else search_notes(searched)),
        *(() if tuned is None else tuning_notes(tuned, declared.all_seeds)),
        *imported_notes(ablation),
        *cost_notes(ablation.costs, sorted(unknown)),
        *source_notes(declared, ablation, cells, facts, mine),
    )
    rigour = visible(masked(rigour_text(declared, ablation, values, statistics)))
    table = replace(table, source_notes=tuple(visible(masked(note)) for note in notes), rigour=rigour)
    return table.with_differences() if ablation.shows_difference else table


def _with_imported_marked(groups: Sequence[RowGroup]) -> tuple[RowGroup, ...]:
    """Say behind the label of each row that was trained elsewhere that it was."""
    return tuple(
        replace(
            group,
            rows=tuple(
                row if row.imported is None else replace(row, label=f"{row.label} ({IMPORTED})")
                for row in group.rows
            ),
        )
        for group in groups
    )


def _with_levels(groups: Sequence[RowGroup], ablation: Ablation) -> tuple[RowGroup, ...]:
    """Say of each row what it is made of, as far as the designs of the table say it."""
    levels = levels_of(ablation)
    spelt_out = {label for _, composition in ablation.compositions for label in composition.spelt_out}
    return tuple(
        replace(
            group,
            rows=tuple(
                replace(
                    row,
                    levels=levels[f"{group.label} / {row.label}" if group.label else row.label],
                    is_spelt_out=not group.label and row.label in spelt_out,
                )
                for row in group.rows
            ),
            is_spelt_out=group.label in spelt_out,
        )
        for group in groups
    )


def _texts_of(searched: SearchResult) -> tuple[TextTable, ...]:
    front = pareto_table(searched)
    return (parameter_table(searched), *(() if front is None else (front,)))


def _search_of(plan: Plan, study: Study, name: str) -> SearchResult | None:
    """Give what the search has come to whose table this is; None for any other table."""
    search = next((search for search in study.searches if search.name == name), None)
    return None if search is None else search_result(search, plan.searches[study.name, name])


# -- cells ---------------------------------------------------------------------------------------


def _add_holes(
    seeds: dict[Place, list[Seed]], ablation: Ablation, study: Study, tuned: TunedRows | None
) -> None:
    """Give a row that cannot be planned yet a missing cell for each seed that it will have."""
    for row, dataset in itertools.product(ablation.printed_rows, ablation.datasets):
        of_search = tuned and row.is_trained and not row.waits_for and tuned.of(row, dataset).waits_for
        if row.waits_for or of_search:
            for metric in ablation.column_metrics:
                seeds[full_label(row), dataset.label, metric.name] = [
                    Seed(seed, (), "missing", math.nan) for seed in study.all_seeds[: study.num_first_seeds]
                ]


def _build_row(row: Row, columns: Sequence[Column], seeds: Mapping[Place, Sequence[Seed]]) -> TableRow:
    if row.imported is not None:
        found = (row.imported.values_of(column.dataset, column.metric.name) for column in columns)
        imported = tuple(imported_cell([value for _, value in values]) for values in found)
        return TableRow(row.label, imported, imported=row.imported)
    cells: list[TableCell] = []
    for column in columns:
        published = row.published.get(column.dataset, {}).get(column.metric.name)
        place = full_label(row), column.dataset, column.metric.name
        cell = build_cell(
            seeds[place] if row.is_trained else (),
            column.metric,
            published=published if column.has_published else None,
        )
        # What is counted is the same with every seed, and no deviation over seeds.
        is_exact = column.is_cost and (cell.deviation or 0.0) <= NOTHING_VARIES * (cell.mean or 0.0)
        cells.append(replace(cell, deviation=None, interval=None, rerun_interval=None) if is_exact else cell)
    return TableRow(row.label, tuple(cells))


def _compare(
    rows: dict[str, TableRow],
    columns: Sequence[Column],
    statistics: TableStatistics,
    items: Mapping[Place, ItemComparison],
) -> dict[str, TableRow]:
    """Put each comparison of two rows into the cell of the row that it is of."""
    cells_of = {label: list(row.cells) for label, row in rows.items()}
    place_of = {(column.dataset, column.metric.name): place for place, column in enumerate(columns)}
    for (dataset, metric, _), compared in statistics.compared.items():
        contrast, place = compared.contrast, place_of[dataset, metric]
        if not contrast.row:
            continue
        cell, reference = cells_of[contrast.row][place], rows[contrast.reference].cells[place]
        print_alike = _mean_text(cell, columns[place]) == _mean_text(reference, columns[place])
        cells_of[contrast.row][place] = replace(cell, compared=compared, prints_like_reference=print_alike)
    for (label, dataset, metric), of_items in items.items():
        place = place_of[dataset, metric]
        cells_of[label][place] = replace(cells_of[label][place], items=of_items)
    return {label: replace(row, cells=tuple(cells_of[label])) for label, row in rows.items()}


def _mean_text(cell: TableCell, column: Column) -> str:
    return "" if cell.mean is None else value_text(cell.mean, column.metric)


def _effects(columns: Sequence[Column], statistics: TableStatistics) -> tuple[Effect, ...]:
    column_of = {(column.dataset, column.metric.name): column for column in columns}
    found: dict[str, list[tuple[Column, Compared]]] = {}
    for (dataset, metric, _), compared in statistics.compared.items():
        if not compared.contrast.row:
            found.setdefault(compared.contrast.label, []).append((column_of[dataset, metric], compared))
    return tuple(
        Effect(label, tuple(sorted(some, key=lambda item: columns.index(item[0]))))
        for label, some in found.items()
    )


def _emphasise(
    rows: dict[str, TableRow], columns: Sequence[Column], statistics: TableStatistics
) -> dict[str, TableRow]:
    """Set the rows bold that may be the best; what prints like one of them is bold as well."""
    texts = [
        {
            _mean_text(row.cells[place], column)
            for label, row in rows.items()
            if (label, column.dataset, column.metric.name) in statistics.best
        }
        for place, column in enumerate(columns)
    ]
    ours = {label: row for label, row in rows.items() if row.imported is None}
    return {**rows, **_with_ranks(ours, columns, [dict.fromkeys(some, 1) for some in texts])}


def rank(rows: dict[str, TableRow], columns: Sequence[Column]) -> dict[str, TableRow]:
    """Mark highest and second of each column among its complete cells, whatever chance may have done.

    Cells that print the same number are equal: a reader could not see why one of them is set in bold.
    """
    ranks: list[dict[str, Literal[1, 2]]] = []
    for place, column in enumerate(columns):
        complete = [] if column.is_cost else [row.cells[place] for row in rows.values()]
        complete = [cell for cell in complete if cell.is_complete and cell.mean is not None]
        texts = {_mean_text(cell, column) for cell in complete}
        ordered = sorted(texts, key=float, reverse=column.metric.higher_is_better)
        ranks.append(dict(zip(ordered, (1, 2), strict=False)) if len(complete) > 1 else {})
    return _with_ranks(rows, columns, ranks)


def _with_ranks(
    rows: dict[str, TableRow], columns: Sequence[Column], ranks: Sequence[Mapping[str, Literal[1, 2]]]
) -> dict[str, TableRow]:
    def ranked(cell: TableCell, place: int) -> TableCell:
        rank = ranks[place].get(_mean_text(cell, columns[place])) if cell.mean is not None else None
        return replace(cell, rank=rank)

    return {
        label: replace(row, cells=tuple(ranked(cell, place) for place, cell in enumerate(row.cells)))
        for label, row in rows.items()
    }


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
    for one in plan.tuned[study, ablation.name].rows if ablation.tuned else ():
        facts.setdefault(one.search.dataset_label, one.data)  # as long as all of its rows wait
        warnings.setdefault(one.search.dataset_label, {}).update(dict.fromkeys(one.data.warnings))
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
    known = facts.get(dataset.label)  # nothing is, while all rows wait for what others find
    if known is None or known.is_demo:
        return False  # a number of other data beside ours would ask to be compared with it
    rows = ablation.printed_rows
    return any(row.published.get(dataset.label, {}).get(metric.name) is not None for row in rows)
