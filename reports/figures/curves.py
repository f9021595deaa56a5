"""What the trainings of a table reported epoch by epoch: a figure a name, a line a row, its seeds as a band."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from tablewright.orchestrator.declared.design import Row, full_label
from tablewright.orchestrator.plans.plan import Cell
from tablewright.reports.figures.canvas import (
    LEGEND_MARGIN_IN,
    LEGEND_SIGN_IN,
    LegendBelow,
    PrintSize,
    plain_log_ticks,
    printed,
    quieten,
    wrapped,
)
from tablewright.reports.figures.chart import CsvRow
from tablewright.reports.figures.panel_grid import PanelGrid
from tablewright.reports.figures.row_styles import UNNAMED_COLOUR, RowStyle, named_rows, row_styles
from tablewright.trainables.contract.metric import Metric, metric_reported
from tablewright.trainables.contract.run import BEST_EPOCH

LOSS = "loss"
BOOKKEEPING = (BEST_EPOCH, "epoch", "step", "learning_rate", "lr", "images_per_s")
"""Names that say how a training was run, not how it went; MLflow has their curves."""

OPACITY, BAND_OPACITY = 0.8, 0.12
NUM_SIGNS = 8  # along a curve, so that it is known where colours are not
MAX_NARROW_EPOCHS = 4  # so few need no wide panel, and have bars in place of a band
MIN_LOG_RATIO = 100.0  # of the highest to the lowest value: below, a linear axis shows both ends
PANELS_A_LINE, PANEL_HEIGHT_IN = 2, 1.6
NARROW_IN, EPOCH_IN = 0.75, 0.3  # of a narrow panel: what its labels take, and each of its epochs
DODGE = 0.04  # of an epoch, so that bars do not lie upon each other

Points = Mapping[int, float]
"""Epoch -> value, of the epochs that have a finite one."""

NONE_KEPT: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True)
class Curve:
    """One line of a figure.

    Attributes:
        label: of the row; of several rows that share all their trainings that of the base row, of their group, or
            the first.
        epochs: that all seeds have a value of, in order; empty while no training has ended.
        means: over the seeds, one an epoch.
        band: lowest and highest seed, each one an epoch; None where there is one seed.
        kept: (epoch, value) of each seed whose model is that of its best epoch.
    """

    label: str
    epochs: Sequence[int] = ()
    means: Sequence[float] = ()
    band: tuple[Sequence[float], Sequence[float]] | None = None
    kept: Sequence[tuple[int, float]] = ()


@dataclass(frozen=True)
class Quantity:
    """How a reported name is printed.

    Attributes:
        label: beside the axis.
        factor: of what is printed to what is reported: 100 for a fraction that is printed in percent.
    """

    label: str
    factor: float = 1.0


def drawn_names(reported: Iterable[str]) -> list[str]:
    """Give the names that have a figure: the loss first, without bookkeeping and without the terms of another.

    Args:
        reported: `loss/triplet` is a term of `loss`, where that is reported too.
    """
    names = dict.fromkeys(reported)
    terms = {name for name in names if name.partition("/")[0] in names and "/" in name}
    shown = [name for name in names if name not in BOOKKEEPING and name not in terms]
    return sorted(shown, key=lambda name: name != LOSS)


def quantity_of(name: str, metrics: Iterable[Metric]) -> Quantity:
    """Say how a reported name is printed: as its metric is in tables, where it is `ppl`, `val_ppl` or `val/ppl` of one.

    Args:
        name: as it was reported.
        metrics: that the trainings are measured by.
    """
    metric, split = metric_reported(name, metrics)
    if metric is None:
        return Quantity(name)
    label = f"{metric.label} ({split})" if split else metric.label
    return Quantity(f"{label}, %", 100.0) if metric.is_fraction else Quantity(label)


def curves_of(
    cells: Sequence[Cell],
    points: Mapping[str, Points],
    base: Row | None,
    factor: float = 1.0,
    kept_epochs: Mapping[str, int] = NONE_KEPT,
) -> dict[str, list[Curve]]:
    """Give the curves by data set, in printing order; rows that are views of the same trainings share one.

    Seeds are averaged over the epochs that all of them have. Ensembles have no curve: the mean over what different
    networks reported is the value of none.

    Args:
        cells: of one table.
        points: of one name, by the id of each training that has ended and has reported it.
        base: the row that names a curve it shares with others.
        factor: of what is drawn to what was reported.
        kept_epochs: training id -> the epoch whose model it has kept, of those that have kept their best one.
    """
    rows: dict[str, dict[str, list[str]]] = {}
    group_of: dict[str, str] = {}
    for cell in cells:
        if not cell.partner_ids:
            rows.setdefault(cell.dataset, {}).setdefault(label_of(cell), []).append(cell.training_id)
            group_of[label_of(cell)] = cell.group
    curves: dict[str, list[Curve]] = {}
    for dataset, ids_of in rows.items():
        labels_of: dict[tuple[str, ...], list[str]] = {}
        for label, ids in ids_of.items():
            labels_of.setdefault(tuple(ids), []).append(label)
        curves[dataset] = [
            _curve(_shared_label(labels, base, group_of), ids, points, factor, kept_epochs)
            for ids, labels in labels_of.items()
        ]
    return curves


def label_of(cell: Cell) -> str:
    """Name a cell's row with its group."""
    return f"{cell.group} / {cell.row}" if cell.group else cell.row


