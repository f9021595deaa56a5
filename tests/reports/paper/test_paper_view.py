"""A paper's own table: its cells, labels, joins and notes are those of its tables as they were picked."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.design import Factorial, LeaveOneOut, Row
from tablewright.orchestrator.declared.paper_table import PaperTable
from tablewright.orchestrator.plans.plan import make_plan
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.orchestrator.store.store import Store
from tablewright.reports.ablation_table import build_table
from tablewright.reports.exports.parquet import cells_of
from tablewright.reports.frame import read_cells
from tablewright.reports.latex.latex import to_latex
from tablewright.reports.markdown import to_markdown
from tablewright.reports.paper.paper_view import PaperView, build_paper_view
from tablewright.reports.table.cell import compared_text, mean_text
from tablewright.reports.table.entry_text import entry_text
from tablewright.reports.table.lay_out import lay_out
from tablewright.reports.table.table import DEMO_NOTICE, Table
from tablewright.reports.table_files import write_tables
from tablewright.trainables.retrieval.view import MAP, RANK1
from tests.reports.tiny_study import DUKE, MARKET, depth_row, describe, make_ablation, make_study, record_cell

LOO = make_ablation(
    [LeaveOneOut({"D": {"depth": 1}, "W": {"width": 4}})],
    name="loo",
    caption="Left out",
    datasets=[MARKET, DUKE],
)
SHORT = make_ablation([depth_row(2), depth_row(3), depth_row(4)], metrics=[MAP], caption="Short")
DEPTH = make_ablation(
    [depth_row(2), depth_row(3), depth_row(4, group="deep")],
    name="depth",
    caption="Depths",
    datasets=[MARKET, DUKE],
)


def view_of(
    tmp_path: Path, *ablations: Ablation, **declared: Any
) -> tuple[PaperView, dict[str, Table], pd.DataFrame]:
    """Make a paper's table of filled tables, with three seeds; beside it those tables and the frame of all."""
    fields: dict[str, Any] = {"caption": "Main results" if len(ablations) > 1 else "", **declared}
    paper = PaperTable("main", [ablation.name for ablation in ablations], **fields)
    study = replace(make_study(*ablations), paper_tables=[paper])
    plan = make_plan([study], DataResolver(describe))
    frame = read_cells(plan, Store(str(tmp_path)))
    values = [
        0.5 + random.Random(f"{identity}{metric}").random() / 100
        for identity, metric in zip(frame["training_id"], frame["metric"], strict=True)
    ]
    frame = frame.assign(value=values, state="done")
    tables = {
        ablation.name: build_table(plan, "tiny", ablation.name, frame, printed_as=paper.wishes(ablation))
        for ablation in ablations
    }
    return build_paper_view(study, paper, tables), tables, frame


def lines(table: Table) -> list[list[str]]:
    """Give what is printed, line by line."""
    return [[entry_text(entry) for entry in row.entries] for row in lay_out(table).rows]


@pytest.mark.slow
def test_cells_are_those_of_the_table_in_the_order_in_which_they_are_picked(tmp_path: Path):
    """Rows and columns stand where they were named to stand, with values and comparisons as they were."""
    view, tables, _ = view_of(
        tmp_path, LOO, rows=["w/o W", "full"], columns=["DukeMTMC-reID / rank1", "mAP"], shows_difference=True
    )
    full, _, without = tables["loo"].rows
    assert [column.dataset for column in view.table.columns] == [
        "DukeMTMC-reID",
        "Market-1501",
        "DukeMTMC-reID",
    ]
    for row, source in zip(view.table.rows, (without, full), strict=True):
        assert [mean_text(cell, MAP) for cell in row.cells] == [
            mean_text(source.cells[place], MAP) for place in (3, 0, 2)
        ]
        assert [compared_text(cell, MAP) for cell in row.cells] == [
            compared_text(source.cells[place], MAP) for place in (3, 0, 2)
        ]
    assert ["Rank-1 ↑", "Δ", "mAP ↑", "Δ", "mAP ↑", "Δ"] == [
        column.head for column in lay_out(view.table).columns[2:]
    ]


@pytest.mark.slow
def test_labels_stand_in_place_of_names(tmp_path: Path):
    """Rows, components, data sets and metrics are called as the paper calls them, and a note says which is which."""
    labels = {"full": "Ours", "D": "Depth", "Market-1501": "Market", "map": "mean AP"}
    view, _, _ = view_of(tmp_path, LOO, columns=["Market-1501 / map"], labels=labels)
    grid = lay_out(view.table)
    assert [("depth", ""), ("Depth", ""), ("W", ""), ("mean AP ↑", "Market")] == [
        (column.head, column.spanner) for column in grid.columns
    ]
    assert ["Ours", "w/o D", "w/o W"] == [line[0] for line in lines(view.table)]
    assert "Where these notes name rows, “Ours” is “full”." in view.table.source_notes
    compared = view.table.rows[1].cells[0].compared
    assert compared is not None
    assert "Ours" == compared.contrast.reference


