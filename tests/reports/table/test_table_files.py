"""The files of finished tables."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from tablewright.orchestrator.declared.design import Factorial, Row
from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.plans.plan import make_plan
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_folder import PNG
from tablewright.reports.table.table import Table
from tablewright.reports.table_files import write_tables
from tablewright.reports.terminal import to_terminal
from tablewright.reports.written_formats import ENDINGS, ENDINGS_OF_STUDY
from tests.reports.every_state import every_state_plan, record_every_state
from tests.reports.tiny_study import (
    depth_row,
    describe,
    make_ablation,
    make_study,
    plan_of,
    record_value,
    seeds_of,
)


@pytest.mark.slow
def test_every_table_is_written_in_every_format(tmp_path: Path):
    """A study's folder holds a file a table and format, and those of all tables; the paths returned are theirs."""
    plan, store = every_state_plan(), Store(str(tmp_path))
    written = write_tables(plan, store).tables
    expected = {f"{name}.{end}" for name in ("depth", "demo_depth") for end in ENDINGS}
    expected |= {f"index.{end}" for end in ("html", "md", *ENDINGS_OF_STUDY)}
    assert expected == {file.name for file in (tmp_path / "tables" / "tiny").iterdir()}
    assert ["depth", "demo_depth"] == [table.table.name for table in written]
    for table in written:
        assert all(Path(url).is_file() for url in (*table.urls.values(), table.index_url))


@pytest.mark.slow
def test_equal_records_give_equal_bytes(tmp_path: Path):
    """Two stores with the same records, filled in another order, hold the same files to the last byte."""
    plan = every_state_plan()
    first, second = Store(str(tmp_path / "first")), Store(str(tmp_path / "elsewhere" / "second"))
    record_every_state(first, plan)
    write_tables(plan, second)  # as after an interrupted sweep: written once before all is there
    record_every_state(second, plan)
    for store in (first, second):
        write_tables(plan, store)
    names = (first.root / "tables/tiny").names()
    assert 2 * len(ENDINGS) + 2 + len(ENDINGS_OF_STUDY) == len(names)
    for name in names:
        assert (first.root / "tables/tiny").read(name) == (second.root / "tables/tiny").read(name), name


@pytest.mark.slow
def test_profiles_do_not_overwrite_each_other(tmp_path: Path):
    """The same study has tables of its own in each profile."""
    store = Store(str(tmp_path))

    def table(caption: str):
        return make_ablation([depth_row(2)], caption=caption)

    small, large = (
        make_plan(
            [replace(make_study(make_ablation([depth_row(2)], caption=caption)), profile=profile)],
            DataResolver(describe),
        )
        for caption, profile in (("small", Profile.DEMO), ("large", Profile.PAPER))
    )
    (demo,) = write_tables(small, store).tables
    (paper,) = write_tables(large, store).tables
    assert "## depth: small" in Path(demo.urls["md"]).read_text()
    assert "## depth: large" in Path(paper.urls["md"]).read_text()
    assert str(tmp_path / "tables/paper/tiny/depth.md") == paper.urls["md"]
    record_value(store, large, "depth 2", {"Market-1501": seeds_of([0.5] * 3, [0.5] * 3)})
    (paper,) = write_tables(large, store).tables
    page = Path(paper.urls["html"])
    links = re.findall('href="([^"]*record.json)"', page.read_text())
    assert links
    assert all((page.parent / link).is_file() for link in links)
    everything = (tmp_path / "tables/index.html").read_text()
    links = re.findall(' href="([^"#]+)"', everything)
    assert {"demo/tiny/index.html", "paper/tiny/index.html"} <= set(links)
    assert all((tmp_path / "tables" / link).is_file() for link in links)
    assert ["small", "large"] == re.findall("<h3[^>]*-caption[^>]*>(.*)</h3>", everything)


