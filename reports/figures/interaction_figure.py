"""Whether one factor of a factorial does the same at each level of another: lines that are parallel if it does."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator

from tablewright.orchestrator.declared.design import Factorial, Row, full_label
from tablewright.reports.figures.canvas import LegendBelow, PrintSize, printed, quieten
from tablewright.reports.figures.chart import CsvRow, Drawing
from tablewright.reports.figures.drawn_table import DrawnTable, mean_and_deviation, quantity_label
from tablewright.reports.figures.panel_grid import PanelGrid
from tablewright.reports.figures.row_styles import row_style
from tablewright.reports.notes.parameter_text import cut
from tablewright.trainables.contract.metric import Metric

NAME = "interaction"
PANELS_A_LINE, PANEL_HEIGHT_IN = 3, 1.35
MAX_PANELS = 12
MIN_TICK_LENGTH = 4
NARROW_PART = 0.62  # of a column, for a panel that is alone
DODGE = 0.06  # of the distance of two levels, so that error bars do not lie upon each other


@dataclass(frozen=True)
class InteractionPanel:
    """Two factors in one view of one data set.

    Attributes:
        title: view and data set, where there are several.
        across: levels of the factor along the axis.
        means: for each level of the other factor one at each level across, in the unit of print; None where a
            combination is not measured.
        deviations: likewise, over seeds; None for one seed.
    """

    title: str
    across: tuple[str, ...]
    means: tuple[tuple[float | None, ...], ...]
    deviations: tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True)
class InteractionChart:
    """The panels of two factors.

    Attributes:
        factors: along the axes, and that of the lines.
        levels: of the second.
        quantity: what is measured, with its unit.
        panels: in printing order.
    """

    factors: tuple[str, str]
    levels: tuple[str, ...]
    quantity: str
    panels: tuple[InteractionPanel, ...]

    def data(self) -> Iterator[CsvRow]:
        """One line a combination."""
        yield "panel", self.factors[0], self.factors[1], "quantity", "mean", "deviation"
        for panel in self.panels:
            for level, means, deviations in zip(self.levels, panel.means, panel.deviations, strict=True):
                for across, mean, deviation in zip(panel.across, means, deviations, strict=True):
                    yield panel.title, across, level, self.quantity, mean, deviation

    def draw(self, size: PrintSize) -> tuple[bytes, bytes]:
        """Draw up to three panels beside each other in a column, with one axis for what is measured."""
        width_in = size.column_in if len(self.panels) > 1 else NARROW_PART * size.column_in
        legend = LegendBelow(self.levels, width_in, size, title=self.factors[1])
        titles = [panel.title for panel in self.panels]
        up = [self.quantity] * len(titles)
        grid = PanelGrid(
            titles, self.factors[0], up, width_in, PANEL_HEIGHT_IN, PANELS_A_LINE, size, shares_axis=True
        )

        def draw(canvas: Canvas) -> None:
            for axes, panel in zip(grid.draw(canvas), self.panels, strict=True):
                _draw_panel(axes, panel, grid.room)
            legend.draw(canvas, [row_style(number).legend() for number in range(len(self.levels))])

        return printed(width_in, grid.height_in + legend.height_in, size, draw)


def interaction_figures(drawn: DrawnTable) -> list[Drawing]:
    """Give a figure of each two factors of each factorial of a table, in the first metric that it tests."""
    metric = drawn.ablation.tested_metrics[0]
    found: list[Drawing] = []
    for design, rows in drawn.designs:
        if not isinstance(design, Factorial) or any(len(levels) < 2 for levels in design.factors.values()):
            continue
        for pair in itertools.combinations(design.factors, 2):
            chart = _chart(drawn, design, rows, pair, metric)
            if chart is not None:
                name = NAME if not found else f"{NAME}-{len(found) + 1}"
                found.append(Drawing(name, _caption(chart, len(design.factors)), chart))
    return found


def _chart(
    drawn: DrawnTable, factorial: Factorial, rows: Sequence[Row], pair: tuple[str, str], metric: Metric
) -> InteractionChart | None:
    combinations = list(itertools.product(*factorial.factors.values()))
    views = list(factorial.views) or [""]
    datasets = drawn.ablation.datasets
    across, levels = (tuple(factorial.factors[factor]) for factor in pair)
    places = [list(factorial.factors).index(factor) for factor in pair]
    panels: list[InteractionPanel] = []
    for dataset, (number, view) in itertools.product(datasets, enumerate(views)):
        of_view = dict(zip(combinations, rows[number :: len(views)], strict=True))
        lines: list[list[tuple[float | None, float | None]]] = []
        for level in levels:
            lines.append([])
            for step in across:
                alike = [
                    row
                    for combination, row in of_view.items()
                    if (combination[places[0]], combination[places[1]]) == (step, level)
                ]
                lines[-1].append(_over_rows(drawn, alike, dataset.label, metric))
        title = ", ".join(part for part in (view, dataset.label if len(datasets) > 1 else "") if part)
        means, deviations = (tuple(tuple(point[part] for point in line) for line in lines) for part in (0, 1))
        if any(sum(mean is not None for mean in line) > 1 for line in means):
            panels.append(InteractionPanel(title, across, means, deviations))
    if not panels:
        return None
    return InteractionChart(pair, levels, quantity_label(metric), tuple(panels[:MAX_PANELS]))


def _over_rows(
    drawn: DrawnTable, rows: Sequence[Row], dataset: str, metric: Metric
) -> tuple[float | None, float | None]:
    """Average rows seed by seed; nothing where they have no seed in common."""
    of_rows = [drawn.values(full_label(row), dataset, metric) for row in rows]
    seeds = sorted(set[int].intersection(*(set(values) for values in of_rows))) if of_rows else []
    if not seeds:
        return None, None
    return mean_and_deviation([sum(values[seed] for values in of_rows) / len(of_rows) for seed in seeds])


def _caption(chart: InteractionChart, num_factors: int) -> str:
    across, lines = chart.factors
    parts = [
        f"Interaction of {across} and {lines}: lines are parallel where one does the same at each level of the other"
    ]
    if num_factors > 2:
        parts.append("averaged over the levels of the other factors")
    has_bars = any(
        deviation is not None for panel in chart.panels for line in panel.deviations for deviation in line
    )
    parts.append("mean over seeds, bars of one standard deviation to both sides" if has_bars else "one seed")
    return "; ".join(parts)


def _draw_panel(axes: Axes, panel: InteractionPanel, room: int) -> None:
    num_lines = len(panel.means)
    for number, (means, deviations) in enumerate(zip(panel.means, panel.deviations, strict=True)):
        style, shift = row_style(number), DODGE * (number - (num_lines - 1) / 2)
        points = [
            (place + shift, mean, deviation or 0.0)
            for place, (mean, deviation) in enumerate(zip(means, deviations, strict=True))
            if mean is not None
        ]
        places, heights, bars = ([point[part] for point in points] for part in range(3))
        axes.errorbar(
            places,
            heights,
            bars if any(bars) else None,
            color=style.colour,
            linestyle=style.line,
            marker=style.sign,
            capsize=1.5,
            elinewidth=0.8,
        )
    length = max(MIN_TICK_LENGTH, room // len(panel.across))
    axes.set_xticks(range(len(panel.across)), [cut(level, length) for level in panel.across])
    axes.set_xlim(-0.3, len(panel.across) - 0.7)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    quieten(axes)
