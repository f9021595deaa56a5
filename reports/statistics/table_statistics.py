"""What the seeds of a table say beyond its means.

Which rows differ from what they are compared with, which may be the best of their column, and how small a
difference the table could have found.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.design import Contrast
from tablewright.orchestrator.declared.study import Study, UntilDecided
from tablewright.reports.statistics.best_rows import best_rows
from tablewright.reports.statistics.comparison import MIN_SEEDS_TO_COMPARE, Comparison, compare
from tablewright.reports.statistics.seed_decision import SeedDecision, decide_seeds
from tablewright.reports.statistics.smallest_difference import (
    row_correlations,
    row_deviations,
    smallest_differences,
)
from tablewright.reports.statistics.table_values import ColumnKey, TableValues


@dataclass(frozen=True)
class Compared:
    """One contrast of one column.

    Attributes:
        contrast: what is compared.
        comparison: what the seeds say of it.
        is_tested: whether it is one of the table's family; of any other the difference and its interval are told,
            and no p-value.
        is_open: whether further seeds are to decide it.
        is_repeated: whether another contrast says the same and is the one that the family counts.
    """

    contrast: Contrast
    comparison: Comparison
    is_tested: bool
    is_open: bool = False
    is_repeated: bool = False

    @property
    def is_marked(self) -> bool:
        """Say whether it differs from nothing by more than chance."""
        return self.is_tested and not self.is_open and self.comparison.is_significant


@dataclass(frozen=True)
class SmallestDifference:
    """What a column finds in four tables of five.

    Attributes:
        column: of the table.
        num_seeds: of each row.
        lowest: difference in the metric's own unit, of the contrast that is found most readily.
        highest: likewise, of the one that is found least readily.
        is_declared: whether it follows from a declared deviation, and not from recorded ones.
        num_recorded: seeds of the row that has most, by which deviations are known.
    """

    column: ColumnKey
    num_seeds: int
    lowest: float
    highest: float
    is_declared: bool
    num_recorded: int


@dataclass(frozen=True)
class TableStatistics:
    """What is known of a table beyond its means.

    Attributes:
        compared: by (data set, metric name, place of the contrast); only where its rows have three seeds in common.
        best: (row, data set, metric name) of the rows that may be the best of their column.
        num_tests: comparisons of the family.
        smallest: differences that the tested columns could have found.
    """

    compared: Mapping[tuple[str, str, int], Compared]
    best: frozenset[tuple[str, str, str]]
    num_tests: int
    smallest: tuple[SmallestDifference, ...]


def table_statistics(study: Study, ablation: Ablation, values: TableValues) -> TableStatistics:
    """Judge a table.

    Args:
        study: that declares it; its seeds may be added until the comparisons are decided.
        ablation: the declaration.
        values: what its seeds gave.
    """
    tested = values.places_of(ablation.tested_metrics)
    compared: dict[tuple[str, str, int], Compared] = {}
    for place, column in enumerate(values.columns):
        if place not in tested and len(values.weights_KR):
            (found,) = compare(
                values.values_CRN[[place]],
                values.weights_KR,
                training_R=values.training_R,
                source_R=values.source_R,
            )
            _add(compared, column, values, found, is_tested=False)
    if tested and len(values.weights_KR):
        found, is_open_CK = _compare_tested(study, values, tested)
        for place, of_column, is_open_K in zip(tested, found, is_open_CK, strict=True):
            _add(compared, values.columns[place], values, of_column, is_tested=True, is_open=is_open_K)
    # What was compared has so many; a row may have more, that the one it is compared with has not.
    common = [item.comparison.num_seeds for item in compared.values() if item.is_tested]
    num_seeds = max(common, default=int(np.max((~np.isnan(values.values_CRN)).sum(2), initial=0)))
    return TableStatistics(
        compared,
        _best(values),
        sum(item.is_tested and not item.is_repeated for item in compared.values()),
        tuple(smallest_of(ablation, values, [num_seeds])),
    )


def decided_seeds(seeds: UntilDecided, values: TableValues, tested: Sequence[int]) -> SeedDecision:
    """Say what the seeds of a table have decided, and which rows need more.

    Args:
        seeds: of its study.
        values: what its seeds gave.
        tested: places of the columns whose comparisons are tested.
    """
    return decide_seeds(
        values.values_CRN[tested],
        values.weights_KR,
        first=seeds.first,
        most=seeds.most,
        is_lost_CRN=values.is_lost_CRN[tested],
        training_R=values.training_R,
        source_R=values.source_R,
    )


def _compare_tested(
    study: Study, values: TableValues, tested: Sequence[int]
) -> tuple[list[list[Comparison | None]], Sequence[Sequence[bool]]]:
    if isinstance(study.seeds, UntilDecided):
        decided = decided_seeds(study.seeds, values, tested)
        return decided.comparisons, decided.is_open_CK.tolist()
    found = compare(
        values.values_CRN[tested], values.weights_KR, training_R=values.training_R, source_R=values.source_R
    )
    return found, [[False] * len(values.contrasts)] * len(tested)


def _add(
    compared: dict[tuple[str, str, int], Compared],
    column: ColumnKey,
    values: TableValues,
    found: Sequence[Comparison | None],
    *,
    is_tested: bool,
    is_open: Sequence[bool] | None = None,
) -> None:
    once = [(contrast, place, False) for place, contrast in enumerate(values.contrasts)]
    again = [(contrast, place, True) for contrast, place in values.repeated]
    for number, (contrast, place, is_repeated) in enumerate([*once, *again]):
        comparison = found[place]
        if comparison is not None:
            opened = is_open is not None and is_open[place]
            key = column.dataset, column.metric.name, number
            compared[key] = Compared(contrast, comparison, is_tested, opened, is_repeated)


def _best(values: TableValues) -> frozenset[tuple[str, str, str]]:
    """Find the best rows; one that repeats another is no rival, and best where that one is."""
    if not values.seeds:
        return frozenset()
    directions = [column.metric.higher_is_better for column in values.columns]
    once, number_R = np.unique(values.first_R, return_inverse=True)
    is_best_CR = best_rows(
        values.values_CRN[:, once],
        directions,
        training_R=values.training_R[once],
        source_R=values.source_R[once],
    )[:, number_R]
    return frozenset(
        (values.rows[row], values.columns[column].dataset, values.columns[column].metric.name)
        for column, row in np.argwhere(is_best_CR).tolist()
    )


def smallest_of(
    ablation: Ablation, values: TableValues, numbers_of_seeds: Sequence[int]
) -> list[SmallestDifference]:
    """Say what the tested columns find with so many seeds; nothing where no deviation is recorded or declared.

    Args:
        ablation: whose table it is.
        values: what is recorded of it.
        numbers_of_seeds: each is asked of all columns, one after the other; too few to compare find nothing.
    """
    tested = values.places_of(ablation.tested_metrics)
    numbers = [number for number in numbers_of_seeds if number >= MIN_SEEDS_TO_COMPARE]
    if not numbers or not len(values.weights_KR) or not tested:
        return []
    values_CRN, training_R = values.values_CRN[tested], values.training_R
    shape_CR = values_CRN.shape[:2]
    recorded_CR = (
        row_deviations(values_CRN, training_R=training_R) if values.seeds else np.full(shape_CR, np.nan)
    )
    has_shared = len(np.unique(training_R)) < len(training_R)
    correlation_CRR = (
        row_correlations(values_CRN, recorded_CR, training_R) if values.seeds and has_shared else None
    )
    num_recorded_C = (~np.isnan(values_CRN)).sum(2).max(1, initial=0)
    found: list[SmallestDifference] = []
    for num_seeds, (c, place) in itertools.product(numbers, enumerate(tested)):
        column, recorded_R = values.columns[place], recorded_CR[c]
        declared = ablation.deviation.get(column.metric.name)
        # Two seeds hardly know a deviation: what was declared says more.
        is_declared = bool(num_recorded_C[c] < (2 if declared is None else MIN_SEEDS_TO_COMPARE))
        if is_declared and declared is None:
            continue
        differences = smallest_differences(
            values.weights_KR,
            num_seeds=num_seeds,
            deviation_R=declared if is_declared and declared is not None else recorded_R,
            correlation_RR=None if is_declared or correlation_CRR is None else correlation_CRR[c],
            num_columns=len(tested),
            training_R=training_R,
            source_R=values.source_R,
        )
        lowest, highest = float(differences.min()), float(differences.max())
        found.append(
            SmallestDifference(column, num_seeds, lowest, highest, is_declared, int(num_recorded_C[c]))
        )
    return found