@pytest.mark.slow
def test_files_of_a_table_that_is_declared_no_more_are_removed(tmp_path: Path):
    """A table that was renamed is not found under both names; what others put beside it stays."""
    store = Store(str(tmp_path))
    old, kept = (make_ablation([depth_row(2)], name=name) for name in ("old", "kept"))
    plan = plan_of(old, kept)
    record_value(store, plan, "depth 2", {"Market-1501": seeds_of([0.5] * 3, [0.5] * 3)})
    for cell in plan.cells:
        store.training(cell.training_id).write_pictures({"attention": PNG})
    write_tables(plan, store)
    folder = tmp_path / "tables/tiny"
    assert (folder / "figures/old/attention.png").is_file()
    (folder / "my_notes.txt").write_text("mine")
    write_tables(plan_of(kept), store)
    indices = (f"index.{ending}" for ending in ("html", "md", *ENDINGS_OF_STUDY))
    left = {"figures", "my_notes.txt", *indices, *(f"kept.{ending}" for ending in ENDINGS)}
    assert left == {file.name for file in folder.iterdir()}
    assert ["kept"] == [file.name for file in (folder / "figures").iterdir()]


def test_one_page_leads_to_every_study(tmp_path: Path):
    """It holds the studies written there earlier too, and each of their tables; every link has its file."""
    store = Store(str(tmp_path))
    table = make_ablation([depth_row(2)])
    for name in ("first", "second"):
        plan = make_plan([replace(make_study(table), name=name)], DataResolver(describe))
        write_tables(plan, store)
    folder = tmp_path / "tables"
    page = (folder / "index.html").read_text()
    links = re.findall(' href="([^"#]+)"', page)
    expected = {
        f"{name}/{file}" for name in ("first", "second") for file in ("index.html", "depth.html", "depth.tex")
    }
    assert expected <= set(links)
    assert all((folder / link).is_file() for link in links)
    assert 2 == page.count('class="of-grid"')


def test_a_page_of_an_earlier_version_is_linked(tmp_path: Path):
    """What cannot be taken into the page of all studies is a link there."""
    store = Store(str(tmp_path))
    store.root.write("tables/old/index.html", b"<h1>old: of before</h1>")
    write_tables(plan_of(make_ablation([depth_row(2)])), store)
    page = (tmp_path / "tables/index.html").read_text()
    assert '<dt><a href="old/index.html">old: of before</a></dt>' in page
    assert 1 == page.count('class="of-grid"')


def test_parquet_holds_every_seed_with_whole_ids(tmp_path: Path):
    """The tidy frame gives back every value, its training, and the paper's value."""
    rows = [depth_row(2, published={"Market-1501": {"map": 0.83}}), depth_row(3)]
    plan = plan_of(make_ablation(rows), seeds=(0, 1))
    store = Store(str(tmp_path))
    record_value(store, plan, "depth 2", {"Market-1501": seeds_of([0.811, 0.812], [0.9, 0.91])})
    written = write_tables(plan, store).tables
    frame = pd.read_parquet(io.BytesIO(Path(written[0].urls["parquet"]).read_bytes()))
    assert 2 * 2 * 2 == len(frame)
    maps = frame[(frame["row"] == "depth 2") & (frame["metric"] == "map")].sort_values("seed")
    assert [0.811, 0.812] == maps["value"].tolist()
    assert [0.83, 0.83] == maps["published"].tolist()
    ids = [cell.training_id for cell in plan.cells if cell.row == "depth 2"]
    assert ids == maps["training_id"].tolist()
    others = frame[frame["row"] == "depth 3"]
    assert others["value"].isna().all()
    assert {"missing"} == set(others["state"])


