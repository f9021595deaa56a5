"""CMA-ES over the trials of a search.

Optuna's own wrapper keeps its optimiser pickled with a trial, and whoever can write to a store could put any code
there. The optimiser is built anew from what its generations were told instead, which takes milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from cmaes import CMA, get_warm_start_mgd

from tablewright.orchestrator.declared.ranges import range_of
from tablewright.orchestrator.declared.samplers import CmaEs, generation_size
from tablewright.orchestrator.declared.search import Search
from tablewright.orchestrator.searches.unit_interval import share_of_value, value_at_share
from tablewright.orchestrator.store.search_records import SearchTrialRecord

NUM_TO_START_FROM = 10
"""Of so many learnt trials the best tenth is one, from which the first generation can begin."""

GENERATION, DRAWN, TOLD = "generation", "drawn", "told"
"""What a trial keeps: its generation, the point that its values were rounded from, and, where it is the first of its
generation, the numbers of the trials that the one before was told, the best first."""


def suggest_by_cma_es(
    search: Search,
    sampler: CmaEs,
    trials: Sequence[SearchTrialRecord],
    learnt: Sequence[SearchTrialRecord],
    seed: int,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Draw a trial of the newest generation; gives its parameters and what it is to keep."""
    by_number = {trial.number: trial for trial in trials}
    optimiser = _first_generation(search, sampler, learnt, seed)
    for told in _told_generations(trials):
        _tell(optimiser, [by_number[number] for number in told])
    kept: dict[str, Any] = {}
    is_maximised = search.objective.metric.higher_is_better
    ranked = _ranked(
        [trial for trial in trials if _generation_of(trial) == optimiser.generation], is_maximised
    )
    if len(ranked) >= optimiser.population_size:
        first = sorted(ranked, key=lambda trial: trial.number)[: optimiser.population_size]
        best_first = [trial for trial in ranked if trial in first]
        _tell(optimiser, best_first)
        kept[TOLD] = [trial.number for trial in best_first]
    drawn = [float(share) for share in optimiser.ask()]
    params = {
        path: value_at_share(range_of(declared), share)
        for (path, declared), share in zip(search.space_in_order(), drawn, strict=True)
    }
    return params, {**kept, GENERATION: optimiser.generation, DRAWN: drawn}


def _first_generation(search: Search, sampler: CmaEs, learnt: Sequence[SearchTrialRecord], seed: int) -> CMA:
    """Begin at the declared config, or where the best of what was learnt lies."""
    num_params = len(search.space)
    mean, sigma, covariance = _shares(search, search.declared_params()), sampler.sigma, None
    if len(learnt) >= NUM_TO_START_FROM:
        ranked = _ranked(learnt, search.objective.metric.higher_is_better)
        points = [(_shares(search, trial.params), float(rank)) for rank, trial in enumerate(ranked)]
        mean, sigma, covariance = get_warm_start_mgd(points)
    return CMA(
        mean=mean,
        sigma=sigma,
        bounds=np.array([[0.0, 1.0]] * num_params),
        cov=covariance,
        n_max_resampling=10 * num_params,
        population_size=generation_size(sampler, num_params),
        seed=seed,  # of this question alone: what was drawn before stands in the trials
    )


def _shares(search: Search, params: Mapping[str, Any]) -> Any:
    return np.array(
        [share_of_value(range_of(declared), params[path]) for path, declared in search.space_in_order()]
    )


def _generation_of(trial: SearchTrialRecord) -> int | None:
    return trial.sampler_state.get(GENERATION)


def _told_generations(trials: Sequence[SearchTrialRecord]) -> Iterator[list[int]]:
    """Give what each generation was told; of two sweeps that told it at once, what the first did."""
    found: dict[int, list[int]] = {}
    for trial in trials:
        if TOLD in trial.sampler_state:
            found.setdefault(trial.sampler_state[GENERATION], trial.sampler_state[TOLD])
    for generation in range(1, len(found) + 1):
        yield found[generation]


def _ranked(trials: Sequence[SearchTrialRecord], is_maximised: bool) -> list[SearchTrialRecord]:
    """Order the trials that have come to something: complete ones by value, then those that got furthest."""
    sign = -1 if is_maximised else 1

    def merit(trial: SearchTrialRecord) -> tuple[float, float]:
        if trial.value is not None:
            return 0.0, sign * trial.value
        epoch = max(trial.intermediate_values)
        return 1 / epoch, sign * trial.intermediate_values[epoch]

    has_left_early = ("pruned", "paused")
    ended = [
        trial
        for trial in trials
        if trial.value is not None or (trial.state in has_left_early and trial.intermediate_values)
    ]
    return sorted(ended, key=lambda trial: (*merit(trial), trial.number))


def _tell(optimiser: CMA, best_first: Sequence[SearchTrialRecord]) -> None:
    """Tell a generation's points by their rank, which is all that the method uses of their values."""
    points = [np.array(trial.sampler_state[DRAWN]) for trial in best_first]
    optimiser.tell([(point, float(rank)) for rank, point in enumerate(points)])
