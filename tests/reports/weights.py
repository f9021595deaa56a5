"""Weights of the usual comparisons, for tests of the arithmetic."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from tablewright.reports.statistics.seed_noise import Floats


def against_row(num_rows: int, reference: int) -> Floats:
    """Weigh each row against one: a comparison for each other row, in order.

    Args:
        num_rows: of the table.
        reference: index of the row that is subtracted.
    """
    weights_RR = np.eye(num_rows)
    weights_RR[:, reference] -= 1
    return np.delete(weights_RR, reference, 0)


def against_row_above(num_rows: int) -> Floats:
    """Weigh each row against the one above it: a comparison for each row but the first."""
    return np.eye(num_rows)[1:] - np.eye(num_rows)[:-1]


def factorial_effects(num_levels: Sequence[int]) -> dict[tuple[int, ...], Floats]:
    """Weigh the rows of a factorial design into main effects and interactions.

    A main effect is a factor's level minus its first, averaged over the levels of the others. An interaction
    of two is by how much that difference changes when the other factor leaves its first level, and so on.

    Args:
        num_levels: of each factor; the rows are all combinations, the last factor changing fastest.

    Returns:
        For each effect the level of every factor in it, 0 for a factor that it averages over, and its
        weights; main effects first. `(1, 0)` is the main effect of the first of two factors, `(1, 1)` their
        interaction.
    """
    effects = [effect for effect in itertools.product(*map(range, num_levels)) if any(effect)]
    effects.sort(key=lambda effect: (sum(map(bool, effect)), [not level for level in effect], effect))
    return {effect: _effect_weights(effect, num_levels) for effect in effects}


def _effect_weights(effect: Sequence[int], num_levels: Sequence[int]) -> Floats:
    weights_R: Floats = np.ones(1)
    for level, num in zip(effect, num_levels, strict=True):
        of_factor = np.eye(num)[level] - np.eye(num)[0] if level else np.full(num, 1 / num)
        weights_R = np.outer(weights_R, of_factor).ravel()
    return weights_R
