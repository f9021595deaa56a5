"""What stands beside a table: what its numbers look like, how its trainings went, what its base row's network does.

Everything is made from records: charts from what was measured and reported, the pictures are copies of what was drawn
at the end of a training. Equal records give equal bytes.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import pandas as pd

from tablewright.orchestrator.costs.training_cost import TrainingCost, cost_of_recorded
from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.identity import SHORT_ID_DIGITS
from tablewright.orchestrator.plans.plan import Cell, Plan
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.parallel_reading import read_all
from tablewright.orchestrator.store.store import Store
from tablewright.reports.figures.canvas import TWO_COLUMNS, PrintSize
from tablewright.reports.figures.chart import Drawing
from tablewright.reports.figures.cmc_figure import cmc_figures
from tablewright.reports.figures.cost_figure import cost_figures
from tablewright.reports.figures.curves import (
    LOSS,
    Curve,
    Points,
    curve_chart,
    curves_of,
    drawn_names,
    label_of,
    quantity_of,
)
from tablewright.reports.figures.drawn_items import DrawnItems
from tablewright.reports.figures.drawn_table import DrawnTable
from tablewright.reports.figures.earlier_figures import NONE_EARLIER, EarlierFigures, FigureEnding
from tablewright.reports.figures.forest_figure import forest_figures
from tablewright.reports.figures.interaction_figure import interaction_figures
from tablewright.reports.figures.item_figure import item_figures
from tablewright.reports.figures.row_styles import naming_caption
from tablewright.reports.figures.sensitivity_figure import sensitivity_figures
from tablewright.reports.figures.sign_fonts import FONT_TO_INSTALL, further_fonts
from tablewright.reports.statistics.seed import seeds_by_place
from tablewright.reports.table.table import Table
from tablewright.trainables.contract.metric import Metric, metric_reported
from tablewright.trainables.contract.run import BEST_EPOCH, EpochReport

LOSS_CAPTION = "Training loss"
KEPT_CAPTION = "a ring is the epoch whose model a seed has kept"
MAX_FILE_NAME_LENGTH = 60
PNG_WIDTH = slice(16, 20)  # where a PNG has its width
OTHER_TERMS = "rows with other terms have other scales"
SEEDS_CAPTION = "mean over seeds, in a band from the lowest to the highest seed"
ENSEMBLES_LEFT_OUT = "an ensemble is several trainings and has no curve of its own"


@dataclass(frozen=True)
class Figure:
    """A picture beside a table.

    Attributes:
        name: file name without ending, such as `loss` or `attention`.
        caption: what it shows, without the final stop.
        png: the file.
        pdf: the same for print, where it was not drawn pixel by pixel.
        csv: what it shows, so that it can be drawn again in another style; None where it is a picture.
        identity: of what is drawn, by which it is known again; empty where it is not.
        is_timed: whether it shows how long trainings took, which another run of equal results did not.
    """

    name: str
    caption: str
    png: bytes
    pdf: bytes | None = None
    csv: bytes | None = None
    identity: str = ""
    is_timed: bool = False

    @property
    def shown_width_px(self) -> int | None:
        """How wide a page shows it: a chart has two pixels for one of the page; None for as many as it has."""
        return int.from_bytes(self.png[PNG_WIDTH]) // 2 if self.identity else None

    @property
    def files(self) -> dict[FigureEnding, bytes]:
        """Its files by ending."""
        contents: dict[FigureEnding, bytes | None] = {"png": self.png, "pdf": self.pdf, "csv": self.csv}
        return {ending: content for ending, content in contents.items() if content is not None}


@dataclass(frozen=True)
class TableFigures:
    """What stands beside one table.

    Attributes:
        figures: in printing order.
        warnings: what could not be drawn, one sentence each without the final stop.
        pictures: names of those that lie in the folder of a training, by training id.
        files: endings of what lies beside the table in no format of tables, such as `found.json`.
    """

    figures: tuple[Figure, ...] = ()
    warnings: tuple[str, ...] = ()
    pictures: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    files: tuple[str, ...] = ()

    def without_times(self) -> TableFigures:
        """Leave out what shows how long trainings took: equal results of other runs have equal figures then."""
        return replace(self, figures=tuple(figure for figure in self.figures if not figure.is_timed))


@dataclass(frozen=True)
class Trace:
    """What a finished training has left to be drawn.

    Attributes:
        curves: name -> what was reported, in the epochs that reported a finite value.
        num_not_finite: name -> values that cannot be drawn, where there are any.
        pictures: names of those drawn at its end.
        picture_warning: why some are missing; empty where nothing went wrong.
        fault: why what it reported cannot be read.
        cost: what it has held of machines; None where its record cannot be read.
    """

    curves: Mapping[str, Points] = field(default_factory=dict[str, Points])
    num_not_finite: Mapping[str, int] = field(default_factory=dict[str, int])
    pictures: tuple[str, ...] = ()
    picture_warning: str = ""
    fault: str = ""
    cost: TrainingCost | None = None


def figure_path(table: str, figure: str, ending: FigureEnding = "png") -> str:
    """Say where a figure lies in the folder of its study's tables."""
    return f"figures/{table}/{figure}.{ending}"


