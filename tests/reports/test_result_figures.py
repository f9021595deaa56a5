"""Figures of what a table's numbers look like: what each shows, and of what."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tablewright.orchestrator.costs.training_cost import TrainingCost
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import AsPrinted, Factorial, LeaveOneOut, Row, Sweep
from tablewright.orchestrator.declared.venue import venue_of
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.store.holding import Holding
from tablewright.orchestrator.store.store import Store
from tablewright.reports.ablation_table import build_table
from tablewright.reports.figures.canvas import TEX_POINTS_AN_INCH, PrintSize
from tablewright.reports.figures.chart import Drawing
from tablewright.reports.figures.cmc_figure import MAX_ROWS, CmcChart, cmc_figures
from tablewright.reports.figures.cost_figure import CostChart, cost_figures
from tablewright.reports.figures.curves import CurveChart
from tablewright.reports.figures.drawn_items import DrawnItems
from tablewright.reports.figures.drawn_table import DrawnTable
from tablewright.reports.figures.forest_figure import ForestChart, forest_figures
from tablewright.reports.figures.interaction_figure import InteractionChart, interaction_figures
from tablewright.reports.figures.item_figure import MAX_PANELS, ItemChart, item_figures
from tablewright.reports.figures.row_styles import MAX_NAMED, named_rows, row_styles
from tablewright.reports.figures.sensitivity_figure import SensitivityChart, sensitivity_figures
from tablewright.reports.figures.swept_axis import SweptAxis
from tablewright.reports.frame import read_cells
from tablewright.reports.statistics import item_scores
from tablewright.reports.statistics.seed import seeds_by_place
from tablewright.reports.table_files import write_tables
from tablewright.trainables.retrieval.view import MAP, RetrievalView
from tests.reports.figured_study import figured, record_figured
from tests.reports.statistics.test_item_comparisons import measured
from tests.reports.tiny_study import (
    depth_row,
    make_ablation,
    plan_of,
    record_cell,
    record_value,
    seeds_of,
)


def drawn_table(plan: Plan, store: Store, name: str = "depth") -> DrawnTable:
    """Give what the figures of a table are drawn of."""
    frame = read_cells(plan, store)
    mine = frame[frame["table"] == name]
    cells = [cell for cell in plan.cells if cell.table == name]
    table = build_table(plan, "tiny", name, frame)
    return DrawnTable(plan.tables["tiny", name], table, cells, seeds_by_place(mine))


def with_values(folder: Path, rows: list[Any], maps: dict[str, list[float]], **declared: Any) -> DrawnTable:
    """A table of one data set whose rows have these mAPs, one a seed; label of the row -> values."""
    plan, store = plan_of(make_ablation(rows, **declared)), Store(str(folder))
    for label, values in maps.items():
        record_value(store, plan, label, {"Market-1501": seeds_of(values, [0.5] * len(values))})
    return drawn_table(plan, store)


def only(drawings: list[Drawing]) -> Any:
    (drawing,) = drawings
    return drawing.chart


# -- sensitivity


def sweep_chart(folder: Path, values: tuple[Any, ...], *more: Row, path: str = "width") -> SensitivityChart:
    sweep = Sweep(path, values)
    maps = {str(value): [0.5, 0.6, 0.7] for value in values} | {row.label: [0.1] * 3 for row in more}
    return only(sensitivity_figures(with_values(folder, [sweep, *more], maps)))


def test_a_sweep_is_drawn_where_its_values_lie(tmp_path: Path):
    """Panels of each metric have the seeds of every value, in percent, and mark the one that the base has."""
    chart = sweep_chart(tmp_path, (4, 8, 16))
    assert ["mAP, %", "Rank-1, %"] == [panel.quantity for panel in chart.panels]
    first = chart.panels[0]
    assert [(4.0, "4"), (8.0, "8"), (16.0, "16")] == [(one.place, one.text) for one in first.axis.places]
    assert not first.axis.is_log
    assert [pytest.approx([50.0, 60.0, 70.0])] * 3 == list(first.values)
    assert 1 == first.declared
    rows = list(csv.reader(io.StringIO(Drawing("", "", chart).data_csv().decode())))
    assert ["Market-1501", "mAP, %", "depth", "8", "1", "0", "50.0"] == rows[4]


def test_values_that_span_decades_lie_on_a_logarithmic_axis(tmp_path: Path):
    """Equal ratios are equal distances; 0, which has no logarithm, stands to the left, and no line leads there."""
    chart = sweep_chart(tmp_path, (1, 10, 100, 0))
    axis = chart.panels[0].axis
    assert axis.is_log
    assert [0.0, 1.0, 2.0] == [one.place for one in axis.places[:3]]
    assert (True, "0") == (axis.places[3].is_apart, axis.places[3].text)
    assert axis.places[3].place < 0


def test_what_is_no_number_stands_apart(tmp_path: Path):
    """Words stand side by side; among numbers they stand to the right of them."""
    axis = sweep_chart(tmp_path, ("max", "avg", "gem"), path="pooling").panels[0].axis
    assert [(0.0, "max", True), (1.0, "avg", True), (2.0, "gem", True)] == [
        (one.place, one.text, one.is_apart) for one in axis.places
    ]
    mixed = SweptAxis.of((1, 2, None), ("1", "2", "none"))
    assert [False, False, True] == [one.is_apart for one in mixed.places]
    assert mixed.places[2].place > 2


def test_a_row_without_a_value_of_the_factor_is_a_line_across(tmp_path: Path):
    """Such as the method without the part that the factor belongs to."""
    chart = sweep_chart(tmp_path, (4, 8), depth_row(3))
    assert ("depth 3", pytest.approx(10.0)) == chart.panels[0].others[0]


def test_what_has_no_two_values_is_not_drawn(tmp_path: Path):
    """A point alone shows no sensitivity."""
    assert [] == sensitivity_figures(with_values(tmp_path, [Sweep("width", (4, 8))], {"4": [0.5]}))


def test_a_sweep_with_printed_values_is_drawn_too(tmp_path: Path):
    """What a paper printed of its rows does not hide the design."""
    sweep = Sweep("width", (4, 8))
    carried = AsPrinted(sweep, [*sweep.rows()])
    assert 1 == len(sensitivity_figures(with_values(tmp_path, [carried], {"4": [0.5], "8": [0.6]})))


# -- differences


def test_a_forest_has_what_the_table_compares(tmp_path: Path):
    """Estimate, interval and mark of each row are the table's, in percentage points."""
    rows = [LeaveOneOut({"a": {"depth": 3}, "b": {"depth": 4}})]
    drawn = with_values(
        tmp_path, rows, {"full": [0.80, 0.81, 0.82], "w/o a": [0.60, 0.61, 0.62], "w/o b": [0.80, 0.82, 0.81]}
    )
    chart: ForestChart = only(forest_figures(drawn))
    assert ("w/o a", "w/o b") == chart.labels
    (panel,) = chart.panels
    compared = [row.cells[0].compared for row in drawn.table.rows[1:]]
    for line, item in zip(panel.lines, compared, strict=True):
        assert line is not None
        assert item is not None
        low, high = item.comparison.interval
        expected = [100 * item.comparison.estimate, 100 * low, 100 * high]
        assert pytest.approx(expected) == [line.estimate, line.low, line.high]
        assert item.is_marked == line.is_marked
    assert [True, False] == [line is not None and line.is_marked for line in panel.lines]