@pytest.mark.slow
def test_rows_that_are_left_out_stay_in_what_was_tested(tmp_path: Path):
    """Fewer rows correct for as many comparisons as before, and the note says how many that are."""
    view, tables, _ = view_of(tmp_path, LOO, rows=["full", "w/o D"], columns=["Market-1501"])
    ours, theirs = (table.rows[1].cells[0].compared for table in (view.table, tables["loo"]))
    assert ours is not None
    assert theirs is not None
    assert theirs.comparison == ours.comparison
    (note,) = [note for note in view.table.source_notes if "not shown" in note]
    assert note.startswith("1 of the 3 rows of tiny/loo is not shown;")
    assert "(4 comparisons)" in note
    assert not any(note.startswith("DukeMTMC-reID:") for note in view.table.source_notes)


@pytest.mark.slow
def test_tables_below_each_other_are_groups(tmp_path: Path):
    """Each table has its own head and its own family; what is said of all is said once."""
    view, tables, _ = view_of(tmp_path, LOO, DEPTH, labels={"loo": "components"})
    assert ["components", "Depths", "Depths: deep"] == [group.label for group in view.table.groups]
    assert [3, 2, 1] == [len(group.rows) for group in view.table.groups]
    assert [row.cells for table in tables.values() for row in table.rows] == [
        row.cells for row in view.table.rows
    ]
    notes = view.table.source_notes
    assert 1 == sum("Mean ± sample standard deviation" in note for note in notes)
    assert any(note.startswith("components: Compared in mAP: every other row with “full”.") for note in notes)
    assert (
        "Each of the joined tables was tested on its own, as one family: components, 4 comparisons; Depths, 4 "
        "comparisons." in notes
    )


@pytest.mark.slow
def test_tables_beside_each_other_share_their_rows(tmp_path: Path):
    """Columns of both stand under the names of their tables, each with its own cells."""
    wide = make_ablation(
        [LeaveOneOut({"D": {"depth": 1}, "W": {"width": 4}})],
        name="wide",
        caption="Wide",
        base=LOO.base.model_copy(update={"width": 16}),
    )
    narrow = make_ablation(LOO.rows, name="narrow", caption="Narrow")
    view, tables, _ = view_of(
        tmp_path, narrow, wide, joined="beside", columns=["mAP"], labels={"wide": "twice"}
    )
    assert ["Narrow", "twice"] == [column.dataset for column in view.table.columns]
    for number, row in enumerate(view.table.rows):
        assert [tables[name].rows[number].cells[0] for name in ("narrow", "wide")] == [*row.cells]


@pytest.mark.slow
def test_effects_stay_where_all_their_rows_are_shown(tmp_path: Path):
    """A factorial cut to some corners has no effects in print; a whole one has, in the columns that are shown."""
    corners = make_ablation(
        [Factorial({"d": {"off": {"depth": 1}, "on": {}}, "w": {"off": {"width": 4}, "on": {}}})],
        name="corners",
    )
    whole, _, _ = view_of(tmp_path / "1", corners, columns=["Rank-1"], labels={"d": "depth"})
    assert [["on − off", ""], ["", "on − off"], ["×", "×"]] == [line[:2] for line in lines(whole.table)[4:]]
    assert ["depth", "w", "Rank-1 ↑"] == [column.head for column in lay_out(whole.table).columns]
    cut, _, _ = view_of(tmp_path / "2", corners, rows=["d off, w off", "d on, w on"])
    assert 2 == len(lines(cut.table))
    without, _, _ = view_of(tmp_path / "3", corners, shows_effects=False)
    assert 4 == len(lines(without.table))


@pytest.mark.slow
def test_what_is_bold_is_as_the_paper_asks(tmp_path: Path):
    """`highest` marks best and second of the rows that are shown, `none` nothing; the note says which."""
    highest, _, _ = view_of(tmp_path / "1", SHORT, rows=["depth 2", "depth 3"], emphasis="highest")
    assert {1, 2} == {row.cells[0].rank for row in highest.table.rows}
    assert any("emphasis “highest”" in note for note in highest.table.source_notes)
    none, _, _ = view_of(tmp_path / "2", SHORT, emphasis="none")
    assert {None} == {cell.rank for row in none.table.rows for cell in row.cells}
    assert not any(note.startswith("Bold") for note in none.table.source_notes)


