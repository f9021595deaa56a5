"""How much each parameter of a search mattered, by each measure, with the spread of its replicates."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure as Canvas

from tablewright.orchestrator.searches.importance import Importance, Importances
from tablewright.reports.figures.canvas import BLACK, BLUE, GRID_COLOUR, QUIET_COLOUR, drawn

LINE_IN, HEAD_IN = 0.24, 1.0
BAR_HEIGHT = 0.62
MAX_SHOWN = 20
"""Parameters of a panel, the most important ones, so that it fits a page."""


def draw_importances(importances: Importances, names: Mapping[str, str]) -> tuple[bytes, bytes]:
    """Draw a panel for each measure, a bar for each parameter.

    Args:
        importances: of one search.
        names: short name of each path.
    """
    panels = importances.by_measure
    compared = "" if importances.epoch is None else f", by values after epoch {importances.epoch}"
    num_lines = max(min(len(some), MAX_SHOWN) for some in panels.values())

    def draw(canvas: Canvas) -> None:
        axes_of = canvas.subplots(1, len(panels), squeeze=False)[0]
        for axes, (measure, some) in zip(axes_of, panels.items(), strict=True):
            shown = some[:MAX_SHOWN]
            places = range(len(shown))
            means = [100 * importance.mean for importance in shown]
            axes.barh(places, means, height=BAR_HEIGHT, color=BLUE, alpha=0.75)
            axes.errorbar(
                means, places, xerr=_spreads(shown), fmt="none", ecolor=BLACK, elinewidth=1.0, capsize=2.5
            )
            axes.axvline(100 / len(some), color=QUIET_COLOUR, linewidth=0.9, linestyle=":")
            axes.set_yticks(places, [names[importance.path] for importance in shown], fontsize=8)
            axes.set_ylim(num_lines - 0.4, -0.6)
            axes.set_xlim(left=0)
            axes.set_xlabel("share of importance, %")
            axes.set_title(f"{measure}{compared}", fontsize=10, loc="left")
            axes.spines[["top", "right", "left"]].set_visible(False)
            axes.tick_params(axis="y", length=0)
            axes.grid(axis="x", color=GRID_COLOUR, linewidth=0.6)
            axes.set_axisbelow(True)

    return drawn(HEAD_IN + LINE_IN * num_lines, draw, parses_math=False)


def _spreads(shown: tuple[Importance, ...]) -> list[list[float]]:
    """Give how far the interval of each reaches below and above its mean, which may lie outside of it."""
    below = [max(0.0, 100 * (importance.mean - importance.interval[0])) for importance in shown]
    above = [max(0.0, 100 * (importance.interval[1] - importance.mean)) for importance in shown]
    return [below, above]