def _shared_label(labels: Sequence[str], base: Row | None, group_of: Mapping[str, str]) -> str:
    if base is not None and full_label(base) in labels:
        return full_label(base)
    groups = {group_of[label] for label in labels}
    if len(labels) > 1 and len(groups) == 1 and (group := groups.pop()):
        return group
    more = f" and {len(labels) - 1} more rows of the same trainings" if len(labels) > 1 else ""
    return labels[0] + more


def _curve(
    label: str,
    ids: Sequence[str],
    points: Mapping[str, Points],
    factor: float,
    kept_epochs: Mapping[str, int],
) -> Curve:
    seeds = {training_id: points[training_id] for training_id in ids if points.get(training_id)}
    if len(seeds) < len(ids):
        label += f" ({len(seeds)}/{len(ids)})"
    epochs = sorted(set[int].intersection(*map(set[int], seeds.values()))) if seeds else []
    if not epochs:
        return Curve(label)
    values_SE = factor * np.array(
        [[seed[epoch] for epoch in epochs] for seed in seeds.values()]
    )  # seeds, epochs
    means, low, high = (some.tolist() for some in (values_SE.mean(0), values_SE.min(0), values_SE.max(0)))
    marked = {training_id: kept_epochs[training_id] for training_id in seeds if training_id in kept_epochs}
    kept = [
        (epoch, factor * seeds[training_id][epoch])
        for training_id, epoch in marked.items()
        if epoch in seeds[training_id]
    ]
    return Curve(label, epochs, means, (low, high) if len(seeds) > 1 else None, kept)


@dataclass(frozen=True)
class CurveChart:
    """The curves of one quantity, a panel a data set.

    Attributes:
        curves: by data set, in printing order.
        quantity: what was reported, with its unit.
        stub_head: over the names of the rows.
        named: the rows that the legend has; the others are grey.
    """

    curves: Mapping[str, Sequence[Curve]]
    quantity: str
    stub_head: str
    named: tuple[str, ...]

    def data(self) -> Iterator[CsvRow]:
        """One line a row and epoch."""
        yield "dataset", "row", "epoch", "quantity", "mean", "lowest_seed", "highest_seed"
        for dataset, some in self.curves.items():
            for curve in some:
                low, high = curve.band or (curve.means, curve.means)
                for epoch, *values in zip(curve.epochs, curve.means, low, high, strict=True):
                    yield dataset, curve.label, epoch, self.quantity, *values

    def draw(self, size: PrintSize) -> tuple[bytes, bytes]:
        """Draw panels that are as wide as they have epochs, the rows named beside a narrow one or below.

        The axis is logarithmic where the values are positive and span two decades.
        """
        shown = {dataset: some for dataset, some in self.curves.items() if any(one.epochs for one in some)}
        labels = list(dict.fromkeys(curve.label for some in shown.values() for curve in some if curve.epochs))
        named = [label for label in labels if label in self.named]
        styles = row_styles(labels, named)
        num_epochs = max(len(curve.epochs) for some in shown.values() for curve in some)
        is_narrow = num_epochs <= MAX_NARROW_EPOCHS and len(shown) == 1
        width_in = NARROW_IN + EPOCH_IN * num_epochs if is_narrow else size.column_in
        grid = PanelGrid(
            [dataset if len(self.curves) > 1 else "" for dataset in shown],
            "epoch",
            [self.quantity] * len(shown),
            width_in,
            PANEL_HEIGHT_IN,
            1 if len(shown) == 1 else PANELS_A_LINE,
            size,
        )

        def draw_panels(canvas: Canvas) -> None:
            for axes, some in zip(grid.draw(canvas), shown.values(), strict=True):
                _draw_panel(axes, some, styles)

        def handles() -> list[Line2D]:
            return [styles[label].legend() for label in named]

        if is_narrow:
            return self._with_legend_beside(size, grid, named, handles, draw_panels)
        legend = LegendBelow(named, size.column_in, size, title=self.stub_head)

        def draw(canvas: Canvas) -> None:
            draw_panels(canvas)
            legend.draw(canvas, handles())

        return printed(size.column_in, grid.height_in + legend.height_in, size, draw)

    def _with_legend_beside(
        self,
        size: PrintSize,
        grid: PanelGrid,
        named: Sequence[str],
        handles: Callable[[], list[Line2D]],
        draw_panels: Callable[[Canvas], None],
    ) -> tuple[bytes, bytes]:
        width_in = grid.width_in
        room = int((size.column_in - width_in - LEGEND_SIGN_IN - LEGEND_MARGIN_IN) / size.width_in("n"))
        labels = [wrapped(label, room) for label in named]
        num_lines = sum(label.count("\n") + 1 for label in labels)
        title = wrapped(self.stub_head, room) if self.stub_head else ""
        num_lines += title.count("\n") + 1 if title else 0

        def draw(canvas: Canvas) -> None:
            draw_panels(canvas)
            canvas.legend(
                handles=handles(),
                labels=labels,
                title=title or None,
                loc="outside right upper",
                alignment="left",
                frameon=False,
                handlelength=2.6,
                labelspacing=0.35,
            )

        longest = max((len(line) for label in (*labels, title) for line in label.split("\n")), default=0)
        whole_in = width_in + LEGEND_SIGN_IN + LEGEND_MARGIN_IN + size.width_in("n" * longest)
        height_in = max(grid.height_in, size.line_in * num_lines + LEGEND_MARGIN_IN)
        return printed(min(size.column_in, whole_in), height_in, size, draw)


