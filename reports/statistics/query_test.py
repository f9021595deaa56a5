"""Whether the weights of one row rank these queries better than those of another.

The weights are taken as they are. Queries of one identity go together (the same clothes, the same hard
gallery images), so that it is identities that count, not queries. Another training of the same method may
rank them otherwise: what a method does is told by its seeds.

Legend: Q queries, I identities.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tablewright.reports.statistics.comparison import t_quantile, two_sided_p_values
from tablewright.reports.statistics.seed_noise import NOTHING_VARIES, Floats


@dataclass(frozen=True)
class QueryComparison:
    """What these queries say of two rows.

    Attributes:
        estimate: mean difference over the queries, row minus reference.
        standard_error: with the queries of an identity taken together; 0 where nothing varies.
        df: degrees of freedom of the standard error.
        interval: 95 % confidence interval.
        p_value: two-sided.
        num_queries: that both were measured on.
        num_identities: of these queries.
    """

    estimate: float
    standard_error: float
    df: float
    interval: tuple[float, float]
    p_value: float
    num_queries: int
    num_identities: int


def compare_queries(
    row_Q: Floats, reference_Q: Floats, identity_Q: NDArray[np.generic]
) -> QueryComparison | None:
    """Test whether the mean over queries differs, robust to what queries of one identity have in common.

    The cluster-robust variance with the bias correction and the degrees of freedom of Bell and McCaffrey
    (Survey Methodology 28, 2002), in the closed form that it has for a mean. With equally many queries of
    each identity it is the paired t-test over identities.

    Args:
        row_Q: each query's value, averaged over seeds where there are several.
        reference_Q: the same queries' values in the other row.
        identity_Q: of each query.

    Returns:
        None for fewer than two identities.
    """
    difference_Q = np.asarray(row_Q, np.float64) - reference_Q
    _, index_Q, size_I = np.unique(identity_Q, return_inverse=True, return_counts=True)
    num_queries, num_identities = len(difference_Q), len(size_I)
    if num_identities < 2:
        return None
    estimate = float(difference_Q.mean())
    sum_I = np.bincount(index_Q, difference_Q - estimate)
    correction_I = 1 / (1 - size_I / num_queries)
    standard_error = float(np.sqrt((correction_I * sum_I**2).sum())) / num_queries
    # Trace of the variance's quadratic form squared over that of its square, for independent queries.
    square = (correction_I**2 * (size_I**2 - 2 * size_I**3 / num_queries)).sum()
    square += (correction_I * size_I**2).sum() ** 2 / num_queries**2
    df = float(num_queries**2 / square)
    rounding = NOTHING_VARIES * float(np.abs([row_Q, reference_Q]).max())
    standard_error = standard_error if standard_error > rounding else 0.0
    half_width = standard_error * float(t_quantile(0.975, np.array(df)))
    p_value = two_sided_p_values(np.array(estimate), np.array(standard_error), np.array(df), rounding)
    return QueryComparison(
        estimate,
        standard_error,
        df,
        (estimate - half_width, estimate + half_width),
        float(p_value),
        num_queries,
        num_identities,
    )
