"""A search space filled evenly: the points of a scrambled Sobol sequence, one for each trial."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scipy.stats import qmc

from tablewright.orchestrator.declared.ranges import range_of
from tablewright.orchestrator.declared.search import Search
from tablewright.orchestrator.searches.unit_interval import value_at_share
from tablewright.orchestrator.store.search_records import SearchTrialRecord

POINT = "point"
"""What a trial keeps: which point of the sequence it is."""


def suggest_quasi_random(
    search: Search, trials: Sequence[SearchTrialRecord], draw: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the next point; gives its parameters and what the trial is to keep.

    Args:
        search: the declaration.
        trials: so far.
        draw: how many points were already found to be none that can be tried.
    """
    point = max((trial.sampler_state.get(POINT, -1) for trial in trials), default=-1) + 1 + draw
    sequence = qmc.Sobol(len(search.space), scramble=True, rng=search.sampler_seed)
    if point:
        sequence.fast_forward(point)
    shares = sequence.random(1)[0]
    params = {
        path: value_at_share(range_of(declared), float(share))
        for (path, declared), share in zip(search.space_in_order(), shares, strict=True)
    }
    return params, {POINT: point}
