"""What the figures of a table are drawn of: its declaration, what its seeds gave, and what was compared."""

from __future__ import annotations

import functools
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.design import AsPrinted, Design, Row, full_label
from tablewright.orchestrator.plans.plan import Cell
from tablewright.reports.statistics.seed import Place, Seed
from tablewright.reports.statistics.table_statistics import Compared
from tablewright.reports.table.number import in_print
from tablewright.reports.table.table import Table
from tablewright.trainables.contract.metric import Metric

POINTS = "points"
"""Unit of the difference of two percentages."""


@dataclass(frozen=True)
class DrawnTable:
    """A table and what its figures need beside it.

    Attributes:
        ablation: the declaration.
        table: as it is printed.
        cells: of the plan, those of this table.
        seeds: what each cell has of its seeds.
    """

    ablation: Ablation
    table: Table
    cells: Sequence[Cell]
    seeds: Mapping[Place, Sequence[Seed]]

    def values(self, row: str, dataset: str, metric: Metric) -> dict[int, float]:
        """Give what was measured of a row, by seed, in the unit of print.

        Args:
            row: label, its group in front.
            dataset: label.
            metric: of the table.
        """
        return {
            seed.seed: in_print(seed.value, metric)
            for seed in self.seeds.get((row, dataset, metric.name), ())
            if seed.state == "done"
        }

    @functools.cached_property
    def cells_of(self) -> Mapping[tuple[str, str], Sequence[Cell]]:
        """The cells of each row, its group in front, on each data set."""
        found: dict[tuple[str, str], list[Cell]] = {}
        for cell in self.cells:
            label = f"{cell.group} / {cell.row}" if cell.group else cell.row
            found.setdefault((label, cell.dataset), []).append(cell)
        return found

    @property
    def designs(self) -> Iterator[tuple[Design, tuple[Row, ...]]]:
        """Each design with the rows that it has made; one that carries printed values by what it carries them for."""
        for design, rows in zip(self.ablation.rows, self.ablation.rows_by_design, strict=True):
            yield (design.design if isinstance(design, AsPrinted) else design), rows

    @property
    def base_label(self) -> str:
        """Label of the row that others are compared with, its group in front; empty where there is none."""
        base = self.ablation.reference_row
        return "" if base is None else full_label(base)

    def chosen_rows(self, dataset: str, metric: Metric, most: int) -> tuple[str, ...]:
        """Choose rows for a figure that has room for few, in printing order.

        All that are measured where there are so few; else the base, the best and the worst, and then those that are
        farthest from the mean of all.
        """
        labels = [full_label(row) for row in self.ablation.trained_rows]
        means = {
            label: statistics.fmean(values.values())
            for label in labels
            if (values := self.values(label, dataset, metric))
        }
        if len(means) <= most:
            return tuple(means)
        middle = statistics.fmean(means.values())
        ends = {pick(means, key=lambda label: means[label]) for pick in (min, max)}
        order = sorted(
            means,
            key=lambda label: (label != self.base_label, label not in ends, -abs(means[label] - middle)),
        )
        return tuple(label for label in means if label in order[:most])

    def compared(self, dataset: str, metric: Metric) -> Iterator[Compared]:
        """Give what is compared in one column, rows first, then effects of several rows."""
        for place, column in enumerate(self.table.columns):
            if (column.dataset, column.metric.name) == (dataset, metric.name):
                of_rows = (row.cells[place].compared for row in self.table.rows)
                yield from (compared for compared in of_rows if compared is not None)
        for effect in self.table.effects:
            for column, compared in effect.compared:
                if (column.dataset, column.metric.name) == (dataset, metric.name):
                    yield compared


def quantity_label(metric: Metric) -> str:
    """Name a metric beside an axis."""
    return f"{metric.label}, %" if metric.is_fraction else metric.label


def difference_label(metric: Metric) -> str:
    """Name a difference of a metric beside an axis."""
    return f"Δ {metric.label}, {POINTS}" if metric.is_fraction else f"Δ {metric.label}"


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float | None]:
    """Give mean and sample standard deviation; of one value there is no deviation."""
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None
