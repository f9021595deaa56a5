"""Figures beside a table, from records alone."""

from __future__ import annotations

import base64
import math
from pathlib import Path

import pytest

from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_folder import PNG
from tablewright.reports.ablation_table import build_table
from tablewright.reports.figures.curves import Curve, curves_of
from tablewright.reports.figures.figures import TableFigures, read_traces, table_figures
from tablewright.reports.frame import read_cells
from tablewright.reports.page.html import to_html
from tablewright.reports.table_files import write_tables
from tablewright.trainables.contract.run import EpochReport
from tablewright.trainables.retrieval.view import RANK1, Reranking, RetrievalView
from tests.reports.tiny_study import DUKE, MARKET, depth_row, make_ablation, plan_of, record_value, seeds_of

VALUES = seeds_of([0.8, 0.8, 0.8], [0.9, 0.9, 0.9])


def figures_beside(plan: Plan, store: Store) -> TableFigures:
    """Make the figures of the table `depth` anew."""
    frame = read_cells(plan, store)
    table = build_table(plan, "tiny", "depth", frame)
    return table_figures(plan, store, table, frame, read_traces(plan, store))


def write_losses(store: Store, plan: Plan, row: str, losses: dict[int, list[float]]) -> None:
    """Write epochs of a row's trainings: seed -> losses."""
    for cell in plan.cells:
        if cell.row == row and cell.seed in losses:
            values = losses[cell.seed]
            reports = [
                EpochReport(epoch, len(values), {"loss": loss}, 1.0) for epoch, loss in enumerate(values, 1)
            ]
            store.training(cell.training_id).write_epochs(reports)


@pytest.mark.slow
def test_an_ensemble_has_no_curve(tmp_path: Path):
    """Losses of different networks are not averaged, and the caption says why a row is not there."""
    rows = [depth_row(2), Row("both", ensemble=({"depth": 3}, {"depth": 4}))]
    plan, store = plan_of(make_ablation(rows), seeds=(0,)), Store(str(tmp_path))
    write_losses(store, plan, "depth 2", {0: [3.0, 1.0]})
    write_losses(store, plan, "both", {0: [5.0, 2.0]})
    for row in ("depth 2", "both"):
        record_value(store, plan, row, {"Market-1501": {0: VALUES[0]}})
    traces = read_traces(plan, store)
    assert [{1: 3.0, 2: 1.0}, {1: 5.0, 2: 2.0}] == [trace.curves["loss"] for trace in traces.values()]
    points = {training_id: trace.curves["loss"] for training_id, trace in traces.items()}
    assert {"Market-1501": [Curve("depth 2", [1, 2], [3.0, 1.0], None, [])]} == curves_of(
        plan.cells, points, None
    )
    (figure,) = figures_beside(plan, store).figures
    assert figure.caption.endswith("an ensemble is several trainings and has no curve of its own")


def test_only_finished_trainings_are_drawn(tmp_path: Path):
    """Epochs of a training without a record are not read."""
    plan, store = plan_of(make_ablation([depth_row(2), depth_row(3)])), Store(str(tmp_path))
    for row in ("depth 2", "depth 3"):
        write_losses(store, plan, row, {0: [3.0, 1.0]})
    record_value(store, plan, "depth 2", {"Market-1501": {0: VALUES[0]}})
    done = next(cell.training_id for cell in plan.cells if (cell.row, cell.seed) == ("depth 2", 0))
    traces = read_traces(plan, store)
    assert {done: {"loss": {1: 3.0, 2: 1.0}}} == {
        identity: trace.curves for identity, trace in traces.items()
    }


def finished(folder: Path, rows: list[Row]) -> tuple[Plan, Store]:
    """A table of two data sets, all of whose trainings have ended, with pictures."""
    plan, store = plan_of(make_ablation(rows, datasets=[MARKET, DUKE])), Store(str(folder))
    for row in rows:
        write_losses(store, plan, row.label, {0: [3.0, 1.0], 1: [3.0, 1.0], 2: [3.0, 1.0]})
        record_value(store, plan, row.label, {"Market-1501": VALUES, "DukeMTMC-reID": VALUES})
    for cell in plan.cells:
        content = PNG + f"{cell.row} {cell.dataset} {cell.seed}".encode()
        store.training(cell.training_id).write_pictures({"attention": content})
    return plan, store


