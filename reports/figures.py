"""What stands beside a table: how the losses of its rows fell, and what its base row's network does.

Everything is made from records: loss curves from the epochs, the other pictures are copies of what was
drawn at the end of a training. Equal records give equal bytes.
"""

from __future__ import annotations

import io
import itertools
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from tablewright.orchestrator.design import Row, full_label
from tablewright.orchestrator.parallel_reading import read_all
from tablewright.orchestrator.plan import Cell, Plan
from tablewright.orchestrator.records import DamagedFile, Store
from tablewright.orchestrator.study import Ablation
from tablewright.reports.source_note import SHORT_ID_DIGITS

LOSS = "loss"
LOSS_CAPTION = "Training loss, mean over an epoch and over seeds; rows with other terms have other scales"
ENSEMBLES_LEFT_OUT = "an ensemble is several trainings and has no loss of its own"

# Okabe and Ito's, which people who see fewer colours can tell apart. The line style changes with every colour, so
# that of two curves upon each other both are seen; seven colours and six styles give 42 different curves.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LineStyle = str | tuple[float, tuple[float, ...]]
LINE_STYLES: tuple[LineStyle, ...] = (
    "-",
    "--",
    "-.",
    ":",
    (0.0, (8.0, 3.0)),
    (0.0, (6.0, 1.5, 1.0, 1.5, 1.0, 1.5)),
)
OPACITY = 0.8
MAX_LABEL_LENGTH = 36  # in the legend, before it goes on in another line
MAX_MARKED_EPOCHS = 10  # a curve of so few points shows them
EMBEDDED_FONTS = 42  # TrueType: many publishers refuse the default of a PDF, which is Type 3
PANEL_WIDTH_IN, PANEL_HEIGHT_IN, LEGEND_LINE_IN, DPI = 4.2, 2.9, 0.2, 120


@dataclass(frozen=True)
class Figure:
    """A picture beside a table.

    Attributes:
        name: file name without ending, such as `loss` or `attention`.
        caption: what it shows, without the final stop.
        png: the file.
        pdf: the same for print, where it was not drawn pixel by pixel.
    """

    name: str
    caption: str
    png: bytes
    pdf: bytes | None = None


@dataclass(frozen=True)
class TableFigures:
    """What stands beside one table.

    Attributes:
        figures: in printing order.
        warnings: what could not be drawn, one sentence each without the final stop.
        pictures: names of those that lie in the folder of a training, by training id.
    """

    figures: tuple[Figure, ...] = ()
    warnings: tuple[str, ...] = ()
    pictures: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])


@dataclass(frozen=True)
class Trace:
    """What a finished training has left to be drawn.

    Attributes:
        losses: epoch by epoch.
        pictures: names of those drawn at its end.
        picture_warning: why some are missing; empty where nothing went wrong.
        fault: why the losses cannot be read.
    """

    losses: Sequence[float] = ()
    pictures: tuple[str, ...] = ()
    picture_warning: str = ""
    fault: str = ""


@dataclass(frozen=True)
class LossCurve:
    """One line of a figure.

    Attributes:
        label: of the row; of several rows that share all their trainings that of the base row, or the first.
        losses: epoch by epoch; empty while no training has ended.
    """

    label: str
    losses: Sequence[float]


def figure_path(table: str, figure: str, ending: Literal["png", "pdf"] = "png") -> str:
    """Say where a figure lies in the folder of its study's tables."""
    return f"figures/{table}/{figure}.{ending}"


def read_traces(plan: Plan, store: Store) -> dict[str, Trace]:
    """Read what every finished training of a plan has left to be drawn, by training id."""

    def read(training_id: str) -> Trace | None:
        folder = store.training(training_id)
        if not folder.is_done():
            return None
        fault, losses = "", []
        try:
            reports = folder.epochs(folder.record())
            losses = [report.metrics[LOSS] for report in reports if LOSS in report.metrics]
        except DamagedFile as error:
            fault = str(error)
        return Trace(losses, tuple(folder.pictures()), folder.picture_warning(), fault)

    found = zip(plan.trainings, read_all(read, plan.trainings), strict=True)
    return {training_id: trace for training_id, trace in found if trace is not None}


def table_figures(
    plan: Plan, store: Store, study: str, name: str, traces: Mapping[str, Trace]
) -> TableFigures:
    """Make the figures of one table.

    Args:
        plan: that declares the table.
        store: its records.
        study: name of the study.
        name: of the table.
        traces: from `read_traces`.

    Returns:
        `loss` first, then the pictures of the base row (the first row where no row is the base itself) on
        the first data set and for the first seed that has any. Empty before a training has ended. A table
        that is re-ranked or measured by multiple query has no strip of retrieved images, which would show
        another order.
    """
    ablation = plan.tables[study, name]
    cells = [cell for cell in plan.cells if (cell.study, cell.table) == (study, name)]
    curves = loss_curves(cells, traces, ablation.reference_row)
    figures: list[Figure] = []
    if any(curve.losses for some in curves.values() for curve in some):
        has_ensembles = any(cell.partner_ids for cell in cells)
        caption = f"{LOSS_CAPTION}; {ENSEMBLES_LEFT_OUT}" if has_ensembles else LOSS_CAPTION
        figures.append(Figure(LOSS, caption, *draw_loss_curves(curves, ablation.stub_head)))
    ids = dict.fromkeys(cell.training_id for cell in cells)
    faults = (traces[identity].fault for identity in ids if identity in traces)
    warnings = [f"A loss curve is missing: {fault}" for fault in faults if fault]
    for cell in _cells_of_base(ablation, cells):
        trace = traces.get(cell.training_id, Trace())
        place = f"{_label(cell)} on {cell.dataset}, seed {cell.seed}"
        if trace.picture_warning:
            warnings.append(f"{place}: {trace.picture_warning}")
        view = plan.trainings[cell.training_id].views[cell.view_id].view
        for picture in trace.pictures:
            shown = view.caption_of(picture)
            if shown is None:
                continue
            try:
                content = store.training(cell.training_id).picture(picture)
            except DamagedFile as error:
                warnings.append(f"A picture is missing: {error}")
                continue
            caption = f"{picture.capitalize()}: {place}, training {cell.training_id[:SHORT_ID_DIGITS]}"
            if shown:
                caption += f"; {shown}"
            figures.append(Figure(picture, caption, content))
        if trace.pictures:
            break
    pictures = {training_id: trace.pictures for training_id, trace in traces.items()}
    return TableFigures(tuple(figures), tuple(warnings), pictures)


