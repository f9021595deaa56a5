"""How much weighted sums of rows vary from seed to seed, judged with all rows of their column.

Three seeds say next to nothing of the variance of one row; the rows of a table together say a lot. So a row's
variance is drawn toward what its column has in common, as moderated t-statistics do for genes (Smyth, SAGMB
3:3, 2004), with room for rows that stand out (Phipson et al., Ann. Appl. Stat. 10:946, 2016):

    value of row r with seed s = mean_r + effect_s + error_rs,    error_rs ~ N(0, tau² · ratio_r)

What a seed does to all rows of a column alike is removed. Nothing is supposed of tau. log ratio_r is normal
around 0, plus a low, flat density above 0 that no normal tail outweighs, so that a row far noisier than the
others is judged by its own seeds alone. A row's ratio is much the same in the other columns of its table,
which are asked too. Of a sum of rows the posterior of the variance is put into the two numbers of a
t-statistic, a squared scale and degrees of freedom.

Heuristic are the constants of the prior, set by simulation so that false marks stay below 5 % of tables, and
below 8 % of those with a row or a reference of fourfold deviation; and how correlated columns are heard. The
error rates of all that is built on this are in `benchmarks/README.md`. Errors of different trainings are
taken as independent but for the seed's effect; rows that are read from the same trainings must be named as
such.

Legend: B tables, C columns, X tables times columns, R rows, M series (the rows, then weighted means of rows
of one training), N seeds, K sums, P points of log tau², L points of log ratio, U points of a Laplace
transform.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from scipy import special

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Whole = NDArray[np.intp]

RATIO_DEVIATION = 0.7  # of log ratio: most deviations lie within a factor of 1.4 of what is common
STANDS_OUT_DENSITY = 0.045  # of log ratio above 0, over all trainings of a column together
OTHER_COLUMN_DEVIATION = 0.3  # by which a row's log ratio differs between columns
OTHER_COLUMN_DOUBT = 0.05  # how often the other columns say nothing of a row
NOTHING_VARIES = 1e-9  # of a column's largest value: a deviation below it is one of rounding

_NUM_ROUNDS = 3  # of weighing rows by their precision and removing the seeds' effects anew
_LOWEST, _HIGHEST = -3.0, 9.0  # log ratio
_COARSE, _FINE = np.linspace(0, 1, 19), np.linspace(0, 1, 13)
_NUM_CLOSER = 3  # times at most that points of log tau² are drawn together
_NEGLIGIBLE = 1e-4  # of the highest density
_STEP = 0.5  # between points of a Laplace transform
_NUM_TABLES_AT_ONCE = 32  # more do not fit a processor's cache


class SeedNoise(NamedTuple):
    """What chance does to each sum of rows with one seed.

    Attributes:
        deviation_BCK: scale of the t-statistic; 0 where nothing varies.
        df_BCK: its degrees of freedom.
    """

    deviation_BCK: Floats
    df_BCK: Floats


def seed_noise(
    values_BCRN: Floats,
    weights_KM: Floats,
    *,
    joint_MR: Floats | None = None,
    training_R: Sequence[int] | Whole | None = None,
    num_uses_M: Floats | None = None,
    is_paired_BCK: Bools | None = None,
) -> SeedNoise:
    """Judge how much weighted sums of rows vary from seed to seed.

    Args:
        values_BCRN: NaN where a seed is missing.
        weights_KM: of the series in each sum; with leading axes (B, C, K, M) each column has sums of its own.
        joint_MR: the series as weighted means of rows: first every row, then means over rows of one training,
            whose absolute weights add up to 1. None for the rows alone.
        training_R: rows with the same number are read from the same trainings; None where each has its own.
        num_uses_M: how many comparisons of a column hang on each series: the more marks one wrong variance makes,
            the readier it is taken to stand out. Below 1 it counts as 1; None for 1 each.
        is_paired_BCK: sums of rows of one training, which chance moves together: how far they move apart says
            nothing of other trainings, so they are judged by their own seeds alone; (K,) where all columns have the
            same. None for none.
    """
    num_tables, num_columns, num_rows, num_seeds = values_BCRN.shape
    training_R = np.arange(num_rows) if training_R is None else np.asarray(training_R)
    joint_MR = np.eye(num_rows) if joint_MR is None else joint_MR
    num_series, num_sums = len(joint_MR), weights_KM.shape[-2]
    readiness_M = np.ones(num_series) if num_uses_M is None else np.sqrt(np.maximum(num_uses_M, 1))
    weights_BCKM = np.broadcast_to(weights_KM, (num_tables, num_columns, num_sums, num_series))
    shape_BCK = (num_tables, num_columns, num_sums)
    is_paired_BCK = np.broadcast_to(np.array(False) if is_paired_BCK is None else is_paired_BCK, shape_BCK)
    if values_BCRN.size * num_sums == 0:
        return SeedNoise(np.zeros(shape_BCK), np.ones(shape_BCK))
    parts: list[tuple[Floats, Floats]] = []
    for start in range(0, num_tables, _NUM_TABLES_AT_ONCE):
        part = slice(start, start + _NUM_TABLES_AT_ONCE)
        values_XRN = values_BCRN[part].reshape(-1, num_rows, num_seeds)
        weights_XKM = weights_BCKM[part].reshape(-1, num_sums, num_series)
        largest_X = np.nanmax(np.abs(values_XRN), (1, 2), initial=0.0)
        largest_X[largest_X == 0] = 1.0
        scaled_XRN = values_XRN / largest_X[:, None, None]
        variance_XK, df_XK = _noise_of_columns(
            scaled_XRN,
            weights_XKM,
            joint_MR,
            training_R,
            readiness_M,
            num_columns,
            is_paired_BCK[part].reshape(-1, num_sums),
        )
        parts.append((np.sqrt(variance_XK) * largest_X[:, None], df_XK))
    return SeedNoise(*(np.concatenate(field).reshape(shape_BCK) for field in zip(*parts, strict=True)))


def _noise_of_columns(
    values_XRN: Floats,
    weights_XKM: Floats,
    joint_MR: Floats,
    training_R: Whole,
    readiness_M: Floats,
    num_columns: int,
    is_paired_XK: Bools,
) -> tuple[Floats, Floats]:
    """Give squared scale and degrees of freedom of each sum; the columns of a table follow each other."""
    series = _series(values_XRN, joint_MR, training_R)
    # Two trainings have one difference between them and nothing to share: the paired t-test.
    is_alone_X = (_num_trainings(values_XRN, training_R) <= 2) | ~series.learning_XM.any(1)
    weights_XKR = weights_XKM @ joint_MR
    own_variance_XK, own_df_XK = _own_noise(values_XRN, weights_XKR)
    if is_paired_XK.any():
        least_XK = _hidden_variance(values_XRN, weights_XKR)
        own_variance_XK = np.where(is_paired_XK, np.maximum(own_variance_XK, least_XK), own_variance_XK)
    if is_alone_X.all() or is_paired_XK.all():
        return own_variance_XK, own_df_XK
    log_ratio_L = _log_ratios(series)
    log_prior_XML = _log_prior(log_ratio_L, readiness_M / len(np.unique(training_R)))[None]
    posterior = _posterior(series, log_ratio_L, log_prior_XML)
    if num_columns > 1:
        log_prior_XML = _log_prior_of_columns(series, posterior, log_ratio_L, log_prior_XML, num_columns)
        posterior = _posterior(series, log_ratio_L, log_prior_XML)
    variance_XK, df_XK = _noise_of_sums(posterior, log_ratio_L, weights_XKM)
    is_own_XK = is_alone_X[:, None] | is_paired_XK
    return np.where(is_own_XK, own_variance_XK, variance_XK), np.where(is_own_XK, own_df_XK, df_XK)


# -- what the seeds say --------------------------------------------------------------------------


class _Series(NamedTuple):
    """What the seeds say of each series' variance, the seeds' effects removed.

    Attributes:
        log_square_XM: logarithm of the mean square of residuals.
        df_XM: its degrees of freedom; 0 where fewer than two seeds are measured.
        learning_XM: the part of a training that a series is when tau is learnt: 0 for means of rows, which
            tell nothing new, and for what does not vary, which tells nothing of what does.
        residual_XMN: 0 where a seed is missing.
    """

    log_square_XM: Floats
    df_XM: Floats
    learning_XM: Floats
    residual_XMN: Floats


def _series(values_XRN: Floats, joint_MR: Floats, training_R: Whole) -> _Series:
    """Remove what a seed does to all rows alike: the mean of their residuals, weighted by precision."""
    num_rows = len(training_R)
    is_same_RR = (training_R[:, None] == training_R).astype(np.float64)
    part_R = 1 / is_same_RR.sum(1)
    series = _weighted_series(values_XRN, part_R[None], joint_MR, is_same_RR)
    log_ratio_L = _log_ratios(series)
    log_prior_XML = _log_prior(log_ratio_L, np.full(len(joint_MR), 1 / len(np.unique(training_R))))[None]
    for _ in range(_NUM_ROUNDS):
        posterior = _posterior_at(_far_points(series), series, log_ratio_L, log_prior_XML)
        precision_XR = _precision(posterior, log_ratio_L)[:, :num_rows]
        series = _weighted_series(values_XRN, part_R * precision_XR, joint_MR, is_same_RR)
    return series


def _weighted_series(values_XRN: Floats, weight_XR: Floats, joint_MR: Floats, is_same_RR: Floats) -> _Series:
    """Give the series where rows have these weights in the seeds' effects.

    A training that makes up the share h of an effect has lost the share h of its own residual to it. So much
    is taken from its degrees of freedom, and those of all trainings add up to what a two-way layout has.
    """
    is_there_XRN = ~np.isnan(values_XRN)
    residual_XRN = np.where(is_there_XRN, values_XRN, 0.0)
    weight_XRN = weight_XR[..., None] * is_there_XRN
    share_XRN = weight_XRN / np.maximum(weight_XRN.sum(1, keepdims=True), np.finfo(np.float64).tiny)
    # Where a seed is missing, means of rows and of seeds depend on each other; a few turns settle both.
    for _ in range(1 if is_there_XRN.all() else 5):
        residual_XRN = _centred(residual_XRN, is_there_XRN)
        effect_XN = (share_XRN * residual_XRN).sum(1, keepdims=True)
        residual_XRN = np.where(is_there_XRN, residual_XRN - effect_XN, 0.0)

    is_in_MR = joint_MR != 0
    is_there_XMN = (is_there_XRN[:, None] | ~is_in_MR[..., None]).all(2)
    residual_XMN = _centred(np.where(is_there_XMN, joint_MR @ residual_XRN, 0.0), is_there_XMN)
    num_seeds_XM = is_there_XMN.sum(2)
    kept_XMN = 1 - (is_same_RR @ share_XRN)[:, is_in_MR.argmax(1)]
    df_XM = (kept_XMN * is_there_XMN).sum(2) * (num_seeds_XM - 1) / np.maximum(num_seeds_XM, 1)
    df_XM = np.where((num_seeds_XM > 1) & (df_XM > 1e-6), df_XM, 0.0)
    square_XM = (residual_XMN**2).sum(2) / np.where(df_XM > 0, df_XM, 1.0)
    part_M = np.append(1 / is_same_RR.sum(1), np.zeros(len(joint_MR) - len(is_same_RR)))
    return _Series(
        np.log(np.maximum(square_XM, NOTHING_VARIES**2)),
        df_XM,
        np.where((df_XM > 0) & (square_XM > NOTHING_VARIES**2), part_M, 0.0),
        residual_XMN,
    )


def _centred(values_XRN: Floats, is_there_XRN: Bools) -> Floats:
    """Subtract from each row its mean over the seeds that are there; what is not there is 0 and stays so."""
    mean_XR = values_XRN.sum(2, keepdims=True) / np.maximum(is_there_XRN.sum(2, keepdims=True), 1)
    return np.where(is_there_XRN, values_XRN - mean_XR, 0.0)


def _num_trainings(values_XRN: Floats, training_R: Whole) -> Whole:
    """Count the trainings that are measured with two seeds or more."""
    is_known_XR = (~np.isnan(values_XRN)).sum(2) > 1
    return np.stack([is_known_XR[:, training_R == number].any(1) for number in np.unique(training_R)]).sum(0)


# -- what is common ------------------------------------------------------------------------------


class _Posterior(NamedTuple):
    """What is known of the variances: a distribution of tau², and for each of its points one of each ratio.

    Attributes:
        log_tau2_XP: evenly spaced points.
        probability_XP: of each.
        ratio_XMPL: probability of each log ratio, given tau².
        log_likelihood_XMPL: of tau² and log ratio, by the seeds alone.
    """

    log_tau2_XP: Floats
    probability_XP: Floats
    ratio_XMPL: Floats
    log_likelihood_XMPL: Floats


def _log_ratios(series: _Series) -> Floats:
    """Give the points of log ratio: as close as the sharpest posterior needs, and up to the noisiest row."""
    sharpest = 1 / RATIO_DEVIATION**2 + series.df_XM.max(initial=0.0) / 2
    low_X, high_X = _range(series)
    return np.arange(_LOWEST, max(_HIGHEST, (high_X - low_X).max()), min(0.5, 1.5 / sharpest**0.5))


def _range(series: _Series) -> tuple[Floats, Floats]:
    """Give the lowest and the highest log square of what varies; 0 where nothing does."""
    does_vary_XM = series.learning_XM > 0
    low_X = np.where(does_vary_XM, series.log_square_XM, np.inf).min(1)
    high_X = np.where(does_vary_XM, series.log_square_XM, -np.inf).max(1)
    does_vary_X = does_vary_XM.any(1)
    return np.where(does_vary_X, low_X, 0.0), np.where(does_vary_X, high_X, 0.0)


def _far_points(series: _Series) -> Floats:
    """Give points of log tau² that are spread wide enough to miss nothing."""
    low_X, high_X = _range(series)
    return (low_X - 4)[:, None] + (high_X - low_X + 8)[:, None] * _COARSE


def _log_prior(log_ratio_L: Floats, readiness_M: Floats) -> Floats:
    """Give the log density of each series' log ratio, by how readily the series is taken to stand out."""
    usual_L = np.exp(-0.5 * (log_ratio_L / RATIO_DEVIATION) ** 2) / (RATIO_DEVIATION * np.sqrt(2 * np.pi))
    return np.log(usual_L + STANDS_OUT_DENSITY * readiness_M[:, None] * (log_ratio_L > 0))


