"""What a swept factor does to what is measured: a panel a data set and metric, the declared value marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.changes import value_at
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Row, Sweep, full_label
from tablewright.reports.figures.canvas import (
    BLACK,
    BLUE,
    GREEN,
    QUIET_COLOUR,
    LegendBelow,
    PrintSize,
    printed,
    quieten,
)
from tablewright.reports.figures.chart import CsvRow, Drawing
from tablewright.reports.figures.drawn_table import DrawnTable, mean_and_deviation, quantity_label
from tablewright.reports.figures.panel_grid import PanelGrid
from tablewright.reports.figures.row_styles import LINE_STYLES
from tablewright.reports.figures.swept_axis import SweptAxis

NAME = "sensitivity"
PANELS_A_LINE, PANEL_HEIGHT_IN = 2, 1.35
BAND_OPACITY, SEED_OPACITY = 0.18, 0.55
MAX_SMALL_TICKS = 60  # a tick at each of more values would be a black bar
MAX_OTHER_ROWS = 3  # that stand as lines across a panel
DECLARED = "declared value"


@dataclass(frozen=True)
class SweptPanel:
    """One metric on one data set.

    Attributes:
        dataset: its label.
        quantity: what is measured, with its unit.
        axis: where the values lie.
        values: what each value gave, one a seed, in the unit of print; empty where nothing was measured.
        declared: place in `values` of the one that the base has; None where it has another.
        others: rows of the table without a value of the factor, with the mean of each.
    """

    dataset: str
    quantity: str
    axis: SweptAxis
    values: tuple[tuple[float, ...], ...]
    declared: int | None
    others: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class SensitivityChart:
    """The panels of one factor.

    Attributes:
        factor: what is swept, as it is called below the axes.
        panels: in printing order.
    """

    factor: str
    panels: tuple[SweptPanel, ...]

    def data(self) -> Iterator[CsvRow]:
        """One line a value and seed."""
        yield "dataset", "quantity", "factor", "value", "is_declared", "seed_number", "measured"
        for panel in self.panels:
            for number, (place, values) in enumerate(zip(panel.axis.places, panel.values, strict=True)):
                for seed, value in enumerate(values):
                    is_declared = int(number == panel.declared)
                    yield panel.dataset, panel.quantity, self.factor, place.text, is_declared, seed, value

    def draw(self, size: PrintSize) -> tuple[bytes, bytes]:
        """Draw two panels beside each other in a column; one alone has it for itself."""
        others = list(dict.fromkeys(label for panel in self.panels for label, _ in panel.others))
        has_declared = any(panel.declared is not None for panel in self.panels)
        labels = [*([DECLARED] if has_declared else []), *others]
        legend = LegendBelow(labels, size.column_in, size)
        datasets = [panel.dataset for panel in self.panels]
        grid = PanelGrid(
            datasets if len({*datasets}) > 1 else [""] * len(datasets),
            self.factor,
            [panel.quantity for panel in self.panels],
            size.column_in,
            PANEL_HEIGHT_IN,
            PANELS_A_LINE,
            size,
        )

        def draw(canvas: Canvas) -> None:
            for axes, panel in zip(grid.draw(canvas), self.panels, strict=True):
                _draw_panel(axes, panel, grid.room, others)
            if labels:
                declared = [_declared_sign()] if has_declared else []
                legend.draw(canvas, [*declared, *(_other_line(number) for number in range(len(others)))])

        return printed(size.column_in, grid.height_in + (legend.height_in if labels else 0.0), size, draw)


def sensitivity_figures(drawn: DrawnTable) -> list[Drawing]:
    """Give a figure of each factor that a table sweeps, of which two values are measured."""
    found: list[Drawing] = []
    others = [
        row for design, rows in drawn.designs if isinstance(design, Row) for row in rows if row.is_trained
    ]
    for design, rows in drawn.designs:
        if not isinstance(design, Sweep):
            continue
        panels = tuple(
            panel
            for dataset in drawn.ablation.datasets
            for panel in _panels(drawn, design, rows, others[:MAX_OTHER_ROWS], dataset)
            if sum(map(bool, panel.values)) > 1
        )
        if panels:
            factor = drawn.ablation.stub_head or design.path.rpartition(".")[2].replace("_", " ")
            name = NAME if not found else f"{NAME}-{len(found) + 1}"
            chart = SensitivityChart(factor, panels)
            found.append(Drawing(name, _caption(chart), chart))
    return found


def _panels(
    drawn: DrawnTable, sweep: Sweep, rows: Sequence[Row], others: Sequence[Row], dataset: Dataset
) -> Iterator[SweptPanel]:
    axis = SweptAxis.of(sweep.values, [row.label for row in rows])
    declared = _declared_place(drawn.ablation, sweep, dataset)
    for metric in drawn.ablation.metrics:
        measured = {
            full_label(row): tuple(drawn.values(full_label(row), dataset.label, metric).values())
            for row in (*rows, *others)
        }
        values = tuple(measured[full_label(row)] for row in rows)
        means = tuple(
            (full_label(row), mean_and_deviation(measured[full_label(row)])[0])
            for row in others
            if measured[full_label(row)]
        )
        yield SweptPanel(dataset.label, quantity_label(metric), axis, values, declared, means)


def _declared_place(ablation: Ablation, sweep: Sweep, dataset: Dataset) -> int | None:
    """Find the value that the base has under a data set; None where it is not among those swept, or is not there."""
    try:
        config = ablation.members(Row("base"), dataset)[0]
        declared: Any = value_at(config, sweep.path)
    except (ValueError, KeyError, AttributeError):
        return None
    return next((place for place, value in enumerate(sweep.values) if value == declared), None)


def _caption(chart: SensitivityChart) -> str:
    nums = {len(values) for panel in chart.panels for values in panel.values if values}
    parts = [f"Sensitivity to {chart.factor}"]
    if max(nums) > 1:
        parts.append(
            "mean over seeds, in a band of one standard deviation to both sides; small points are single seeds"
        )
    else:
        parts.append("one seed")
    declared = {
        panel.axis.places[panel.declared].text for panel in chart.panels if panel.declared is not None
    }
    if declared:
        parts.append(f"the ring is the declared value ({', '.join(sorted(declared))})")
    if any(panel.axis.is_log for panel in chart.panels):
        parts.append("logarithmic axis")
    if any(
        place.is_apart
        for panel in chart.panels
        if not _is_categorical(panel.axis)
        for place in panel.axis.places
    ):
        parts.append("what has no place among the numbers stands apart")
    return "; ".join(parts)


def _is_categorical(axis: SweptAxis) -> bool:
    return all(place.is_apart for place in axis.places)


def _declared_sign() -> Line2D:
    return Line2D(
        [],
        [],
        linestyle=":",
        color=GREEN,
        marker="o",
        markersize=7,
        markerfacecolor="none",
        markeredgewidth=1.0,
    )


def _other_line(number: int) -> Line2D:
    return Line2D([], [], linestyle=LINE_STYLES[1 + number], color=QUIET_COLOUR, linewidth=0.9)


def _draw_panel(axes: Axes, panel: SweptPanel, room: int, others: Sequence[str]) -> None:
    measured = [
        (place, values, *mean_and_deviation(values))
        for place, values in zip(panel.axis.places, panel.values, strict=True)
        if values
    ]
    line = sorted((item for item in measured if not item[0].is_apart), key=lambda item: item[0].place)
    places = [place.place for place, *_ in line]
    axes.plot(places, [mean for *_, mean, _ in line], color=BLUE, linestyle="-", zorder=3)
    if all(deviation is not None for *_, deviation in line):
        low, high = ([mean + sign * (deviation or 0.0) for *_, mean, deviation in line] for sign in (-1, 1))
        axes.fill_between(places, low, high, color=BLUE, alpha=BAND_OPACITY, linewidth=0)
    every = [(place.place, value) for place, values, *_ in measured if len(values) > 1 for value in values]
    axes.plot(
        [place.place for place, *_ in measured], [mean for *_, mean, _ in measured], "o", color=BLUE, zorder=4
    )
    axes.plot(
        [place for place, _ in every],
        [value for _, value in every],
        ".",
        color=BLACK,
        alpha=SEED_OPACITY,
        markersize=2,
        zorder=5,
    )
    for place, _, mean, deviation in measured:
        if place.is_apart and deviation is not None:
            axes.errorbar(place.place, mean, deviation, color=BLUE, linewidth=0.9, capsize=2, zorder=3)
    for label, mean in panel.others:
        style = _other_line(others.index(label))
        axes.axhline(mean, linestyle=style.get_linestyle(), color=QUIET_COLOUR, linewidth=0.9, zorder=2)
    if panel.declared is not None:
        place, values = panel.axis.places[panel.declared], panel.values[panel.declared]
        axes.axvline(place.place, color=GREEN, linestyle=":", linewidth=0.9, zorder=1)
        if values:
            mean, _ = mean_and_deviation(values)
            axes.plot(
                place.place,
                mean,
                "o",
                color=GREEN,
                markersize=7,
                fillstyle="none",
                markeredgewidth=1,
                clip_on=False,
                zorder=6,
            )
    ticks = panel.axis.ticks(room, panel.declared)
    axes.set_xticks([tick.place for tick in ticks], [tick.text for tick in ticks])
    if len(panel.axis.places) <= MAX_SMALL_TICKS:
        axes.set_xticks([place.place for place in panel.axis.places], minor=True)
    axes.tick_params(axis="x", which="minor", length=1.5, width=0.5)
    axes.set_xlim(panel.axis.limits)
    axes.margins(y=0.08)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    quieten(axes)