def test_a_forest_says_what_it_leaves_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Of many comparisons the largest differences are drawn, in their order."""
    monkeypatch.setattr("tablewright.reports.figures.forest_figure.MAX_LINES", 3)
    maps = {f"depth {n}": [0.5 + n / 1000] * 3 for n in range(2, 8)}
    maps = {row: [value + 0.001 * seed for seed, value in enumerate(values)] for row, values in maps.items()}
    (drawing,) = forest_figures(with_values(tmp_path, [depth_row(n) for n in range(2, 8)], maps))
    assert "the 3 largest of 5" in drawing.caption
    chart = drawing.chart
    assert isinstance(chart, ForestChart)
    assert [f"depth {n}" for n in range(5, 8)] == list(chart.labels)


@pytest.mark.parametrize(("num_rows", "num_seeds"), [(2, 3), (3, 2)])
def test_one_comparison_or_two_seeds_make_no_forest(tmp_path: Path, num_rows: int, num_seeds: int):
    """The table says the first; of the second nothing is compared."""
    maps = {
        f"depth {n}": [0.5 + n / 100 + seed / 1000 for seed in range(num_seeds)]
        for n in range(2, 2 + num_rows)
    }
    assert [] == forest_figures(with_values(tmp_path, [depth_row(n) for n in range(2, 2 + num_rows)], maps))


# -- interactions


def test_an_interaction_is_averaged_over_the_other_factors(tmp_path: Path):
    """Seed by seed over the rows of a combination; each pair of factors has a figure."""
    factors = {
        "d": {"2": {}, "3": {"depth": 3}},
        "w": {"8": {}, "9": {"width": 9}},
        "x": {"m": {}, "k": {"pooling": "avg"}},
    }
    rows = [Factorial(factors)]
    maps = {
        row.label: [0.1 * number, 0.1 * number + 0.02] for number, row in enumerate(rows[0].rows(), start=1)
    }
    found = interaction_figures(with_values(tmp_path, rows, maps))
    assert [("d", "w"), ("d", "x"), ("w", "x")] == [
        one.chart.factors for one in found if isinstance(one.chart, InteractionChart)
    ]
    chart = found[0].chart
    assert isinstance(chart, InteractionChart)
    # rows in order: d2 w8 (1, 2), d2 w9 (3, 4), d3 w8 (5, 6), d3 w9 (7, 8), each 10 points and one more a seed
    assert pytest.approx([16.0, 56.0]) == list(chart.panels[0].means[0])
    assert pytest.approx([36.0, 76.0]) == list(chart.panels[0].means[1])
    assert pytest.approx(2 / 2**0.5) == chart.panels[0].deviations[0][0]
    assert "averaged over the levels of the other factors" in found[0].caption


# -- cost


def costs_of(
    plan_cells: DrawnTable, seconds: dict[str, float], *, gpus: float = 0.0
) -> dict[str, TrainingCost]:
    return {
        identity: TrainingCost(
            "done", (Holding(held_s=seconds[cell.row], cpus=2.0, gpus=gpus, device="a", has_ended=True),)
        )
        for cell in plan_cells.cells
        for identity in (cell.training_id, *cell.partner_ids)
    }


@pytest.mark.parametrize(("gpus", "per_second"), [(0.0, 2.0), (0.5, 0.5)])
def test_no_row_beats_one_of_the_front_in_both(tmp_path: Path, gpus: float, per_second: float):
    """The cost is what a training held of GPUs where there are any, else of processors."""
    maps = {"depth 2": [0.5, 0.5, 0.5], "depth 3": [0.6] * 3, "depth 4": [0.55] * 3, "depth 5": [0.4] * 3}
    drawn = with_values(tmp_path, [depth_row(n) for n in range(2, 6)], maps)
    seconds = {"depth 2": 10.0, "depth 3": 20.0, "depth 4": 30.0, "depth 5": 10.0}
    chart: CostChart = only(cost_figures(drawn, costs_of(drawn, seconds, gpus=gpus)))
    assert {"depth 2", "depth 3"} == {point.label for point in chart.points if point.is_on_front}
    assert per_second * 30 == chart.points[2].cost
    assert chart.cost.startswith("GPU" if gpus else "processor")


def test_views_of_one_training_are_one_point_and_an_ensemble_costs_all_its_trainings(tmp_path: Path):
    """Of the views the best; what costs the same says nothing of cost."""
    rows = [
        depth_row(4),  # so that both trainings of the ensemble are those of a row too
        depth_row(5),
        Row("hard", view=RetrievalView(embeddings=("hard",))),
        Row("soft", view=RetrievalView(embeddings=("soft",))),
        depth_row(3),
        Row("both", ensemble=({"depth": 4}, {"depth": 5})),
    ]
    maps = {"depth 4": [0.1], "depth 5": [0.1], "hard": [0.5], "soft": [0.6], "depth 3": [0.7], "both": [0.8]}
    plan, store = plan_of(make_ablation(rows), seeds=(0,)), Store(str(tmp_path))
    for label, values in maps.items():
        record_value(store, plan, label, {"Market-1501": seeds_of(values, [0.5])})
    drawn = drawn_table(plan, store)
    seconds = dict.fromkeys(maps, 10.0)
    chart: CostChart = only(cost_figures(drawn, costs_of(drawn, seconds)))
    expected = {"depth 4": 20.0, "depth 5": 20.0, "soft": 20.0, "depth 3": 20.0, "both": 40.0}
    assert expected == {point.label: point.cost for point in chart.points}
    without = replace(drawn, cells=[cell for cell in drawn.cells if cell.row != "both"])
    assert [] == cost_figures(without, costs_of(without, seconds))


def test_a_cost_that_the_table_shows_has_a_figure(tmp_path: Path):
    """In the unit of its column."""
    maps = {"depth 2": [0.5] * 3, "depth 3": [0.6] * 3, "depth 4": [0.55] * 3}
    plan = plan_of(make_ablation([depth_row(n) for n in (2, 3, 4)], costs=["train_s"]))
    store = Store(str(tmp_path))
    for cell in plan.cells:
        metrics = {"map": maps[cell.row][cell.seed], "rank1": 0.5}
        record_cell(
            store, plan, cell.training_id, cell.view_id, metrics, train_wall_s=60.0 * int(cell.row[-1])
        )
    drawn = drawn_table(plan, store)
    (drawing,) = cost_figures(drawn, {})
    assert ("cost-train_s", True) == (drawing.name, drawing.is_timed)
    chart = drawing.chart
    assert isinstance(chart, CostChart)
    assert "Training, min" == chart.cost
    assert {"depth 2": 2.0, "depth 3": 3.0, "depth 4": 4.0} == {one.label: one.cost for one in chart.points}


# -- items


@pytest.fixture(scope="module")
def figured_plan(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Store]:
    """A study of every kind of table, recorded."""
    store = Store(str(tmp_path_factory.mktemp("figured")))
    return figured(store), store


@pytest.mark.slow
def test_a_cmc_counts_the_queries_matched_within_each_rank(figured_plan: tuple[Plan, Store]):
    """At rank 1 it is Rank-1 of the table, and at each rank the share of the recorded items."""
    plan, store = figured_plan
    drawn = drawn_table(plan, store, "width")
    chart: CmcChart = only(cmc_figures(DrawnItems(drawn, store)))
    assert ["Market-1501", "DukeMTMC-reID"] == [panel.dataset for panel in chart.panels]
    line = chart.panels[0].lines[1]
    assert ("16", 3) == (line.label, line.num_seeds)
    cells = drawn.cells_of["16", "Market-1501"]
    ranks = [
        store.training(cell.training_id).items(cell.view_id)["first_match_rank"].to_numpy() for cell in cells
    ]
    shares = [[100 * (of_seed <= rank).mean() for of_seed in ranks] for rank in range(1, 21)]
    assert pytest.approx([np.mean(some) for some in shares]) == list(line.means)
    assert pytest.approx([np.min(some) for some in shares]) == list(line.lowest)


@pytest.mark.slow
def test_only_the_items_that_are_drawn_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Of a large table a few rows: the base, the best, the worst, and what is compared most apart."""
    maps = {f"depth {n}": [0.5 + n / 100] for n in range(2, 32)}
    plan, store = plan_of(make_ablation([depth_row(n) for n in range(2, 32)])), Store(str(tmp_path))
    for label, values in maps.items():
        record_value(store, plan, label, {"Market-1501": seeds_of(values, [0.5])})
    read: list[str] = []

    def note(of_view: tuple[Any, str]) -> item_scores.Items:
        read.append(of_view[0].training_id)
        return item_scores.read_items(of_view)

    monkeypatch.setattr("tablewright.reports.figures.drawn_items.read_items", note)
    items = DrawnItems(drawn_table(plan, store), store)
    assert [] == [*cmc_figures(items), *item_figures(items)]  # there are none to be read
    rows = {cell.row for cell in plan.cells if cell.training_id in read}
    assert {"depth 2", "depth 31"} < rows
    assert len(rows) <= MAX_ROWS + MAX_PANELS
    assert len(read) == len({*read})


