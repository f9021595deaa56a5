"""What stands below the table of a search: what it found, of how many trials, and what it spent."""

from __future__ import annotations

from collections.abc import Iterator

from tablewright.orchestrator.searches.search_result import SearchResult, TrialOutcome
from tablewright.reports.notes.parameter_text import declared_text, found_text, range_text, short_names
from tablewright.reports.pareto_table import pareto_notes
from tablewright.reports.table.number import value_text
from tablewright.reports.table.text_table import TextTable
from tablewright.trainables.value.counted import counted

COUNTED: tuple[tuple[TrialOutcome, str], ...] = (
    ("complete", "complete"),
    ("answered", "answered by a training that was recorded already"),
    ("pruned", "pruned"),
    ("paused", "paused"),
    ("failed", "failed"),
    ("refused", "refused without a training"),
    ("running", "not ended yet"),
)
PARAMETERS = "parameters"


def parameter_table(result: SearchResult) -> TextTable:
    """Set what was found beside the ranges and the declared values, in the order of the declaration."""
    names, declared = short_names(result.space), result.declared
    heads, rows = ["parameter", "range", "declared"], list[tuple[str, ...]]()
    for path, searched in result.space.items():
        texts = [names[path], range_text(searched, names), declared_text(declared, path)]
        rows.append((*texts, *([] if result.found is None else [found_text(result.found, path)])))
    return TextTable(PARAMETERS, (*heads, *([] if result.found is None else ["found"])), tuple(rows))


def search_notes(result: SearchResult) -> Iterator[str]:
    """Give the sentences on what a search has come to; none where it has not begun."""
    if not result.trials:
        return
    counts = [(result.count(outcome), words) for outcome, words in COUNTED]
    shown = ", ".join(f"{number} {words}" for number, words in counts if number)
    ended = f"; {result.why_ended}" if result.why_ended else ""
    yield f"Search: {counted(len(result.trials), 'trial')}: {shown}{ended}."
    if result.learnt:
        yield f"Its sampler had learnt from {' and '.join(result.learnt)}, which are none of these trials."
    yield from pareto_notes(result) if result.search.against else _value_note(result)
    yield from _budget_note(result)
    begun = "" if result.begun_by is None else f", after {result.begun_by} had begun it in an earlier version"
    yield f"Its trials were suggested by {result.search.chosen_sampler}{begun}."


def _value_note(result: SearchResult) -> Iterator[str]:
    best, declared, metric = result.best, result.declared_trial, result.search.objective.metric
    if best is None or best.value is None:
        return
    beside = ""
    if declared is not None and declared.value is not None and declared is not best:
        beside = f"; the declared config has {value_text(declared.value, metric)}"
    which = "the declared config itself" if declared is best else f"trial {best.number}"
    so_far = "" if result.is_finished else " so far"
    yield f"Best in {metric.label} on val{so_far}: {which}, {value_text(best.value, metric)}{beside}."


def _budget_note(result: SearchResult) -> Iterator[str]:
    trained = result.num_epochs_trained
    saved = [
        (result.num_epochs_stopped, "left by trials that were stopped early"),
        (result.num_epochs_answered, "of trainings that were recorded already"),
    ]
    whole = trained + sum(number for number, _ in saved)
    if whole == 0:
        return
    if whole == trained:
        yield f"Epochs trained while searching: {trained}, each trial to its end."
        return
    shown = " and ".join(f"{number} {words}" for number, words in saved if number)
    share = round(100 * (whole - trained) / whole)
    yield (
        f"Epochs trained while searching: {trained}; all these trials to their end would have taken {whole} ({share} % "
        f"saved: {shown})."
    )
