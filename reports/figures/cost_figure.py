"""What each row reaches against what a training of it costs, and which rows none beats in both."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from tablewright.orchestrator.costs.training_cost import TrainingCost
from tablewright.orchestrator.declared.cost_columns import counted_cost
from tablewright.reports.figures.canvas import (
    QUIET_COLOUR,
    LegendBelow,
    PrintSize,
    plain_log_ticks,
    printed,
    quieten,
)
from tablewright.reports.figures.chart import CsvRow, Drawing
from tablewright.reports.figures.drawn_table import DrawnTable, mean_and_deviation, quantity_label
from tablewright.reports.figures.panel_grid import in_lines
from tablewright.reports.figures.row_styles import UNNAMED_COLOUR, RowStyle, row_styles
from tablewright.trainables.contract.metric import Metric

NAME = "cost"
PANEL_HEIGHT_IN = 1.9
MIN_LOG_RATIO = 30.0  # of the highest to the lowest cost: below, a linear axis shows both ends
MIN_RATIO = 1.02  # of the highest to the lowest cost: below, rows cost the same and the figure says nothing
MAX_NAMED = 12
MIN_ROWS = 3  # two are told by the table as well


@dataclass(frozen=True)
class CostPoint:
    """One row.

    Attributes:
        label: of the row, or of the best of several that are views of the same trainings.
        cost: of one training, mean over seeds.
        cost_deviation: over seeds; None for one.
        value: reached, in the unit of print, mean over seeds.
        deviation: over seeds; None for one.
        is_on_front: whether no other row is at least as good in both and better in one.
    """

    label: str
    cost: float
    cost_deviation: float | None
    value: float
    deviation: float | None
    is_on_front: bool


@dataclass(frozen=True)
class CostChart:
    """The rows of a table on one data set.

    Attributes:
        cost: what is paid, with its unit.
        quantity: what is reached, with its unit.
        higher_is_better: of the quantity.
        points: in printing order.
        named: labels of those that the legend has.
    """

    cost: str
    quantity: str
    higher_is_better: bool
    points: tuple[CostPoint, ...]
    named: tuple[str, ...]

    def data(self) -> Iterator[CsvRow]:
        """One line a row."""
        yield "row", "cost_of", "cost", "cost_deviation", "quantity", "value", "deviation", "is_on_front"
        for point in self.points:
            of_cost = (self.cost, point.cost, point.cost_deviation)
            yield point.label, *of_cost, self.quantity, point.value, point.deviation, int(point.is_on_front)

    def draw(self, size: PrintSize) -> tuple[bytes, bytes]:
        """Draw one panel as wide as a column, its rows named below."""
        labels = [point.label for point in self.points if point.label in self.named]
        styles = row_styles([point.label for point in self.points], labels)
        legend = LegendBelow(["Pareto front", *labels], size.column_in, size)

        def draw(canvas: Canvas) -> None:
            axes = canvas.subplots()
            front = sorted((point.cost, point.value) for point in self.points if point.is_on_front)
            axes.plot(
                [cost for cost, _ in front],
                [value for _, value in front],
                color=QUIET_COLOUR,
                linewidth=0.9,
                drawstyle="steps-post",
                zorder=1,
            )
            grey = [point for point in self.points if not styles[point.label].is_named]
            axes.plot(
                [point.cost for point in grey],
                [point.value for point in grey],
                linestyle="",
                marker=".",
                color=UNNAMED_COLOUR,
                zorder=2,
            )
            for point in self.points:
                style = styles[point.label]
                if style.is_named:
                    _draw_point(axes, point, style)
            costs = [point.cost for point in self.points]
            if max(costs) / min(costs) >= MIN_LOG_RATIO:
                axes.set_xscale("log")
                plain_log_ticks(axes.xaxis)
            else:
                axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
            axes.set_xlabel(self.cost)
            axes.set_ylabel(in_lines(self.quantity, int(PANEL_HEIGHT_IN / size.width_in("n"))))
            quieten(axes)
            signs = (_sign(styles[label], is_on_front=self._is_on_front(label)) for label in labels)
            legend.draw(canvas, [Line2D([], [], color=QUIET_COLOUR, linewidth=0.9), *signs])

        return printed(size.column_in, PANEL_HEIGHT_IN + legend.height_in, size, draw)

    def _is_on_front(self, label: str) -> bool:
        return any(point.is_on_front for point in self.points if point.label == label)


def _draw_point(axes: Axes, point: CostPoint, style: RowStyle) -> None:
    axes.errorbar(
        point.cost,
        point.value,
        point.deviation,
        point.cost_deviation,
        color=style.colour,
        elinewidth=0.7,
        capsize=1.5,
        zorder=3,
    )
    sign = _sign(style, is_on_front=point.is_on_front)
    sign.set(xdata=[point.cost], ydata=[point.value], zorder=4)
    axes.add_line(sign)


def _sign(style: RowStyle, *, is_on_front: bool) -> Line2D:
    return Line2D(
        [],
        [],
        linestyle="",
        color=style.colour,
        marker=style.sign,
        markersize=5,
        markerfacecolor=style.colour if is_on_front else "white",
    )


@dataclass(frozen=True)
class _Costs:
    """What the rows of a table take on one data set.

    Attributes:
        name: of the cost, as files are named for it; empty for the time that each training held.
        label: with its unit.
        of_rows: label of the row -> mean and deviation over seeds.
        is_timed: whether another run of equal results has others.
    """

    name: str
    label: str
    of_rows: Mapping[str, tuple[float, float | None]]
    is_timed: bool


def cost_figures(drawn: DrawnTable, cost_of: Mapping[str, TrainingCost]) -> list[Drawing]:
    """Give figures of the first metric of each data set against what the rows take.

    That is the time that a training held its processor or GPU, and each cost that the table has a column of.

    Args:
        drawn: the table.
        cost_of: what each recorded training has held, by its id.
    """
    metric = drawn.ablation.metrics[0]
    quantity = quantity_label(metric)
    found: list[Drawing] = []
    for dataset in (dataset.label for dataset in drawn.ablation.datasets):
        where = f" on {dataset}" if len(drawn.ablation.datasets) > 1 else ""
        for costs in (_held(drawn, dataset, cost_of), *_declared(drawn, dataset)):
            points = _points(drawn, dataset, metric, costs.of_rows)
            values = [point.cost for point in points]
            if len(points) < MIN_ROWS or max(values) < MIN_RATIO * min(values):
                continue
            named = _named(points, drawn.base_label)
            chart = CostChart(costs.label, quantity, metric.higher_is_better, points, named)
            caption = "; ".join([*_caption(chart, where), *(() if costs.name else _of_times(drawn, cost_of))])
            name = f"{NAME}-{costs.name}" if costs.name else NAME
            found.append(Drawing(name, caption, chart, is_timed=costs.is_timed))
    return found


def _held(drawn: DrawnTable, dataset: str, cost_of: Mapping[str, TrainingCost]) -> _Costs:
    """Add up what the trainings of each row have held: of GPUs where the table has any, else of processors."""
    has_gpu = any(
        cost_of[training_id].spent().gpu_s > 0
        for cell in drawn.cells
        for training_id in (cell.training_id, *cell.partner_ids)
        if training_id in cost_of
    )
    of_rows: dict[str, tuple[float, float | None]] = {}
    for (label, of_dataset), cells in drawn.cells_of.items():
        members = [(cell.training_id, *cell.partner_ids) for cell in cells]
        known = [some for some in members if all(one in cost_of for one in some)]
        if of_dataset == dataset and known:
            held_s = [sum(_seconds(cost_of[one], has_gpu=has_gpu) for one in some) for some in known]
            of_rows[label] = mean_and_deviation(held_s)
    unit = "GPU-seconds of a training" if has_gpu else "processor-seconds of a training"
    return _Costs("", unit, of_rows, is_timed=True)


def _declared(drawn: DrawnTable, dataset: str) -> Iterator[_Costs]:
    """Give what the table itself shows of the cost of its rows."""
    for place, column in enumerate(drawn.table.columns):
        if column.dataset == dataset and column.is_cost:
            of_rows: dict[str, tuple[float, float | None]] = {}
            for group in drawn.table.groups:
                for row in group.rows:
                    mean, deviation = row.cells[place].mean, row.cells[place].deviation
                    if mean is not None:
                        label = f"{group.label} / {row.label}" if group.label else row.label
                        of_rows[label] = mean, deviation
            is_counted = any(
                cost == column.metric.name and counted_cost(cost) for cost in drawn.ablation.costs
            )
            yield _Costs(column.metric.name, column.metric.label, of_rows, is_timed=not is_counted)


def _points(
    drawn: DrawnTable, dataset: str, metric: Metric, cost_of_rows: Mapping[str, tuple[float, float | None]]
) -> tuple[CostPoint, ...]:
    """Give a point a row, of rows of the same trainings the best one alone."""
    sign = 1 if metric.higher_is_better else -1
    best: dict[frozenset[str], tuple[str, list[float]]] = {}
    for (label, of_dataset), cells in drawn.cells_of.items():
        values = list(drawn.values(label, dataset, metric).values())
        if of_dataset != dataset or not values or cost_of_rows.get(label, (0.0, None))[0] <= 0:
            continue
        trainings = frozenset(one for cell in cells for one in (cell.training_id, *cell.partner_ids))
        if trainings not in best or sign * statistics.fmean(values) > sign * statistics.fmean(
            best[trainings][1]
        ):
            best[trainings] = label, values
    means = {
        label: (cost_of_rows[label][0], sign * statistics.fmean(values)) for label, values in best.values()
    }
    return tuple(
        CostPoint(
            label,
            *cost_of_rows[label],
            *mean_and_deviation(values),
            is_on_front=not any(
                cost <= means[label][0] and value >= means[label][1] and (cost, value) != means[label]
                for cost, value in means.values()
            ),
        )
        for label, values in best.values()
    )


def _seconds(cost: TrainingCost, *, has_gpu: bool) -> float:
    spent = cost.spent()
    return spent.gpu_s if has_gpu else spent.cpu_s


def _named(points: Sequence[CostPoint], base: str) -> tuple[str, ...]:
    """Name all rows, or of too many the front and the base."""
    labels = [point.label for point in points]
    if len(labels) <= MAX_NAMED:
        return tuple(labels)
    front = [point.label for point in points if point.is_on_front]
    return tuple(label for label in labels if label in (*front[: MAX_NAMED - 1], base))


def _caption(chart: CostChart, where: str) -> Iterator[str]:
    quantity = chart.quantity.removesuffix(", %")
    yield f"{quantity}{where} against {chart.cost}"
    yield "filled, and on the line, are the rows that none beats in both"
    if any(point.deviation is not None for point in chart.points):
        yield "mean over seeds, bars of one standard deviation to both sides"
    if len(chart.named) < len(chart.points):
        yield f"of {len(chart.points)} rows those of the front and the base are named, the others grey"


def _of_times(drawn: DrawnTable, cost_of: Mapping[str, TrainingCost]) -> Iterator[str]:
    """Say what keeps the times of a table from being compared."""
    ids = {one for cell in drawn.cells for one in (cell.training_id, *cell.partner_ids)} & cost_of.keys()
    devices = sorted({holding.device for one in ids for holding in cost_of[one].holdings if holding.device})
    if len(devices) > 1:
        yield f"trained on different devices ({', '.join(devices)}), whose times do not compare"
    if any(cost_of[one].is_at_least for one in ids):
        yield "of some trainings the time of killed attempts is not known whole"
