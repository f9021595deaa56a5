"""What trials that were left early would end with, forecast from those that were trained further.

What leads early need not lead at the end: a low learning rate rises late. How much a trial gains from one rung to the
next hangs on its parameters, so it is learnt from the trials that have reached both, by a Gaussian process over the
value and the parameters (its kernel: a constant, a line in the value, and a bell over the parameters).
Like everything that a search decides, it follows from the records of its trials alone.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tablewright.orchestrator.declared.ranges import Choice, Range, When, range_of
from tablewright.orchestrator.store.search_records import SearchTrialRecord

Vector = NDArray[np.float64]

MIN_REACHED = 3
"""Trials that have reached a rung before it is forecast for others; until then a value stands for what follows it."""
BELL_WIDTH = 0.4
"""Of the kernel, in parts of a range, where three parameters are searched; it grows with the root of their number."""
LINE_VARIANCE = 4.0
NOISE = 0.1
"""Standard deviation of a value around the forecast, in parts of that of all values."""
CHOICE_DISTANCE = 0.7
"""Of each of the two places in which two choices differ, so that they are about a whole range apart."""
UNKNOWN = 0.5
"""Place in its range of a parameter that a trial does not have."""


def forecast_finals(
    space: Mapping[str, Range | When], trials: Collection[SearchTrialRecord], rungs: Sequence[int]
) -> dict[int, float]:
    """Forecast the final value of every trial that has reached the first rung; the complete ones have theirs.

    Args:
        space: what is searched, by dotted path.
        trials: of the search.
        rungs: epochs after which trials were left, rising, without the last epoch of the training.
    """
    if not rungs:
        return {}
    tried = {trial.number: trial.params for trial in trials}
    reached = {trial.number: values for trial in trials if (values := _values_at(trial, rungs))}
    if not reached:
        return {}
    places = places_of(space, [tried[number] for number in reached])
    known = list(reached.values())
    finals = np.array([values[0] for values in known], dtype=np.float64)
    for level in range(len(rungs)):  # from each rung to the next, and from the last to the end
        went_on = np.array([len(values) > level + 1 for values in known])
        before = np.array([values[level] for values in known if len(values) > level + 1], dtype=np.float64)
        after = np.array([values[level + 1] for values in known if len(values) > level + 1], dtype=np.float64)
        if len(after) >= MIN_REACHED:
            finals = _next_values(places[went_on], before, after, places, finals)
        finals[went_on] = after
    return {number: float(value) for number, value in zip(reached, finals, strict=True)}


def forecast_left(space: Mapping[str, Range | When], trials: Sequence[SearchTrialRecord]) -> dict[int, float]:
    """Forecast what trials that were left early would end with, from where each of them was left.

    One of several trainings is taken to end with the mean of those that it has.

    Args:
        space: what is searched, by dotted path.
        trials: of the search.
    """
    finals: dict[int, float] = {}
    left_at: dict[tuple[int | None, int], list[SearchTrialRecord]] = {}
    for trial in trials:
        if trial.state not in ("paused", "pruned"):
            continue
        told = [part.value for part in trial.parts if part.value is not None]
        if told:
            finals[trial.number] = math.fsum(told) / len(told)
        elif trial.intermediate_values:
            left_at.setdefault((trial.num_epochs, max(trial.intermediate_values)), []).append(trial)
    for (num_epochs, epoch), left in left_at.items():
        ended = [trial for trial in trials if trial.state == "complete" and trial.num_epochs == num_epochs]
        found = forecast_finals(space, [*ended, *left], [epoch])
        finals |= {trial.number: found[trial.number] for trial in left if trial.number in found}
    return finals


def _values_at(trial: SearchTrialRecord, rungs: Sequence[int]) -> list[float]:
    """Give the values that a trial had at the rungs that it has reached, and at its end if it has."""
    reports = trial.intermediate_values
    if trial.state in ("fail", "refused") or not reports:
        return []
    last = max(reports)
    found: list[float] = []
    for rung in rungs:
        if last < rung:
            break
        found.append(
            reports[rung] if rung in reports else reports[max(seen for seen in reports if seen <= rung)]
        )
    if len(found) == len(rungs) and trial.value is not None:
        found.append(trial.value)
    return found if all(map(math.isfinite, found)) else []


def _next_values(known: Vector, before: Vector, after: Vector, places: Vector, values: Vector) -> Vector:
    """Give the values at the next rung at some places, learnt from those of known trials before and after."""
    scale = max(float(after.std()), float(before.std()), 1e-9)
    middle_before, middle_after = before.mean(), after.mean()
    learnt, asked = (before - middle_before) / scale, (values - middle_before) / scale
    width = BELL_WIDTH * math.sqrt(max(1.0, places.shape[1] / 3))

    def kernel(left: Vector, left_values: Vector) -> Vector:
        squared = ((left[:, None] - known[None]) ** 2).sum(axis=-1)
        return 1.0 + LINE_VARIANCE * np.outer(left_values, learnt) + np.exp(-squared / (2 * width**2))

    covariance = kernel(known, learnt) + NOISE**2 * np.eye(len(learnt))
    weights = np.linalg.solve(covariance, (after - middle_after) / scale)
    return middle_after + scale * (kernel(places, asked) @ weights)


def places_of(space: Mapping[str, Range | When], tried: Sequence[Mapping[str, Any]]) -> Vector:
    """Give parameters as points whose coordinates lie in [0, 1]; a choice has one for each of its values."""
    columns: list[Vector] = []
    for path, declared in space.items():
        searched = range_of(declared)
        if isinstance(searched, Choice):
            columns += [
                np.array([CHOICE_DISTANCE * (path in params and params[path] == value) for params in tried])
                for value in searched.values
            ]
            continue
        low, high = float(searched.low), float(searched.high)
        values = np.array([params.get(path, math.nan) for params in tried], dtype=np.float64)
        if searched.log:
            low, high, values = math.log(low), math.log(high), np.log(values)
        place = (values - low) / (high - low) if high > low else np.full(len(tried), UNKNOWN)
        columns.append(np.where(np.isnan(place), UNKNOWN, place))
    return np.stack(columns, axis=1)
