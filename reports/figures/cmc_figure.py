"""How many queries have a right image among the first so many: the cumulative matching characteristic of rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FixedLocator

from tablewright.reports.figures.canvas import LegendBelow, PrintSize, printed, quieten
from tablewright.reports.figures.chart import CsvRow, Drawing
from tablewright.reports.figures.drawn_items import DrawnItems
from tablewright.reports.figures.panel_grid import PanelGrid
from tablewright.reports.figures.row_styles import RowStyle, row_styles
from tablewright.trainables.contract.view import EvaluationView

NAME = "cmc"
MAX_ROWS = 6  # of which the lines of a column's width can still be told apart
LAST_RANK = 20
RANK_TICKS = (1, 5, 10, 15, 20)
RANKS_SIGNED = [rank - 1 for rank in RANK_TICKS]
PANELS_A_LINE, PANEL_HEIGHT_IN = 2, 1.7
BAND_OPACITY = 0.12


@dataclass(frozen=True)
class CmcLine:
    """One row on one data set.

    Attributes:
        label: of the row.
        means: share of queries within rank 1, 2, …, in percent; mean over seeds.
        lowest: of the seeds.
        highest: likewise.
        num_seeds: that it is of.
    """

    label: str
    means: tuple[float, ...]
    lowest: tuple[float, ...]
    highest: tuple[float, ...]
    num_seeds: int


@dataclass(frozen=True)
class CmcPanel:
    """The rows of one data set."""

    dataset: str
    lines: tuple[CmcLine, ...]


@dataclass(frozen=True)
class CmcChart:
    """The panels of a table."""

    panels: tuple[CmcPanel, ...]

    def data(self) -> Iterator[CsvRow]:
        """One line a row and rank."""
        yield "dataset", "row", "rank", "matching_rate_percent", "lowest_seed", "highest_seed", "num_seeds"
        for panel in self.panels:
            for line in panel.lines:
                for rank, values in enumerate(
                    zip(line.means, line.lowest, line.highest, strict=True), start=1
                ):
                    yield panel.dataset, line.label, rank, *values, line.num_seeds

    def draw(self, size: PrintSize) -> tuple[bytes, bytes]:
        """Draw a panel a data set, two beside each other in a column."""
        labels = list(dict.fromkeys(line.label for panel in self.panels for line in panel.lines))
        styles = row_styles(labels, labels)
        legend = LegendBelow(labels, size.column_in, size)
        titles = [panel.dataset if len(self.panels) > 1 else "" for panel in self.panels]
        up = ["queries matched, %"] * len(titles)
        grid = PanelGrid(titles, "rank k", up, size.column_in, PANEL_HEIGHT_IN, PANELS_A_LINE, size)

        def draw(canvas: Canvas) -> None:
            for axes, panel in zip(grid.draw(canvas), self.panels, strict=True):
                _draw_panel(axes, panel, styles)
            legend.draw(canvas, [styles[label].legend() for label in labels])

        return printed(size.column_in, grid.height_in + legend.height_in, size, draw)


def cmc_figures(items: DrawnItems) -> list[Drawing]:
    """Give the figure of a table whose views rank a gallery."""
    drawn = items.drawn
    panels: list[CmcPanel] = []
    num_rows = 0
    for dataset in (dataset.label for dataset in drawn.ablation.datasets):
        rows = [
            row
            for row in drawn.chosen_rows(dataset, drawn.ablation.metrics[0], MAX_ROWS)
            if type(items.view_of(row)).match_ranks is not EvaluationView.match_ranks  # else nothing is read
        ]
        items.read_rows(rows, dataset)
        lines = tuple(line for row in rows if (line := _line(items, row, dataset)) is not None)
        if lines:
            panels.append(CmcPanel(dataset, lines))
            num_rows = max(num_rows, _num_measured(items, dataset))
    if not panels:
        return []
    chart = CmcChart(tuple(panels))
    return [Drawing(NAME, _caption(chart, num_rows), chart)]


def _num_measured(items: DrawnItems, dataset: str) -> int:
    return len(items.drawn.chosen_rows(dataset, items.drawn.ablation.metrics[0], most=10**9))


def _line(items: DrawnItems, row: str, dataset: str) -> CmcLine | None:
    shares: list[np.ndarray] = []
    view = items.view_of(row)
    for of_seed in items.of_row(row, dataset).values():
        ranks = view.match_ranks(of_seed.columns)
        if ranks is None or not len(ranks):
            return None
        shares.append(np.array([100 * float((ranks <= rank).mean()) for rank in range(1, LAST_RANK + 1)]))
    if not shares:
        return None
    means, lowest, highest = (
        tuple(float(value) for value in over(shares, axis=0)) for over in (np.mean, np.min, np.max)
    )
    return CmcLine(row, means, lowest, highest, len(shares))


def _caption(chart: CmcChart, num_rows: int) -> str:
    parts = ["Cumulative matching characteristic: queries with a right image among the first k"]
    if any(line.num_seeds > 1 for panel in chart.panels for line in panel.lines):
        parts.append("mean over seeds, in a band from the lowest to the highest seed")
    num_shown = max(len(panel.lines) for panel in chart.panels)
    if num_shown < num_rows:
        parts.append(
            f"{num_shown} of {num_rows} rows: the base, the best, the worst, and what is farthest from the mean"
        )
    return "; ".join(parts)


def _draw_panel(axes: Axes, panel: CmcPanel, styles: dict[str, RowStyle]) -> None:
    ranks = range(1, LAST_RANK + 1)
    for line in panel.lines:
        style = styles[line.label]
        if line.num_seeds > 1:
            axes.fill_between(
                ranks, line.lowest, line.highest, color=style.colour, alpha=BAND_OPACITY, linewidth=0
            )
        axes.plot(
            ranks,
            line.means,
            color=style.colour,
            linestyle=style.line,
            marker=style.sign,
            markevery=RANKS_SIGNED,
        )
    axes.xaxis.set_major_locator(FixedLocator(RANK_TICKS))
    axes.set_xlim(0.5, LAST_RANK + 0.5)
    quieten(axes)