def test_identities_are_sorted_by_what_they_gained(tmp_path: Path):
    """Each by the mean over its queries and the seeds that both rows have; what was left out takes no part."""
    plan, store, first_NQ, second_NQ = measured(tmp_path)
    chart: ItemChart = only(item_figures(DrawnItems(drawn_table(plan, store), store)))
    (panel,) = chart.panels
    gained_Q = 100 * (second_NQ.mean(0) - first_NQ[:2].mean(0))
    gained = {str(person): gained_Q[3 * (person - 1) : 3 * person].mean() for person in (1, 2, 3, 4)}
    assert sorted(gained, key=lambda name: -gained[name]) == list(panel.names)
    assert pytest.approx(sorted(gained.values(), reverse=True)) == list(panel.differences)
    assert ("identities", (3, 3, 3, 3)) == (chart.clusters, panel.num_items)


# -- all of them


@pytest.mark.slow
def test_every_figure_is_for_print_and_drawn_once(
    figured_plan: tuple[Plan, Store], monkeypatch: pytest.MonkeyPatch
):
    """As wide as a column or the text, with TrueType fonts and data beside it; equal charts are not drawn again."""
    plan, store = figured_plan
    tables = {written.table.name: written for written in write_tables(plan, store).tables}
    kinds = {
        path.rpartition("/")[2].removesuffix(".png")
        for one in tables.values()
        for path in one.figure_urls
        if path.endswith("png")
    }
    expected = {
        "sensitivity",
        "interaction",
        "differences",
        "cost",
        "cost-2",
        "cmc",
        "items",
        "loss",
        "val_map",
    }
    assert expected == kinds
    size = PrintSize.of(venue_of("any"))
    contents = {url: Path(url).read_bytes() for one in tables.values() for url in one.figure_urls.values()}
    for url, content in contents.items():
        if url.endswith("pdf"):
            (width,) = re.findall(rb"/MediaBox \[ 0 0 ([\d.]+) ", content)
            width_pt = float(width) / 72 * TEX_POINTS_AN_INCH
            assert width_pt <= size.text_pt + 0.1
            assert "differences" in url or width_pt <= size.column_pt + 0.1
            assert b"/Type3" not in content
        if url.endswith("csv"):
            assert 1 < len(content.decode().splitlines())
    draws = {SensitivityChart, ForestChart, InteractionChart, CostChart, CmcChart, ItemChart, CurveChart}
    for chart in draws:
        monkeypatch.delattr(chart, "draw")  # so that drawing one fails
    write_tables(plan, store)
    assert contents == {url: Path(url).read_bytes() for url in contents}


