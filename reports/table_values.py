"""The values of a table as the statistics take them: by column, row and seed, with what is compared.

Legend: C columns, R rows, N seeds, K contrasts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator.design import Contrast, full_label
from orchestrator.study import Ablation
from reports.contrast_weights import contrast_weights
from reports.seed import Place, Seed
from reports.seed_noise import Bools, Floats, Whole
from trainables.contract import Metric


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
        contrasts: what is compared.
        weights_KR: of the rows in each.
        training_R: rows with the same number share trainings.
    """

    rows: tuple[str, ...]
    columns: tuple[ColumnKey, ...]
    seeds: tuple[int, ...]
    values_CRN: Floats
    is_lost_CRN: Bools
    contrasts: tuple[Contrast, ...]
    weights_KR: Floats
    training_R: Whole

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
    return TableValues(
        rows,
        columns,
        seeds,
        values_CRN,
        is_lost_CRN,
        ablation.contrasts,
        contrast_weights(ablation.contrasts, rows),
        _numbered_by_training(rows, seeds_of),
    )


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
