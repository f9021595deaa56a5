"""What the trainings of a table reported epoch by epoch: a figure a name, a line a row, its seeds as a band."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from tablewright.orchestrator.design import Row, full_label
from tablewright.orchestrator.plan import Cell
from tablewright.reports.canvas import COLOURS, drawn, quieten
from tablewright.trainables.contract.metric import Metric, metric_reported
from tablewright.trainables.contract.run import BEST_EPOCH

LOSS = "loss"
BOOKKEEPING = (BEST_EPOCH, "epoch", "step", "learning_rate", "lr", "images_per_s")
"""Names that say how a training was run, not how it went; MLflow has their curves."""

# The line style changes with every colour, so that of two curves upon each other both are seen; seven colours and
# six styles give 42 different curves.
LineStyle = str | tuple[float, tuple[float, ...]]
LINE_STYLES: tuple[LineStyle, ...] = (
    "-",
    "--",
    "-.",
    ":",
    (0.0, (8.0, 3.0)),
    (0.0, (6.0, 1.5, 1.0, 1.5, 1.0, 1.5)),
)
OPACITY, BAND_OPACITY = 0.8, 0.12
MAX_LABEL_LENGTH = 36  # in the legend, before it goes on in another line
MAX_MARKED_POINTS = 10  # a curve of so few shows them
MIN_LOG_RATIO = 100.0  # of the highest to the lowest value: below, a linear axis shows both ends
PANEL_HEIGHT_IN, LEGEND_LINE_IN = 2.9, 0.2

Points = Mapping[int, float]
"""Epoch -> value, of the epochs that have a finite one."""

NONE_KEPT: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True)
class Curve:
    """One line of a figure.

    Attributes:
        label: of the row; of several rows that share all their trainings that of the base row, or the first.
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
    for cell in cells:
        if not cell.partner_ids:
            rows.setdefault(cell.dataset, {}).setdefault(label_of(cell), []).append(cell.training_id)
    curves: dict[str, list[Curve]] = {}
    for dataset, ids_of in rows.items():
        labels_of: dict[tuple[str, ...], list[str]] = {}
        for label, ids in ids_of.items():
            labels_of.setdefault(tuple(ids), []).append(label)
        curves[dataset] = [
            _curve(_shared_label(labels, base), ids, points, factor, kept_epochs)
            for ids, labels in labels_of.items()
        ]
    return curves


def label_of(cell: Cell) -> str:
    """Name a cell's row with its group."""
    return f"{cell.group} / {cell.row}" if cell.group else cell.row


def _shared_label(labels: Sequence[str], base: Row | None) -> str:
    if base is not None and full_label(base) in labels:
        return full_label(base)
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


def draw_curves(
    curves: Mapping[str, Sequence[Curve]], quantity_label: str, legend_title: str
) -> tuple[bytes, bytes]:
    """Draw a panel for each data set, with its curves named beside it; a PNG, and a PDF for print.

    The axis is logarithmic where the values are positive and span two decades.
    """
    num_lines = max(sum(_wrapped(curve.label).count("\n") + 1 for curve in some) for some in curves.values())
    height_in = max(PANEL_HEIGHT_IN, LEGEND_LINE_IN * (num_lines + 3))

    def draw(canvas: Canvas) -> None:
        axes_of = canvas.subplots(len(curves), squeeze=False)[:, 0]
        for axes, (dataset, some) in zip(axes_of, curves.items(), strict=True):
            _draw_panel(axes, dataset, some, quantity_label, legend_title)

    return drawn(height_in * len(curves), draw)


def _wrapped(label: str) -> str:
    return textwrap.fill(label, MAX_LABEL_LENGTH)


def _spans_decades(curves: Sequence[Curve]) -> bool:
    drawn = [values for curve in curves for values in (curve.band or (curve.means,))]
    lowest = min((min(values) for values in drawn if values), default=0.0)
    highest = max((max(values) for values in drawn if values), default=0.0)
    return lowest > 0 and highest / lowest >= MIN_LOG_RATIO


def _draw_panel(
    axes: Axes, dataset: str, curves: Sequence[Curve], quantity_label: str, legend_title: str
) -> None:
    styles = zip(itertools.cycle(LINE_STYLES), itertools.cycle(COLOURS), strict=False)
    handles: list[Line2D] = []
    for curve, (line_style, colour) in zip(curves, styles, strict=False):
        marker = "o" if len(curve.epochs) <= MAX_MARKED_POINTS else ""
        if curve.band is not None:
            axes.fill_between(curve.epochs, *curve.band, color=colour, alpha=BAND_OPACITY, linewidth=0)
        handles += axes.plot(
            curve.epochs,
            curve.means,
            linestyle=line_style,
            color=colour,
            alpha=OPACITY,
            marker=marker,
            markersize=3,
            linewidth=1.4,
        )
        for epoch, value in curve.kept:
            axes.plot(epoch, value, "o", color=colour, fillstyle="none", markersize=7, markeredgewidth=1.2)
    if _spans_decades(curves):
        axes.set_yscale("log")
    axes.set_title(dataset, fontsize=10, loc="left", parse_math=False)
    axes.set_xlabel("epoch")
    axes.set_ylabel(quantity_label, parse_math=False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    quieten(axes)
    legend = axes.legend(
        handles,
        [_wrapped(curve.label) for curve in curves],
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        fontsize=8,
        title=legend_title,
        title_fontsize=8,
        alignment="left",
        handlelength=3,
        frameon=False,
    )
    for text in (*legend.get_texts(), legend.get_title()):
        text.set_parse_math(False)
