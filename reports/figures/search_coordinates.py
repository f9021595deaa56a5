"""All parameters of a search beside each other, a line for each complete trial: which combinations are good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from tablewright.orchestrator.searches.search_result import SearchResult, SearchTrial
from tablewright.reports.figures.canvas import BLACK, GREEN, QUIET_COLOUR, drawn
from tablewright.reports.figures.parameter_scale import ParameterScale, scale_of
from tablewright.reports.figures.trial_marks import (
    BEST,
    DECLARED,
    drawn_limits,
    in_print,
    objective_label,
    within,
)
from tablewright.reports.notes.parameter_text import NOT_SEARCHED

HEIGHT_IN = 3.6
MAX_LINES = 100
"""Trials of a figure, the best ones, so that their lines can be followed."""

MAX_AXES = 10
"""Parameters of a figure, so that their names fit a page."""

COLOURS = "cividis_r"
"""From light to dark, which can be told apart without colours."""

ABSENT = -0.12
"""Where the lines of trials run that have not the parameter, below the axis."""


def draw_coordinates(
    result: SearchResult, paths: Sequence[str], names: Mapping[str, str]
) -> tuple[bytes, bytes]:
    """Draw the complete trials, the better ones darker and above the others.

    Args:
        result: of the search, with a complete trial.
        paths: of the parameters, `MAX_AXES` at most.
        names: short name of each path.
    """
    scales = {path: scale_of(result.space[path]) for path in paths}
    metric = result.search.objective.metric
    sign = 1 if metric.higher_is_better else -1
    limits = drawn_limits(result)
    shown = shown_trials(result)
    ends = [within(in_print(trial.value or 0.0, metric), limits) for trial in shown]
    norm = Normalize(min(ends), max(ends))
    colours = colormaps[COLOURS if metric.higher_is_better else COLOURS.removesuffix("_r")]

    def draw(canvas: Canvas) -> None:
        axes = canvas.subplots()
        marked = {
            id(trial) for trial in (result.declared_trial, result.best)
        }  # whose dashes a line would fill
        plain = [trial for trial in shown if id(trial) not in marked]
        for trial in sorted(plain, key=lambda trial: sign * (trial.value or 0.0)):
            value = within(in_print(trial.value or 0.0, metric), limits)
            axes.add_line(_line(result, trial, scales, colour=colours(norm(value)), width=1.1))
        handles: list[Line2D] = []
        if (declared := result.declared_trial) is not None:
            handles.append(
                _line(result, declared, scales, colour=GREEN, width=2.0, label=DECLARED, style="--")
            )
        if (best := result.best) is not None:
            handles.append(_line(result, best, scales, colour=BLACK, width=2.4, label=BEST))
        for line in handles:
            axes.add_line(line)
        has_absent = not all(result.has(trial, path) for trial in shown for path in paths)
        _draw_axes(axes, scales, names, has_absent=has_absent)
        if len(set(ends)) > 1:
            bar = canvas.colorbar(ScalarMappable(norm, colours), ax=axes, pad=0.01)
            bar.set_label(objective_label(result), fontsize=8)
            bar.ax.tick_params(labelsize=8)
        canvas.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=8, frameon=False)

    return drawn(HEIGHT_IN, draw, parses_math=False)


def shown_trials(result: SearchResult) -> list[SearchTrial]:
    """Give the complete trials that are drawn."""
    sign = -1 if result.search.objective.metric.higher_is_better else 1
    return sorted(result.complete, key=lambda trial: sign * (trial.value or 0.0))[:MAX_LINES]


def _line(
    result: SearchResult,
    trial: SearchTrial,
    scales: Mapping[str, ParameterScale],
    *,
    colour: Any,
    width: float,
    label: str = "",
    style: Literal["-", "--"] = "-",
) -> Line2D:
    places = [
        scale.place(trial.params[path]) if result.has(trial, path) else ABSENT
        for path, scale in scales.items()
    ]
    return Line2D(range(len(places)), places, color=colour, linewidth=width, linestyle=style, label=label)


def _draw_axes(
    axes: Axes, scales: Mapping[str, ParameterScale], names: Mapping[str, str], *, has_absent: bool
) -> None:
    for number, scale in enumerate(scales.values()):
        axes.plot([number, number], [0, 1], color=QUIET_COLOUR, linewidth=0.8, zorder=1)
        for place, text in scale.ticks():
            box = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.6}
            axes.annotate(
                text,
                (number, place),
                (3, 0),
                textcoords="offset points",
                fontsize=7,
                va="center",
                bbox=box,
                zorder=5,
            )
        if has_absent:
            axes.annotate(
                NOT_SEARCHED, (number, ABSENT), (3, 0), textcoords="offset points", fontsize=7, va="center"
            )
    heads = [f"{names[path]}\n(log)" if scale.is_log else names[path] for path, scale in scales.items()]
    axes.set_xticks(range(len(heads)), heads, fontsize=7.5, rotation=30, ha="right", rotation_mode="anchor")
    axes.tick_params(length=0)
    axes.set_xlim(-0.15, max(len(heads) - 1, 0) + 0.45)
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.set_ylim((ABSENT if has_absent else 0.0) - 0.06, 1.06)