def _posterior(series: _Series, log_ratio_L: Floats, log_prior_XML: Floats) -> _Posterior:
    """Learn tau² and the ratios, on points of tau² that are drawn together where its density lies."""
    close = 1.5 / np.sqrt(series.df_XM.shape[1])  # of many rows the density is narrow
    log_tau2_XP = _far_points(series)
    for _ in range(_NUM_CLOSER):
        probability_XP = _posterior_at(log_tau2_XP, series, log_ratio_L, log_prior_XML).probability_XP
        is_likely_XP = probability_XP > _NEGLIGIBLE * probability_XP.max(1, keepdims=True)
        step_X = log_tau2_XP[:, 1] - log_tau2_XP[:, 0]
        low_X = np.where(is_likely_XP, log_tau2_XP, np.inf).min(1) - step_X
        high_X = np.where(is_likely_XP, log_tau2_XP, -np.inf).max(1) + step_X
        log_tau2_XP = low_X[:, None] + (high_X - low_X)[:, None] * _FINE
        if (log_tau2_XP[:, 1] - log_tau2_XP[:, 0]).max() < close:
            break
    return _posterior_at(log_tau2_XP, series, log_ratio_L, log_prior_XML)


def _posterior_at(
    log_tau2_XP: Floats, series: _Series, log_ratio_L: Floats, log_prior_XML: Floats
) -> _Posterior:
    """Learn tau² and the ratios on given points: mean squares are tau² · ratio · chi² / df."""
    log_variance_XPL = log_tau2_XP[..., None] + log_ratio_L
    square_XM, precision_XPL = np.exp(series.log_square_XM), np.exp(-log_variance_XPL)
    log_likelihood_XMPL = square_XM[..., None, None] * precision_XPL[:, None]
    log_likelihood_XMPL += log_variance_XPL[:, None]
    log_likelihood_XMPL *= -0.5 * series.df_XM[..., None, None]

    ratio_XMPL = log_likelihood_XMPL + log_prior_XML[:, :, None]
    highest_XMP = ratio_XMPL.max(3)
    ratio_XMPL -= highest_XMP[..., None]
    np.exp(ratio_XMPL, out=ratio_XMPL)
    total_XMP = ratio_XMPL.sum(3)
    ratio_XMPL /= total_XMP[..., None]
    log_density_XP = np.einsum("xm,xmp->xp", series.learning_XM, highest_XMP + np.log(total_XMP))
    probability_XP = np.exp(log_density_XP - log_density_XP.max(1, keepdims=True))
    probability_XP /= probability_XP.sum(1, keepdims=True)
    return _Posterior(log_tau2_XP, probability_XP, ratio_XMPL, log_likelihood_XMPL)