@pytest.mark.slow
def test_a_figure_that_is_damaged_is_drawn_anew(tmp_path: Path):
    """In the bytes it had before, whichever of its files was cut off, or the one that says what it was drawn of."""
    plan, store = plan_of(make_ablation([Sweep("width", (4, 8))]), seeds=(0,)), Store(str(tmp_path))
    for value in ("4", "8"):
        record_value(store, plan, value, {"Market-1501": seeds_of([0.5], [0.5])})
    urls = write_tables(plan, store).tables[0].figure_urls.values()
    before = {url: Path(url).read_bytes() for url in urls}
    said = Path(next(iter(urls))).parent / "drawn.json"
    for path in [*map(Path, urls), said]:
        path.write_bytes(path.read_bytes()[:30])
    write_tables(plan, store)
    assert before == {url: Path(url).read_bytes() for url in urls}
    said.write_text('{"sensitivity": 1}')
    write_tables(plan, store)
    assert "identity" in said.read_text()


@pytest.mark.slow
def test_the_page_of_a_table_shows_no_times(figured_plan: tuple[Plan, Store]):
    """Another run of equal results has an equal page; what its trainings took stands on the page of all tables."""
    plan, store = figured_plan
    written = write_tables(plan, store).tables[0]
    assert "cost.pdf" in Path(written.index_url).read_text()
    assert "cost.pdf" not in Path(written.urls["html"]).read_text()


