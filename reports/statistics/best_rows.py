"""Which rows of a column are set in bold: the best one, and every row that its seeds cannot tell from it.

Legend: B tables, C columns, R rows, N seeds, K pairs of rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tablewright.reports.statistics.comparison import MIN_SEEDS_TO_COMPARE, SIGNIFICANCE_LEVEL, t_quantile
from tablewright.reports.statistics.seed_noise import (
    NOTHING_VARIES,
    Bools,
    Floats,
    Whole,
    seed_noise,
    seed_sums,
)

NUM_RIVALS = (
    3  # highest means that each row is held against; the very highest may be too noisy to tell anything
)
READINESS = (
    4  # a best row that is noisy spoils the table, and stands out twice as readily as a row that is compared
)


def best_rows(
    values_CRN: Floats,
    higher_is_better_C: Sequence[bool],
    *,
    training_R: Sequence[int] | Whole | None = None,
    source_R: Sequence[int] | Whole | None = None,
) -> Bools:
    """Find the rows of each column that may be the best.

    Multiple comparisons with the best (Hsu, Ann. Stat. 9:1026, 1981): a row is left out where another is ahead
    by more than chance allows. The truly best row meets the R - 1
    others of its column, so each such test is one-sided at the level / (R - 1), and the columns share the
    level: the chance that any column of a table leaves out its truly best row is at most 5 %, however near
    the others come. Views of one training are pairs, whose differences are judged by their own seeds.

    Args:
        values_CRN: NaN where a seed is missing.
        higher_is_better_C: direction of each column.
        training_R: rows with the same number are read from the same trainings; None where each has its own.
        source_R: rows with the same number are views of exactly the same trainings, as in `compare`.

    Returns:
        (C, R). Rows of fewer than three seeds take no part, and one that is alone is the best of nothing.
    """
    sign_C = np.where(np.asarray(higher_is_better_C), 1.0, -1.0)
    return best_rows_of_tables(
        (values_CRN * sign_C[:, None, None])[None], training_R=training_R, source_R=source_R
    )[0]


def best_rows_of_tables(
    values_BCRN: Floats,
    *,
    training_R: Sequence[int] | Whole | None = None,
    source_R: Sequence[int] | Whole | None = None,
) -> Bools:
    """Find the best rows of many tables in which higher is better; see `best_rows`."""
    num_tables, num_columns, num_rows, _ = values_BCRN.shape
    num_seeds_BCR = (~np.isnan(values_BCRN)).sum(3)
    takes_part_BCR = num_seeds_BCR >= MIN_SEEDS_TO_COMPARE
    mean_BCR = np.nansum(values_BCRN, 3) / np.maximum(num_seeds_BCR, 1)
    rank_BCR = np.argsort(np.where(takes_part_BCR, -mean_BCR, np.inf), 2, kind="stable")

    # One pair for each rival and each row.
    rivals_BCI = rank_BCR[..., :NUM_RIVALS]
    shape_BCIR = (num_tables, num_columns, rivals_BCI.shape[2], num_rows)
    shape_BCK = (num_tables, num_columns, shape_BCIR[2] * num_rows)
    is_rival_BCIR = (rivals_BCI[..., None] == np.arange(num_rows)).astype(np.float64)
    weights_BCKR = (is_rival_BCIR[..., None, :] - np.eye(num_rows)).reshape(*shape_BCK, num_rows)
    num_uses_R = np.full(num_rows, READINESS * (num_rows - 1.0))
    source_R = training_R if source_R is None else source_R
    number_R = np.arange(num_rows) if source_R is None else np.asarray(source_R)
    is_paired_BCK = (number_R[rivals_BCI][..., None] == number_R).reshape(shape_BCK)
    noise = seed_noise(
        values_BCRN, weights_BCKR, training_R=training_R, num_uses_M=num_uses_R, is_paired_BCK=is_paired_BCK
    )
    lead_BCKN = seed_sums(values_BCRN, weights_BCKR)
    num_common_BCK = (~np.isnan(lead_BCKN)).sum(3)
    lead_BCK = np.nansum(lead_BCKN, 3) / np.maximum(num_common_BCK, 1)

    num_parts_BC = takes_part_BCR.sum(2)
    num_columns_B = (num_parts_BC > 1).sum(1)
    level_BC = SIGNIFICANCE_LEVEL / np.maximum(num_columns_B[:, None] * (num_parts_BC - 1), 1)
    quantile_BCK = t_quantile(1 - level_BC[..., None], noise.df_BCK)
    limit_BCK = quantile_BCK * noise.deviation_BCK / np.sqrt(np.maximum(num_common_BCK, 1))
    rounding_BC = NOTHING_VARIES * np.nanmax(np.abs(values_BCRN), (2, 3), initial=0.0)
    is_ahead_BCK = lead_BCK > np.maximum(limit_BCK, rounding_BC[..., None])
    is_ahead_BCK &= num_common_BCK >= MIN_SEEDS_TO_COMPARE
    is_behind_BCR = is_ahead_BCK.reshape(shape_BCIR).any(2)
    is_highest_BCR = np.arange(num_rows) == rank_BCR[..., :1]
    return (~is_behind_BCR | is_highest_BCR) & takes_part_BCR & (num_parts_BC > 1)[..., None]
