"""The values of a table as the statistics take them: by column, row and seed, with what is compared.

Legend: C columns, R rows, N seeds, K contrasts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.design import Contrast, full_label
from tablewright.reports.statistics.contrast_weights import contrast_weights
from tablewright.reports.statistics.seed import Place, Seed
from tablewright.reports.statistics.seed_noise import Bools, Floats, Whole
from tablewright.trainables.contract.metric import Metric


@dataclass(frozen=True)
class ColumnKey:
    """One metric of one data set."""

    dataset: str
    metric: Metric


@dataclass(frozen=True)
class TableValues:
    """What the seeds of a table gave.

    Attributes:
        rows: labels of the trained rows, groups in front.
        columns: data sets by metrics, in printing order.
        seeds: that any row has, in the order in which rows get them.
        values_CRN: NaN where a seed is not measured.
        is_lost_CRN: seeds that will not be measured before a person mends something.
        contrasts: what is compared, each thing once.
        weights_KR: of the rows in each.
        repeated: contrasts of rows that are another row once more, with the place of the contrast that each repeats;
            one of a row with itself is left out.
        first_R: place of the row that each one is; its own unless it repeats another.
        training_R: rows with the same number share trainings.
        source_R: rows with the same number are read from exactly the same ones.
    """

    rows: tuple[str, ...]
    columns: tuple[ColumnKey, ...]
    seeds: tuple[int, ...]
    values_CRN: Floats
    is_lost_CRN: Bools
    contrasts: tuple[Contrast, ...]
    weights_KR: Floats
    repeated: tuple[tuple[Contrast, int], ...]
    first_R: Whole
    training_R: Whole
    source_R: Whole

    def places_of(self, metrics: Sequence[Metric]) -> list[int]:
        """Give the places of the columns of some metrics."""
        names = {metric.name for metric in metrics}
        return [place for place, column in enumerate(self.columns) if column.metric.name in names]


def table_values(
    ablation: Ablation, seeds_of: Mapping[Place, Sequence[Seed]], order: Sequence[int]
) -> TableValues:
    """Arrange what a table's cells have.

    Args:
        ablation: the declaration.
        seeds_of: what each cell has of its seeds.
        order: every seed that a row may have, in the order in which rows get them.
    """
    rows = tuple(full_label(row) for row in ablation.trained_rows)
    columns = tuple(
        ColumnKey(dataset.label, metric) for dataset in ablation.datasets for metric in ablation.metrics
    )
    used = {seed.seed for cells in seeds_of.values() for seed in cells}
    seeds = tuple(seed for seed in order if seed in used)
    place_of = {seed: place for place, seed in enumerate(seeds)}
    values_CRN = np.full((len(columns), len(rows), len(seeds)), math.nan)
    is_lost_CRN = np.zeros(values_CRN.shape, bool)
    for c, column in enumerate(columns):
        for r, row in enumerate(rows):
            for seed in seeds_of.get((row, column.dataset, column.metric.name), ()):
                if seed.state == "done":
                    values_CRN[c, r, place_of[seed.seed]] = seed.value
                else:
                    is_lost_CRN[c, r, place_of[seed.seed]] = seed.state in ("failed", "refused")
    first_of = ablation.repeated_rows
    contrasts, weights_KR, repeated = _each_once(ablation.contrasts, rows, first_of)
    return TableValues(
        rows,
        columns,
        seeds,
        values_CRN,
        is_lost_CRN,
        contrasts,
        weights_KR,
        repeated,
        np.array([rows.index(first_of.get(row, row)) for row in rows], dtype=np.intp),
        _numbered_by_training(rows, seeds_of),
        _numbered_by_source(rows, seeds_of),
    )


def _each_once(
    contrasts: Sequence[Contrast], rows: Sequence[str], first_of: Mapping[str, str]
) -> tuple[tuple[Contrast, ...], Floats, tuple[tuple[Contrast, int], ...]]:
    """Part contrasts from those that say the same of a row that stands twice: a family counts each thing once."""
    as_first: list[Contrast] = []
    for contrast in contrasts:
        weights: dict[str, float] = {}
        for row, weight in contrast.weights.items():
            first = first_of.get(row, row)
            weights[first] = weights.get(first, 0.0) + weight
        is_same = weights == contrast.weights  # nearly always; to declare it once more would take its time
        as_first.append(contrast if is_same else replace(contrast, weights=weights))
    place_of: dict[tuple[float, ...], int] = {}
    once: list[int] = []
    repeated: list[tuple[Contrast, int]] = []
    weights_KR = contrast_weights(as_first, rows)
    for number, weights_R in enumerate(weights_KR):
        if not weights_R.any():
            continue
        place = place_of.setdefault(tuple(weights_R.tolist()), len(once))
        if place == len(once):
            once.append(number)
        else:
            repeated.append((contrasts[number], place))
    return tuple(contrasts[number] for number in once), weights_KR[once], tuple(repeated)


def _numbered_by_training(rows: Sequence[str], seeds_of: Mapping[Place, Sequence[Seed]]) -> Whole:
    """Give rows that share a training, directly or through others, the same number."""
    number_of = {row: number for number, row in enumerate(rows)}
    owner: dict[str, int] = {}
    for (row, _, _), cells in seeds_of.items():
        for training_id in (identity for cell in cells for identity in cell.training_ids):
            if row not in number_of:
                continue
            known = owner.setdefault(training_id, number_of[row])
            if known != (own := number_of[row]):
                merged = min(known, own)
                number_of = {
                    label: merged if number in (known, own) else number for label, number in number_of.items()
                }
                owner = {
                    identity: merged if number in (known, own) else number
                    for identity, number in owner.items()
                }
    return np.array([number_of[row] for row in rows], dtype=np.intp)


def _numbered_by_source(rows: Sequence[str], seeds_of: Mapping[Place, Sequence[Seed]]) -> Whole:
    """Give rows that are read from exactly the same trainings the number of the first of them.

    What counts are the seeds that both have: one of two views may have been given more.
    """
    ids_of: dict[str, dict[tuple[str, int], frozenset[str]]] = {row: {} for row in rows}
    for (row, dataset, _), cells in seeds_of.items():
        if row in ids_of:
            ids_of[row].update({(dataset, cell.seed): frozenset(cell.training_ids) for cell in cells})

    def is_one(row: str, other: str) -> bool:
        common = ids_of[row].keys() & ids_of[other].keys()
        return bool(common) and all(ids_of[row][key] == ids_of[other][key] for key in common)

    # Only rows that have a training in common can be one, and of many rows few have.
    sharing: dict[str, list[int]] = {}
    firsts: list[int] = []
    for number, row in enumerate(rows):
        ids = sorted(set[str]().union(*ids_of[row].values()))
        alike = sorted({other for identity in ids for other in sharing.get(identity, ())})
        candidates = [other for other in alike if firsts[other] == other]
        firsts.append(next((first for first in candidates if is_one(rows[first], row)), number))
        for identity in ids:
            sharing.setdefault(identity, []).append(number)
    return np.array(firsts, dtype=np.intp)
