"""The table of one declared ablation, made of the values that its cells were read as."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

import pandas as pd

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Row, full_label
from tablewright.orchestrator.declared.study import Study
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
    TableStatistics,
    table_statistics,
)
from tablewright.reports.statistics.table_values import table_values
from tablewright.reports.table.arrangement import is_swept, printed_arrangement
from tablewright.reports.table.cell import TableCell, build_cell, imported_cell
from tablewright.reports.table.emphasis import emphasise, printed_mean, rank
from tablewright.reports.table.row_levels import factors_of, levels_of
from tablewright.reports.table.table import DEMO_NOTICE, Column, Effect, RowGroup, Table, TableRow
from tablewright.reports.table.text_table import TextTable
from tablewright.trainables.contract.data import DatasetFacts
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.value.freezing import EMPTY
from tablewright.trainables.value.secret import masked
from tablewright.trainables.value.text import visible


def build_table(
    plan: Plan,
    study: str,
    name: str,
    frame: pd.DataFrame,
    items: Mapping[Place, ItemComparison] = EMPTY,
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
        rows = emphasise(rows, columns, statistics)
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
        print_alike = printed_mean(cell, columns[place]) == printed_mean(reference, columns[place])
        cells_of[contrast.row][place] = replace(cell, compared=compared, prints_like_reference=print_alike)
    for (label, dataset, metric), of_items in items.items():
        place = place_of[dataset, metric]
        cells_of[label][place] = replace(cells_of[label][place], items=of_items)
    return {label: replace(row, cells=tuple(cells_of[label])) for label, row in rows.items()}


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
