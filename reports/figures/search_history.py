"""How a search got to its best: each trial's value, in the order of suggesting and against the epochs spent."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from tablewright.orchestrator.searches.search_result import SearchResult
from tablewright.reports.figures.canvas import BLACK, drawn, quieten, whole_numbers
from tablewright.reports.figures.trial_marks import (
    DECLARED,
    DECLARED_MARK,
    MARKS,
    drawn_limits,
    in_print,
    legend_of,
    objective_label,
    within,
)

HEIGHT_IN, MARGIN = 3.3, 0.04


def draw_history(result: SearchResult) -> tuple[bytes, bytes]:
    """Draw a search's values against its trials, and against the epochs it has spent."""

    def draw(canvas: Canvas) -> None:
        by_trial, by_epoch = canvas.subplots(1, 2, sharey=True)
        numbers = [float(trial.number) for trial in result.trials]
        spent = [*itertools.accumulate(float(trial.num_epochs_trained) for trial in result.trials)]
        _draw_panel(by_trial, result, numbers)
        _draw_panel(by_epoch, result, spent)
        by_trial.set_xlabel("trial")
        by_epoch.set_xlabel("epochs of this trial and those before")
        by_trial.set_ylabel(objective_label(result))
        handles = [Line2D([], [], color=BLACK, linewidth=1.4, label="best so far")]
        if result.declared_trial is not None:
            handles.append(DECLARED_MARK.legend(DECLARED))
        handles += legend_of({trial.outcome for trial in result.trials})
        canvas.legend(
            handles=handles, loc="outside lower center", ncols=len(handles), fontsize=8, frameon=False
        )

    return drawn(HEIGHT_IN, draw, parses_math=False)


def _draw_panel(axes: Axes, result: SearchResult, places: Sequence[float]) -> None:
    metric, limits = result.search.objective.metric, drawn_limits(result)
    lowest = limits[0] if metric.higher_is_better else limits[1]
    place_of = {trial.number: place for trial, place in zip(result.trials, places, strict=True)}
    for outcome, mark in MARKS.items():
        shown = [trial for trial in result.trials if trial.outcome == outcome]
        values = [
            lowest if trial.last_value is None else within(in_print(trial.last_value, metric), limits)
            for trial in shown
        ]
        mark.draw(axes, [place_of[trial.number] for trial in shown], values)
    steps = [
        (place_of[trial.number], within(in_print(best.value, metric), limits))
        for trial, best in zip(result.trials, result.bests(), strict=True)
        if best is not None and best.value is not None
    ]
    axes.step(
        [place for place, _ in steps], [value for _, value in steps], where="post", color=BLACK, linewidth=1.4
    )
    declared = result.declared_trial
    if declared is not None and declared.value is not None:
        value = within(in_print(declared.value, metric), limits)
        DECLARED_MARK.draw(axes, [place_of[declared.number]], [value], height=2.5)
    axes.set_ylim(limits)
    axes.set_xlim(_with_margin(places))
    axes.xaxis.set_major_locator(whole_numbers())
    quieten(axes)


def _with_margin(places: Sequence[float]) -> tuple[float, float]:
    margin = MARGIN * ((max(places) - min(places)) or 1.0)
    return min(places) - margin, max(places) + margin
