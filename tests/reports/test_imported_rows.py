"""Rows that were trained elsewhere, as tables print them."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from tablewright.orchestrator.declared.imported import imported
from tablewright.orchestrator.store.store import Store
from tablewright.reports.ablation_table import build_table
from tablewright.reports.exports.notebook_table import NotebookTable
from tablewright.reports.exports.parquet import cells_of
from tablewright.reports.frame import read_cells
from tablewright.reports.table.table import Table
from tablewright.reports.table_files import write_tables
from tests.reports.tiny_study import depth_row, make_ablation, plan_of, record_value, seeds_of

COLUMNS = {"map": ("Market-1501", "map"), "r1": ("Market-1501", "rank1")}
MARKED = "theirs (imported)"


def plan_with(folder: Path, text: str, **changes):
    """Two rows of ours, and those of a file."""
    (folder / "results.csv").write_text(text)
    rows = imported(str(folder / "results.csv"), COLUMNS, label="theirs", seed_column="seed", source="Doe")
    return plan_of(make_ablation([depth_row(2), depth_row(3), *rows], **changes))


def store_of(folder: Path, plan) -> Store:
    store = Store(str(folder / "runs"))
    record_value(store, plan, "depth 2", {"Market-1501": seeds_of([0.8, 0.81, 0.82], [0.9, 0.9, 0.91])})
    record_value(store, plan, "depth 3", {"Market-1501": seeds_of([0.9, 0.91, 0.92], [0.9, 0.9, 0.91])})
    return store


def table_of(folder: Path, text: str, **changes) -> Table:
    plan = plan_with(folder, text, **changes)
    return build_table(plan, "tiny", "depth", read_cells(plan, store_of(folder, plan)))


def without_imported(table: Table) -> list[object]:
    notes = [note for note in table.source_notes if "mported" not in note]
    return [*(row for row in table.rows if row.imported is None), *notes]


SAME_SEEDS = "seed,map,r1\n0,0.95,0.9\n1,0.96,0.9\n2,0.97,\n"


@pytest.mark.slow
def test_an_imported_row_changes_nothing_of_ours(tmp_path: Path):
    """With it, whatever its values and seeds are, every cell, mark and note of ours is what it is without."""
    table = table_of(tmp_path, SAME_SEEDS)
    assert without_imported(table) == without_imported(table_of(tmp_path, "seed,map,r1\n7,0.1,0.1\n"))
    plan = plan_of(make_ablation([depth_row(2), depth_row(3)]))
    assert without_imported(table) == without_imported(
        build_table(plan, "tiny", "depth", read_cells(plan, store_of(tmp_path, plan)))
    )


def test_an_imported_row_is_compared_with_nothing_and_counted_for_itself(tmp_path: Path):
    """It has mean, deviation and n of its own runs; no mark, no difference, and no bold by evidence."""
    table = table_of(tmp_path, SAME_SEEDS)
    label, (of_map, of_rank1) = table.rows[2].label, table.rows[2].cells
    assert (MARKED, 3, 2) == (label, of_map.n, of_rank1.n)
    assert pytest.approx(0.96) == of_map.mean
    assert all(
        cell.compared is None and cell.rank is None and cell.is_complete for cell in (of_map, of_rank1)
    )
    assert table.is_complete
    (note, rest) = (note for note in table.source_notes if "mported" in note)
    assert note.startswith("Imported, not trained here: “theirs” n = 2 to 3 (seeds 0, 1, 2); from ")
    assert note.endswith(", Doe).")
    assert "No imported row is compared with another, and none takes part in what is set bold." == rest


def test_the_highest_is_the_highest_of_what_is_printed(tmp_path: Path):
    """Where a venue asks for the highest value in bold, one that was imported is no lower for it."""
    table = table_of(tmp_path, SAME_SEEDS, emphasis="highest")
    assert [None, 2, 1] == [row.cells[0].rank for row in table.rows]


def test_a_changed_file_changes_the_note(tmp_path: Path):
    """The note has the file's digest: another number, or another line, does not stand under the same note."""
    (first, *_), (second, *_) = (
        [note for note in table_of(tmp_path, text).source_notes if "mported" in note]
        for text in (SAME_SEEDS, SAME_SEEDS + "3,0.9,0.9\n")
    )
    assert first != second


@pytest.mark.slow
def test_an_imported_row_stands_in_every_format(tmp_path: Path):
    """Its label with the mark, and its mean, are in each file; the frame has its runs as imported ones of a source."""
    plan = plan_with(tmp_path, SAME_SEEDS)
    (written,) = write_tables(plan, store_of(tmp_path, plan)).tables
    folder = tmp_path / "runs/tables/tiny"
    for name in ("depth.tex", "depth.md", "depth.html", "index.html", "index.md"):
        text = (folder / name).read_text()
        assert "theirs (imported)" in text.replace("\\(", "(").replace("\\)", ")")
        assert "96.0" in text
    frame = pd.read_parquet(folder / "depth.parquet")
    of_map = frame[(frame["row"] == MARKED) & (frame["metric"] == "map")]
    assert [0.95, 0.96, 0.97] == of_map["value"].tolist()
    assert [0, 1, 2] == of_map["seed"].tolist()
    assert {"imported"} == set(of_map["state"])
    assert of_map["source"].str.contains("SHA-256").all()
    assert MARKED in (folder / "depth.csv").read_text()
    sheet = openpyxl.load_workbook(folder / "index.xlsx")["depth"]
    assert MARKED in [row[0].value for row in sheet.iter_rows()]
    cells = cells_of(written.table, read_cells(plan, store_of(tmp_path, plan)))
    assert MARKED in NotebookTable(written.table, cells.to_pandas())._repr_html_()  # pyright: ignore[reportPrivateUsage]
