"""What stands below a table whose rows are all tuned: with what budget, what each row was left, and what it found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tablewright.orchestrator.declared.changes import value_at
from tablewright.orchestrator.declared.search import Search
from tablewright.orchestrator.searches.tuned_rows import TunedRow, TunedRows
from tablewright.reports.notes.parameter_text import (
    NOT_SEARCHED,
    declared_text,
    found_text,
    range_text,
    short_names,
)
from tablewright.reports.table.number import value_text
from tablewright.reports.table.text_table import TextTable
from tablewright.trainables.contract.method import TrainingConfig
from tablewright.trainables.value.counted import counted

TUNED = "tuned"
NOT_FOUND = "—"
"""Stands for what a search that goes on has not found yet."""
OF_ROW = "(row)"
"""Stands beside a value that the row sets itself."""


def tuned_table(tuned: TunedRows) -> TextTable:
    """Set out what was found for each row on each data set, after how much searching."""
    pattern = _pattern(tuned)
    names, has_epochs = short_names(pattern.space), pattern.pruner is not None
    has_datasets = len(tuned.ablation.datasets) > 1
    heads = [
        tuned.ablation.stub_head or "row",
        *(["data set"] if has_datasets else []),
        "trials",
        *(["epochs"] if has_epochs else []),
        f"{pattern.objective.metric.label} (val)",
        *names.values(),
    ]
    rows = [
        (
            ", ".join(one.search.rows),
            *([one.search.dataset_label] if has_datasets else []),
            f"{one.state.num_made} of {one.state.num_trials}",
            *([str(one.num_epochs)] if has_epochs else []),
            NOT_FOUND if one.value is None else value_text(one.value, pattern.objective.metric),
            *(_parameter_text(one, path) for path in pattern.space),
        )
        for one in tuned.rows
    ]
    return TextTable(TUNED, tuple(heads), tuple(rows))


def _pattern(tuned: TunedRows) -> Search:
    assert tuned.ablation.tuned is not None, "only a tuned table has tuned rows"
    return tuned.ablation.tuned


def _parameter_text(one: TunedRow, path: str) -> str:
    if path in one.search.kept:
        return f"{declared_text({path: value_at(one.search.base, path)}, path)} {OF_ROW}"
    if path in one.search.absent:
        return NOT_SEARCHED
    return NOT_FOUND if one.found is None else found_text(one.found, path)


def tuning_notes(tuned: TunedRows, seeds: Sequence[int]) -> Iterator[str]:
    """Give the sentences on how the rows of a table were tuned.

    Args:
        tuned: its rows.
        seeds: that its rows are trained with.
    """
    pattern = _pattern(tuned)
    names = short_names(pattern.space)
    yield from _budget_notes(pattern, names, seeds)
    yield from _left_out_notes(tuned, names)
    yield from _unequal_notes(tuned)
    yield from _hole_notes(tuned)
    yield from _alike_notes(tuned)


def _budget_notes(pattern: Search, names: dict[str, str], seeds: Sequence[int]) -> Iterator[str]:
    stopped = "" if pattern.pruner is None else f", left early by {pattern.pruner}"
    objective = pattern.objective
    ranges = "; ".join(
        f"{names[path]}: {range_text(declared, names)}" for path, declared in pattern.space.items()
    )
    at_most = "" if pattern.budget is None else f", within {pattern.budget}"
    kept = "".join(f"; with {constraint}" for constraint in pattern.constraints)
    yield (
        f"Every row is tuned on each data set before its seeds are trained, with the same budget: "
        f"{counted(pattern.num_trials, 'trial')}{at_most} by {pattern.chosen_sampler}{stopped}, the first of the "
        f"declared values, for {objective.metric.label} on val ({objective.view.protocol}). Searched: {ranges}{kept}."
    )
    seed = pattern.base.seed
    which = "which is one of the table's seeds" if seed in seeds else "which is none of the table's"
    yield (
        f"All trials have seed {seed}, {which}. Seeds repeat trainings, not searches: what a row owes to the luck of "
        "its search is in no deviation."
    )


def _left_out_notes(tuned: TunedRows, names: dict[str, str]) -> Iterator[str]:
    """Say which rows were searched for less, and why."""
    rows_of: dict[str, dict[str, None]] = {}
    for one in tuned.rows:
        texts = [
            f"{verb} {', '.join(names[path] for path in paths)}"
            for verb, paths in (("keeps its own", one.search.kept), ("has no", one.search.absent))
            if paths
        ]
        if texts:
            rows_of.setdefault(" and ".join(texts), {}).update(dict.fromkeys(_quoted(one.search.rows)))
    for text, rows in rows_of.items():
        yield f"{', '.join(rows)} {text}, which was not searched there."
    sizes = sorted({len(one.search.space) for one in tuned.rows})
    if len(sizes) > 1:
        yield (
            f"The rows were searched for {sizes[0]} to {sizes[-1]} parameters, all with the same number of trials."
        )
    if any(one.search.kept for one in tuned.rows):
        yield f"{OF_ROW}: the row's own value, not a found one."


def _hole_notes(tuned: TunedRows) -> Iterator[str]:
    """Say why rows are not trained yet, or never: none of them is printed untuned among tuned ones."""
    rows_of: dict[tuple[str, bool], list[str]] = {}
    for one in tuned.rows:
        if one.waits_for:
            has_ended = one.state.is_finished or one.state.has_given_up
            rows_of.setdefault((one.waits_for, has_ended), []).append(_rows_text(one))
    for (reason, has_ended), rows in rows_of.items():
        what = "not trained, and not printed untuned among tuned rows" if has_ended else "not trained yet"
        yield f"{', '.join(rows)}: {what}; {reason}."


def _unequal_notes(tuned: TunedRows) -> Iterator[str]:
    """Say which finished searches had fewer tries than the others, or gave fewer values."""
    for one in tuned.rows:
        state = one.state
        if not state.is_finished or state.best is None:
            continue
        if state.num_made < state.num_trials:
            why = f": {state.end.text}" if state.end is not None and state.end.text else ""
            yield f"{_rows_text(one)} was tuned in {state.num_made} of {state.num_trials} trials{why}."
        if state.failed_ids:
            yield f"{_rows_text(one)}: {counted(len(state.failed_ids), 'trial')} of its search failed."


def _alike_notes(tuned: TunedRows) -> Iterator[str]:
    """Name rows that are declared apart and were tuned to one config."""
    alike: dict[TrainingConfig, list[TunedRow]] = {}
    for one in tuned.rows:
        if one.config is not None:
            alike.setdefault(one.config, []).append(one)
    for rows in alike.values():
        if len(rows) > 1:
            yield f"{' and '.join(map(_rows_text, rows))} were tuned to the same config: their trainings are the same."


def _rows_text(one: TunedRow) -> str:
    return f"{', '.join(_quoted(one.search.rows))} ({one.search.dataset_label})"


def _quoted(rows: Sequence[str]) -> list[str]:
    return [f"“{row}”" for row in rows]
