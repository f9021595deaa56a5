"""How far each trial of a search was trained, where it was decided about, and what its value was on the way."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from tablewright.orchestrator.searches.search_result import SearchResult, SearchTrial
from tablewright.reports.figures.canvas import BLACK, QUIET_COLOUR, drawn, quieten, whole_numbers
from tablewright.reports.figures.trial_marks import MARKS, Mark, in_print, legend_of, objective_label

MIN_HEIGHT_IN, MAX_HEIGHT_IN, TRIAL_HEIGHT_IN = 3.4, 8.0, 0.07
PROMOTED = "went on at a rung"
PROMOTED_MARK = Mark("^", BLACK, size=4.0)
SMALL = 0.8
"""Of a mark's own size, where there are many."""


def draw_rungs(result: SearchResult) -> tuple[bytes, bytes]:
    """Draw a line for each trial as far as it was trained, and beside it the values that it had."""
    trials = [trial for trial in result.trials if reached(trial)]
    height_in = min(MAX_HEIGHT_IN, max(MIN_HEIGHT_IN, 1.2 + TRIAL_HEIGHT_IN * len(trials)))
    rungs = sorted({rung for trial in trials for rung in trial.rungs})

    def draw(canvas: Canvas) -> None:
        lengths, values = canvas.subplots(1, 2)
        for trial in trials:
            _draw_length(lengths, trial)
            _draw_values(values, result, trial)
        for axes in (lengths, values):
            for rung in rungs:
                axes.axvline(rung, zorder=1, color=QUIET_COLOUR, linewidth=0.9, linestyle=":")
            axes.set_xlim(left=0)
            axes.set_xlabel("epoch")
            axes.xaxis.set_major_locator(whole_numbers())
            quieten(axes)
        lengths.set_ylabel("trial")
        lengths.yaxis.set_major_locator(whole_numbers())
        lengths.invert_yaxis()
        values.set_ylabel(objective_label(result))
        handles = legend_of({trial.outcome for trial in trials})
        if any(_passed(trial) for trial in trials):
            handles.append(PROMOTED_MARK.legend(PROMOTED))
        if rungs:
            handles.append(Line2D([], [], label="rung", color=QUIET_COLOUR, linewidth=0.9, linestyle=":"))
        canvas.legend(
            handles=handles,
            loc="outside lower center",
            ncols=max(1, len(handles)),
            fontsize=8,
            frameon=False,
        )

    return drawn(height_in, draw, parses_math=False)


def reached(trial: SearchTrial) -> int:
    """Give the last epoch that a trial has got to by a training of its own."""
    return trial.num_epochs_trained


def _passed(trial: SearchTrial) -> list[int]:
    """Give the rungs from which a trial went on."""
    return [rung for rung in trial.rungs if rung < reached(trial)]


def _draw_length(axes: Axes, trial: SearchTrial) -> None:
    mark = MARKS[trial.outcome]
    axes.plot([0, reached(trial)], [trial.number] * 2, color=mark.colour, linewidth=1.0, alpha=0.7)
    PROMOTED_MARK.draw(axes, _passed(trial), [trial.number] * len(_passed(trial)))
    mark.draw(axes, [reached(trial)], [trial.number], size=SMALL)


def _draw_values(axes: Axes, result: SearchResult, trial: SearchTrial) -> None:
    metric, mark = result.search.objective.metric, MARKS[trial.outcome]
    points = dict(trial.reported)
    if trial.value is not None:
        points[reached(trial)] = trial.value
    places = [in_print(value, metric) for value in points.values()]
    axes.plot([*points], places, color=mark.colour, linewidth=0.8, alpha=0.6)
    mark.draw(axes, [*points][-1:], places[-1:], size=SMALL)