def _precision(posterior: _Posterior, log_ratio_L: Floats) -> Floats:
    """Give the expected inverse variance of each series, in units of the column's."""
    inverse_XMP = posterior.ratio_XMPL @ np.exp(-log_ratio_L)
    log_tau2_XP = posterior.log_tau2_XP - posterior.log_tau2_XP.mean(1, keepdims=True)
    return np.einsum("xmp,xp->xm", inverse_XMP, posterior.probability_XP * np.exp(-log_tau2_XP))


def _log_prior_of_columns(
    series: _Series, posterior: _Posterior, log_ratio_L: Floats, log_prior_XML: Floats, num_columns: int
) -> Floats:
    """Ask the other columns what a series' ratio may be in this one.

    Columns of the same trainings repeat each other. Two whose residuals correlate by r have the share r² of
    what their squares say in common, so that another column is heard by 1 - r², divided among those that say
    the same.
    """
    num_series, num_ratios = len(series.df_XM[0]), len(log_ratio_L)
    shape_BCML = (-1, num_columns, num_series, num_ratios)
    log_likelihood_XMPL = posterior.log_likelihood_XMPL
    likelihood_XMPL = np.exp(log_likelihood_XMPL - log_likelihood_XMPL.max((2, 3), keepdims=True))
    likelihood_XML = np.einsum("xp,xmpl->xml", posterior.probability_XP, likelihood_XMPL)
    likelihood_BCML = (likelihood_XML / likelihood_XML.max(2, keepdims=True)).reshape(shape_BCML)
    between_LL = np.exp(-0.5 * ((log_ratio_L[:, None] - log_ratio_L) / OTHER_COLUMN_DEVIATION) ** 2)
    between_LL /= between_LL.sum(1, keepdims=True)
    heard_BCML = (1 - OTHER_COLUMN_DOUBT) * likelihood_BCML @ between_LL.T
    heard_BCML += OTHER_COLUMN_DOUBT * likelihood_BCML.mean(3, keepdims=True)

    hearing_BCC = _hearing(series, num_columns)
    log_prior_BCML = np.broadcast_to(log_prior_XML, likelihood_XML.shape).reshape(shape_BCML)
    log_told_BCML = log_prior_BCML + np.einsum("bcd,bdml->bcml", hearing_BCC, np.log(heard_BCML))
    told_BCML = np.exp(log_told_BCML - log_told_BCML.max(3, keepdims=True))
    told_BCML = told_BCML / told_BCML.sum(3, keepdims=True) @ between_LL
    untold_BCML = np.exp(log_prior_BCML)
    untold_BCML /= untold_BCML.sum(3, keepdims=True)
    mixed_BCML = (1 - OTHER_COLUMN_DOUBT) * told_BCML + OTHER_COLUMN_DOUBT * untold_BCML
    return np.log(mixed_BCML).reshape(likelihood_XML.shape)