@pytest.mark.slow
def test_the_pictures_are_those_of_the_base_row(tmp_path: Path):
    """The base row's, where there is one, of the first data set and seed; the first row's where not."""
    for rows, shown in (([3, 2], "depth 2"), ([3, 4], "depth 3")):
        plan, store = finished(tmp_path / shown, [depth_row(depth) for depth in rows])
        beside = figures_beside(plan, store)
        assert ["loss", "attention"] == [figure.name for figure in beside.figures]
        assert PNG + f"{shown} Market-1501 0".encode() == beside.figures[1].png
        training_id = next(cell.training_id for cell in plan.cells if cell.row == shown)
        expected = f"Attention: {shown} on Market-1501, seed 0, training {training_id[:8]}"
        assert expected == beside.figures[1].caption
        assert () == beside.warnings


@pytest.mark.parametrize(
    ("view", "has_strip"),
    [
        (RetrievalView(), True),
        (RetrievalView(distance="euclidean"), True),
        (RetrievalView(query="multiple"), False),
        (RetrievalView(gallery="single_shot"), False),
        (RetrievalView(reranking=Reranking()), False),
    ],
)
def test_a_strip_stands_beside_what_is_ranked_like_it(tmp_path: Path, view: RetrievalView, has_strip: bool):
    """Its caption says how it is ranked and what its frames mean; a table ranked otherwise has none."""
    ablation = make_ablation([depth_row(2)], view=view, metrics=[RANK1])
    plan, store = plan_of(ablation, seeds=(0,)), Store(str(tmp_path))
    record_value(store, plan, "depth 2", {"Market-1501": {0: VALUES[0]}})
    drawn = {name: PNG + name.encode() for name in ("attention", "retrieval")}
    store.training(plan.cells[0].training_id).write_pictures(drawn)
    beside = figures_beside(plan, store)
    assert ["attention", *(["retrieval"] if has_strip else [])] == [figure.name for figure in beside.figures]
    if has_strip:
        for part in ("by cosine distance", "single query", "no re-ranking", "dashed red ones wrong"):
            assert part in beside.figures[1].caption


@pytest.mark.slow
def test_a_failure_to_draw_is_told_below_the_table(tmp_path: Path):
    """A seed without pictures says why, and the next seed's stand in for it."""
    plan, store = finished(tmp_path, [depth_row(2)])
    folder = store.training(plan.cells[0].training_id)
    store.root.remove(f"trainings/{folder.training_id}/pictures")
    folder.write_picture_warning("not every picture could be drawn: RuntimeError: <no ink>")
    written = write_tables(plan, store).tables[0]
    page = Path(written.urls["html"]).read_text()
    assert (
        "depth 2 on Market-1501, seed 0: not every picture could be drawn: RuntimeError: &lt;no ink&gt;."
        in page
    )
    assert (
        PNG + b"depth 2 Market-1501 1"
        == Path(written.figure_urls["figures/depth/attention.png"]).read_bytes()
    )


@pytest.mark.slow
def test_figures_lie_inside_a_page_and_beside_it(tmp_path: Path):
    """A page has every figure inside; its file is there too, below the study's folder, and is what was returned."""
    plan, store = finished(tmp_path, [depth_row(2)])
    written = write_tables(plan, store).tables[0]
    names = ("loss.pdf", "loss.png", "loss.csv", "attention.png")
    assert {f"figures/depth/{name}" for name in names} == set(written.figure_urls)
    for page in (Path(written.urls["html"]), Path(written.index_url)):
        for path, url in written.figure_urls.items():
            inside = f'src="data:image/png;base64,{base64.b64encode(Path(url).read_bytes()).decode()}"'
            assert (inside if path.endswith("png") else f'href="{path}"') in page.read_text()
            assert page.parent / path == Path(url)
            assert Path(url).is_file()


@pytest.mark.slow
def test_every_training_behind_a_row_links_to_its_pictures(tmp_path: Path):
    """The list of trainings names the pictures of those that have any, as they lie in the store."""
    plan, store = finished(tmp_path, [depth_row(2), depth_row(3)])
    page = Path(write_tables(plan, store).tables[0].urls["html"])
    for cell in plan.cells:
        link = f"../../trainings/{cell.training_id}/pictures/attention.png"
        assert f'<a href="{link}">attention</a>' in page.read_text()
        assert (page.parent / link).is_file()


