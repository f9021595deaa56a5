"""What tables can find with the seeds that they have or may get: for a plan, before anything trains."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import pandas as pd

from tablewright.orchestrator.declared.study import Study, UntilDecided
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.store.store import Store
from tablewright.reports.frame import read_cells
from tablewright.reports.notes.statistics_note import smallest_text
from tablewright.reports.statistics.comparison import MIN_SEEDS_TO_COMPARE
from tablewright.reports.statistics.seed import seeds_by_place
from tablewright.reports.statistics.table_statistics import SmallestDifference, smallest_of
from tablewright.reports.statistics.table_values import ColumnKey, table_values

NUM_FURTHER_SEEDS = 2
"""By which the second number of seeds is higher that a person may choose from."""


@dataclass(frozen=True)
class Foresight:
    """What one table finds in four cases of five.

    Attributes:
        study: its name.
        table: likewise.
        found: the smallest differences, by number of seeds and then by column; empty where nothing is known of how
            much seeds differ.
        unknown: the columns of which nothing is known.
    """

    study: str
    table: str
    found: tuple[SmallestDifference, ...]
    unknown: tuple[ColumnKey, ...] = ()

    def __str__(self) -> str:
        """In words, column by column."""
        by_column: dict[tuple[str, str], list[SmallestDifference]] = {}
        for item in self.found:
            by_column.setdefault((item.column.dataset, item.column.metric.label), []).append(item)
        origin_of = {key: _origin(items) for key, items in by_column.items()}
        has_one_origin = len(set(origin_of.values())) == 1
        texts = [
            f"{', '.join(_seeds_find(items, key[1]))} ({key[0]}{'' if has_one_origin else f', {origin_of[key]}'})"
            for key, items in by_column.items()
        ]
        end = f", {next(iter(origin_of.values()))}" if has_one_origin else ""
        if self.unknown:
            columns = ", ".join(f"{column.metric.label} ({column.dataset})" for column in self.unknown)
            end += (
                f"; unknown for {columns}, where neither two seeds are recorded nor a deviation is declared"
            )
        return f"{self.study}/{self.table}: {'; '.join(texts)}{end}"


def _origin(items: list[SmallestDifference]) -> str:
    if any(item.is_declared for item in items):
        return "by the declared deviation"
    is_rough = all(item.num_recorded < MIN_SEEDS_TO_COMPARE for item in items)
    return "by recorded spreads" + (", of two seeds and hardly known" if is_rough else "")


def _seeds_find(items: list[SmallestDifference], label: str) -> Iterator[str]:
    for number, item in enumerate(items):
        text = f"{item.num_seeds} find {smallest_text(item)}"
        yield text if number else f"{item.num_seeds} seeds find {smallest_text(item)} {label}"


def foresee(plan: Plan, store: Store) -> list[Foresight]:
    """Say of every table in which rows are compared how small a difference it can find.

    Args:
        plan: of the tables.
        store: whose records tell how much seeds differ.
    """
    frame = read_cells(plan, store)
    foresights: list[Foresight] = []
    for (name, table), ablation in plan.tables.items():
        if not ablation.contrasts:
            continue
        study = next(candidate for candidate in plan.studies if candidate.name == name)
        mine = cast(pd.DataFrame, frame[(frame["study"] == name) & (frame["table"] == table)])
        values = table_values(ablation, seeds_by_place(mine), study.all_seeds)
        found = smallest_of(ablation, values, _numbers_of_seeds(study))
        known = {item.column for item in found}
        columns = [values.columns[place] for place in values.places_of(ablation.tested_metrics)]
        unknown = tuple(column for column in columns if column not in known)
        foresights.append(Foresight(name, table, tuple(found), unknown))
    return foresights


def _numbers_of_seeds(study: Study) -> tuple[int, int]:
    if isinstance(study.seeds, UntilDecided) and study.seeds.first < study.seeds.most:
        return study.seeds.first, study.seeds.most
    declared = max(study.num_first_seeds, MIN_SEEDS_TO_COMPARE)
    return declared, declared + NUM_FURTHER_SEEDS
