"""The smallest difference that a table finds: to be known before training, and read below the table after it.

Legend: C columns, R and S rows, N seeds, K comparisons, T trainings, B simulated tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, cast

import numpy as np
from scipy import optimize, special

from tablewright.reports.statistics.comparison import SIGNIFICANCE_LEVEL, compare_tables, t_quantile
from tablewright.reports.statistics.seed_noise import (
    NOTHING_VARIES,
    Bools,
    Floats,
    Whole,
    seed_noise,
    seed_sums,
)

POWER = 0.8
NUM_SIMULATED = 1_000  # comparisons, over all simulated tables: an error of 2 %
ROUNDING = 1e-9  # of a limit: an error below it is none


def row_deviations(values_CRN: Floats, *, training_R: Sequence[int] | Whole | None = None) -> Floats:
    """Give each row's deviation between seeds, without what a seed does to all rows of a column alike.

    Args:
        values_CRN: what is recorded; NaN where a seed is missing.
        training_R: rows with the same number are read from the same trainings; None where each has its own.

    Returns:
        (C, R), each drawn toward what its column has in common. A row of fewer than two seeds has the root
        mean square of the others, and NaN where there is none.
    """
    training_R = np.arange(values_CRN.shape[1]) if training_R is None else np.asarray(training_R)
    is_known_CR = (~np.isnan(values_CRN)).sum(2) > 1
    weights_CRR = np.tile(np.eye(len(training_R)), (len(values_CRN), 1, 1))
    for weights_RR, values_RN, is_known_R in zip(weights_CRR, values_CRN, is_known_CR, strict=True):
        own_RR = _without_seed_effect(is_known_R, training_R)
        # Of trainings without two seeds in common it is not known what a seed does to all: they keep it. The noise of
        # three trainings or more comes without it, if anything else varies.
        num_common = int((~np.isnan(seed_sums(values_RN, own_RR))).sum(1)[is_known_R].max(initial=0))
        num_trainings = len(np.unique(training_R[is_known_R]))
        if num_common > 1 and (num_trainings == 2 or not _does_vary(values_RN, own_RR)):
            weights_RR[:] = own_RR
    noise = seed_noise(values_CRN[None], weights_CRR[None], training_R=training_R)
    variance_CR = _typical_variance(noise.deviation_BCK[0] ** 2, noise.df_BCK[0])
    num_known_C = is_known_CR.sum(1, keepdims=True)
    usual_C = np.where(is_known_CR, variance_CR, 0.0).sum(1, keepdims=True) / np.maximum(num_known_C, 1)
    usual_C = np.where(num_known_C > 0, usual_C, np.nan)
    return np.sqrt(np.where(is_known_CR, variance_CR, usual_C))


def row_correlations(values_CRN: Floats, deviation_CR: Floats, training_R: Sequence[int] | Whole) -> Floats:
    """Give how the rows of one training move together from seed to seed.

    Chance moves two views of one training nearly alike, and their difference hardly at all: a table that is read from
    one training finds far less than its rows scatter by. So the correlations are those by which two rows of given
    deviations differ as much as they are seen to.

    Args:
        values_CRN: what is recorded; NaN where a seed is missing.
        deviation_CR: of each row, as `row_deviations` gives it.
        training_R: rows with the same number are read from the same trainings.

    Returns:
        (C, R, R); 0 between rows of different trainings, and where too little is recorded to say.
    """
    training_R = np.asarray(training_R)
    correlation_CRR = np.tile(np.eye(len(training_R)), (len(values_CRN), 1, 1))
    rows, others = np.nonzero(np.triu(training_R[:, None] == training_R, 1))
    difference_CKN = values_CRN[:, rows] - values_CRN[:, others]
    df_CK = (~np.isnan(difference_CKN)).sum(2) - 1.0
    some_df_CK = np.maximum(df_CK, 1)
    variance_CK = _typical_variance((_residuals(difference_CKN) ** 2).sum(2) / some_df_CK, some_df_CK)
    one_CK, other_CK = deviation_CR[:, rows], deviation_CR[:, others]
    product_CK = 2 * one_CK * other_CK
    is_known_CK = (df_CK > 0) & (product_CK > 0)
    found_CK = (one_CK**2 + other_CK**2 - variance_CK) / np.where(is_known_CK, product_CK, 1.0)
    found_CK = np.where(is_known_CK, np.clip(found_CK, -1.0, 1.0), 0.0)
    correlation_CRR[:, rows, others] = correlation_CRR[:, others, rows] = found_CK
    return correlation_CRR


def _without_seed_effect(is_known_R: Bools, training_R: Whole) -> Floats:
    """Give the weights of a column's rows in what each has of its own, (R, R).

    What a seed does to all rows alike is the mean of the trainings. Two trainings have one difference between them,
    and each is given half its variance; of one alone nothing can be taken away.
    """
    num_rows = len(training_R)
    numbers = np.unique(training_R[is_known_R])
    if len(numbers) < 2:
        return np.eye(num_rows)
    is_of_TR = (training_R == numbers[:, None]) & is_known_R
    mean_TR = is_of_TR / is_of_TR.sum(1, keepdims=True)
    own_RR = mean_TR[np.searchsorted(numbers, training_R).clip(max=len(numbers) - 1)]
    share = np.sqrt(len(numbers) / (len(numbers) - 1))
    weights_RR = np.eye(num_rows) - own_RR + share * (own_RR - mean_TR.mean(0))
    weights_RR[~is_known_R] = 0.0
    return weights_RR


def _typical_variance(variance: Floats, df: Floats) -> Floats:
    """Give the geometric mean of what a variance may be, as often too high as too low; its estimate lies low."""
    half_df = df / 2
    return variance * np.exp(np.log(half_df) - cast(Floats, cast(Any, special).digamma(half_df)))


def _residuals(series: Floats) -> Floats:
    """Give what series over the seeds, the last axis, are off their means; 0 where a seed is missing."""
    num_seeds = np.maximum((~np.isnan(series)).sum(-1, keepdims=True), 1)
    return np.nan_to_num(series - np.nansum(series, -1, keepdims=True) / num_seeds)


def _does_vary(values_RN: Floats, weights_RR: Floats) -> bool:
    """Say whether more than rounding moves any of the sums from seed to seed."""
    largest = np.nanmax(np.abs(values_RN), initial=0.0)
    return bool(
        np.abs(_residuals(seed_sums(values_RN, weights_RR))).max(initial=0.0) > NOTHING_VARIES * largest
    )


def smallest_differences(
    weights_KR: Floats,
    *,
    num_seeds: int,
    deviation_R: Floats | float,
    correlation_RR: Floats | None = None,
    shared: float = 0.0,
    num_columns: int = 1,
    training_R: Sequence[int] | Whole | None = None,
    source_R: Sequence[int] | Whole | None = None,
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
        correlation_RR: of the rows, as `row_correlations` gives it; None where chance moves each on its own.
        shared: part of the declared variance that a seed gives to all rows alike, and that pairing removes; 0
            where `deviation_R` comes without it.
        num_columns: that are tested, each with these comparisons.
        training_R: as in `compare`.
        source_R: likewise.

    Returns:
        (K,) in the unit of the deviation.
    """
    arrays = (weights_KR, deviation_R, correlation_RR, training_R, source_R)
    return np.array(_smallest(num_seeds, shared, num_columns, *map(_as_key, arrays)))


