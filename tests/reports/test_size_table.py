"""Tables of sizes: what is counted, what is printed beside it, and what the files hold."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import pyarrow.parquet as pq
import pytest

from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.size_table import SizeRow, SizeTable
from tablewright.orchestrator.plans.plan import make_plan
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.orchestrator.store.store import Store
from tablewright.reports.size_table import build_size_table
from tablewright.reports.table.cell import mean_text, published_text
from tablewright.reports.table.table import Table
from tablewright.reports.table_files import write_tables
from tablewright.trainables.contract.method import Trainable
from tablewright.trainables.contract.size import NetworkSize
from tests.reports.tiny_study import TinyConfig, depth_row, describe, make_ablation, make_study


class CountedTrainable:
    """A method that can do nothing but be counted."""

    def size(self, config: Any) -> NetworkSize:
        return NetworkSize(2_929_112 * config.depth, 2_000_000, 543_994_538, depth=27)


class CountedConfig(TinyConfig):
    METHOD: ClassVar[str] = "counted"

    def make_trainable(self) -> Trainable:
        trainable: Any = CountedTrainable()
        return trainable


DECLARED = SizeTable(
    "sizes",
    "What it takes",
    [
        SizeRow("other", None, {"flops": 3.8, "depth": 50}),
        SizeRow("ours", CountedConfig(depth=1), {"flops": 1.09, "depth": 39}),
        SizeRow("deeper", CountedConfig(depth=2)),
    ],
    "Table 8",
)


STUDY = make_study(make_ablation([depth_row(2)]))


def columns(table: Table, row: int) -> list[tuple[str, str]]:
    return [
        (mean_text(cell, column.metric), published_text(cell, column.metric))
        for column, cell in zip(table.columns, table.rows[row].cells, strict=True)
    ]


def test_counted_stands_beside_printed():
    """Millions of parameters, billions of operations (two a multiply-add), depth, and what differs."""
    table = build_size_table(STUDY, DECLARED, ())
    assert [("2.93", ""), ("2.00", ""), ("1.088", "1.09 (−0.002)"), ("27", "39 (−12)")] == columns(table, 1)
    assert [("5.86", ""), ("2.00", ""), ("1.088", ""), ("27", "")] == columns(table, 2)
    assert [False, False, True, True] == [column.has_published for column in table.columns]
    assert any("repeat Doe et al., 2026, Table 8;" in note for note in table.source_notes)


def test_another_methods_size_is_printed_only():
    """Nothing is counted for it, and its value has the digits of the paper."""
    assert [("", ""), ("", ""), ("", "3.8"), ("", "50")] == columns(build_size_table(STUDY, DECLARED, ()), 0)


def test_a_table_without_printed_values_has_no_column_for_them():
    """Where no paper printed a size, ours stands alone."""
    table = build_size_table(STUDY, replace(DECLARED, rows=DECLARED.rows[2:]), ())
    assert 4 == table.num_printed
    assert not any("paper" in note for note in table.source_notes)


def of_demo(row: SizeRow) -> SizeRow:
    return replace(row, config=CountedConfig(data="demo", depth=9)) if row.config is not None else row


def test_networks_of_the_demo_are_not_the_papers():
    """The caption says so, and nothing that a paper printed stands beside them."""
    table = build_size_table(STUDY, replace(DECLARED, rows=[*map(of_demo, DECLARED.rows)]), {"demo"})
    assert "What it takes (demo scale, not the paper's network)" == table.caption
    assert ["ours", "deeper"] == [row.label for row in table.rows]
    assert 4 == table.num_printed
    assert not any("repeat" in note for note in table.source_notes)


def test_a_network_of_the_demo_beside_the_papers_is_named():
    """The paper's network is compared as ever; the other one is told apart below, and compared with nothing."""
    rows = [*DECLARED.rows[:2], replace(of_demo(DECLARED.rows[1]), label="small")]
    table = build_size_table(STUDY, replace(DECLARED, rows=rows), {"demo"})
    assert "What it takes" == table.caption
    assert ("1.088", "1.09 (−0.002)") == columns(table, 1)[2]
    assert ("1.088", "") == columns(table, 2)[2]
    assert "Not the paper's network but one of the demo's scale: “small”." in table.source_notes