def _hearing(series: _Series, num_columns: int) -> Floats:
    """Give by how much each column (second axis) hears each other one (third axis)."""
    does_vary_XM = series.learning_XM > 0
    standard_XMN = series.residual_XMN * (does_vary_XM * np.exp(-0.5 * series.log_square_XM))[..., None]
    standard_BCE = np.clip(standard_XMN, -2, 2).reshape(-1, num_columns, standard_XMN[0].size)
    product_BCC = standard_BCE @ standard_BCE.swapaxes(1, 2)
    length_BC = np.sqrt(np.maximum(np.einsum("bcc->bc", product_BCC), np.finfo(np.float64).tiny))
    in_common_BCC = np.minimum((product_BCC / length_BC[:, :, None] / length_BC[:, None]) ** 2, 1.0)
    is_other_CC = 1 - np.eye(num_columns)
    in_common_BCC = in_common_BCC * is_other_CC + np.eye(num_columns)
    num_repeats_BCC = is_other_CC @ in_common_BCC  # of each column, among those that are not the hearing one
    return (1 - in_common_BCC) * is_other_CC / np.maximum(num_repeats_BCC, 1.0)


# -- sums of rows --------------------------------------------------------------------------------


def seed_sums(values_XRN: Floats, weights_XKR: Floats) -> Floats:
    """Add up rows seed by seed, under any leading axes; NaN where a row that is needed lacks the seed."""
    is_missing_XRN = np.isnan(values_XRN)
    sums_XKN = weights_XKR @ np.where(is_missing_XRN, 0.0, values_XRN)
    num_missing_XKN = (weights_XKR != 0).astype(np.float64) @ is_missing_XRN.astype(np.float64)
    return np.where(num_missing_XKN > 0, np.nan, sums_XKN)


