"""The contrasts of a declared table as weights of its rows.

Legend: K contrasts, R rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tablewright.orchestrator.declared.design import Contrast
from tablewright.reports.statistics.seed_noise import Floats


def contrast_weights(contrasts: Sequence[Contrast], rows: Sequence[str]) -> Floats:
    """Give the weight of each row in each contrast, (K, R).

    Args:
        contrasts: of one table.
        rows: their labels, groups in front, in the order of the columns.
    """
    weights_KR = np.zeros((len(contrasts), len(rows)))
    place_of = {row: place for place, row in enumerate(rows)}
    for weights_R, contrast in zip(weights_KR, contrasts, strict=True):
        for row, weight in contrast.weights.items():
            weights_R[place_of[row]] = weight
    return weights_KR
