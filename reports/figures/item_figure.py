"""Which classes or identities a row does better and which worse than the row that it is compared with."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator

from tablewright.orchestrator.declared.design import Contrast
from tablewright.reports.figures.canvas import BLUE, QUIET_COLOUR, VERMILION, PrintSize, printed, quieten
from tablewright.reports.figures.chart import CsvRow, Drawing
from tablewright.reports.figures.drawn_items import DrawnItems
from tablewright.reports.figures.drawn_table import difference_label
from tablewright.reports.figures.panel_grid import PanelGrid, in_lines
from tablewright.reports.notes.parameter_text import cut
from tablewright.reports.statistics.item_comparisons import CLUSTERS_OF
from tablewright.reports.statistics.item_scores import mean_scores
from tablewright.reports.table.number import in_print
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.contract.view import EvaluationView

NAME = "items"
MAX_PANELS = 4
MIN_CLUSTERS = 3
PANELS_A_LINE, PANEL_HEIGHT_IN = 2, 1.45
MAX_NAME_LENGTH = 14
ROUNDING = 1e-9  # of a fraction: what is less is the same


@dataclass(frozen=True)
class ItemPanel:
    """A row and the one that it is compared with, on one data set.

    Attributes:
        title: which rows, and which data set where there are several.
        names: of the clusters, the one that gained most first.
        differences: of each, in the unit of print; above 0 is better where higher is.
        num_items: of each cluster.
    """

    title: str
    names: tuple[str, ...]
    differences: tuple[float, ...]
    num_items: tuple[int, ...]


@dataclass(frozen=True)
class ItemChart:
    """The panels of a table.

    Attributes:
        clusters: what the names are of, in the plural.
        quantity: what the differences are of, with its unit.
        higher_is_better: of the metric.
        panels: those of the largest differences, in printing order.
    """

    clusters: str
    quantity: str
    higher_is_better: bool
    panels: tuple[ItemPanel, ...]

    def data(self) -> Iterator[CsvRow]:
        """One line a cluster."""
        yield "comparison", self.clusters, "quantity", "difference", "num_items"
        for panel in self.panels:
            for name, difference, num_items in zip(
                panel.names, panel.differences, panel.num_items, strict=True
            ):
                yield panel.title, name, self.quantity, difference, num_items

    def draw(self, size: PrintSize) -> tuple[bytes, bytes]:
        """Draw two panels beside each other in a column; one alone has it for itself."""
        below = [
            f"{self.clusters}: {_counts(panel, higher_is_better=self.higher_is_better)}"
            for panel in self.panels
        ]
        grid = PanelGrid(
            [panel.title for panel in self.panels],
            max(below, key=len),
            [self.quantity] * len(self.panels),
            size.column_in,
            PANEL_HEIGHT_IN,
            PANELS_A_LINE,
            size,
        )

        def draw(canvas: Canvas) -> None:
            for axes, panel, text in zip(grid.draw(canvas), self.panels, below, strict=True):
                _draw_panel(axes, panel, higher_is_better=self.higher_is_better)
                axes.set_xlabel(in_lines(text, grid.room), linespacing=1.0)

        return printed(size.column_in, grid.height_in, size, draw)


def item_figures(items: DrawnItems) -> list[Drawing]:
    """Give the figure of the largest differences of a table whose views tell their items apart."""
    drawn = items.drawn
    metric = drawn.ablation.tested_metrics[0]
    pairs = _largest(items, metric)
    panels: list[ItemPanel] = []
    columns: dict[str, None] = {}
    for dataset, contrast in pairs:
        panel = _panel(items, dataset, contrast, metric)
        if panel is not None:
            panels.append(panel)
            columns[items.view_of(contrast.row).cluster_column] = None
    if not panels:
        return []
    clusters = " or ".join(CLUSTERS_OF.get(column, f"values of {column}") for column in columns)
    chart = ItemChart(clusters, difference_label(metric), metric.higher_is_better, tuple(panels))
    num_compared = sum(bool(contrast.row) for contrast in drawn.ablation.contrasts) * len(
        drawn.ablation.datasets
    )
    return [Drawing(NAME, _caption(chart, num_compared), chart)]


def _largest(items: DrawnItems, metric: Metric) -> list[tuple[str, Contrast]]:
    """Give the comparisons of two rows that differ most, in printing order; nothing is read for it."""
    drawn = items.drawn
    size_of: dict[tuple[int, int], float] = {}
    contrasts = [
        contrast
        for contrast in drawn.ablation.contrasts
        if contrast.row and type(items.view_of(contrast.row)).item_scores is not EvaluationView.item_scores
    ]
    datasets = [dataset.label for dataset in drawn.ablation.datasets]
    for (d, dataset), (c, contrast) in itertools.product(enumerate(datasets), enumerate(contrasts)):
        ours, theirs = (drawn.values(row, dataset, metric) for row in (contrast.row, contrast.reference))
        common = ours.keys() & theirs.keys()
        if common:
            size_of[d, c] = abs(sum(ours[seed] - theirs[seed] for seed in common) / len(common))
    largest = sorted(size_of, key=lambda place: -size_of[place])[:MAX_PANELS]
    return [(datasets[d], contrasts[c]) for d, c in sorted(largest)]


def _panel(items: DrawnItems, dataset: str, contrast: Contrast, metric: Metric) -> ItemPanel | None:
    """Compare two rows over the seeds that both have; None where their items do not tell."""
    view = items.view_of(contrast.row)
    if not view.cluster_column:
        return None
    items.read_rows([contrast.row, contrast.reference], dataset)
    ours, theirs = (items.of_row(row, dataset) for row in (contrast.row, contrast.reference))
    common = sorted(ours.keys() & theirs.keys())
    if not common:
        return None
    row, reference = (
        mean_scores([side[seed] for seed in common], items.view_of(label), metric)
        for side, label in ((ours, contrast.row), (theirs, contrast.reference))
    )
    if row is None or reference is None:
        return None
    total: dict[str, list[float]] = {}
    for name, score in row.score.items():
        if name in reference.score:
            total.setdefault(str(row.cluster[name]), []).append(score - reference.score[name])
    if len(total) < MIN_CLUSTERS:
        return None
    means = {name: in_print(sum(some) / len(some), metric) for name, some in total.items()}
    means = {name: 0.0 if abs(mean) < ROUNDING else mean for name, mean in means.items()}
    order = sorted(means, key=lambda name: (-means[name], name))
    title = contrast.label if len(items.drawn.ablation.datasets) == 1 else f"{contrast.label}, {dataset}"
    return ItemPanel(
        title, tuple(order), tuple(means[name] for name in order), tuple(len(total[name]) for name in order)
    )


def _caption(chart: ItemChart, num_compared: int) -> str:
    parts = [
        f"Differences by {chart.clusters}, each the mean over what it has of items and seeds, sorted; named are the "
        "most gained and the most lost"
    ]
    if len(chart.panels) < num_compared:
        parts.append(f"the {len(chart.panels)} largest of {num_compared} comparisons")
    parts.append("it shows what these seeds came to, and nothing of the method")
    return "; ".join(parts)


def _counts(panel: ItemPanel, *, higher_is_better: bool) -> str:
    """Count the clusters that gained and those that lost."""
    num_above, num_below = (sum(sign * value > 0 for value in panel.differences) for sign in (1, -1))
    num_better, num_worse = (num_above, num_below) if higher_is_better else (num_below, num_above)
    return f"{num_better} better, {num_worse} worse"


def _draw_panel(axes: Axes, panel: ItemPanel, *, higher_is_better: bool) -> None:
    better, worse = (BLUE, VERMILION) if higher_is_better else (VERMILION, BLUE)
    places = list(range(len(panel.names)))
    for is_above, colour in ((True, better), (False, worse)):
        heights = [value if (value > 0) == is_above else 0.0 for value in panel.differences]
        axes.stairs(
            heights, [place - 0.5 for place in range(len(places) + 1)], fill=True, color=colour, alpha=0.85
        )
    axes.axhline(0, color=QUIET_COLOUR, linewidth=0.6)
    first, last = panel.differences[0], panel.differences[-1]
    if first > 0:
        axes.annotate(
            cut(panel.names[0], MAX_NAME_LENGTH),
            (-0.5, first),
            xytext=(0, 1),
            textcoords="offset points",
            va="bottom",
        )
    if last < 0:
        name, place = cut(panel.names[-1], MAX_NAME_LENGTH), len(places) - 0.5
        axes.annotate(name, (place, last), xytext=(0, -1), textcoords="offset points", ha="right", va="top")
    axes.margins(y=0.16)
    axes.set_xlim(-0.5, len(places) - 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    quieten(axes)