def test_rows_are_told_apart_in_grey():
    """No two of those that are named together have the same line and sign."""
    labels = [str(number) for number in range(MAX_NAMED)]
    styles = row_styles(labels, labels).values()
    assert MAX_NAMED == len({(style.line, style.sign) for style in styles})


def test_of_many_rows_the_best_the_base_and_the_worst_are_named():
    """A legend of all of them is none."""
    labels = [str(number) for number in range(500)]
    scores = {label: float(label) for label in labels}
    assert ("0", "7", "499") == named_rows(labels, scores, "7", higher_is_better=True)
    assert tuple(labels[:12]) == named_rows(labels[:12], scores, "7", higher_is_better=True)


LONG = "$x_i$ & \\end{table} %_^~ " + "very long " * 6


def edge_of(png: bytes) -> int:
    """Give the darkest value at the edge of a picture."""
    with Image.open(io.BytesIO(png)) as picture:
        pixels = np.asarray(picture.convert("L"))
    return int(np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]).min())


@pytest.mark.slow
def test_no_name_runs_over_the_edge_of_a_figure(tmp_path: Path):
    """However long rows, data sets, factors and levels are called, and however narrow the column is."""
    data = [Dataset(f"{name} {LONG}", {"data": name}) for name in ("market1501", "dukemtmcreid")]
    factors = {
        f"depth {LONG}": {"2": {}, LONG[:40]: {"depth": 3}},
        f"w {LONG}"[:60]: {"8": {}, "9": {"width": 9}},
    }
    plan = plan_of(
        make_ablation([Factorial(factors)], name="factors", datasets=data),
        make_ablation([Sweep("width", (8, 16)), Row(LONG, {"depth": 0})], datasets=data, stub_head=LONG),
    )
    store = Store(str(tmp_path))
    record_figured(store, plan, num_epochs=2)
    size = PrintSize(column_pt=200, text_pt=300, type_pt=9)
    kinds: set[str] = set()
    for name in ("factors", "depth"):
        drawn = drawn_table(plan, store, name)
        items = DrawnItems(drawn, store)
        found = [*sensitivity_figures(drawn), *interaction_figures(drawn), *forest_figures(drawn)]
        for drawing in [*found, *cmc_figures(items)[:1], *item_figures(items)]:
            if drawing.name not in kinds:
                kinds.add(drawing.name)
                assert 255 == edge_of(drawing.chart.draw(size)[0]), drawing.name
    assert {"sensitivity", "interaction", "differences", "cmc", "items"} == kinds


