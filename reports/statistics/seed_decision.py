"""Which rows of a table need one more seed, and what is decided: a group-sequential test of its comparisons.

Seeds are added until each comparison is *found* (it differs) or *given up* (more seeds would hardly find it).
The table is looked at after each seed from `first` to `most`, and looking often finds more in noise than
looking once. So of the 5 % that false marks may have in all, each look spends a part: by k of `most` seeds (k
/ `most`)³ of it, little while variances are hardly known and most of it near the end (alpha spending: Lan and
DeMets, Biometrika 70, 1983; the cubic of Kim and DeMets, Biometrika 74, 1987). Within a look Holm's method
divides the part among the comparisons that are not found yet, as the closed tests of Maurer and Bretz (Stat.
Biopharm. Res. 5, 2013) allow. The parts add up to 5 % by Boole's inequality; nothing is supposed of how the
looks depend on each other.

Giving up is not binding: it saves seeds and can only lose marks.

Legend: B tables, C columns, R rows, N seeds, K comparisons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
from scipy import special

from tablewright.reports.statistics.comparison import (
    MIN_SEEDS_TO_COMPARE,
    SIGNIFICANCE_LEVEL,
    Bools,
    ComparedTables,
    Comparison,
    compare_tables,
    comparisons_of,
    correct_p_values,
)
from tablewright.reports.statistics.seed_noise import Floats, Whole

SPENDING_POWER = 3
LEAST_CHANCE = 0.2  # of being found with `most` seeds, below which a comparison is given up


@dataclass(frozen=True)
class SeedDecision:
    """How far a table is decided.

    Attributes:
        num_seeds_CR: how many seeds each row is to have by now; where it has fewer, those are to be trained.
        is_open_CK: which comparisons are neither found nor given up.
        comparisons: those of each column as they were when they were closed, or at the last look; None where
            the rows of one have not three seeds in common. A closed one never changes, whatever seeds are
            added.
    """

    num_seeds_CR: Whole
    is_open_CK: Bools
    comparisons: list[list[Comparison | None]]


def decide_seeds(
    values_CRN: Floats,
    weights_KR: Floats,
    *,
    first: int,
    most: int,
    is_lost_CRN: Bools | None = None,
    training_R: Sequence[int] | Whole | None = None,
    source_R: Sequence[int] | Whole | None = None,
) -> SeedDecision:
    """Replay the looks at a table from its values alone, up to the first that lacks a value.

    A row that is closed at a look counts with its seeds up to there and no more, so that what another table
    adds to it changes nothing here.

    Args:
        values_CRN: in the order in which seeds are added; NaN where one is not measured.
        weights_KR: comparisons as in `compare`.
        first: seeds at the first look, 3 or more.
        most: seeds at the last.
        is_lost_CRN: seeds that will never be measured, and are not waited for.
        training_R: as in `compare`.
        source_R: likewise.

    Raises:
        ValueError: `first` and `most` are not in order.
    """
    if not MIN_SEEDS_TO_COMPARE <= first <= most:
        raise ValueError(
            f"seeds until decided: a first look at {MIN_SEEDS_TO_COMPARE} seeds or more, and a last at no fewer; got "
            f"first={first}, most={most}"
        )
    num_columns, num_rows, num_seeds = values_CRN.shape
    values_BCRN = np.full((1, num_columns, num_rows, most), np.nan)
    values_BCRN[0, ..., :num_seeds] = values_CRN[..., :most]
    is_lost_BCRN = np.zeros(values_BCRN.shape, bool)
    if is_lost_CRN is not None:
        is_lost_BCRN[0, ..., :num_seeds] = is_lost_CRN[..., :most]
    decided = decide_tables(
        values_BCRN,
        weights_KR,
        first=first,
        is_lost_BCRN=is_lost_BCRN,
        training_R=training_R,
        source_R=source_R,
    )
    return SeedDecision(
        decided.num_seeds_BCR[0], decided.is_open_BCK[0], comparisons_of(decided.compared, table=0)
    )


class DecidedTables(NamedTuple):
    """How far many tables are decided, as `SeedDecision` has it; `compared` is NaN before the first look."""

    num_seeds_BCR: Whole
    is_open_BCK: Bools
    compared: ComparedTables


def decide_tables(
    values_BCRN: Floats,
    weights_KR: Floats,
    *,
    first: int,
    is_lost_BCRN: Bools | None = None,
    training_R: Sequence[int] | Whole | None = None,
    source_R: Sequence[int] | Whole | None = None,
) -> DecidedTables:
    """Replay the looks at many tables, the last one at all the seeds that there are; see `decide_seeds`."""
    num_tables, num_columns, num_rows, most = values_BCRN.shape
    is_awaited_BCRN = np.isnan(values_BCRN)
    if is_lost_BCRN is not None:
        is_awaited_BCRN &= ~is_lost_BCRN
    takes_part_KR = weights_KR != 0
    shape_BCK = (num_tables, num_columns, len(weights_KR))
    num_seeds_BCR = np.full((num_tables, num_columns, num_rows), first)
    is_open_BCK, is_found_BCK = np.ones(shape_BCK, bool), np.zeros(shape_BCK, bool)
    nothing_BCK = np.full(shape_BCK, np.nan)
    no_seeds_BCK = np.zeros(shape_BCK, np.intp)
    compared = ComparedTables(nothing_BCK, nothing_BCK, nothing_BCK, nothing_BCK, nothing_BCK, no_seeds_BCK)
    is_going_B = np.ones(num_tables, bool)
    for look in range(first, most + 1):
        is_needed_BCR = (is_open_BCK[..., None] & takes_part_KR).any(2) & is_going_B[:, None, None]
        num_seeds_BCR = np.where(is_needed_BCR, look, num_seeds_BCR)
        is_used_BCRN = np.arange(most) < num_seeds_BCR[..., None]
        is_going_B &= ~(is_used_BCRN & is_awaited_BCRN).any((1, 2, 3)) & is_open_BCK.any((1, 2))
        if not is_going_B.any():
            break
        now = compare_tables(
            np.where(is_used_BCRN, values_BCRN, np.nan), weights_KR, training_R=training_R, source_R=source_R
        )
        num_left_B = (~is_found_BCK).sum((1, 2))
        spent = _spent(look, most) - (0.0 if look == first else _spent(look - 1, most))
        corrected_BJ = correct_p_values(
            np.where(is_open_BCK, now.p_value_BCK, np.nan).reshape(num_tables, -1), num_left_B
        )
        corrected_BCK = np.minimum(corrected_BJ.reshape(shape_BCK) / spent, 1.0)
        now = now._replace(corrected_p_value_BCK=corrected_BCK)

        is_news_BCK = is_open_BCK & is_going_B[:, None, None]
        compared = ComparedTables(
            *(np.where(is_news_BCK, new, old) for new, old in zip(now, compared, strict=True))
        )
        is_found_BCK |= is_news_BCK & (corrected_BCK < SIGNIFICANCE_LEVEL)
        is_hopeless_BCK = _chance_to_be_found(now, num_left_B, most) < LEAST_CHANCE
        is_hopeless_BCK |= now.num_seeds_BCK == 0  # a row whose trainings all fail
        is_open_BCK &= ~(is_news_BCK & (is_found_BCK | is_hopeless_BCK | (look == most)))
    return DecidedTables(num_seeds_BCR, is_open_BCK, compared)


def _spent(num_seeds: int, most: int) -> float:
    """Give the part of the significance level that may be spent by so many seeds."""
    return (num_seeds / most) ** SPENDING_POWER


def _chance_to_be_found(now: ComparedTables, num_left_B: Whole, most: int) -> Floats:
    """Give the chance that a comparison will be found at the last look, by what it seems to be now.

    What the estimate will be with all seeds is normal around what it is, with the variance that the missing
    seeds leave (predictive power under a flat prior: Spiegelhalter, Freedman and Blackburn, Control. Clin.
    Trials 7, 1986).
    """
    num_seeds_BCK = np.maximum(now.num_seeds_BCK, 1)
    deviation_BCK = now.standard_error_BCK * np.sqrt(num_seeds_BCK)
    last_part = 1 - _spent(most - 1, most)
    level_B = SIGNIFICANCE_LEVEL * last_part / np.maximum(num_left_B, 1)
    quantile_B = cast(Floats, cast(Any, special).ndtri(1 - level_B / 2))
    limit_BCK = quantile_B[:, None, None] * deviation_BCK / np.sqrt(most)
    spread_BCK = deviation_BCK * np.sqrt(np.maximum(1 / num_seeds_BCK - 1 / most, 0.0))
    is_known_BCK = spread_BCK == 0  # at the last look, or where nothing varies
    distance_BCK = np.abs(now.estimate_BCK)
    spread_BCK = np.where(is_known_BCK, 1.0, spread_BCK)
    chance_BCK = _below((distance_BCK - limit_BCK) / spread_BCK) + _below(
        (-distance_BCK - limit_BCK) / spread_BCK
    )
    return np.where(is_known_BCK, now.p_value_BCK < 1, chance_BCK)


def _below(z: Floats) -> Floats:
    """Give the standard normal distribution function."""
    return cast(Floats, cast(Any, special).ndtr(z))