def curve_chart(
    curves: Mapping[str, Sequence[Curve]],
    quantity: str,
    stub_head: str,
    base: str = "",
    *,
    higher_is_better: bool = False,
) -> CurveChart:
    """Give the chart of some curves, and which of many rows are named in it.

    Args:
        curves: by data set.
        quantity: what was reported.
        stub_head: over the names of the rows.
        base: the row that others are compared with.
        higher_is_better: of the quantity at its end, by which best and worst are told.
    """
    labels = list(dict.fromkeys(curve.label for some in curves.values() for curve in some if curve.epochs))
    last = {curve.label: curve.means[-1] for some in curves.values() for curve in some if curve.epochs}
    named = named_rows(labels, last, base, higher_is_better=higher_is_better)
    return CurveChart(curves, quantity, stub_head, named)


def _spans_decades(curves: Sequence[Curve]) -> bool:
    drawn = [values for curve in curves for values in (curve.band or (curve.means,))]
    lowest = min((min(values) for values in drawn if values), default=0.0)
    highest = max((max(values) for values in drawn if values), default=0.0)
    return lowest > 0 and highest / lowest >= MIN_LOG_RATIO


def _draw_panel(axes: Axes, curves: Sequence[Curve], styles: Mapping[str, RowStyle]) -> None:
    drawn = [curve for curve in curves if curve.epochs]
    unnamed = [
        np.column_stack([curve.epochs, curve.means]) for curve in drawn if not styles[curve.label].is_named
    ]
    if unnamed:
        axes.add_collection(LineCollection(unnamed, colors=UNNAMED_COLOUR, linewidths=0.5, zorder=1))
        axes.autoscale_view()
    named = [curve for curve in drawn if styles[curve.label].is_named]
    for number, curve in enumerate(named):
        style = styles[curve.label]
        is_band = curve.band is not None and len(curve.epochs) > MAX_NARROW_EPOCHS
        if curve.band is not None and is_band:
            axes.fill_between(curve.epochs, *curve.band, color=style.colour, alpha=BAND_OPACITY, linewidth=0)
        elif curve.band is not None:
            shift = DODGE * (number - (len(named) - 1) / 2)
            low, high = curve.band
            axes.vlines(
                [epoch + shift for epoch in curve.epochs],
                low,
                high,
                color=style.colour,
                linewidth=0.9,
                alpha=OPACITY,
            )
        axes.plot(
            curve.epochs,
            curve.means,
            linestyle=style.line,
            color=style.colour,
            alpha=OPACITY,
            marker=style.sign,
            markevery=max(1, len(curve.epochs) // NUM_SIGNS),
        )
        for epoch, value in curve.kept:
            axes.plot(
                epoch, value, "o", color=style.colour, fillstyle="none", markersize=6, markeredgewidth=0.9
            )
    if _spans_decades(drawn):
        axes.set_yscale("log")
        plain_log_ticks(axes.yaxis)
    else:
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    last = max((curve.epochs[-1] for curve in drawn), default=1)
    first = min((curve.epochs[0] for curve in drawn), default=1)
    if last - first < MAX_NARROW_EPOCHS:
        axes.set_xlim(first - 0.4, last + 0.4)
    quieten(axes)