def _cells_of_base(ablation: Ablation, cells: Sequence[Cell]) -> list[Cell]:
    """Give the cells of the base row, or of the first row, one data set after the other."""
    base = ablation.reference_row
    places = [(cell.group, cell.row) for cell in cells]
    shown = places[:1] if base is None else [(base.group, base.label)]
    found = [cell for cell, place in zip(cells, places, strict=True) if place in shown]
    datasets = list(dict.fromkeys(cell.dataset for cell in found))
    return sorted(found, key=lambda cell: datasets.index(cell.dataset))


def loss_curves(
    cells: Sequence[Cell], traces: Mapping[str, Trace], base: Row | None
) -> dict[str, list[LossCurve]]:
    """Give the curves by data set, in printing order; rows that are views of the same trainings share one.

    Seeds are averaged over the epochs that all of them have. Ensembles have no curve: the mean over the losses
    of different networks is the loss of none.

    Args:
        cells: of one table.
        traces: from `read_traces`.
        base: the row that names a curve it shares with others.
    """
    rows: dict[str, dict[str, list[str]]] = {}
    for cell in cells:
        if not cell.partner_ids:
            rows.setdefault(cell.dataset, {}).setdefault(_label(cell), []).append(cell.training_id)
    curves: dict[str, list[LossCurve]] = {}
    for dataset, ids_of in rows.items():
        labels_of: dict[tuple[str, ...], list[str]] = {}
        for label, ids in ids_of.items():
            labels_of.setdefault(tuple(ids), []).append(label)
        curves[dataset] = [
            _curve(_shared_label(labels, base), ids, traces) for ids, labels in labels_of.items()
        ]
    return curves


def _shared_label(labels: Sequence[str], base: Row | None) -> str:
    if base is not None and full_label(base) in labels:
        return full_label(base)
    more = f" and {len(labels) - 1} more rows of the same trainings" if len(labels) > 1 else ""
    return labels[0] + more


def _curve(label: str, ids: Sequence[str], traces: Mapping[str, Trace]) -> LossCurve:
    found = [traces[training_id].losses for training_id in ids if training_id in traces]
    done = [losses for losses in found if losses]
    if len(done) < len(ids):
        label += f" ({len(done)}/{len(ids)})"
    num_epochs = min(map(len, done), default=0)
    means = np.mean([losses[:num_epochs] for losses in done], axis=0) if done else []
    return LossCurve(label, [float(mean) for mean in means])


def _label(cell: Cell) -> str:
    return f"{cell.group} / {cell.row}" if cell.group else cell.row


def draw_loss_curves(curves: Mapping[str, Sequence[LossCurve]], legend_title: str) -> tuple[bytes, bytes]:
    """Draw a panel for each data set, with its curves named beside it; a PNG, and a PDF for print."""
    num_lines = max(sum(_wrapped(curve.label).count("\n") + 1 for curve in some) for some in curves.values())
    height_in = max(PANEL_HEIGHT_IN, LEGEND_LINE_IN * (num_lines + 3))
    with style.context(["default", {"pdf.fonttype": EMBEDDED_FONTS}], after_reset=True):  # not the user's own
        canvas = Canvas((2 * PANEL_WIDTH_IN, height_in * len(curves)), dpi=DPI, layout="constrained")
        axes_of = canvas.subplots(len(curves), squeeze=False)[:, 0]
        for axes, (dataset, some) in zip(axes_of, curves.items(), strict=True):
            _draw_panel(axes, dataset, some, legend_title)
        png, pdf = io.BytesIO(), io.BytesIO()
        FigureCanvasAgg(canvas).print_png(png, metadata={"Software": None})
        FigureCanvasPdf(canvas).print_pdf(pdf, metadata={"Creator": None, "CreationDate": None})
    return png.getvalue(), pdf.getvalue()


def _wrapped(label: str) -> str:
    return textwrap.fill(label, MAX_LABEL_LENGTH)


def _draw_panel(axes: Axes, dataset: str, curves: Sequence[LossCurve], legend_title: str) -> None:
    styles = zip(itertools.cycle(LINE_STYLES), itertools.cycle(COLOURS), strict=False)
    handles: list[Line2D] = []
    for curve, (line_style, colour) in zip(curves, styles, strict=False):
        marker = "o" if len(curve.losses) <= MAX_MARKED_EPOCHS else ""
        epochs = np.arange(1, len(curve.losses) + 1)
        handles += axes.plot(
            epochs,
            curve.losses,
            linestyle=line_style,
            color=colour,
            alpha=OPACITY,
            marker=marker,
            markersize=3,
            linewidth=1.4,
        )
    axes.set_title(dataset, fontsize=10, loc="left", parse_math=False)
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
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
