"""Comparisons of rows: weighted sums of a table's rows, seed by seed, tested as one family.

A comparison is a row of weights that add up to 0: a row minus the reference, a step minus the row above, an
effect of a factorial design. Its t-statistic takes the variance from all rows of the column (`seed_noise`);
that of rows of one training, which are pairs whatever else the table has, from their own seeds. The p-values
of the whole table, comparisons times columns, are corrected together by Holm's method.

Legend: B tables, C columns, R rows, N seeds, K comparisons, M series as in `seed_noise`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from scipy import special  # its `stats` would cost every command half a second

from tablewright.reports.statistics.seed_noise import NOTHING_VARIES, Floats, Whole, seed_noise, seed_sums

SIGNIFICANCE_LEVEL = 0.05
MIN_SEEDS_TO_COMPARE = 3  # with two, chance and difference can hardly be told apart

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Comparison:
    """What the seeds say of one weighted sum of rows.

    Attributes:
        estimate: its mean over the seeds that all of its rows have.
        standard_error: of the estimate; 0 where nothing varies.
        df: degrees of freedom of the standard error, those lent by the other rows included.
        interval: 95 % confidence interval of the sum, for this comparison alone.
        p_value: two-sided, of this comparison alone.
        corrected_p_value: of this comparison among all of its table.
        num_seeds: that all of its rows have.
    """

    estimate: float
    standard_error: float
    df: float
    interval: tuple[float, float]
    p_value: float
    corrected_p_value: float
    num_seeds: int

    @property
    def is_significant(self) -> bool:
        """Say whether it differs from 0 by more than chance, in a family where any false mark has a chance of 5 %."""
        return self.corrected_p_value < SIGNIFICANCE_LEVEL


class ComparedTables(NamedTuple):
    """The comparisons of many tables; NaN where too few seeds are common."""

    estimate_BCK: Floats
    standard_error_BCK: Floats
    df_BCK: Floats
    p_value_BCK: Floats
    corrected_p_value_BCK: Floats
    num_seeds_BCK: Whole


def compare(
    values_CRN: Floats,
    weights_KR: Floats,
    *,
    training_R: Sequence[int] | Whole | None = None,
    source_R: Sequence[int] | Whole | None = None,
) -> list[list[Comparison | None]]:
    """Test the comparisons of one table.

    Args:
        values_CRN: of the columns that are tested; NaN where a seed is missing.
        weights_KR: one comparison each, adding up to 0.
        training_R: rows with the same number are read from the same trainings, so that chance moves them
            together; None where each row has trainings of its own.
        source_R: rows with the same number are views of exactly the same trainings, and pairs. An ensemble shares
            trainings with its members and is no view of them, nor are these of each other. None where there is none.

    Returns:
        For each column its comparisons; None where the rows of one have fewer than three seeds in common.

    Raises:
        ValueError: arrays do not belong together, or weights do not add up to 0.
    """
    faults = [*_faults(values_CRN, weights_KR, training_R)]
    if faults:
        raise ValueError(f"Comparisons: {'; '.join(faults)}")
    return comparisons_of(
        compare_tables(values_CRN[None], weights_KR, training_R=training_R, source_R=source_R), table=0
    )


def comparisons_of(compared: ComparedTables, *, table: int) -> list[list[Comparison | None]]:
    """Read the comparisons of one table from those of many, column by column."""
    fields = (*compared[:5], compared.standard_error_BCK * t_quantile(0.975, compared.df_BCK))
    columns: list[list[Comparison | None]] = []
    for *fields_K, num_seeds_K in zip(
        *(field[table] for field in fields), compared.num_seeds_BCK[table], strict=True
    ):
        columns.append([])
        for *values, num_seeds in zip(
            *(field.tolist() for field in fields_K), num_seeds_K.tolist(), strict=True
        ):
            estimate, standard_error, df, p_value, corrected_p_value, half_width = values
            interval = (estimate - half_width, estimate + half_width)
            comparison = Comparison(
                estimate, standard_error, df, interval, p_value, corrected_p_value, num_seeds
            )
            columns[-1].append(comparison if num_seeds >= MIN_SEEDS_TO_COMPARE else None)
    return columns


def _faults(
    values_CRN: Floats, weights_KR: Floats, training_R: Sequence[int] | Whole | None
) -> Iterator[str]:
    if values_CRN.ndim != 3 or weights_KR.ndim != 2 or values_CRN.shape[1] != weights_KR.shape[1]:
        yield (
            f"values are columns x rows x seeds and weights comparisons x rows; got {values_CRN.shape} and "
            f"{weights_KR.shape}"
        )
        return
    if np.isinf(values_CRN).any():
        yield "values are finite, or NaN where a seed is missing; got an infinite one"
    if training_R is not None and len(training_R) != weights_KR.shape[1]:
        yield f"each row has one training number; got {len(training_R)} for {weights_KR.shape[1]} rows"
    for index, weights_R in enumerate(weights_KR):
        if not np.isfinite(weights_R).all() or not weights_R.any() or abs(weights_R.sum()) > 1e-9:
            yield (
                "the weights of a comparison add up to 0 and are not all 0; "
                f"number {index} has {weights_R.tolist()}"
            )


def compare_tables(
    values_BCRN: Floats,
    weights_KR: Floats,
    *,
    training_R: Sequence[int] | Whole | None = None,
    source_R: Sequence[int] | Whole | None = None,
) -> ComparedTables:
    """Test the comparisons of many tables, each a family of its own; see `compare`."""
    training = np.arange(weights_KR.shape[1]) if training_R is None else np.asarray(training_R)
    source = training if source_R is None else np.asarray(source_R)
    joint_MR, weights_KM = _joint_rows(weights_KR, training)
    # A row of a difference is half of it; of a mean over many rows less hangs on each.
    part_KM = weights_KM**2 / (weights_KM**2).sum(1, keepdims=True)
    num_uses_M = 2 * part_KM.sum(0)
    noise = seed_noise(
        values_BCRN,
        weights_KM,
        joint_MR=joint_MR,
        training_R=training,
        num_uses_M=num_uses_M,
        is_paired_BCK=np.array(
            [len(np.unique(source[weights_R != 0])) == 1 for weights_R in weights_KR], bool
        ),
    )
    sums_BCKN = seed_sums(values_BCRN, weights_KR)
    num_seeds_BCK = (~np.isnan(sums_BCKN)).sum(3)
    is_tested_BCK = num_seeds_BCK >= MIN_SEEDS_TO_COMPARE
    estimate_BCK = np.nansum(sums_BCKN, 3) / np.maximum(num_seeds_BCK, 1)
    largest_BC = np.nanmax(np.abs(values_BCRN), (2, 3), initial=0.0)
    standard_error_BCK = noise.deviation_BCK / np.sqrt(np.maximum(num_seeds_BCK, 1))
    p_value_BCK = two_sided_p_values(
        estimate_BCK, standard_error_BCK, noise.df_BCK, NOTHING_VARIES * largest_BC[..., None]
    )
    p_value_BCK = np.where(is_tested_BCK, p_value_BCK, np.nan)
    corrected_BJ = correct_p_values(p_value_BCK.reshape(len(values_BCRN), num_seeds_BCK[0].size))
    return ComparedTables(
        np.where(is_tested_BCK, estimate_BCK, np.nan),
        np.where(is_tested_BCK, standard_error_BCK, np.nan),
        np.where(is_tested_BCK, noise.df_BCK, np.nan),
        p_value_BCK,
        corrected_BJ.reshape(p_value_BCK.shape),
        num_seeds_BCK,
    )


def _joint_rows(weights_KR: Floats, training_R: Whole) -> tuple[Floats, Floats]:
    """Put the rows that a comparison takes from one training together, for chance moves them together.

    Returns:
        The series of `seed_noise`, and the weights of each comparison over them.
    """
    num_rows = len(training_R)
    of_rows_KR = weights_KR.astype(np.float64)
    joint: dict[tuple[float, ...], dict[int, float]] = {}  # mean of rows -> its weight in each comparison
    for index, weights_R in enumerate(weights_KR):
        numbers, counts = np.unique(training_R[weights_R != 0], return_counts=True)
        for number in numbers[counts > 1]:
            is_joint_R = (training_R == number) & (weights_R != 0)
            weight = float(np.abs(weights_R[is_joint_R]).sum()) * float(np.sign(weights_R[is_joint_R][0]))
            mean_R = np.where(is_joint_R, weights_R / weight, 0.0).round(12)
            joint.setdefault(tuple(mean_R.tolist()), {})[index] = weight
            of_rows_KR[index, is_joint_R] = 0.0
    of_joint_KJ = np.zeros((len(weights_KR), len(joint)))
    for column_K, weight_of in zip(of_joint_KJ.T, joint.values(), strict=True):
        column_K[list(weight_of)] = list(weight_of.values())
    joint_JR = np.array(list(joint)).reshape(-1, num_rows)
    return np.vstack([np.eye(num_rows), joint_JR]), np.hstack([of_rows_KR, of_joint_KJ])


def two_sided_p_values(
    estimate: Floats, standard_error: Floats, df: Floats, rounding: Floats | float
) -> Floats:
    """Give the p-values of t-statistics; where nothing varies, 0 for a difference and 1 for none.

    Args:
        estimate: of any shape.
        standard_error: 0 where nothing varies.
        df: degrees of freedom.
        rounding: up to which a difference is none.
    """
    does_vary = standard_error > 0
    t = np.abs(estimate) / np.where(does_vary, standard_error, 1.0)
    p_value = 2 * cast(Floats, cast(Any, special).stdtr(df, -t))
    return np.where(does_vary, p_value, np.where(np.abs(estimate) > rounding, 0.0, 1.0))


def correct_p_values(p_value_BJ: Floats, num_tests_B: Whole | None = None) -> Floats:
    """Correct the p-values of each family for their number, by Holm's method (Scand. J. Stat. 6:65, 1979).

    Of twenty rows that do not differ from the reference one would be marked at p < 0.05. With corrected
    values the chance of any false mark in the family is below the level, whatever the tests depend on.

    Args:
        p_value_BJ: one family a row; NaN where nothing is tested.
        num_tests_B: of each family, where more are to be counted than are tested here.
    """
    num_here_B = (~np.isnan(p_value_BJ)).sum(1)
    num_left_B1 = (num_here_B if num_tests_B is None else num_tests_B).reshape(-1, 1)
    num_left_BJ = np.maximum(num_left_B1 - np.arange(p_value_BJ.shape[1]), 1)
    order_BJ = np.argsort(p_value_BJ, 1, kind="stable")  # NaN comes last
    sorted_BJ = np.maximum.accumulate(np.take_along_axis(p_value_BJ, order_BJ, 1) * num_left_BJ, 1)
    corrected_BJ = np.empty_like(sorted_BJ)
    np.put_along_axis(corrected_BJ, order_BJ, np.minimum(sorted_BJ, 1.0), 1)
    return corrected_BJ


def t_quantile(probability: Floats | float, df: Floats) -> Floats:
    """Give the quantile of Student's t, of the shape that both have together."""
    return cast(Floats, cast(Any, special).stdtrit(df, probability))
