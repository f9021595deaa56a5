"""Curves of trainings that a store has, as a benchmark for searches on the same method, data and objective."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tablewright.orchestrator.declared.changes import Changes
from tablewright.orchestrator.declared.ranges import Range, When
from tablewright.orchestrator.declared.search import Search
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.orchestrator.searches.curve_forecast import places_of
from tablewright.orchestrator.searches.learning import DoesNotFit, params_of
from tablewright.orchestrator.searches.search_state import measured_value
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_records import TrainingRecord

MIN_CURVES = 10
"""Fewer are no benchmark: every search would have tried them all at once."""


@dataclass(frozen=True)
class RecordedCurve:
    """What one whole training reported.

    Attributes:
        params: dotted path -> value, of the whole space.
        scores: of the objective after each epoch, such that higher is better; the last one decides.
    """

    params: Changes
    scores: tuple[float, ...]


@dataclass(frozen=True)
class RecordedCurves:
    """A finite table of curves: what a search suggests is answered by the nearest one.

    Distances are those between points whose coordinates lie in [0, 1], of logarithms where the range has one.

    Attributes:
        space: what is searched.
        curves: of trainings of one length.
    """

    space: Mapping[str, Range | When]
    curves: Sequence[RecordedCurve]

    @property
    def num_epochs(self) -> int:
        """Of a whole training."""
        return len(self.curves[0].scores)

    @property
    def best(self) -> float:
        """The highest final score."""
        return max(curve.scores[-1] for curve in self.curves)

    @property
    def worst(self) -> float:
        """The lowest final score."""
        return min(curve.scores[-1] for curve in self.curves)

    @cached_property
    def _places(self) -> NDArray[np.float64]:
        return places_of(self.space, [curve.params for curve in self.curves])

    def _nearest(self, params: Changes) -> RecordedCurve:
        place = places_of(self.space, [params])
        return self.curves[int(((self._places - place) ** 2).sum(axis=1).argmin())]

    def settle(self, params: Changes) -> Changes:
        """Give the parameters of the nearest curve."""
        return self._nearest(params).params

    def values(self, params: Changes, seed: int) -> Sequence[float]:
        """Give the nearest curve, whatever the seed: it was trained once."""
        return self._nearest(params).scores

    def final(self, params: Changes) -> float:
        """Give the final score of the nearest curve."""
        return self._nearest(params).scores[-1]


@dataclass(frozen=True)
class FoundCurves:
    """What a store has for the replay of a search.

    Attributes:
        curves: whole ones of one length, one for each set of parameters.
        num_unfinished: trainings of the same kind that were left early, whose end is not known.
        epoch_s: mean wall time of an epoch.
    """

    curves: RecordedCurves
    num_unfinished: int
    epoch_s: float


def find_curves(search: Search, resolver: DataResolver, store: Store) -> FoundCurves:
    """Find what the trials of this search, and of any other on the store, have recorded for its space.

    A training counts if it is the one that this search would make of its parameters: its method, code, data and all
    that is not searched are the same, and its parameters lie in the space.

    Raises:
        ValueError: there are too few; says how many, and how there are more.
    """
    name, sign = search.objective.watched_name, 1 if search.objective.metric.higher_is_better else -1
    found: dict[str, RecordedCurve] = {}
    wall_s: dict[str, float] = {}
    unfinished: set[str] = set()
    for identity in _trainings_of_searches(store):
        folder = store.training(identity)
        record = folder.record()
        if record is None:
            unfinished.add(identity)
            continue
        params = _params_of(search, record)
        if params is None or resolver.resolve(search.trial_config(params)).training_id != identity:
            continue
        scores = {
            report.epoch: sign * report.metrics[name] for report in folder.epochs() if name in report.metrics
        }
        value = measured_value(search, resolver, store, params)
        is_whole = set(scores) >= set(range(1, record.num_epochs)) and value is not None
        if not is_whole or not all(map(math.isfinite, scores.values())):
            continue
        assert value is not None
        last = {record.num_epochs: sign * value}
        found[identity] = RecordedCurve(
            params, tuple(({**scores, **last})[epoch] for epoch in range(1, record.num_epochs + 1))
        )
        wall_s[identity] = record.train_wall_s / record.num_epochs
    lengths = [len(curve.scores) for curve in found.values()]
    usual = max(set(lengths), key=lengths.count) if lengths else 0
    kept = {identity: curve for identity, curve in found.items() if len(curve.scores) == usual}
    if len(kept) < MIN_CURVES or usual < 2:
        raise ValueError(
            f"search {search.name}: a replay needs at least {MIN_CURVES} whole curves of its objective, of two epochs "
            f"or more; the store has {len(kept) if usual > 1 else 0}, and {len(unfinished)} trainings that were "
            f"left early. Run the search with more trials (num_trials={search.num_trials} now), or with a "
            f"pruner that leaves none: pruner=Median(num_startup_trials={search.num_trials}). With pruner=None no "
            "epoch tells the objective"
        )
    return FoundCurves(
        RecordedCurves(search.space, tuple(kept[identity] for identity in sorted(kept))),
        len(unfinished),
        float(np.mean([wall_s[identity] for identity in kept])),
    )


def _trainings_of_searches(store: Store) -> list[str]:
    found: set[str] = set()
    for identity in store.search_ids():
        found |= {trial.training_id for trial in store.search_trials(identity) if trial.training_id}
    return sorted(found)


def _params_of(search: Search, record: TrainingRecord) -> dict[str, Any] | None:
    """Give what a training has on the searched paths; None where the search would not make it."""
    if record.method != search.base.METHOD:
        return None
    try:
        return params_of(search, type(search.base).model_validate(record.config))
    except (ValueError, DoesNotFit):
        return None
