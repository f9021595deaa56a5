"""One cell of a table: its values over the seeds, and how they are put into words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from reports.frame import CellState
from reports.number import difference_text, half_printed_unit, printed_text, value_text
from reports.statistics import Significance, compare, rerun_interval, seed_interval, summarise
from trainables.contract import Metric

SIGNIFICANCE_LEVEL = 0.05
MIN_SEEDS_TO_MARK = 3  # with two, one degree of freedom is left and a test says next to nothing

MISSING = "—"
FAILED, REFUSED = "failed", "refused"
SIGNIFICANT = "†"
AGREES, DISAGREES = "✓", "✗"


CellSummary = Literal["done", "partial", "missing", "failed", "refused", "printed"]


@dataclass(frozen=True)
class Seed:
    """What a cell has of one seed: a training, or those of an ensemble; NaN unless it is done."""

    seed: int
    training_ids: tuple[str, ...]
    state: CellState
    value: float


@dataclass(frozen=True)
class TableCell:
    """One row measured by one metric on one data set, over its seeds.

    Attributes:
        state: `partial` has some of its seeds; `failed`, `refused` and `missing` have none; `printed` is of a
            row that is never trained, and has the paper's value alone.
        mean: over the seeds measured; None where there are none.
        deviation: sample standard deviation; None for fewer than two seeds.
        interval: 95 % confidence interval of the mean; None for fewer than two seeds.
        rerun_interval: 95 % prediction interval of one more run; None for fewer than two seeds.
        n: seeds measured.
        n_expected: seeds planned.
        published: the paper's value; None where it gives none, or measured it on other data.
        agrees_with_paper: whether the paper's value could be one more run of ours; None where the paper
            gives none, or seeds are missing or too few to say.
        significance: against the table's reference row; None where no test is possible.
        prints_like_reference: whether its mean and that of the reference row are the same in print.
        rank: 1 best and 2 second of its column, None for the others.
        training_ids: of every planned seed, in the order of seeds.
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
    significance: Significance | None
    prints_like_reference: bool
    rank: Literal[1, 2] | None
    training_ids: tuple[str, ...]

    @property
    def difference(self) -> float | None:
        """Reproduced minus published."""
        return None if self.mean is None or self.published is None else self.mean - self.published

    @property
    def is_complete(self) -> bool:
        """Say whether every planned seed is in the mean."""
        return self.state in ("done", "printed")

    @property
    def is_significant(self) -> bool:
        """Say whether it is marked as different from the reference row.

        Where both print the same number a reader would see a mark without a difference, so there is none.
        """
        test = self.significance
        if test is None or test.corrected_p_value is None or self.prints_like_reference:
            return False
        return test.n >= MIN_SEEDS_TO_MARK and test.corrected_p_value < SIGNIFICANCE_LEVEL


def build_cell(
    seeds: Sequence[Seed], metric: Metric, *, published: float | None, reference: Sequence[Seed] | None
) -> TableCell:
    """Make a cell of what its seeds gave.

    Args:
        seeds: every planned one, in any order; none of a row that is never trained.
        metric: of the values.
        published: the paper's value, if it may stand beside ours.
        reference: the same cell of the reference row; None for that row itself.
    """
    seeds = sorted(seeds, key=lambda seed: seed.seed)
    measured = _measured(seeds)
    values = list(measured.values())
    summary = summarise(values)
    of_a_rerun = rerun_interval(values)
    compared = None if reference is None else _measured(reference)
    state: CellSummary = "partial"
    if not seeds:
        state = "printed"
    elif summary is None:
        found = {seed.state for seed in seeds}
        state = "refused" if "refused" in found else "failed" if "failed" in found else "missing"
    elif summary.n == len(seeds):
        state = "done"
    return TableCell(
        state=state,
        mean=None if summary is None else summary.mean,
        deviation=None if summary is None else summary.deviation,
        interval=seed_interval(values),
        rerun_interval=of_a_rerun,
        n=len(values),
        n_expected=len(seeds),
        published=published,
        agrees_with_paper=_could_be_a_rerun(published, of_a_rerun, metric)
        if state == "done" and len(values) >= MIN_SEEDS_TO_MARK
        else None,
        significance=None if compared is None else compare(measured, compared),
        prints_like_reference=compared is not None
        and _mean_text(values, metric) == _mean_text([*compared.values()], metric),
        rank=None,
        training_ids=tuple(training_id for seed in seeds for training_id in seed.training_ids),
    )


def _mean_text(values: Sequence[float], metric: Metric) -> str:
    summary = summarise(values)
    return "" if summary is None else value_text(summary.mean, metric)


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
    if cell.state == "printed":
        return ""
    if cell.mean is None:
        return {"failed": FAILED, "refused": REFUSED}.get(cell.state, MISSING)
    mean = value_text(cell.mean, metric)
    return mean if cell.deviation is None else f"{mean} ± {value_text(cell.deviation, metric)}"


def marks_text(cell: TableCell) -> str:
    """Print what stands behind the value: significance, and the seeds where some are missing."""
    significant = SIGNIFICANT if cell.is_significant else ""
    seeds = f" ({cell.n}/{cell.n_expected})" if cell.state == "partial" else ""
    return significant + seeds


def published_text(cell: TableCell, metric: Metric) -> str:
    """Print the paper's value, behind it ours minus the paper's and the verdict; or nothing."""
    if cell.published is None:
        return ""
    text = printed_text(cell.published, metric)
    if cell.difference is None:
        return text
    verdict = {True: AGREES, False: DISAGREES, None: ""}[cell.agrees_with_paper]
    return f"{text} ({difference_text(cell.difference, metric)}{verdict})"
