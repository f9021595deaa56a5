"""One cell of a table: its values over the seeds, and how they are put into words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tablewright.reports.statistics.item_comparisons import ItemComparison
from tablewright.reports.statistics.seed import Seed
from tablewright.reports.statistics.statistics import (
    rerun_interval,
    rerun_miss_chance,
    seed_interval,
    summarise,
)
from tablewright.reports.statistics.table_statistics import Compared
from tablewright.reports.table.number import difference_text, half_printed_unit, printed_text, value_text
from tablewright.trainables.contract.metric import Metric

MIN_SEEDS_FOR_A_VERDICT = 3  # with two, one degree of freedom is left and an interval says next to nothing

MISSING = "—"
FAILED, REFUSED = "failed", "refused"
SIGNIFICANT, OPEN = "†", "?"
AGREES, DISAGREES = "✓", "✗"


CellSummary = Literal["done", "partial", "missing", "failed", "refused", "printed", "imported"]


@dataclass(frozen=True)
class TableCell:
    """One row measured by one metric on one data set, over its seeds.

    Attributes:
        state: `partial` has some of its seeds; `failed`, `refused` and `missing` have none; `printed` is of a
            row that is never trained, and has the paper's value alone; `imported` of one that was trained elsewhere.
        mean: over the seeds measured; None where there are none.
        deviation: sample standard deviation; None for fewer than two seeds.
        interval: 95 % confidence interval of the mean; None for fewer than two seeds.
        rerun_interval: 95 % prediction interval of one more run; None for fewer than two seeds.
        n: seeds measured.
        n_expected: seeds planned.
        published: the paper's value; None where it gives none, or measured it on other data.
        agrees_with_paper: whether the paper's value could be one more run of ours; None where the paper
            gives none, or seeds are missing or too few to say.
        miss_chance: how likely an exact reproduction is marked as none; None where there is no verdict.
        compared: with the row that its own is compared with; None where there is no such row, or too few seeds.
        items: the same over the queries or images that both were measured on; None where that is not asked for.
        prints_like_reference: whether its mean and that row's are the same in print.
        rank: 1 is set in bold, 2 underlined.
        training_ids: of every planned seed, in the order of seeds.
        seeds: that are measured.
    """

    state: CellSummary
    mean: float | None
    deviation: float | None
    interval: tuple[float, float] | None
    rerun_interval: tuple[float, float] | None
    n: int
    n_expected: int
    published: float | None
    agrees_with_paper: bool | None
    training_ids: tuple[str, ...]
    seeds: tuple[int, ...] = ()
    miss_chance: float | None = None
    compared: Compared | None = None
    items: ItemComparison | None = None
    prints_like_reference: bool = False
    rank: Literal[1, 2] | None = None

    @property
    def difference(self) -> float | None:
        """Reproduced minus published."""
        return None if self.mean is None or self.published is None else self.mean - self.published

    @property
    def is_complete(self) -> bool:
        """Say whether every planned seed is in the mean."""
        return self.state in ("done", "printed", "imported")

    @property
    def is_marked(self) -> bool:
        """Say whether it is marked as different from the row that it is compared with.

        Where both print the same number a reader would see a mark without a difference, so there is none.
        """
        return self.compared is not None and self.compared.is_marked and not self.prints_like_reference


def build_cell(seeds: Sequence[Seed], metric: Metric, *, published: float | None) -> TableCell:
    """Make a cell of what its seeds gave.

    Args:
        seeds: every planned one, in any order; none of a row that is never trained.
        metric: of the values.
        published: the paper's value, if it may stand beside ours.
    """
    seeds = sorted(seeds, key=lambda seed: seed.seed)
    measured = _measured(seeds)
    values = list(measured.values())
    summary = summarise(values)
    of_a_rerun = rerun_interval(values)
    state: CellSummary = "partial"
    if not seeds:
        state = "printed"
    elif summary is None:
        found = {seed.state for seed in seeds}
        state = "refused" if "refused" in found else "failed" if "failed" in found else "missing"
    elif summary.n == len(seeds):
        state = "done"
    has_verdict = state == "done" and len(values) >= MIN_SEEDS_FOR_A_VERDICT and published is not None
    return TableCell(
        state=state,
        mean=None if summary is None else summary.mean,
        deviation=None if summary is None else summary.deviation,
        interval=seed_interval(values),
        rerun_interval=of_a_rerun,
        n=len(values),
        n_expected=len(seeds),
        published=published,
        agrees_with_paper=_could_be_a_rerun(published, of_a_rerun, metric) if has_verdict else None,
        training_ids=tuple(training_id for seed in seeds for training_id in seed.training_ids),
        seeds=tuple(measured),
        miss_chance=rerun_miss_chance(values, rounding=half_printed_unit(published, metric))
        if has_verdict and published is not None
        else None,
    )


def imported_cell(values: Sequence[float]) -> TableCell:
    """Make a cell of runs that were made elsewhere; of none it is empty."""
    summary = summarise(values)
    return TableCell(
        state="printed" if summary is None else "imported",
        mean=None if summary is None else summary.mean,
        deviation=None if summary is None else summary.deviation,
        interval=seed_interval(values),
        rerun_interval=rerun_interval(values),
        n=len(values),
        n_expected=len(values),
        published=None,
        agrees_with_paper=None,
        training_ids=(),
    )


def _could_be_a_rerun(
    published: float | None, interval: tuple[float, float] | None, metric: Metric
) -> bool | None:
    """Say whether a value, rounded as it was printed, lies where one more run would; None without either."""
    if published is None or interval is None:
        return None
    low, high = interval
    rounding = half_printed_unit(published, metric)
    return low - rounding <= published <= high + rounding


def _measured(seeds: Sequence[Seed]) -> Mapping[int, float]:
    return {seed.seed: seed.value for seed in seeds if seed.state == "done"}


def mean_text(cell: TableCell, metric: Metric) -> str:
    """Print what is set in bold or underlined: mean and deviation, or why there is none."""
    mean, deviation = mean_and_deviation(cell, metric)
    return f"{mean} ± {deviation}" if deviation else mean


def mean_and_deviation(cell: TableCell, metric: Metric) -> tuple[str, str]:
    """Print the mean, or why there is none, and the deviation, empty where there is none."""
    if cell.state == "printed":
        return "", ""
    if cell.mean is None:
        return {"failed": FAILED, "refused": REFUSED}.get(cell.state, MISSING), ""
    return value_text(cell.mean, metric), "" if cell.deviation is None else value_text(cell.deviation, metric)


def marks_text(cell: TableCell) -> str:
    """Print what stands behind the value: whether it differs, and the seeds where some are missing."""
    is_open = cell.compared is not None and cell.compared.is_open
    mark = SIGNIFICANT if cell.is_marked else OPEN if is_open else ""
    seeds = f" ({cell.n}/{cell.n_expected})" if cell.state == "partial" else ""
    return mark + seeds


def compared_text(cell: TableCell, metric: Metric) -> str:
    """Print by how much a cell differs from what it is compared with, and the 95 % interval of that; or nothing."""
    return "" if cell.compared is None else contrast_text(cell.compared, metric)


def contrast_text(compared: Compared, metric: Metric) -> str:
    """Print how large a contrast is, and its 95 % interval."""
    comparison = compared.comparison
    low, high = (difference_text(end, metric) for end in comparison.interval)
    return f"{difference_text(comparison.estimate, metric)} [{low}, {high}]"


def published_text(cell: TableCell, metric: Metric) -> str:
    """Print the paper's value, behind it ours minus the paper's and the verdict; or nothing."""
    if cell.published is None:
        return ""
    text = printed_text(cell.published, metric)
    if cell.difference is None:
        return text
    verdict = {True: AGREES, False: DISAGREES, None: ""}[cell.agrees_with_paper]
    return f"{text} ({difference_text(cell.difference, metric)}{verdict})"