def read_traces(plan: Plan, store: Store) -> dict[str, Trace]:
    """Read what every finished training of a plan has left to be drawn, by training id."""
    store = store.listed()

    def read(training_id: str) -> Trace | None:
        folder = store.training(training_id)
        if not folder.is_done():
            return None
        fault, reports, cost = "", list[EpochReport](), None
        try:
            record = folder.record()
            cost = None if record is None else cost_of_recorded(record)
            reports = folder.epochs(record)
        except DamagedFile as error:
            fault = str(error)
        curves, num_not_finite = _reported_in(reports)
        return Trace(curves, num_not_finite, tuple(folder.pictures()), folder.picture_warning(), fault, cost)

    found = zip(plan.trainings, read_all(read, plan.trainings), strict=True)
    return {training_id: trace for training_id, trace in found if trace is not None}


def _reported_in(reports: Sequence[EpochReport]) -> tuple[dict[str, Points], dict[str, int]]:
    curves: dict[str, dict[int, float]] = {}
    num_not_finite: dict[str, int] = {}
    for report in reports:
        for name, value in report.metrics.items():
            points = curves.setdefault(name, {})
            if math.isfinite(value):
                points[report.epoch] = value
            else:
                num_not_finite[name] = num_not_finite.get(name, 0) + 1
    return dict(curves), num_not_finite


def table_figures(
    plan: Plan,
    store: Store,
    table: Table,
    frame: pd.DataFrame,
    traces: Mapping[str, Trace],
    *,
    size: PrintSize = TWO_COLUMNS,
    earlier: EarlierFigures = NONE_EARLIER,
) -> TableFigures:
    """Make the figures of one table.

    Args:
        plan: that declares the table.
        store: its records.
        table: as it is printed.
        frame: that it was made from; it may hold other tables too.
        traces: from `read_traces`.
        size: what they are printed in.
        earlier: those that were drawn before, of which the ones of equal charts are taken as they are.

    Returns:
        What the numbers look like, then a figure of each name that was reported, `loss` first, then the pictures of
        the base row (the first row where no row is the base itself) on the first data set and for the first seed that
        has any. Empty before a training has ended. A table that is re-ranked or measured by multiple query has no
        strip of retrieved images, which would show another order.
    """
    study, name = table.study, table.name
    ablation = plan.tables[study, name]
    cells = [cell for cell in plan.cells if (cell.study, cell.table) == (study, name)]
    mine = cast(pd.DataFrame, frame[(frame["study"] == study) & (frame["table"] == name)])
    drawn = DrawnTable(ablation, table, cells, seeds_by_place(mine))
    drawings = [*_result_drawings(drawn, store, traces), *_curve_drawings(plan, drawn, traces)]
    figures: list[Figure] = []
    lacking: dict[str, None] = {}
    for drawing in drawings:
        file_name = file_name_of(drawing.name, [figure.name for figure in figures])
        families, signs = further_fonts(repr(drawing.chart))
        lacking.update(dict.fromkeys(signs))
        fitted = replace(size, further_fonts=families)
        identity = drawing.identity(fitted)
        png, pdf = earlier.find(file_name, identity) or drawing.chart.draw(fitted)
        files = png, pdf, drawing.data_csv()
        figures.append(Figure(file_name, drawing.caption, *files, identity, is_timed=drawing.is_timed))
    ids = dict.fromkeys(cell.training_id for cell in cells)
    faults = (traces[identity].fault for identity in ids if identity in traces)
    warnings = [f"A curve is missing: {fault}" for fault in faults if fault]
    if lacking:
        warnings.append(
            f"No font here has {', '.join(lacking)}, which the figures show as boxes: install {FONT_TO_INSTALL} and "
            "report again"
        )
    for cell in _cells_of_base(ablation, cells):
        trace = traces.get(cell.training_id, Trace())
        place = f"{label_of(cell)} on {cell.dataset}, seed {cell.seed}"
        if trace.picture_warning:
            warnings.append(f"{place}: {trace.picture_warning}")
        view = plan.trainings[cell.training_id].views[cell.view_id].view
        for picture in trace.pictures:
            caption_of_view = view.caption_of(picture)
            if caption_of_view is None:
                continue
            caption = f"{picture.capitalize()}: {place}, training {cell.training_id[:SHORT_ID_DIGITS]}"
            try:
                content = store.training(cell.training_id).picture(picture)
            except DamagedFile as error:
                warnings.append(f"A picture is missing: {error}")
                continue
            if caption_of_view:
                caption += f"; {caption_of_view}"
            figures.append(Figure(file_name_of(picture, [one.name for one in figures]), caption, content))
        if trace.pictures:
            break
    pictures = {training_id: trace.pictures for training_id, trace in traces.items()}
    return TableFigures(tuple(figures), tuple(warnings), pictures)