@pytest.mark.slow
def test_deviations_stand_where_the_paper_wants_them(tmp_path: Path):
    """Beside the mean, as its subscript, or nowhere, and then no note speaks of them."""
    beside, below, none = (
        view_of(tmp_path / place, SHORT, deviation=place, emphasis="none")[0].table
        for place in ("beside", "subscript", "none")
    )
    assert " ± 0." in to_markdown(beside)
    assert "<sub>±0." in to_markdown(below)
    assert r"\textsubscript{$\pm$0." in to_latex(below)
    assert r"\pm" not in to_latex(none)
    assert "±" not in to_markdown(none)
    assert any(note.startswith("Mean over n = 3 seeds") for note in none.source_notes)


def test_printed_values_are_left_out_where_the_paper_has_them_elsewhere(tmp_path: Path):
    """Without what was printed there are no columns of it, no rows that are only printed, and no note on them."""
    printed = make_ablation(
        [
            depth_row(2, published={"Market-1501": {"map": 0.5}}),
            Row("another's", is_trained=False, published={"Market-1501": {"map": 0.4}}),
        ]
    )
    with_them, _, _ = view_of(tmp_path / "1", printed)
    without, _, _ = view_of(tmp_path / "2", printed, shows_published=False)
    assert [True, False] == [column.has_published for column in with_them.table.columns]
    assert ["depth 2"] == [row.label for row in without.table.rows]
    assert not any(column.has_published for column in without.table.columns)
    assert not any("paper" in note for note in without.table.source_notes)


@pytest.mark.slow
def test_it_is_arranged_as_its_tables_unless_it_asks_otherwise(tmp_path: Path):
    """A plain table's paper table is plain, and has check marks where it asks for them."""
    plain = replace(LOO, arrangement="plain")
    asked = [
        view_of(tmp_path / str(number), plain, columns=["Market-1501 / mAP"], **declared)[0].table.arrangement
        for number, declared in enumerate(({}, {"arrangement": "components"}))
    ]
    assert ["plain", "components"] == asked


@pytest.mark.slow
def test_without_notes_nothing_stands_below(tmp_path: Path):
    """Notes are off where the paper says so, with differences too."""
    view, _, _ = view_of(tmp_path, LOO, notes=False, shows_difference=True, shows_arrows=False)
    assert () == view.table.source_notes
    assert ["mAP", "Δ"] == [column.head for column in lay_out(view.table).columns[2:4]]


def test_demo_data_is_said_in_a_caption_of_ones_own(tmp_path: Path):
    """A caption that the paper gives is not silent on demo data."""
    demo = make_ablation([depth_row(2)], datasets=[replace(MARKET, label="Demo", changes={"data": "demo"})])
    view, _, _ = view_of(tmp_path, demo, caption="Main results")
    assert f"Main results ({DEMO_NOTICE})" == view.table.caption


@pytest.mark.slow
def test_the_values_of_each_seed_lie_under_the_printed_labels(tmp_path: Path):
    """The Parquet file has the rows that are shown, and only these, as they are called in print."""
    view, _, frame = view_of(
        tmp_path, LOO, rows=["full"], columns=["mAP"], labels={"full": "Ours", "Market-1501": "Market"}
    )
    found = cells_of(view.table, view.frame(frame)).to_pandas()
    assert 6 == len(found)
    assert {("main", "Ours", "map")} == {*zip(found["table"], found["row"], found["metric"], strict=True)}
    assert {"Market", "DukeMTMC-reID"} == {*found["dataset"]}
    wanted = frame[(frame["row"] == "full") & (frame["metric"] == "map")]
    assert sorted(wanted["value"]) == sorted(found["value"])


@pytest.mark.slow
def test_a_report_writes_it_beside_the_other_tables(tmp_path: Path):
    """Each format of it is written from the records, again with equal bytes, and gone when it is declared no more."""
    short = make_ablation([depth_row(2), depth_row(3)], datasets=[MARKET])
    paper = PaperTable("main", ["depth"], rows=["depth 3"], columns=["Rank-1"], emphasis="highest")
    study = replace(make_study(short), paper_tables=[paper])
    plan, store = make_plan([study], DataResolver(describe)), Store(str(tmp_path))
    for cell in plan.cells:
        record_cell(store, plan, cell.training_id, cell.view_id, {MAP.name: 0.5, RANK1.name: 0.6})
    written = write_tables(plan, store)
    assert [("depth", None), ("main", None)] == [(item.table.name, item.emptied) for item in written.tables]
    assert ["", ""] == [item.narrowed for item in written.tables]
    folder = tmp_path / "tables/tiny"
    first = {path.name: path.read_bytes() for path in folder.glob("main.*")}
    assert {"main.tex", "main.md", "main.html", "main.parquet"} <= {*first}
    again = write_tables(plan, store)
    assert ["", ""] == [item.narrowed for item in again.tables]
    assert first == {path.name: path.read_bytes() for path in folder.glob("main.*")}
    write_tables(make_plan([replace(study, paper_tables=[])], DataResolver(describe)), store)
    assert [] == [*folder.glob("main.*")]
