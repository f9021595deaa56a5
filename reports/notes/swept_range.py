"""Ranges whose best value lies at an end, beyond which a better one may be."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.changes import try_changes, value_at
from tablewright.orchestrator.declared.design import AsPrinted, Row, Sweep, full_label
from tablewright.orchestrator.declared.ranges import FloatRange, IntRange, range_of
from tablewright.orchestrator.declared.search import Search
from tablewright.reports.table.row_configs import RowConfigs
from tablewright.reports.table.table import Table
from tablewright.trainables.contract.method import TrainingConfig

MIN_VALUES = 3
"""Two values have no middle."""

NEAR_AN_END = 0.01
"""Part of a searched range within which a value counts as its end."""


@dataclass(frozen=True)
class SweptFactor:
    """Numbers of one field, each in a row of its own.

    Attributes:
        path: dotted, of the field.
        values: by label of the row, its group in front.
    """

    path: str
    values: Mapping[str, float]


def swept_factors(ablation: Ablation) -> Iterator[SweptFactor]:
    """Give what a table sweeps: by a `Sweep`, or by single rows of which each sets one field to another number."""
    single: dict[str, dict[str, Any]] = {}
    unchanged: list[str] = []
    for design, rows in zip(ablation.rows, ablation.rows_by_design, strict=True):
        swept = design.design if isinstance(design, AsPrinted) else design
        if isinstance(swept, Sweep):
            values = dict(zip(map(full_label, rows), swept.values, strict=True))
            if len(numbers := _numbers_among(values)) == len(values):
                yield SweptFactor(swept.path, numbers)
        elif isinstance(swept, Row):
            for row in rows:
                is_own = row.is_trained and not row.waits_for and not row.ensemble and row.view is None
                if is_own and len(row.changes) == 1:
                    ((path, value),) = row.changes.items()
                    single.setdefault(path, {})[full_label(row)] = value
                elif is_own and not row.changes:
                    unchanged.append(full_label(row))
    for path, values in single.items():
        declared = value_at(ablation.base, path)
        both = {**dict.fromkeys(unchanged[:1], declared), **values}
        if MIN_VALUES <= len(both) == len(numbers := _numbers_among(both)):
            yield SweptFactor(path, numbers)


def _numbers_among(values: Mapping[str, Any]) -> dict[str, float]:
    return {
        label: value
        for label, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def ends_of_sweep(swept: SweptFactor, configs: RowConfigs, table: Table) -> Iterator[str]:
    """Find data sets on which the best of the swept numbers is the lowest or the highest one.

    An end beyond which the config allows nothing, or zero below positive numbers, is no end that could be moved.

    Args:
        swept: the factor.
        configs: of its table.
        table: as the records fill it.
    """
    if len(swept.values) < MIN_VALUES:
        return
    cells_of = {label: row.cells for label, row in table.labelled_rows()}
    metric = configs.ablation.tested_metrics[0]
    for place, column in enumerate(table.columns):
        means = {label: cells_of[label][place].mean for label in swept.values}
        known = {label: mean for label, mean in means.items() if mean is not None}
        if column.metric.name != metric.name or len(known) < len(means):
            continue
        best = (max if metric.higher_is_better else min)(known, key=lambda label: known[label])
        ordered, value = sorted(swept.values.values()), swept.values[best]
        if value not in (ordered[0], ordered[-1]):
            continue
        dataset = next(one for one in configs.ablation.datasets if one.label == column.dataset)
        members = configs.of(configs.rows[best], dataset)
        if len(members) == 1 and _could_go_on(members[0], swept.path, value, ordered):
            end = "lowest" if value == ordered[0] else "highest"
            yield (
                f"{swept.path} is best in {metric.label} at {value:g}, the {end} of "
                f"{', '.join(f'{number:g}' for number in swept.values.values())} ({column.dataset})"
            )


def ends_of_search(search: Search, found: Mapping[str, Any]) -> Iterator[str]:
    """Find parameters whose found value is at an end of its range.

    Args:
        search: the declaration.
        found: dotted path -> value of its best trial.
    """
    for path, value in found.items():
        searched = range_of(search.space[path]) if path in search.space else None
        if not isinstance(searched, (FloatRange, IntRange)) or searched.low == searched.high:
            continue
        low, high, at = (
            (math.log(number) if searched.log else float(number))
            for number in (searched.low, searched.high, value)
        )
        position = (at - low) / (high - low)
        if min(position, 1 - position) > NEAR_AN_END:
            continue
        ordered = [searched.low, searched.high]
        if _could_go_on(search.base, path, ordered[position > 0.5], ordered):
            end = "lower" if position < 0.5 else "upper"
            yield f"{path} was found at {value:g}, the {end} end of {searched.low:g} to {searched.high:g}"


def _could_go_on(config: TrainingConfig, path: str, end: float, ordered: Sequence[float]) -> bool:
    """Say whether a config allows a value beyond an end of numbers in order."""
    neighbour = ordered[1] if end == ordered[0] else ordered[-2]
    if end == 0 and neighbour > 0:
        return False
    is_whole = all(isinstance(value, int) for value in ordered)
    by_factor = ordered[0] > 0 and not is_whole
    beyond: Any = end * end / neighbour if by_factor else 2 * end - neighbour
    if is_whole:
        beyond = end + (1 if end > neighbour else -1)
        if end > 0 >= beyond:
            return False  # of things that are counted there is no number below one
    return not try_changes(config, {path: beyond})[1]