@pytest.mark.slow
def test_signs_that_no_font_has_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Below the table, with what to install; a font of the machine that has them is taken."""
    monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", lambda: [])
    rows = [Row("有注意力 λ", {"depth": 3}), depth_row(2)]
    plan, store = plan_of(make_ablation([*rows, Sweep("width", (4, 16))]), seeds=(0,)), Store(str(tmp_path))
    for label in ("有注意力 λ", "4", "16"):
        record_value(store, plan, label, {"Market-1501": seeds_of([0.5], [0.5])})
    written = write_tables(plan, store).tables[0]
    assert (
        "No font here has 力, 意, 有, 注, which the figures show as boxes"
        in Path(written.urls["html"]).read_text()
    )


def test_a_figure_is_drawn_anew_for_another_width(tmp_path: Path):
    """That of the study's venue; a figure takes a part of one wide column."""
    neurips, cvpr = (PrintSize.of(venue_of(name)) for name in ("neurips", "cvpr"))
    assert (252.0, pytest.approx(5.5 * TEX_POINTS_AN_INCH), 8.0) == (
        neurips.column_pt,
        neurips.text_pt,
        neurips.type_pt,
    )
    drawing = Drawing("", "", sweep_chart(tmp_path, (4, 8)))
    assert drawing.identity(neurips) != drawing.identity(cvpr)


@pytest.mark.slow
def test_a_figure_with_room_for_few_has_the_base_and_both_ends(tmp_path: Path):
    """And then what is farthest from the mean of all rows."""
    maps = {f"depth {n}": [0.5 + n / 100] for n in range(2, 22)}
    drawn = with_values(tmp_path, [depth_row(n) for n in range(2, 22)], maps)
    assert ("depth 2", "depth 3", "depth 21") == drawn.chosen_rows("Market-1501", MAP, 3)
