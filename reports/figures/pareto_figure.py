"""The Pareto front of a search: its first objective against each of the others."""

from __future__ import annotations

from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator

from tablewright.orchestrator.declared.search_cost import Cost
from tablewright.orchestrator.searches.search_result import SearchResult, SearchTrial
from tablewright.reports.figures.canvas import BLUE, QUIET_COLOUR, drawn, quieten
from tablewright.reports.figures.trial_marks import BEST_MARK, DECLARED, DECLARED_MARK, Mark, in_print
from tablewright.reports.pareto_table import objective_head, objective_text

HEIGHT_IN = 3.6
MIN_LOG_RATIO = 30.0  # of the highest to the lowest cost: below, a linear axis shows both ends
MARGIN = 0.06
FRONT_MARK, DOMINATED_MARK = Mark("o", BLUE, size=6.0), Mark("o", QUIET_COLOUR, is_filled=False, size=4.0)


def draw_pareto(result: SearchResult) -> tuple[bytes, bytes]:
    """Draw the front, what it dominates, its knee and the declared config."""

    def draw(canvas: Canvas) -> None:
        panels = canvas.subplots(1, len(result.search.against), sharey=True, squeeze=False)
        for place, axes in enumerate(panels[0], start=1):
            _draw_panel(axes, result, place)
        panels[0][0].set_ylabel(objective_head(result.search.objective))
        handles = [
            FRONT_MARK.legend("front"),
            DOMINATED_MARK.legend("dominated"),
            BEST_MARK.legend("knee"),
        ]
        if result.declared_trial is not None and result.declared_trial.values:
            handles.append(DECLARED_MARK.legend(DECLARED))
        canvas.legend(
            handles=handles, loc="outside lower center", ncols=len(handles), fontsize=8, frameon=False
        )

    return drawn(HEIGHT_IN, draw, parses_math=False)


def _complete(result: SearchResult) -> list[SearchTrial]:
    return [trial for trial in result.complete if trial.values]


def _draw_panel(axes: Axes, result: SearchResult, place: int) -> None:
    """Draw one of the other objectives along the horizontal axis."""
    one = result.search.objectives[place]

    def points(trials: list[SearchTrial]) -> tuple[list[float], list[float]]:
        across = [_in_print(result, place, trial) for trial in trials]
        return across, [_in_print(result, 0, trial) for trial in trials]

    complete, front = _complete(result), list(result.front)
    DOMINATED_MARK.draw(axes, *points([trial for trial in complete if trial not in front]))
    if len(result.search.against) == 1:  # of more, the front is a surface
        across, up = points(front)
        # What can be had for at most a cost holds until the next point; of at least so much, from the one before.
        steps: Literal["steps-pre", "steps-post"] = (
            "steps-pre" if one.metric.higher_is_better else "steps-post"
        )
        order = np.argsort(across)
        axes.add_line(
            Line2D(
                [across[it] for it in order],
                [up[it] for it in order],
                color=BLUE,
                linewidth=1.2,
                drawstyle=steps,
            )
        )
    FRONT_MARK.draw(axes, *points(front), height=3.5)
    if (declared := result.declared_trial) is not None and declared.values:
        DECLARED_MARK.draw(axes, *points([declared]), height=4.0, size=1.4)
    if result.knee is not None:
        BEST_MARK.draw(axes, *points([result.knee]), height=4.5)
    across, up = points(complete)
    axes.set_ylim(*_limits(up))
    if min(across) > 0 and max(across) / min(across) >= MIN_LOG_RATIO:
        axes.set_xscale("log")
        axes.set_xlim(min(across) / 1.3, max(across) * 1.3)
    else:
        axes.set_xlim(*_limits(across))
    if isinstance(one, Cost):

        def tick_text(value: float, _: int | None) -> str:
            return objective_text(one, value)

        axes.xaxis.set_major_formatter(FuncFormatter(tick_text))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(objective_head(one))
    quieten(axes)


def _in_print(result: SearchResult, place: int, trial: SearchTrial) -> float:
    return in_print(trial.values[place], result.search.objectives[place].metric)


def _limits(values: list[float]) -> tuple[float, float]:
    margin = MARGIN * ((max(values) - min(values)) or abs(max(values)) or 1.0)
    return min(values) - margin, max(values) + margin
