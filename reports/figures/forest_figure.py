"""How far each row is from what it is compared with, with the interval of that: one line a comparison."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from tablewright.reports.figures.canvas import (
    BLUE,
    GRID_COLOUR,
    QUIET_COLOUR,
    LegendBelow,
    PrintSize,
    printed,
    wrapped,
)
from tablewright.reports.figures.chart import CsvRow, Drawing
from tablewright.reports.figures.drawn_table import DrawnTable, difference_label
from tablewright.reports.figures.panel_grid import PanelGrid, in_lines
from tablewright.reports.statistics.table_statistics import Compared
from tablewright.reports.table.number import in_print
from tablewright.trainables.contract.metric import Metric

NAME = "differences"
MAX_LINES = 40
MIN_COMPARED = 2  # of one difference a figure says no more than the table
LABEL_PART = 0.42  # of the width of a column, for the names of what is compared
AXIS_IN, MIN_PANEL_IN = 0.42, 1.1
SPACING = 1.15  # of lines
MARKED, UNMARKED = "differs (†)", "not told from 0"


@dataclass(frozen=True)
class ForestLine:
    """One comparison on one data set, in the unit of print.

    Attributes:
        label: what is compared.
        estimate: of the difference.
        low: end of its 95 % interval.
        high: the other.
        is_marked: whether it differs from 0 by more than chance, all comparisons of the table taken together.
    """

    label: str
    estimate: float
    low: float
    high: float
    is_marked: bool


@dataclass(frozen=True)
class ForestPanel:
    """The comparisons of one metric on one data set.

    Attributes:
        dataset: its label.
        quantity: what the difference is of, with its unit.
        lines: from above; None where a comparison of another panel could not be made.
    """

    dataset: str
    quantity: str
    lines: tuple[ForestLine | None, ...]


@dataclass(frozen=True)
class ForestChart:
    """The panels of a table, with the same comparisons at the same height.

    Attributes:
        labels: of the comparisons, from above.
        panels: in printing order.
    """

    labels: tuple[str, ...]
    panels: tuple[ForestPanel, ...]

    def data(self) -> Iterator[CsvRow]:
        """One line a comparison."""
        yield "dataset", "quantity", "comparison", "estimate", "interval_low", "interval_high", "is_marked"
        for panel in self.panels:
            for line in panel.lines:
                if line is not None:
                    ends = (line.low, line.high, int(line.is_marked))
                    yield panel.dataset, panel.quantity, line.label, line.estimate, *ends

    def draw(self, size: PrintSize) -> tuple[bytes, bytes]:
        """Draw the panels beside each other, in a column of the paper or, where there are several, in all of them."""
        width_in = size.column_in if len(self.panels) == 1 else size.text_in
        label_in = LABEL_PART * size.column_in
        num_across = max(1, min(len(self.panels), int((width_in - label_in) / MIN_PANEL_IN)))
        labels = [wrapped(label, int(label_in / size.width_in("n"))) for label in self.labels]
        num_lines = sum(label.count("\n") + 1 for label in labels)
        signs = [is_marked for is_marked in (True, False) if self._has(is_marked=is_marked)]
        legend = LegendBelow([MARKED if is_marked else UNMARKED for is_marked in signs], width_in, size)
        datasets = [panel.dataset for panel in self.panels]
        grid = PanelGrid(
            datasets if len({*datasets}) > 1 else [""] * len(datasets),
            "",
            [""] * len(datasets),
            width_in - label_in,
            num_lines * size.line_in * SPACING + AXIS_IN,
            num_across,
            size,
            shares_axis=True,
        )

        def draw(canvas: Canvas) -> None:
            for axes, panel in zip(grid.draw(canvas), self.panels, strict=True):
                _draw_panel(axes, panel, labels)
                axes.set_xlabel(in_lines(panel.quantity, grid.room))
            legend.draw(canvas, [_sign(is_marked=is_marked) for is_marked in signs])

        return printed(width_in, grid.height_in + legend.height_in, size, draw)

    def _has(self, *, is_marked: bool) -> bool:
        lines = (line for panel in self.panels for line in panel.lines if line is not None)
        return any(line.is_marked == is_marked for line in lines)


def forest_figures(drawn: DrawnTable) -> list[Drawing]:
    """Give the figure of what a table tests, where there are two comparisons at least."""
    ablation = drawn.ablation
    compared = {
        (dataset.label, metric): list(drawn.compared(dataset.label, metric))
        for dataset in ablation.datasets
        for metric in ablation.tested_metrics
    }
    compared = {key: some for key, some in compared.items() if some}
    contrasts = list(dict.fromkeys(_key(item) for some in compared.values() for item in some))
    if len(contrasts) < MIN_COMPARED:
        return []
    references = {reference for _, _, reference in contrasts}
    only = references.pop() if len(references) == 1 else ""
    shown = _largest(contrasts, compared)
    panels: list[ForestPanel] = []
    for (dataset, metric), some in compared.items():
        by_key = {_key(item): item for item in some}
        lines = (_line(by_key.get(key), metric, _label(key, only)) for key in shown)
        panels.append(ForestPanel(dataset, difference_label(metric), tuple(lines)))
    chart = ForestChart(tuple(_label(key, only) for key in shown), tuple(panels))
    return [Drawing(NAME, _caption(only, len(contrasts), len(shown)), chart)]


_Key = tuple[str, str, str]
"""Of a comparison: its label, and where it is one of two rows both of them."""


def _key(compared: Compared) -> _Key:
    contrast = compared.contrast
    return contrast.label, contrast.row, contrast.reference


def _label(key: _Key, only: str) -> str:
    """Name a comparison; where all are with one row, by the other."""
    label, row, _ = key
    return row if only and row else label


def _largest(contrasts: list[_Key], compared: dict[tuple[str, Metric], list[Compared]]) -> tuple[_Key, ...]:
    """Give the comparisons that have room, in their order: of too many those of the largest differences."""
    size_of: dict[_Key, float] = {}
    for (_, metric), some in compared.items():
        for item in some:
            size = abs(in_print(item.comparison.estimate, metric))
            size_of[_key(item)] = max(size, size_of.get(_key(item), 0.0))
    largest = sorted(contrasts, key=lambda key: -size_of[key])[:MAX_LINES]
    return tuple(key for key in contrasts if key in largest)


def _line(compared: Compared | None, metric: Metric, label: str) -> ForestLine | None:
    if compared is None:
        return None
    comparison = compared.comparison
    low, high = (in_print(end, metric) for end in comparison.interval)
    return ForestLine(label, in_print(comparison.estimate, metric), low, high, compared.is_marked)


def _caption(only: str, num_compared: int, num_shown: int) -> str:
    minus = f"each row minus “{only}”" if only else "each row minus the one that it is compared with"
    parts = [
        f"Differences, {minus}, with the 95 % interval of each alone",
        "filled are those that differ by more than chance, all comparisons of the table taken together",
    ]
    if num_shown < num_compared:
        parts.append(f"the {num_shown} largest of {num_compared}")
    return "; ".join(parts)


def _sign(*, is_marked: bool) -> Line2D:
    return Line2D(
        [],
        [],
        color=BLUE if is_marked else QUIET_COLOUR,
        marker="o",
        markerfacecolor=BLUE if is_marked else "white",
        markersize=4,
        linewidth=1.1,
    )


def _draw_panel(axes: Axes, panel: ForestPanel, labels: list[str]) -> None:
    heights: list[float] = []
    height = 0.0
    for label in labels:  # as high as its lines are many
        num_lines = label.count("\n") + 1
        heights.append(height + num_lines / 2)
        height += num_lines
    axes.axvline(0, color=QUIET_COLOUR, linewidth=0.8, zorder=1)
    for line, place in zip(panel.lines, heights, strict=True):
        if line is None:
            continue
        sign = _sign(is_marked=line.is_marked)
        axes.plot([line.low, line.high], [place, place], color=sign.get_color(), linewidth=1.1, zorder=2)
        sign.set(xdata=[line.estimate], ydata=[place], zorder=3, linestyle="")
        axes.add_line(sign)
    axes.set_ylim(height, 0)
    axes.set_yticks(heights, labels)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]))
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="x", color=GRID_COLOUR, linewidth=0.6)
    axes.set_axisbelow(True)
