"""How tables of each design are arranged in print."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.design import Cumulative, Design, Factorial, LeaveOneOut, Row, Sweep
from tablewright.orchestrator.store.store import Store
from tablewright.reports.ablation_table import build_table
from tablewright.reports.frame import read_cells
from tablewright.reports.markdown import to_markdown
from tablewright.reports.table.entry_text import entry_text
from tablewright.reports.table.grid import Grid
from tablewright.reports.table.lay_out import lay_out, width_signs
from tablewright.reports.table.table import Table
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.retrieval.view import MAP, RANK1, RetrievalView
from tablewright.trainables.value.refusal import Refusal
from tests.reports.tiny_study import DUKE, MARKET, make_ablation, plan_of

WITHOUT: dict[str, Any] = {"D": {"depth": 1}, "W": {"width": 4}}
TWO_BY_TWO = Factorial(
    {
        "deep": {"off": {"depth": 1}, "on": {}},
        "width": {"narrow": {"width": 4}, "wide": {}},
    }
)


def table_of(tmp_path: Path, *designs: Design, **declared: Any) -> Table:
    """Make a table whose every cell is filled, with three seeds."""
    ablation = make_ablation(designs, **{"metrics": [MAP], "stub_head": "", **declared})
    plan = plan_of(ablation)
    frame = read_cells(plan, Store(str(tmp_path)))
    values = [0.5 + random.Random(identity).random() / 100 for identity in frame["training_id"]]
    return build_table(plan, "tiny", ablation.name, frame.assign(value=values, state="done"))


def stub_of(grid: Grid) -> list[list[str]]:
    """Give heads and texts of what stands before the values, line by line."""
    heads = [column.head for column in grid.columns[: grid.num_stubs]]
    return [heads, *([entry_text(entry) for entry in row.entries[: grid.num_stubs]] for row in grid.rows)]


def test_left_out_components_have_a_column_of_check_marks_each(tmp_path: Path):
    """The full method has every mark, each other row lacks one, and labels that say no more are left out."""
    grid = lay_out(table_of(tmp_path, LeaveOneOut(WITHOUT)))
    assert [["D", "W"], ["✓", "✓"], ["", "✓"], ["✓", ""]] == stub_of(grid)
    assert ["component", "component", "value"] == [column.part for column in grid.columns]


@pytest.mark.slow
def test_a_label_stays_where_it_says_more_than_the_marks(tmp_path: Path):
    """A method's own name, or a row beside the design, keeps the column of labels."""
    named = lay_out(table_of(tmp_path / "1", LeaveOneOut(WITHOUT, full_label="Ours")))
    assert [["", "D", "W"], ["Ours", "✓", "✓"], ["w/o D", "", "✓"], ["w/o W", "✓", ""]] == stub_of(named)
    beside = lay_out(table_of(tmp_path / "2", LeaveOneOut(WITHOUT), Row("thin", {"width": 4, "depth": 1})))
    assert ["thin", "", ""] == stub_of(beside)[-1]


def test_a_row_made_of_something_else_says_so(tmp_path: Path):
    """A row beside a design has a component where its config has what the design's rows have with it, or no mark."""
    rows = (
        Row("wider", {"width": 16}),
        Row("another's", is_trained=False, published={"Market-1501": {"map": 0.5}}),
    )
    grid = lay_out(table_of(tmp_path, LeaveOneOut(WITHOUT), *rows))
    assert [["wider", "✓", "–"], ["another's", "–", "–"]] == stub_of(grid)[-2:]


def test_added_components_make_a_staircase(tmp_path: Path):
    """Each step of a cumulative table has one mark more than the row above it."""
    grid = lay_out(
        table_of(
            tmp_path, Cumulative({"depth": 1, "width": 4}, "base", {"D": {"depth": 2}, "W": {"width": 8}})
        )
    )
    assert [["", "D", "W"], ["base", "", ""], ["+ D", "✓", ""], ["+ W", "✓", "✓"]] == stub_of(grid)


def test_a_factorial_has_a_column_a_factor_and_its_effects_below(tmp_path: Path):
    """Factors of off and on are marks, others have their levels; main effects and interactions follow in groups."""
    grid = lay_out(table_of(tmp_path, TWO_BY_TWO))
    assert [["deep", "width"], ["", "narrow"], ["", "wide"], ["✓", "narrow"], ["✓", "wide"]] == stub_of(grid)[
        :5
    ]
    assert [["on − off", ""], ["", "wide − narrow"], ["×", "×"]] == stub_of(grid)[5:]
    assert ["", "main effects", "interactions"] == [group.label for group in grid.groups]
    assert all("[" in entry_text(row.entries[-1]) for row in grid.rows[4:])


def test_a_factorial_of_views_names_each_view_behind_its_factors(tmp_path: Path):
    """The combination stands first, as check marks and not as a head, and an effect says in which view it is."""
    views = {name: RetrievalView(embeddings=(name,)) for name in ("hard", "soft")}
    grid = lay_out(table_of(tmp_path, Factorial(TWO_BY_TWO.factors, views), stub_head="features"))
    assert [["deep", "width", "features"], ["", "narrow", "hard"], ["", "narrow", "soft"]] == stub_of(grid)[
        :3
    ]
    assert ["", "", "", "", "main effects", "interactions"] == [group.label for group in grid.groups]
    effects = [["on − off", "", "hard"], ["on − off", "", "soft"], ["", "wide − narrow", "hard"]]
    assert effects == stub_of(grid)[9:12]


