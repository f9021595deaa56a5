"""The tables of a study, made from records and in no format: that it fills, that it counts, and the paper's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.store.store import Store
from tablewright.reports.ablation_table import build_table
from tablewright.reports.paper.paper_view import PaperView, build_paper_view
from tablewright.reports.size_table import build_size_table
from tablewright.reports.statistics.item_comparisons import ItemComparison, compare_items
from tablewright.reports.statistics.seed import Place
from tablewright.reports.table.table import Table
from tablewright.trainables.value.secret import masked
from tablewright.trainables.value.text import visible


@dataclass(frozen=True)
class BuiltTables:
    """The tables of a study.

    Attributes:
        tables: those that it fills, then those that it counts, then the paper's own.
        frames: name of a paper's own table -> its part of what `read_cells` gave.
    """

    tables: tuple[Table, ...]
    frames: Mapping[str, pd.DataFrame]


def build_tables(
    plan: Plan, store: Store, study: Study, frame: pd.DataFrame, refusals: list[str]
) -> BuiltTables:
    """Make every table of a study from the records.

    Args:
        plan: that has the study.
        store: of the records.
        study: whose tables are made.
        frame: what `read_cells` gave of the plan.
        refusals: gets why others cannot be made, one text each.
    """
    tables: list[Table] = []
    items_of: dict[str, Mapping[Place, ItemComparison]] = {}
    for name in (name for owner, name in plan.tables if owner == study.name):
        try:
            faults: list[str] = []
            items = items_of[name] = compare_items(plan, store, study.name, name, frame, faults)
            table = build_table(plan, study.name, name, frame, items)
        except ValueError as error:
            refusals.append(str(error))
            continue
        lost = (
            f"Rows could not be compared over what they were measured on: {visible(masked(text))}."
            for text in faults
        )
        tables.append(replace(table, source_notes=(*table.source_notes, *lost)))
    views = _paper_views(plan, study, frame, tables, items_of, refusals)
    demo_datasets = {item.config.dataset_name() for item in plan.trainings.values() if item.data.is_demo}
    counted = (build_size_table(study, declared, demo_datasets) for declared in study.sizes)
    return BuiltTables(
        (*tables, *counted, *(view.table for view in views.values())),
        {name: view.frame(frame) for name, view in views.items()},
    )


def _paper_views(
    plan: Plan,
    study: Study,
    frame: pd.DataFrame,
    tables: Sequence[Table],
    items_of: Mapping[str, Mapping[Place, ItemComparison]],
    refusals: list[str],
) -> dict[str, PaperView]:
    """Make the paper's own tables of those that could be made: name -> view."""
    made = {table.name: table for table in tables}
    views: dict[str, PaperView] = {}
    for paper in study.paper_tables:
        if lacking := [name for name in paper.of if name not in made]:
            refusals.append(
                f"Table {study.name}/{paper.name}: it is made of {', '.join(lacking)}, which could not be written"
            )
            continue
        sources: dict[str, Table] = {}
        for name in paper.of:
            ablation = plan.tables[study.name, name]
            shown = paper.wishes(ablation)
            sources[name] = (
                made[name]
                if shown == ablation
                else build_table(plan, study.name, name, frame, items_of[name], shown)
            )
        views[paper.name] = build_paper_view(study, paper, sources)
    return views
