"""The files of finished tables."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd

from orchestrator.design import Row
from orchestrator.plan import make_plan
from orchestrator.records import Store
from orchestrator.resolution import DataResolver
from orchestrator.study import Profile
from reports.table_files import write_tables
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


def test_every_table_is_written_in_every_format(tmp_path: Path):
    """A study's folder holds four files a table and two indices, and the paths returned are theirs."""
    plan, store = every_state_plan(), Store(str(tmp_path))
    written = write_tables(plan, store, Profile.DEMO).tables
    expected = {
        f"{name}.{end}" for name in ("depth", "demo_depth") for end in ("tex", "md", "html", "parquet")
    }
    assert expected | {"index.html", "index.md"} == {
        file.name for file in (tmp_path / "tables" / "demo" / "tiny").iterdir()
    }
    assert ["depth", "demo_depth"] == [table.table.name for table in written]
    for table in written:
        assert all(Path(url).is_file() for url in (*table.urls.values(), table.index_url))


def test_equal_records_give_equal_bytes(tmp_path: Path):
    """Two stores with the same records, filled in another order, hold the same files to the last byte."""
    plan = every_state_plan()
    first, second = Store(str(tmp_path / "first")), Store(str(tmp_path / "elsewhere" / "second"))
    record_every_state(first, plan)
    write_tables(
        plan, second, Profile.DEMO
    )  # as after an interrupted sweep: written once before all is there
    record_every_state(second, plan)
    for store in (first, second):
        write_tables(plan, store, Profile.DEMO)
    names = (first.root / "tables/demo/tiny").names()
    assert 10 == len(names)
    for name in names:
        assert (first.root / "tables/demo/tiny").read(name) == (second.root / "tables/demo/tiny").read(
            name
        ), name


def test_profiles_do_not_overwrite_each_other(tmp_path: Path):
    """The same study has tables of its own in each profile."""
    store = Store(str(tmp_path))
    small, large = (plan_of(make_ablation([depth_row(2)], caption=caption)) for caption in ("small", "large"))
    (demo,) = write_tables(small, store, Profile.DEMO).tables
    (paper,) = write_tables(large, store, Profile.PAPER).tables
    assert "## depth: small" in Path(demo.urls["md"]).read_text()
    assert "## depth: large" in Path(paper.urls["md"]).read_text()


def test_files_of_a_table_that_is_declared_no_more_are_removed(tmp_path: Path):
    """A table that was renamed is not found under both names; what others put beside it stays."""
    store = Store(str(tmp_path))
    old, kept = (make_ablation([depth_row(2)], name=name) for name in ("old", "kept"))
    plan = plan_of(old, kept)
    record_value(store, plan, "depth 2", {"Market-1501": seeds_of([0.5] * 3, [0.5] * 3)})
    for cell in plan.cells:
        store.training(cell.training_id).write_picture("attention", b"png")
    write_tables(plan, store, Profile.DEMO)
    folder = tmp_path / "tables/demo/tiny"
    assert (folder / "figures/old/attention.png").is_file()
    (folder / "my_notes.txt").write_text("mine")
    write_tables(plan_of(kept), store, Profile.DEMO)
    endings = ("html", "md", "parquet", "tex")
    left = ["figures", "index.html", "index.md", *(f"kept.{ending}" for ending in endings), "my_notes.txt"]
    assert left == sorted(file.name for file in folder.iterdir())
    assert ["kept"] == [file.name for file in (folder / "figures").iterdir()]


def test_one_page_leads_to_every_study(tmp_path: Path):
    """It lists the studies written there earlier too, and each of their tables; every link has its file."""
    store = Store(str(tmp_path))
    table = make_ablation([depth_row(2)])
    for name in ("first", "second"):
        plan = make_plan([replace(make_study(table), name=name)], DataResolver(describe))
        write_tables(plan, store, Profile.DEMO)
    folder = tmp_path / "tables/demo"
    links = re.findall('href="([^"]*)"', (folder / "index.html").read_text())
    assert ["first/index.html", "first/depth.html", "second/index.html", "second/depth.html"] == links
    assert all((folder / link).is_file() for link in links)


def test_parquet_holds_every_seed_with_whole_ids(tmp_path: Path):
    """The tidy frame gives back every value, its training, and the paper's value."""
    rows = [depth_row(2, published={"Market-1501": {"map": 0.83}}), depth_row(3)]
    plan = plan_of(make_ablation(rows), seeds=(0, 1))
    store = Store(str(tmp_path))
    record_value(store, plan, "depth 2", {"Market-1501": seeds_of([0.811, 0.812], [0.9, 0.91])})
    written = write_tables(plan, store, Profile.DEMO).tables
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


def test_parquet_holds_what_is_only_printed(tmp_path: Path):
    """Another method's value stands behind ours, without a seed and without a training."""
    other = Row("other", is_trained=False, published={"Market-1501": {"map": 0.7}}, source="Table V")
    plan, store = plan_of(make_ablation([other, depth_row(2)]), seeds=(0,)), Store(str(tmp_path))
    written = write_tables(plan, store, Profile.DEMO).tables
    frame = pd.read_parquet(io.BytesIO(Path(written[0].urls["parquet"]).read_bytes()))
    assert ["depth 2", "depth 2", "other"] == frame["row"].tolist()
    printed = frame.iloc[2]
    assert ("map", "printed", 0.7) == (printed["metric"], printed["state"], printed["published"])
    assert all(pd.isna(printed[name]) for name in ("seed", "value", "training_id"))


def test_tables_are_written_to_an_object_store():
    """A store that is no local folder gets the same files."""
    store = Store("memory://bucket/runs")
    written = write_tables(every_state_plan(), store, Profile.DEMO).tables
    assert "memory://bucket/runs/tables/demo/tiny/depth.tex" == written[0].urls["tex"]
    assert (store.root / "tables/demo/tiny").read("depth.tex").startswith(b"% tiny/depth")
