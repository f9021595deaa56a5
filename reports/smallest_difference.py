"""The smallest difference that a table finds: to be known before training, and read below the table after it.

Legend: C columns, R rows, N seeds, K comparisons, B simulated tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from scipy import optimize, special

from reports.comparison import SIGNIFICANCE_LEVEL, compare_tables, t_quantile
from reports.seed_noise import Floats, Whole, seed_noise

POWER = 0.8
NUM_SIMULATED = 1_000  # comparisons, over all simulated tables: an error of 2 %


def row_deviations(values_CRN: Floats, *, training_R: Sequence[int] | Whole | None = None) -> Floats:
    """Give each row's deviation between seeds, without what a seed does to all rows of a column alike.

    Args:
        values_CRN: what is recorded; NaN where a seed is missing.
        training_R: rows with the same number are read from the same trainings; None where each has its own.

    Returns:
        (C, R), each drawn toward what its column has in common. A row of fewer than two seeds has the root
        mean square of the others, and NaN where there is none.
    """
    is_known_CR = (~np.isnan(values_CRN)).sum(2) > 1
    weights_CRR = np.tile(np.eye(values_CRN.shape[1]), (len(values_CRN), 1, 1))
    for weights_RR, is_known_R in zip(weights_CRR, is_known_CR, strict=True):
        if (
            is_known_R.sum() == 2
        ):  # they have one difference between them, and each is given half its variance
            first, second = np.flatnonzero(is_known_R)
            weights_RR[[first, second], [second, first]] = -1.0
            weights_RR[[first, second]] /= np.sqrt(2)
    noise = seed_noise(values_CRN[None], weights_CRR[None], training_R=training_R)
    half_df_CR = noise.df_BCK[0] / 2
    # The t-statistic's scale lies low; the geometric mean of what the variance may be is as often too high as too low.
    log_excess_CR = np.log(half_df_CR) - cast(Floats, cast(Any, special).digamma(half_df_CR))
    variance_CR = noise.deviation_BCK[0] ** 2 * np.exp(log_excess_CR)
    num_known_C = is_known_CR.sum(1, keepdims=True)
    usual_C = np.where(is_known_CR, variance_CR, 0.0).sum(1, keepdims=True) / np.maximum(num_known_C, 1)
    usual_C = np.where(num_known_C > 0, usual_C, np.nan)
    return np.sqrt(np.where(is_known_CR, variance_CR, usual_C))


def smallest_differences(
    weights_KR: Floats,
    *,
    num_seeds: int,
    deviation_R: Floats | float,
    shared: float = 0.0,
    num_columns: int = 1,
    training_R: Sequence[int] | Whole | None = None,
) -> Floats:
    """Find for each comparison the difference that is marked in four tables of five, if it alone is real.

    A few tables of pure noise are drawn, always the same ones. How far an estimate must be from 0 to be
    marked depends on the residuals alone, which know nothing of its error; so from that limit and the error's
    known deviation the power for every difference follows, without drawing again.

    Args:
        weights_KR: comparisons as in `compare`.
        num_seeds: of every row, 3 or more.
        deviation_R: of a row between seeds, as `row_deviations` gives it or as declared; one number for all
        rows alike.
        shared: part of the declared variance that a seed gives to all rows alike, and that pairing removes; 0
            where `deviation_R` comes without it.
        num_columns: that are tested, each with these comparisons.
        training_R: as in `compare`.

    Returns:
        (K,) in the unit of the deviation.
    """
    num_comparisons, num_rows = weights_KR.shape
    deviation_R = np.broadcast_to(np.asarray(deviation_R, np.float64) * np.sqrt(1 - shared), num_rows)
    num_tests = num_comparisons * num_columns
    num_tables = int(np.clip(NUM_SIMULATED // num_tests, 8, 400))
    shape_BCRN = (num_tables, num_columns, num_rows, num_seeds)
    noise_BCRN = np.random.default_rng(0).normal(size=shape_BCRN) * deviation_R[:, None]
    compared = compare_tables(noise_BCRN, weights_KR, training_R=training_R)
    quantile_BCK = t_quantile(1 - SIGNIFICANCE_LEVEL / 2 / num_tests, compared.df_BCK)
    limit_BCK = quantile_BCK * compared.standard_error_BCK
    error_K = np.sqrt(weights_KR**2 @ deviation_R**2 / num_seeds)

    # Comparisons of the same make share their simulations.
    make_K = [tuple(np.sort(np.abs(weights_R * deviation_R)).round(12)) for weights_R in weights_KR]
    found: dict[tuple[float, ...], float] = {}
    for make, error in zip(make_K, error_K, strict=True):
        if make not in found:
            limits = limit_BCK[..., [other == make for other in make_K]]
            found[make] = _difference_of_power(limits, float(error))
    return np.array([found[make] for make in make_K])


def _difference_of_power(limits: Floats, error: float) -> float:
    def lack(difference: float) -> float:
        return POWER - float(np.mean(cast(Any, special).ndtr((difference - limits) / error)))

    if error == 0:
        return 0.0
    return float(cast(Any, optimize).brentq(lack, 0.0, limits.max() + 10 * error))