def _result_drawings(drawn: DrawnTable, store: Store, traces: Mapping[str, Trace]) -> Iterator[Drawing]:
    """Give the figures of what was measured; those that would show nothing are left out."""
    items = DrawnItems(drawn, store)
    costs = {identity: trace.cost for identity, trace in traces.items() if trace.cost is not None}
    yield from sensitivity_figures(drawn)
    yield from interaction_figures(drawn)
    yield from forest_figures(drawn)
    yield from cost_figures(drawn, costs)
    yield from cmc_figures(items)
    yield from item_figures(items)


def _cells_of_base(ablation: Ablation, cells: Sequence[Cell]) -> list[Cell]:
    """Give the cells of the base row, or of the first row, one data set after the other."""
    base = ablation.reference_row
    places = [(cell.group, cell.row) for cell in cells]
    shown = places[:1] if base is None else [(base.group, base.label)]
    found = [cell for cell, place in zip(cells, places, strict=True) if place in shown]
    datasets = list(dict.fromkeys(cell.dataset for cell in found))
    return sorted(found, key=lambda cell: datasets.index(cell.dataset))


def _curve_drawings(plan: Plan, drawn: DrawnTable, traces: Mapping[str, Trace]) -> Iterator[Drawing]:
    """Give a figure of every name that the finished trainings of a table reported."""
    ablation, cells = drawn.ablation, drawn.cells
    alone = [cell.training_id for cell in cells if not cell.partner_ids]
    ended = {identity: traces[identity] for identity in alone if identity in traces}
    metrics = _metrics_of(plan, cells)
    kept_epochs = {
        identity: int(list(kept.values())[-1])
        for identity, trace in ended.items()
        if (kept := trace.curves.get(BEST_EPOCH))
    }
    for name in drawn_names(name for trace in ended.values() for name in trace.curves):
        quantity = quantity_of(name, metrics)
        points = {identity: trace.curves.get(name, {}) for identity, trace in ended.items()}
        curves = curves_of(cells, points, ablation.reference_row, quantity.factor, kept_epochs)
        shown = [curve for some in curves.values() for curve in some if curve.epochs]
        if not shown:
            continue
        num_not_finite = sum(trace.num_not_finite.get(name, 0) for trace in ended.values())
        metric, _ = metric_reported(name, metrics)
        chart = curve_chart(
            curves,
            quantity.label,
            ablation.stub_head,
            drawn.base_label,
            higher_is_better=metric is not None and metric.higher_is_better,
        )
        caption = _curve_caption(name, quantity.label, shown, num_not_finite)
        if naming := naming_caption(len({curve.label for curve in shown}), chart.named):
            caption += f"; {naming}"
        if any(cell.partner_ids for cell in cells):
            caption += f"; {ENSEMBLES_LEFT_OUT}"
        yield Drawing(name, caption, chart)


def _metrics_of(plan: Plan, cells: Sequence[Cell]) -> list[Metric]:
    planned = (plan.trainings[cell.training_id].views[cell.view_id] for cell in cells)
    return list(dict.fromkeys(metric for item in planned for metric in item.view.metrics))


def _curve_caption(name: str, label: str, curves: Sequence[Curve], num_not_finite: int) -> str:
    parts = [f"{LOSS_CAPTION if name == LOSS else label} as each epoch reported it"]
    if any(curve.band is not None for curve in curves):
        parts.append(SEEDS_CAPTION)
    if name == LOSS:
        parts.append(OTHER_TERMS)
    if any(curve.kept for curve in curves):
        parts.append(KEPT_CAPTION)
    if num_not_finite:
        parts.append(f"values that are not finite are left out ({num_not_finite})")
    return "; ".join(parts)


def file_name_of(name: str, taken: Collection[str]) -> str:
    """Make a name one of a file; two that would be the same where case does not count are numbered."""
    plain = re.sub(r"[^\w.-]", "_", name)[:MAX_FILE_NAME_LENGTH]
    others = {other.casefold() for other in taken}
    numbered = itertools.chain([plain], (f"{plain}-{number}" for number in itertools.count(2)))
    return next(found for found in numbered if found.casefold() not in others)