def test_the_demo_is_known_by_the_data_of_the_plan(tmp_path: Path):
    """A study that trains on demo data counts networks for it as those of the demo."""
    trained = make_study(make_ablation([depth_row(2)], datasets=[Dataset("Demo", {"data": "demo"})]))
    sizes = replace(DECLARED, rows=[of_demo(DECLARED.rows[1])])
    written = write_tables(
        make_plan([replace(trained, sizes=[sizes])], DataResolver(describe)),
        Store(str(tmp_path)),
    ).tables
    assert written[1].table.caption.endswith("(demo scale, not the paper's network)")


def test_files_are_written_without_a_training(tmp_path: Path):
    """A table of sizes has its four files; the page has no link to trainings that are not there."""
    study = replace(STUDY, sizes=[DECLARED])
    written = write_tables(make_plan([study], DataResolver(describe)), Store(str(tmp_path))).tables
    (sizes,) = [table for table in written if table.table.name == "sizes"]
    page = Path(sizes.urls["html"]).read_text()
    assert "#sizes-" not in page
    assert "Trainings behind" not in page
    assert "Trainings" not in Path(sizes.urls["md"]).read_text()
    frame = pd.read_parquet(io.BytesIO(Path(sizes.urls["parquet"]).read_bytes()))
    ours = frame[(frame["row"] == "ours") & (frame["metric"] == "flops")].iloc[0]
    assert (pytest.approx(1.087989076), 1.09) == (ours["value"], ours["published"])


def test_files_of_all_tables_have_the_same_columns(tmp_path: Path):
    """Counted and trained tables can be read as one, even where no paper printed anything."""
    unprinted = replace(DECLARED, rows=DECLARED.rows[2:])
    written = write_tables(
        make_plan([replace(STUDY, sizes=[unprinted])], DataResolver(describe)),
        Store(str(tmp_path)),
    ).tables
    schemas = [pq.read_schema(table.urls["parquet"]) for table in written]
    assert schemas[0] == schemas[1]
    assert {"study": "string", "seed": "int64", "value": "double", "published": "double"}.items() <= {
        name: str(schemas[1].field(name).type) for name in schemas[1].names
    }.items()
    (row,) = [
        row for row in pq.read_table(written[1].urls["parquet"]).to_pylist() if row["metric"] == "depth"
    ]
    assert ("tiny", "sizes", "deeper", 27.0, None, None) == tuple(
        row[name] for name in ("study", "table", "row", "value", "seed", "published")
    )


def test_a_size_table_is_checked_when_declared():
    """A label names one row, and there is at least one."""
    with pytest.raises(ValueError, match="row label 'ours' is given twice"):
        SizeTable("sizes", "Sizes", [SizeRow("ours", None), SizeRow("ours", None)])
    with pytest.raises(ValueError, match="at least one row"):
        SizeTable("sizes", "Sizes", [])


def test_classifiers_as_wide_as_another_data_sets_are_said_to_be() -> None:
    """Nobody publishes how many people a data set of one's own has: whose number was taken stands in the notes."""

    class StandIn(CountedTrainable):
        def size(self, config: Any) -> NetworkSize:
            return replace(super().size(config), classes_from="Market-1501's 751 people")

    class OwnDataConfig(CountedConfig):
        METHOD: ClassVar[str] = "own_data"

        def make_trainable(self) -> Trainable:
            trainable: Any = StandIn()
            return trainable

    rows = [SizeRow("ours", OwnDataConfig(depth=1)), SizeRow("published", CountedConfig(depth=1))]
    table = build_size_table(STUDY, SizeTable("sizes", "What it takes", rows), ())
    (note,) = (note for note in table.source_notes if "Market-1501" in note)
    assert (
        "Of the data set of “ours” no number of classes is published: the classifiers are counted for Market-1501's "
        "751 people." == note
    )
