"""Ranges whose best value lies at an end, beyond which a better one may be."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tablewright.orchestrator.changes import try_changes
from tablewright.orchestrator.design import Row, Sweep, full_label
from tablewright.orchestrator.ranges import FloatRange, IntRange, range_of
from tablewright.orchestrator.search import Search
from tablewright.reports.row_configs import RowConfigs
from tablewright.reports.table import Table
from tablewright.trainables.contract.method import TrainingConfig

MIN_VALUES = 3
"""Two values have no middle."""

NEAR_AN_END = 0.01
"""Part of a searched range within which a value counts as its end."""


def ends_of_sweep(sweep: Sweep, rows: Sequence[Row], configs: RowConfigs, table: Table) -> Iterator[str]:
    """Find data sets on which the best of the swept numbers is the lowest or the highest one.

    An end beyond which the config allows nothing, or zero below positive numbers, is no end that could be moved.

    Args:
        sweep: the design.
        rows: that it makes.
        configs: of its table.
        table: as the records fill it.
    """
    values = [value for value in sweep.values if isinstance(value, (int, float)) and value is not True]
    if len(values) < max(MIN_VALUES, len(sweep.values)):
        return
    labels = [full_label(row) for row in rows]
    cells_of = {label: row.cells for label, row in table.labelled_rows()}
    metric = configs.ablation.tested_metrics[0]
    for place, column in enumerate(table.columns):
        if column.metric.name != metric.name:
            continue
        means = [cells_of[label][place].mean for label in labels]
        if any(mean is None for mean in means):
            continue
        sign = 1 if metric.higher_is_better else -1
        best = max(range(len(values)), key=lambda index: sign * (means[index] or 0.0))
        ordered = sorted(values)
        if values[best] not in (ordered[0], ordered[-1]):
            continue
        dataset = next(one for one in configs.ablation.datasets if one.label == column.dataset)
        members = configs.of(rows[best], dataset)
        if len(members) == 1 and _could_go_on(members[0], sweep.path, values[best], ordered):
            end = "lowest" if values[best] == ordered[0] else "highest"
            yield (
                f"{sweep.path} is best in {metric.label} at {values[best]:g}, the {end} of "
                f"{', '.join(f'{value:g}' for value in values)} ({column.dataset})"
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
