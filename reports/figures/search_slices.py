"""The value of every trial against each parameter of a search, as small multiples."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from tablewright.orchestrator.searches.search_result import SearchResult, SearchTrial
from tablewright.reports.figures.canvas import GREEN, drawn, quieten
from tablewright.reports.figures.parameter_scale import ParameterScale, scale_of
from tablewright.reports.figures.trial_marks import (
    BEST,
    BEST_MARK,
    DECLARED,
    DECLARED_MARK,
    MARKS,
    drawn_limits,
    in_print,
    legend_of,
    objective_label,
    within,
)

NUM_BESIDE = 3
MAX_PANELS = 12
"""Of a figure, so that it fits a page."""

PANEL_HEIGHT_IN, LEGEND_HEIGHT_IN = 2.1, 0.5
MARGIN = 0.06
"""Of a panel on either side, in which trials of the first and the last value of a choice are set apart."""


def draw_slices(result: SearchResult, paths: Sequence[str], names: Mapping[str, str]) -> tuple[bytes, bytes]:
    """Draw a panel for each parameter.

    Args:
        result: of the search.
        paths: of the parameters, `MAX_PANELS` at most.
        names: short name of each path.
    """
    num_lines = math.ceil(len(paths) / NUM_BESIDE)

    def draw(canvas: Canvas) -> None:
        grid = canvas.subplots(num_lines, NUM_BESIDE, squeeze=False, sharey=True)
        panels: list[Axes] = list(grid.flat)
        for axes, path in zip(panels, paths, strict=False):
            _draw_panel(axes, result, path, names[path])
        for unused in panels[len(paths) :]:
            unused.set_visible(False)
        for axes in grid[:, 0]:
            axes.set_ylabel(objective_label(result), fontsize=8)
        canvas.legend(
            handles=_handles(result), loc="outside lower center", ncols=6, fontsize=8, frameon=False
        )

    return drawn(LEGEND_HEIGHT_IN + PANEL_HEIGHT_IN * num_lines, draw, parses_math=False)


def _handles(result: SearchResult) -> list[Line2D]:
    handles = legend_of({trial.outcome for trial in result.trials if trial.last_value is not None})
    if result.declared_trial is not None:
        handles.append(DECLARED_MARK.legend(DECLARED))
    if result.best is not None:
        handles.append(BEST_MARK.legend(BEST))
    return handles


def _draw_panel(axes: Axes, result: SearchResult, path: str, name: str) -> None:
    metric, limits = result.search.objective.metric, drawn_limits(result)
    scale = scale_of(result.space[path])
    places = _places(result, path, scale)
    for outcome, mark in MARKS.items():
        shown = [
            trial
            for trial in result.trials
            if trial.outcome == outcome and trial.number in places and trial.last_value is not None
        ]
        values = [within(in_print(trial.last_value or 0.0, metric), limits) for trial in shown]
        mark.draw(axes, [places[trial.number] for trial in shown], values)
    marked = [(DECLARED_MARK, result.declared_trial), (BEST_MARK, result.best)]
    for mark, trial in marked:
        if trial is not None and trial.number in places and trial.value is not None:
            value = within(in_print(trial.value, metric), limits)
            mark.draw(axes, [places[trial.number]], [value], height=4.0)
    if path in result.declared:  # which lies in the range, or the search is refused
        axes.axvline(scale.place(result.declared[path]), color=GREEN, linewidth=0.9, linestyle=":", zorder=1)
    ticks = scale.ticks()
    axes.set_xticks([place for place, _ in ticks], [text for _, text in ticks], fontsize=8)
    axes.set_xlim(-MARGIN, 1 + MARGIN)
    axes.set_ylim(limits)
    axes.tick_params(axis="y", labelsize=8)
    axes.set_title(f"{name} (log)" if scale.is_log else name, fontsize=9, loc="left")
    quieten(axes)


def _places(result: SearchResult, path: str, scale: ParameterScale) -> dict[int, float]:
    """Say where each trial lies that has the parameter; those of one value of a choice are set beside each other."""
    having = [trial for trial in result.trials if result.has(trial, path)]
    if not scale.is_choice:
        return {trial.number: scale.place(trial.params[path]) for trial in having}
    width = MARGIN / max(2, len(scale.ticks()) - 1)
    offsets = itertools.cycle((0.0, -1.0, 1.0, -2.0, 2.0))

    def place(trial: SearchTrial) -> float:
        return scale.place(trial.params[path]) + width * next(offsets)

    return {trial.number: place(trial) for trial in having}