def _as_key(array: Floats | Whole | Sequence[int] | float | None) -> Any:
    """Give an array as nested tuples, which can be looked up."""
    if array is None:
        return None
    whole = np.asarray(array)
    return tuple(map(_as_key, whole)) if whole.ndim else whole.item()


# While a sweep runs, its tables are judged again and again, and few of them have changed.
@lru_cache(maxsize=128)
def _smallest(
    num_seeds: int,
    shared: float,
    num_columns: int,
    weights: tuple[tuple[float, ...], ...],
    deviation: tuple[float, ...] | float,
    correlation: tuple[tuple[float, ...], ...] | None,
    training_R: tuple[int, ...] | None,
    source_R: tuple[int, ...] | None,
) -> tuple[float, ...]:
    weights_KR = np.array(weights)
    correlation_RR = None if correlation is None else np.array(correlation)
    num_comparisons, num_rows = weights_KR.shape
    deviation_R = np.broadcast_to(np.asarray(deviation, np.float64) * np.sqrt(1 - shared), num_rows)
    num_tests = num_comparisons * num_columns
    num_tables = int(np.clip(NUM_SIMULATED // num_tests, 8, 400))
    shape_BCRN = (num_tables, num_columns, num_rows, num_seeds)
    noise_BCRN = np.random.default_rng(0).normal(size=shape_BCRN)
    covariance_RR = np.diag(deviation_R**2)
    if correlation_RR is not None:
        noise_BCRN = _square_root(correlation_RR) @ noise_BCRN
        covariance_RR = correlation_RR * np.outer(deviation_R, deviation_R)
    noise_BCRN *= deviation_R[:, None]
    compared = compare_tables(noise_BCRN, weights_KR, training_R=training_R, source_R=source_R)
    quantile_BCK = t_quantile(1 - SIGNIFICANCE_LEVEL / 2 / num_tests, compared.df_BCK)
    limit_BCK = quantile_BCK * compared.standard_error_BCK
    variance_K = np.einsum("kr,rs,ks->k", weights_KR, covariance_RR, weights_KR)
    error_K = np.sqrt(np.maximum(variance_K, 0.0) / num_seeds)

    # Comparisons of the same make share their simulations.
    make_K = [
        (*np.sort(np.abs(weights_R * deviation_R)).round(12), error.round(12))
        for weights_R, error in zip(weights_KR, error_K, strict=True)
    ]
    places_of: dict[tuple[float, ...], list[int]] = {}
    for place, make in enumerate(make_K):
        places_of.setdefault(make, []).append(place)
    smallest_K = np.empty(num_comparisons)
    for places in places_of.values():
        smallest_K[places] = _difference_of_power(limit_BCK[..., places], float(error_K[places[0]]))
    return tuple(smallest_K.tolist())


def _square_root(correlation_RR: Floats) -> Floats:
    """Give the symmetric root of a matrix that may be singular, as of two views that always agree."""
    values_R, vectors_RR = np.linalg.eigh(correlation_RR)
    return (vectors_RR * np.sqrt(np.maximum(values_R, 0.0))) @ vectors_RR.T


def _difference_of_power(limits: Floats, error: float) -> float:
    def lack(difference: float) -> float:
        return POWER - float(np.mean(cast(Any, special).ndtr((difference - limits) / error)))

    if error <= ROUNDING * limits.max():  # what does not vary is found where it passes the limit
        return float(np.quantile(limits, POWER))
    return float(cast(Any, optimize).brentq(lack, 0.0, limits.max() + 10 * error))
