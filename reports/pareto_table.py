"""The Pareto front of a search of several objectives: each of its trials with what it reached and its parameters."""

from __future__ import annotations

from collections.abc import Iterator

from tablewright.orchestrator.declared.search import Objective
from tablewright.orchestrator.declared.search_cost import Cost
from tablewright.orchestrator.searches.search_result import SearchResult, SearchTrial
from tablewright.reports.notes.parameter_text import (
    NOT_SEARCHED,
    declared_text,
    found_text,
    number_text,
    short_names,
)
from tablewright.reports.table.number import value_text
from tablewright.reports.table.text_table import TextTable
from tablewright.trainables.value.counted import counted

PARETO_FRONT = "pareto_front"
COST_DIGITS = 3
"""Significant ones of a cost."""
KNEE_SOURCE = "Das, Structural Optimization 18, 1999"
_SCALES = ((1e9, " G"), (1e6, " M"), (1e3, " k"), (1.0, ""))


def pareto_table(result: SearchResult) -> TextTable | None:
    """Set the declared config before the trials of the front, the best in the first objective first.

    Returns:
        None where the search has one objective, or no complete trial.
    """
    if not result.front:
        return None
    names = short_names(result.space)
    heads = ("trial", *(objective_head(one) for one in result.search.objectives), *names.values())
    declared, rows = result.declared_trial, list[tuple[str, ...]]()
    if declared is None or declared not in result.front:
        values = _value_texts(result, declared)
        rows.append(("declared", *values, *(declared_text(result.declared, path) for path in names)))
    for trial in result.front:
        marks = [
            mark
            for one, mark in ((declared, "declared"), (result.knee, "knee"))
            if one is not None and one == trial
        ]
        label = f"{trial.number} ({', '.join(marks)})" if marks else str(trial.number)
        rows.append(
            (label, *_value_texts(result, trial), *(found_text(trial.params, path) for path in names))
        )
    return TextTable(PARETO_FRONT, heads, tuple(rows))


def pareto_notes(result: SearchResult) -> Iterator[str]:
    """Say what the front is, and how its knee is chosen."""
    knee = result.knee
    if knee is None:
        return
    complete = [trial for trial in result.complete if trial.values]
    heads = [objective_head(one) for one in result.search.objectives]
    between = "straight line" if len(heads) == 2 else "plane"
    so_far = "" if result.is_finished else " so far"
    of_two = f"; of a front of two it is the better in {heads[0]}" if len(result.front) == 2 else ""
    yield (
        f"Pareto front{so_far} of {' against '.join(heads)}: {len(result.front)} of "
        f"{counted(len(complete), 'complete trial')}, which none beats in one of them without being worse in another. "
        f"Its knee, trial {knee.number}, lies farthest from the {between} between its ends on the better side, each "
        f"objective scaled to its range on the front ({KNEE_SOURCE}){of_two}."
    )
    if any(isinstance(one, Cost) and not one.is_counted for one in result.search.objectives):
        yield (
            "Seconds of training are those of the machines that the trials ran on, and can be compared where these "
            "are alike and had as much beside."
        )


def objective_head(one: Objective | Cost) -> str:
    """Name an objective, as a column or an axis has it."""
    if isinstance(one, Cost):
        return one.metric.label
    return f"{one.metric.label} (val), %" if one.metric.is_fraction else f"{one.metric.label} (val)"


def objective_text(one: Objective | Cost, value: float) -> str:
    """Write a value of an objective; large costs in thousands, millions or billions."""
    if isinstance(one, Objective):
        return value_text(value, one.metric)
    scale, sign = next((it for it in _SCALES if one.is_counted and value >= it[0]), (1.0, ""))
    return f"{number_text(value / scale, COST_DIGITS)}{sign}"


def _value_texts(result: SearchResult, trial: SearchTrial | None) -> list[str]:
    if trial is None or not trial.values:
        return [NOT_SEARCHED for _ in result.search.objectives]
    return [
        objective_text(one, value) for one, value in zip(result.search.objectives, trial.values, strict=True)
    ]