def _own_noise(values_XRN: Floats, weights_XKR: Floats) -> tuple[Floats, Floats]:
    """Give the sample variance of each sum over its seeds, and its degrees of freedom."""
    sums_XKN = seed_sums(values_XRN, weights_XKR)
    is_there_XKN = ~np.isnan(sums_XKN)
    residual_XKN = _centred(np.where(is_there_XKN, sums_XKN, 0.0), is_there_XKN)
    df_XK = np.maximum(is_there_XKN.sum(2) - 1.0, 1.0)
    variance_XK = (residual_XKN**2).sum(2) / df_XK
    return np.where(variance_XK > NOTHING_VARIES**2, variance_XK, 0.0), df_XK


def _hidden_variance(values_XRN: Floats, weights_XKR: Floats) -> Floats:
    """Give the variance that rounding may hide from sums of rows; 0 where nothing varies.

    Two views of one training often rank a few queries otherwise, the same number of them with each of three seeds.
    Values that come in steps of a height h may each be off by h / 2, evenly, and so have at least the variance h² / 12
    (Sheppard, Proc. London Math. Soc. 29, 1898); of fine values the steps are too small to matter.
    """
    sorted_XV = np.sort(values_XRN.reshape(len(values_XRN), -1), 1)  # NaN comes last
    steps_XV = np.diff(sorted_XV, axis=1)
    step_X = np.where(steps_XV > NOTHING_VARIES, steps_XV, np.inf).min(1, initial=np.inf)
    lowest_XR, highest_XR = (
        np.nan_to_num(values_XRN, nan=np.inf).min(2),
        np.nan_to_num(values_XRN, nan=-np.inf).max(2),
    )
    does_vary_X = (highest_XR - lowest_XR > NOTHING_VARIES).any(1)
    step_X = np.where(does_vary_X, step_X, 0.0)
    return (weights_XKR**2).sum(2) * step_X[:, None] ** 2 / 12