@pytest.mark.slow
def test_figures_of_an_earlier_table_are_removed(tmp_path: Path):
    """A picture that the records do not have any more does not stay beside the table."""
    plan, store = finished(tmp_path, [depth_row(2)])
    write_tables(plan, store)
    for cell in plan.cells:
        store.root.remove(f"trainings/{cell.training_id}/pictures")
    write_tables(plan, store)
    assert ["drawn.json", "loss.csv", "loss.pdf", "loss.png"] == (
        store.root / "tables/tiny/figures/depth"
    ).names()


def test_a_table_without_an_ended_training_has_no_figures(tmp_path: Path):
    """Nothing is drawn of nothing, and its page is the page without figures."""
    plan, store = plan_of(make_ablation([depth_row(2)])), Store(str(tmp_path))
    written = write_tables(plan, store).tables[0]
    assert {} == written.figure_urls
    assert to_html(written.table) == Path(written.urls["html"]).read_text()
    assert not (tmp_path / "tables/tiny/figures").exists()


@pytest.mark.parametrize("endings", [("epochs",), ()])
def test_a_record_without_values_draws_no_curve(tmp_path: Path, endings: tuple[str, ...]):
    """A training that has no epochs, or reported nothing finite but its bookkeeping, has no curve."""
    ablation = make_ablation([depth_row(2)], view=RetrievalView())
    plan, store = plan_of(ablation, seeds=(0,)), Store(str(tmp_path))
    record_value(store, plan, "depth 2", {"Market-1501": {0: VALUES[0]}})
    if endings:
        store.training(plan.cells[0].training_id).write_epochs(
            [EpochReport(1, 1, {"lr": 1.0, "val_map": math.nan}, 1.0)]
        )
    beside = figures_beside(plan, store)
    assert () == beside.figures


def figures_of(folder: Path, *epochs: dict[str, float]) -> dict[str, str]:
    """Report epochs of three seeds; gives name -> caption of what is drawn."""
    plan, store = plan_of(make_ablation([depth_row(2)])), Store(str(folder))
    for cell in plan.cells:
        reports = [EpochReport(epoch, len(epochs), metrics, 1.0) for epoch, metrics in enumerate(epochs, 1)]
        store.training(cell.training_id).write_epochs(reports)
    record_value(store, plan, "depth 2", {"Market-1501": VALUES})
    beside = figures_beside(plan, store)
    assert all(figure.pdf for figure in beside.figures)
    return {figure.name: figure.caption for figure in beside.figures}


@pytest.mark.slow
def test_every_name_that_is_reported_has_a_figure(tmp_path: Path):
    """The loss first; a metric of the table by its printed label; one that came late or not each time as well."""
    drawn = figures_of(tmp_path, {"loss": 2.0, "score": 1.0}, {"loss": 1.0, "score": 1.0, "val/map": 0.5})
    seeds = "as each epoch reported it; mean over seeds, in a band from the lowest to the highest seed"
    expected = {
        "loss": f"Training loss {seeds}; rows with other terms have other scales",
        "score": f"score {seeds}",
        "val_map": f"mAP (val), % {seeds}",
    }
    assert expected == drawn
    assert list(expected) == list(drawn)


def test_which_epoch_was_kept_is_told_beside_the_curves(tmp_path: Path):
    """By marks that the caption explains; it has no figure of its own."""
    drawn = figures_of(tmp_path, {"loss": 2.0, "best_epoch": 1.0}, {"loss": 3.0, "best_epoch": 1.0})
    assert ["loss"] == list(drawn)
    assert "a ring is the epoch whose model a seed has kept" in drawn["loss"]


@pytest.mark.slow
def test_figures_of_like_names_have_files_of_their_own(tmp_path: Path):
    """Signs that no file name may have are replaced, nothing is written over, and none is too long for a disc."""
    assert ["val_map", "val_map-2", "VAL_MAP-3"] == list(
        figures_of(tmp_path / "a", {"val_map": 0.1, "val/map": 0.2, "VAL_MAP": 0.3})
    )
    names = list(figures_of(tmp_path / "b", {"l" * 300: 0.1, "l" * 301: 0.2}))
    assert (2, True) == (len({*names}), all(len(name) < 100 for name in names))


def test_values_that_are_not_finite_are_counted_below_the_figure(tmp_path: Path):
    """The line goes on behind them, and the caption says that they are missing."""
    drawn = figures_of(tmp_path, {"loss": 2.0}, {"loss": math.nan}, {"loss": math.inf}, {"loss": 1.0})
    assert drawn["loss"].endswith("values that are not finite are left out (6)")
