"""The figures of a search: how it got to its best, which parameters mattered, and what was stopped where."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from tablewright.orchestrator.searches.importance import MIN_COMPLETE, Importances, importances_of
from tablewright.orchestrator.searches.search_result import SearchResult
from tablewright.reports.figures.figures import Figure, TableFigures, file_name_of
from tablewright.reports.figures.pareto_figure import draw_pareto
from tablewright.reports.figures.search_coordinates import MAX_AXES, draw_coordinates, shown_trials
from tablewright.reports.figures.search_history import draw_history
from tablewright.reports.figures.search_importance import draw_importances
from tablewright.reports.figures.search_rungs import draw_rungs
from tablewright.reports.figures.search_slices import MAX_PANELS, draw_slices
from tablewright.reports.notes.parameter_text import cut, short_names

MAX_NAME_LENGTH = 32  # of a parameter, above a panel
EDGE_CAPTION = "values far from the best stand at the edge"


def with_search_figures(beside: TableFigures, result: SearchResult) -> TableFigures:
    """Put the figures of a search before those of the trainings of its table."""
    figures, warnings = search_figures(result)
    taken = [figure.name for figure in beside.figures]
    named = [replace(figure, name=file_name_of(figure.name, taken)) for figure in figures]
    return replace(beside, figures=(*named, *beside.figures), warnings=(*warnings, *beside.warnings))


def search_figures(result: SearchResult) -> tuple[list[Figure], list[str]]:
    """Draw what a search has come to so far.

    Returns:
        The figures in printing order, and of those that would show nothing why, one sentence each without the final
        stop. Both are empty before a trial has a value.
    """
    if all(trial.last_value is None for trial in result.trials):
        return [], []
    names = {path: cut(name, MAX_NAME_LENGTH) for path, name in short_names(result.space).items()}
    importances = importances_of(result)
    figures = [_history(result), *_importance(result, importances, names), *_slices(result, names)]
    figures += [*_coordinates(result, names), *_rungs(result), *_pareto(result)]
    return figures, [f"Importances are not drawn: {importances.lack}"] if importances.lack else []


def _history(result: SearchResult) -> Figure:
    caption = (
        "Search history: the objective of each trial in the order of suggesting, by its number and by the epochs that "
        f"it and those before it were trained for; the line is the best complete one; {EDGE_CAPTION}, and those "
        "without one on the axis"
    )
    return Figure("search-history", caption, *draw_history(result))


def _importance(result: SearchResult, importances: Importances, names: Mapping[str, str]) -> Iterator[Figure]:
    if not importances.by_measure:
        return
    conditional = [name for path, name in names.items() if not result.is_always_searched(path)]
    left_out = (
        f"; fANOVA cannot tell of {', '.join(conditional)}, not searched in every trial"
        if conditional
        else ""
    )
    by = (
        "complete trials"
        if importances.epoch is None
        else f"trials by their value after epoch {importances.epoch}, the last that so many have a value at"
    )
    caption = (
        f"Importance of the parameters, of {importances.num_trials} {by}: shares of fANOVA (variance over the space) "
        "and of PED-ANOVA (what sets the best quarter apart), mean of draws with replacement and between which nine "
        f"of ten lie; dotted, equal shares{left_out}"
    )
    yield Figure("search-importance", caption, *draw_importances(importances, names))


def _slices(result: SearchResult, names: Mapping[str, str]) -> Iterator[Figure]:
    for number, paths in enumerate(pages_of([*names], MAX_PANELS), start=1):
        caption = (
            "The objective against each parameter; dotted, the declared value; trials that were left early with their "
            f"last value; {EDGE_CAPTION}"
        )
        yield Figure(_numbered("search-slices", number), caption, *draw_slices(result, paths, names))


def _coordinates(result: SearchResult, names: Mapping[str, str]) -> Iterator[Figure]:
    if len(result.complete) < MIN_COMPLETE or len(names) < 2:
        return
    num_shown = len(shown_trials(result))
    is_cut = num_shown < len(result.complete)
    for number, paths in enumerate(pages_of([*names], MAX_AXES), start=1):
        which = f"The {num_shown} best of {len(result.complete)} complete" if is_cut else "Complete"
        caption = f"{which} trials over all parameters, the better the darker"
        if not all(result.is_always_searched(path) for path in paths):
            caption += "; below its axis a parameter was not searched"
        yield Figure(
            _numbered("search-coordinates", number), caption, *draw_coordinates(result, paths, names)
        )


def _rungs(result: SearchResult) -> Iterator[Figure]:
    if result.search.pruner is None:
        return
    caption = (
        "How far each trial was trained, and its value on the way; a trial that was stopped or paused ends where it "
        "was, and goes on from a rung if it is promoted"
    )
    yield Figure("search-rungs", caption, *draw_rungs(result))


def _pareto(result: SearchResult) -> Iterator[Figure]:
    if not result.front:
        return
    several = "" if len(result.search.objectives) == 2 else ", of all objectives together"
    caption = (
        f"Pareto front: the complete trials that none beats in everything{several}; the others are grey, the star is "
        "the knee of the front"
    )
    yield Figure("search-pareto", caption, *draw_pareto(result))


def pages_of(paths: Sequence[str], num_a_page: int) -> Iterator[Sequence[str]]:
    """Share parameters out among as few figures as can be, evenly."""
    num_pages = -(-len(paths) // num_a_page)
    ends = [round(number * len(paths) / num_pages) for number in range(num_pages + 1)]
    yield from (paths[start:end] for start, end in itertools.pairwise(ends))


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"
