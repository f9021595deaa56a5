"""How what became of a trial is drawn: the same mark and colour in every figure of a search."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from tablewright.orchestrator.searches.search_result import SearchResult, TrialOutcome
from tablewright.reports.figures.canvas import BLACK, BLUE, GREEN, ORANGE, PURPLE, QUIET_COLOUR, VERMILION
from tablewright.reports.table.number import in_print

BEST, DECLARED = "best", "declared"
OUTLYING = 4.0
"""A value is drawn at the edge that lies so many times farther from the best than the middle of the complete ones."""


@dataclass(frozen=True)
class Mark:
    """How one kind of trial is drawn.

    Attributes:
        sign: matplotlib's marker.
        colour: of it.
        is_filled: or a line around.
        size: in points.
    """

    sign: str
    colour: str
    is_filled: bool = True
    size: float = 5.0

    def draw(
        self,
        axes: Axes,
        places: Sequence[float],
        values: Sequence[float],
        *,
        height: float = 3.0,
        size: float = 1.0,
    ) -> None:
        """Draw it at some points.

        Args:
            axes: of the figure; a mark on its edge is drawn whole.
            places: along the horizontal axis.
            values: along the vertical one.
            height: what it covers, as matplotlib counts layers.
            size: as a part of its own.
        """
        if not places:  # a line of nothing would have its place at the corner of the page
            return
        line = self.legend("", size=size)
        line.set(xdata=places, ydata=values, clip_on=False, zorder=height)
        axes.add_line(line)

    def legend(self, label: str, *, size: float = 1.0) -> Line2D:
        """Give it as a legend shows it."""
        return Line2D(
            [],
            [],
            label=label,
            marker=self.sign,
            color=self.colour,
            markerfacecolor=self.colour if self.is_filled else "white",
            markersize=size * self.size,
            markeredgewidth=1.2,
            linestyle="",
        )


MARKS: dict[TrialOutcome, Mark] = {
    "complete": Mark("o", BLUE),
    "answered": Mark("o", BLUE, is_filled=False),
    "pruned": Mark("x", VERMILION),
    "paused": Mark("s", ORANGE, is_filled=False),
    "running": Mark(">", QUIET_COLOUR, is_filled=False),
    "failed": Mark("+", PURPLE, size=7.0),
    "refused": Mark("|", QUIET_COLOUR, size=7.0),
}
"""In the order of a legend."""

BEST_MARK = Mark("*", BLACK, size=12.0)
DECLARED_MARK = Mark("D", GREEN, is_filled=False, size=7.0)


def objective_label(result: SearchResult) -> str:
    """Name what a search makes better, as an axis has it."""
    metric = result.search.objective.metric
    return f"{metric.label} (val), %" if metric.is_fraction else f"{metric.label} (val)"


def drawn_limits(result: SearchResult) -> tuple[float, float]:
    """Give the ends of an axis of values on which the good ones can be told apart, in the unit of print.

    One training that came to nothing, or was stopped after an epoch, would press all others into a line.
    """
    metric = result.search.objective.metric
    seen = [in_print(trial.last_value, metric) for trial in result.trials if trial.last_value is not None]
    sign = 1 if metric.higher_is_better else -1
    best = sign * max(sign * value for value in seen)
    complete = sorted(
        sign * (best - in_print(trial.value, metric)) for trial in result.complete if trial.value is not None
    )
    distances = [sign * (best - value) for value in seen]
    reach = max(distances)
    if complete and 0 < OUTLYING * complete[len(complete) // 2] < reach:
        reach = OUTLYING * complete[len(complete) // 2]
    margin = 0.06 * (reach or abs(best) or 1.0)
    worst = best - sign * (reach + margin)
    ends = sorted((worst, best + sign * margin))
    return ends[0], ends[1]


def within(value: float, limits: tuple[float, float]) -> float:
    """Give where a value is drawn: at the edge, where it lies beyond."""
    return min(max(value, limits[0]), limits[1])


def legend_of(outcomes: Collection[TrialOutcome]) -> list[Line2D]:
    """Give what a legend says of these."""
    return [mark.legend(outcome) for outcome, mark in MARKS.items() if outcome in outcomes]
