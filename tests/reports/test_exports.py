from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path
from typing import Any, cast

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from tablewright.orchestrator.plans.plan import make_plan
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.orchestrator.store.store import Store
from tablewright.reports.exports.csv_file import to_csv
from tablewright.reports.exports.workbook import to_workbook
from tablewright.reports.frame import COLUMNS
from tablewright.reports.table.cell_columns import CELL_COLUMNS, SCHEMA
from tablewright.reports.table_files import write_tables
from tests.reports.every_state import HOSTILE, every_state_plan, record_every_state
from tests.reports.tiny_study import depth_row, describe, make_ablation, plan_of, record_value, seeds_of

RESULTS_PAGE = Path(__file__).parents[2] / "docs/results.md"


def every_state_folder(folder: Path) -> Path:
    store, plan = Store(str(folder)), every_state_plan()
    record_every_state(store, plan)
    write_tables(plan, store)
    return folder / "tables/tiny"


def table_of_texts(**texts: str) -> Any:
    """One row of cells in which only some texts are given."""
    return pa.Table.from_pylist([texts], SCHEMA)


@pytest.mark.slow
def test_a_study_is_one_frame_of_all_its_tables(tmp_path: Path):
    """`pandas.read_parquet` of `index.parquet` gives what the files of its tables hold, in the order of the study."""
    folder = every_state_folder(tmp_path)
    whole = pd.read_parquet(folder / "index.parquet")
    parts = [pd.read_parquet(folder / f"{name}.parquet") for name in ("depth", "demo_depth")]
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), whole)
    assert [column.name for column in CELL_COLUMNS] == whole.columns.tolist()
    places = ["table", "group", "row", "dataset", "metric", "seed"]
    of_seeds = cast(pd.DataFrame, whole[whole["seed"].notna()])
    assert not of_seeds.duplicated(places).any()


@pytest.mark.slow
def test_a_table_that_was_not_asked_for_stays_in_the_frame(tmp_path: Path):
    """A report of one table leaves the cells of the others in the files of the study, as they were written."""
    store = Store(str(tmp_path))
    both = plan_of(make_ablation([depth_row(2)]), make_ablation([depth_row(3)], name="other"), seeds=(0,))
    for row in ("depth 2", "depth 3"):
        record_value(store, both, row, {"Market-1501": seeds_of([0.8], [0.9])})
    write_tables(both, store)
    before = (tmp_path / "tables/tiny/index.csv").read_bytes()
    old = pq.read_table(tmp_path / "tables/tiny/other.parquet").drop_columns(["metric_label", "is_fraction"])
    pq.write_table(old, tmp_path / "tables/tiny/other.parquet")  # as an earlier version wrote it
    alone = both.studies[0].with_tables(["depth"])
    write_tables(make_plan([alone], DataResolver(describe)), store)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "tables/tiny/index.csv").read_text())))
    assert ["depth", "depth", "other", "other"] == [row["table"] for row in rows]
    assert before.count(b"\n") == len(rows) + 1


@pytest.mark.parametrize(
    "text", [HOSTILE, 'a "quoted" one, with commas', "two\nlines\r\nof it\rall", "=1+1", "中文 ✓"]
)
def test_a_line_of_csv_is_a_row_whatever_its_texts_are(text: str):
    """Another program reads back the number of rows and each text, in which a line break is a semicolon."""
    cells = pa.concat_tables([table_of_texts(row=text, message="")] * 2)
    content = to_csv(cells)
    assert 3 == content.count(b"\n") == len(content.decode().splitlines())
    read = pa_csv.read_csv(io.BytesIO(content))
    expected = text.replace("\r\n", "; ").replace("\n", "; ").replace("\r", "; ")
    assert [expected] * 2 == read["row"].to_pylist()


@pytest.mark.slow
def test_csv_gives_every_number_back_to_the_last_bit(tmp_path: Path):
    """What Parquet and CSV hold is the same, null and false among it."""
    folder = every_state_folder(tmp_path)
    parquet = pq.read_table(folder / "index.parquet")
    options = pa_csv.ConvertOptions(column_types=parquet.schema, strings_can_be_null=False, null_values=[""])
    read = pa_csv.read_csv(folder / "index.csv", convert_options=options)
    for column in CELL_COLUMNS:
        if column.type != pa.string():
            assert parquet[column.name].to_pylist() == read[column.name].to_pylist()


@pytest.mark.slow
def test_a_workbook_has_every_table_as_printed_and_every_value(tmp_path: Path):
    """A sheet a table with its notes, then the values as numbers; a label that looks like a formula stays a text."""
    store = Store(str(tmp_path))
    rows = [depth_row(2), depth_row(3), depth_row(4, group="=SUM(A1)")]
    long_name = "a_table_whose_name_is_longer_than_a_sheet_may_be_called"
    tables = [make_ablation(rows, name=name) for name in ("history", long_name, f"{long_name}_too")]
    plan = plan_of(*tables, seeds=(0,))
    record_value(store, plan, "depth 2", {"Market-1501": seeds_of([0.811], [0.9])})
    write_tables(plan, store)
    workbook = openpyxl.load_workbook(tmp_path / "tables/tiny/index.xlsx")
    assert ["history-2", long_name[:31], f"{long_name[:29]}-2", "all cells", "columns"] == workbook.sheetnames
    printed = [[cell.value for cell in row] for row in workbook["history-2"].iter_rows()]
    assert ["depth 2", 81.1, 90.0] in [row[:3] for row in printed]
    assert ["depth 3", "—", "—"] in [row[:3] for row in printed]
    assert any(str(row[0]).startswith("One seed (0)") for row in printed)
    formulas = [
        cell for sheet in workbook for row in sheet.iter_rows() for cell in row if cell.data_type == "f"
    ]
    assert [] == formulas
    values = pd.read_excel(tmp_path / "tables/tiny/index.xlsx", sheet_name="all cells")
    assert [0.811, 0.9] * 3 == values["value"].dropna().tolist()


def test_a_text_that_no_workbook_may_hold_is_shown_as_far_as_it_goes():
    """A message with signs that no one sees, and one too long for Excel, keep no workbook from being written."""
    cells = pa.concat_tables(
        [table_of_texts(message="bell \x07 and null \x00"), table_of_texts(message="x" * 40_000)]
    )
    sheet = openpyxl.load_workbook(io.BytesIO(to_workbook([], cells)))["all cells"]
    place = [cell.value for cell in sheet[1]].index("message")
    assert ["bell \\x07 and null \\x00", "x" * 32_767] == [
        row[place].value for row in sheet.iter_rows(min_row=2)
    ]


def test_equal_cells_give_equal_workbooks():
    """No part of a workbook holds a time: what is packed is the same to the last byte, and of 1980."""
    content = to_workbook([], table_of_texts(row="a"))
    assert to_workbook([], table_of_texts(row="a")) == content
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        assert {(1980, 1, 1, 0, 0, 0)} == {part.date_time for part in packed.infolist()}
        assert b"1980-01-01T00:00:00Z</dcterms:modified>" in packed.read("docProps/core.xml")


def test_the_page_on_results_has_every_column():
    """`docs/results.md` lists the columns of the files as they are, and these begin with what `read_cells` gives."""
    assert list(COLUMNS) == [column.name for column in CELL_COLUMNS][: len(COLUMNS)]
    lines = [f"| `{column.name}` | {column.type} | {column.meaning} |" for column in CELL_COLUMNS]
    assert "\n".join(lines) in RESULTS_PAGE.read_text()