@pytest.mark.slow
def test_parquet_holds_differences_and_effects(tmp_path: Path):
    """Beside each value how far its row is from the reference, and behind them the effects of a factorial."""
    corners = Factorial(
        {"depth": {"2": {"depth": 2}, "3": {"depth": 3}}, "width": {"8": {}, "9": {"width": 9}}}
    )
    plan = plan_of(
        make_ablation([depth_row(2), depth_row(3)], name="rows"), make_ablation([corners], name="corners")
    )
    store = Store(str(tmp_path))
    for row in {cell.row: None for cell in plan.cells}:
        low = 0.9 if "3" in row else 0.8
        record_value(
            store, plan, row, {"Market-1501": seeds_of([low, low + 0.011, low + 0.02], [0.1, 0.2, 0.3])}
        )
    rows, corner = (
        pd.read_parquet(io.BytesIO(Path(written.urls["parquet"]).read_bytes()))
        for written in write_tables(plan, store).tables
    )
    by_metric = rows[rows["row"] == "depth 3"].groupby("metric").first()
    assert by_metric.loc["map", "reference"] == "depth 2"
    assert by_metric.loc["map", "difference"] == pytest.approx(0.1)
    assert by_metric.loc["map", "corrected_p_value"] < 0.05
    assert by_metric["is_marked"].tolist() == [True, False]
    assert pd.isna(by_metric.loc["rank1", "p_value"])  # not tested
    assert not rows[rows["row"] == "depth 2"]["difference"].notna().any()
    effects = corner[(corner["state"] == "effect") & (corner["metric"] == "map")]
    assert ["depth (3 − 2)", "width (9 − 8)", "depth × width"] == effects["row"].tolist()
    assert [True, False, False] == effects["is_marked"].tolist()
    assert effects["seed"].isna().all()


@pytest.mark.slow
def test_differences_stand_in_every_format_on_demand(tmp_path: Path):
    """And always on the page; what the column is, is said below it."""
    rows = [depth_row(2), depth_row(3)]
    for shows_difference in (False, True):
        plan = plan_of(make_ablation(rows, shows_difference=shows_difference))
        store = Store(str(tmp_path / str(shows_difference)))
        for row, low in (("depth 2", 0.80), ("depth 3", 0.82)):
            values = seeds_of([low, low + 0.01 + low / 100, low + 0.02], [0.1, 0.2, 0.3])
            record_value(store, plan, row, {"Market-1501": values})
        (written,) = write_tables(plan, store).tables
        texts = {end: Path(written.urls[end]).read_text(encoding="utf-8") for end in ("tex", "md", "html")}
        texts["txt"] = as_text(written.table)
        heads = {"tex": "& {\\ensuremath{\\Delta}} &", "md": "mAP, Δ |", "html": ">Δ</th>", "txt": " Δ "}
        for ending, text in texts.items():
            is_shown = shows_difference or ending == "html"
            assert is_shown == (heads[ending] in text), ending
            assert is_shown == ("the row minus the one that it is compared with" in " ".join(text.split())), (
                ending
            )
            assert is_shown == ("+2.0" in text), ending


def as_text(table: Table) -> str:
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(to_terminal(table))
    return console.export_text()


def test_parquet_holds_what_is_only_printed(tmp_path: Path):
    """Another method's value stands behind ours, without a seed and without a training."""
    other = Row("other", is_trained=False, published={"Market-1501": {"map": 0.7}}, source="Table V")
    plan, store = plan_of(make_ablation([other, depth_row(2)]), seeds=(0,)), Store(str(tmp_path))
    written = write_tables(plan, store).tables
    frame = pd.read_parquet(io.BytesIO(Path(written[0].urls["parquet"]).read_bytes()))
    assert ["depth 2", "depth 2", "other"] == frame["row"].tolist()
    printed = frame.iloc[2]
    assert ("map", "printed", 0.7) == (printed["metric"], printed["state"], printed["published"])
    assert all(pd.isna(printed[name]) for name in ("seed", "value", "training_id"))


def test_tables_are_written_to_an_object_store():
    """A store that is no local folder gets the same files."""
    store = Store("memory://bucket/runs")
    written = write_tables(every_state_plan(), store).tables
    assert "memory://bucket/runs/tables/tiny/depth.tex" == written[0].urls["tex"]
    assert (store.root / "tables/tiny").read("depth.tex").startswith(b"% tiny/depth")