def _noise_of_sums(posterior: _Posterior, log_ratio_L: Floats, weights_XKM: Floats) -> tuple[Floats, Floats]:
    """Give squared scale and degrees of freedom of each sum: of the scaled inverse chi² nearest its variance.

    Nearest is the one whose logarithm has the same mean and variance. Let V be the variance of a sum, made of
    independent parts, and E exponential. Then E[exp(-V e^u)] is the product of the parts' Laplace transforms,
    and it is the chance that log E - log V exceeds u. From that follow mean and variance of log V, for those of
    log E are known.
    """
    # Divided by their squared length, squared weights add up to 1, and V lies where the ratios do.
    length2_XK = np.maximum((weights_XKM**2).sum(2), np.finfo(np.float64).tiny)
    share_XKM = (weights_XKM**2 / length2_XK[..., None]).round(12)
    u_U = np.arange(-log_ratio_L[-1] - 6, -_LOWEST + 5, _STEP)
    shape_XKPU = (*length2_XK.shape, len(_FINE), len(u_U))
    log_survival_XKF = np.zeros((*length2_XK.shape, len(_FINE) * len(u_U)))
    for share in np.unique(share_XKM[share_XKM > 0]):
        transform_XMPU = posterior.ratio_XMPL @ np.exp(-share * np.exp(log_ratio_L[:, None] + u_U))
        log_transform_XMF = np.log(np.maximum(transform_XMPU, 1e-300)).reshape(*share_XKM.shape[::2], -1)
        log_survival_XKF += (share_XKM == share) @ log_transform_XMF
    survival_XKPU = np.exp(log_survival_XKF).reshape(shape_XKPU)

    # Moments of log E - log V above the lowest u, where the survival is 1, by the trapezoid rule.
    first_XKP = _STEP * (survival_XKPU.sum(3) - 0.5)
    second_XKP = 2 * _STEP * (survival_XKPU @ (u_U - u_U[0])) + _STEP**2 / 6
    mean_XKP = posterior.log_tau2_XP[:, None] - np.euler_gamma - u_U[0] - first_XKP
    variance_XKP = second_XKP - first_XKP**2 - np.pi**2 / 6
    mean_XK = np.einsum("xkp,xp->xk", mean_XKP, posterior.probability_XP)
    variance_XKP += (mean_XKP - mean_XK[..., None]) ** 2
    variance_XK = np.einsum("xkp,xp->xk", variance_XKP, posterior.probability_XP)

    half_df_XK = _inverse_trigamma(np.maximum(variance_XK, 1e-6))
    log_scale_XK = mean_XK + cast(Floats, cast(Any, special).digamma(half_df_XK)) - np.log(half_df_XK)
    return np.exp(log_scale_XK) * length2_XK, 2 * half_df_XK


def _inverse_trigamma(value_XK: Floats) -> Floats:
    """Solve trigamma(y) = value by Newton's method on 1 / trigamma, which is nearly straight (Smyth 2004, appendix)."""
    y_XK = 0.5 + 1 / value_XK
    for _ in range(8):
        trigamma_XK = cast(Floats, cast(Any, special).polygamma(1, y_XK))
        slope_XK = cast(Floats, cast(Any, special).polygamma(2, y_XK))
        y_XK = y_XK + trigamma_XK * (1 - trigamma_XK / value_XK) / slope_XK
    return y_XK