def test_three_levels_are_told_in_the_effects(tmp_path: Path):
    """An effect names the level that it is of, where a factor has more than two."""
    three = Factorial(
        {"d": {"1": {"depth": 1}, "2": {}, "3": {"depth": 3}}, "w": {"4": {"width": 4}, "8": {}}}
    )
    grid = lay_out(table_of(tmp_path, three))
    assert [["2 − 1", ""], ["3 − 1", ""], ["", "8 − 4"], ["× 2", "×"], ["× 3", "×"]] == stub_of(grid)[7:]


def test_a_plain_factorial_names_its_effects(tmp_path: Path):
    """Without columns of factors the labels of rows and effects say all."""
    grid = lay_out(table_of(tmp_path, TWO_BY_TWO, arrangement="plain"))
    assert [["deep off, width narrow"], ["deep (on − off)"], ["deep × width"]] == [
        stub_of(grid)[line] for line in (1, 5, 7)
    ]


@pytest.mark.slow
def test_a_sweep_stands_across_where_that_is_narrower(tmp_path: Path):
    """Two values are columns, and the metrics of two data sets rows; three values of one metric are rows."""
    both = {"datasets": [MARKET, DUKE], "metrics": [MAP, RANK1], "stub_head": "E"}
    across = lay_out(table_of(tmp_path / "1", Sweep("width", (4, 8)), **both))
    assert [("", ""), ("4", "E"), ("8", "E")] == [(column.head, column.spanner) for column in across.columns]
    assert ["Market-1501", "DukeMTMC-reID"] == [group.label for group in across.groups]
    assert [["mAP ↑"], ["Rank-1 ↑"]] * 2 == stub_of(across)[1:]
    assert [(0, 1)] * 4 == [row.table_rows for row in across.rows]
    down = lay_out(table_of(tmp_path / "2", Sweep("width", (2, 4, 8)), stub_head="E"))
    assert [["E"], ["2"], ["4"], ["8"]] == stub_of(down)


def test_the_narrower_arrangement_is_the_narrower_one(tmp_path: Path):
    """Of both arrangements of a sweep the one of fewer signs is taken."""
    for number in (1, 2, 4):
        table = table_of(
            tmp_path / str(number), Sweep("width", range(1, number + 1)), datasets=[MARKET, DUKE]
        )
        both = [lay_out(replace(table, arrangement=asked)) for asked in ("plain", "transposed")]
        assert min(map(width_signs, both)) == width_signs(lay_out(table))


@pytest.mark.slow
def test_rows_of_other_kinds_stay_plain(tmp_path: Path):
    """Single rows have no components, components of many words are labels, and few rows of a design are not marked."""
    assert "plain" == table_of(tmp_path / "1", Row("a"), Row("b", {"depth": 3})).arrangement
    words = {f"{word} component with a very long name": changes for word, changes in WITHOUT.items()}
    assert "plain" == table_of(tmp_path / "2", LeaveOneOut(words)).arrangement
    others = [Row(f"{depth}", {"depth": depth}) for depth in range(3, 9)]
    assert "plain" == table_of(tmp_path / "3", LeaveOneOut(WITHOUT), *others).arrangement
    assert (
        "components"
        == table_of(tmp_path / "4", LeaveOneOut(WITHOUT), *others, arrangement="components").arrangement
    )


def test_a_head_says_which_way_is_better(tmp_path: Path):
    """Each metric has an arrow; what stands behind its values has none."""
    loss = Metric("rank1", "loss", higher_is_better=False)
    table = table_of(tmp_path, Row("a"), Row("b", {"depth": 3}), metrics=[MAP, loss], shows_difference=True)
    assert ["mAP ↑", "Δ", "loss ↓", "Δ"] == [column.head for column in lay_out(table).columns[1:]]
    assert "| mAP, Δ |".replace("mAP", "Market-1501<br>mAP") in to_markdown(table)


@pytest.mark.parametrize("rows", [[Row("a")], [Sweep("width", (4, 8))]])
def test_components_are_not_asked_of_rows_that_have_none(rows: list[Any]):
    """A table that cannot be arranged as it asks is refused when it is declared, with what it may be instead."""
    with pytest.raises(Refusal, match=r"'components' are those of a LeaveOneOut.*take 'plain'"):
        make_ablation(rows, arrangement="components")


def test_effects_cannot_stand_across():
    """A factorial whose rows would stand side by side is refused, as its effects stand below them."""
    with pytest.raises(Refusal, match="cannot be 'transposed'"):
        make_ablation([TWO_BY_TWO], arrangement="transposed")


def test_an_arrangement_is_in_no_id():
    """The same trainings fill a table however it is arranged."""
    ids = [
        {*plan_of(make_ablation([LeaveOneOut(WITHOUT)], arrangement=asked)).trainings}
        for asked in ("plain", "components", "transposed")
    ]
    assert ids[0] == ids[1] == ids[2]


def test_columns_of_a_data_set_that_is_left_out_leave_the_components(tmp_path: Path):
    """Check marks stay where a table is cut to some of its data sets, and where rows carry printed values."""
    ablation = make_ablation([LeaveOneOut(WITHOUT)], datasets=[MARKET, DUKE])
    cut = ablation.with_datasets(["Market-1501"])
    assert isinstance(cut, Ablation)
    assert len(ablation.compositions) == len(cut.compositions) == 1
