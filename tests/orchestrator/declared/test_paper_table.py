"""A paper's own table is refused when it is declared, with every fault, and follows its tables where they are cut."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tablewright.orchestrator.declared.design import Factorial, LeaveOneOut, Row
from tablewright.orchestrator.declared.paper_table import PaperTable, PickedColumn, PickedRow
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.plans.plan import make_plan
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.retrieval.view import MAP, RANK1
from tablewright.trainables.value.refusal import Refusal
from tests.reports.tiny_study import DUKE, MARKET, depth_row, describe, make_ablation

LOO = make_ablation([LeaveOneOut({"D": {"depth": 1}})], name="loo", datasets=[MARKET, DUKE])
DEPTH = make_ablation(
    [
        depth_row(2),
        Row("depth 2", {"depth": 1}, group="grouped"),
        Row("other", {"depth": 4}, group="grouped"),
    ],
    name="depth",
    datasets=[MARKET, DUKE],
)
NARROW = make_ablation([depth_row(2), depth_row(3)], name="narrow", metrics=[RANK1])
CORNERS = make_ablation(
    [Factorial({"d": {"1": {"depth": 1}, "2": {}}, "w": {"1": {"width": 1}, "2": {}}})], name="corners"
)


def study_of(*tables: PaperTable) -> Study:
    return Study("tiny", "A tiny study", "Doe", (0, 1, 2), [LOO, DEPTH, NARROW, CORNERS], paper_tables=tables)


def paper(*of: str, **declared: Any) -> PaperTable:
    fields: dict[str, Any] = {"name": "main", "of": of, "caption": "Main results", **declared}
    return PaperTable(**fields)


FAULTS = {
    "'lo' is no ablation of the study; did you mean 'loo'?": paper("lo"),
    "table name 'loo' is given twice": paper("loo", name="loo"),
    "'full row' is no row": paper("loo", rows=["full row"]),
    "did you mean 'full'?": paper("loo", rows=["ful"]),
    "row 'loo: full' is given twice": paper("loo", rows=["full", "full"]),
    "'full' is the name of several rows; write one of “loo: full”, “again: full”": paper(
        "loo", "again", rows=["full"]
    ),
    "'mapp' is no column; did you mean 'map'?": paper("loo", columns=["mapp"]),
    "column 'Market-1501 / map' is given twice": paper("loo", columns=["mAP", "Market-1501"]),
    "'w/o d' is no row, group, data set, metric, component, level or table": paper(
        "loo", labels={"w/o d": "x"}
    ),
    "row label 'loo: ours' is given twice": paper("loo", labels={"full": "ours", "w/o D": "ours"}),
    "column 'Market-1501 / AP' is given twice": paper("loo", labels={"mAP": "AP", "Rank-1": "AP"}),
    "narrow has no column 'Market-1501 / map', 'DukeMTMC-reID / map', 'DukeMTMC-reID / rank1' as loo has it": paper(
        "loo", "narrow"
    ),
    "narrow has no row 'full', 'w/o D', so that it cannot stand beside loo": paper(
        "loo", "narrow", joined="beside"
    ),
    "'components' are those of": paper("depth", arrangement="components"),
    "cannot be 'transposed'": paper("corners", arrangement="transposed"),
    "'other_paper' is the table of a search or of sizes": paper("other_paper"),
}


@pytest.mark.parametrize(("text", "table"), [*FAULTS.items()], ids=[*FAULTS])
def test_what_does_not_fit_the_tables_is_refused(text: str, table: PaperTable):
    """Each kind of mistake is told when the study is declared, with what was meant or what there is."""
    again = make_ablation([LeaveOneOut({"D": {"depth": 1}})], name="again", datasets=[MARKET, DUKE])
    with pytest.raises(Refusal) as refusal:
        Study(
            "tiny",
            "A tiny study",
            "Doe",
            (0, 1, 2),
            [LOO, DEPTH, NARROW, CORNERS, again],
            paper_tables=[table, paper("loo", name="other_paper")],
        )
    assert text in str(refusal.value)


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        ({"of": ["a", "b"]}, "several tables have no caption in common"),
        ({"of": []}, "at least one table to be made of"),
        ({"of": ["a", "a"], "caption": "A"}, "table to be joined 'a' is given twice"),
        ({"of": ["a"], "deviation": "below"}, "deviation"),
        ({"of": ["a"], "emphasis": "bold"}, "emphasis"),
        ({"of": ["a"], "venue": 3.0}, "venue"),
        ({"of": ["a"], "venue": "cvrp"}, "did you mean 'cvpr'?"),
        ({"of": "loo"}, "of"),
    ],
)
def test_what_is_wrong_with_any_tables_is_refused_by_itself(declared: dict[str, Any], text: str):
    """What no table could mend is told when the paper's table is built."""
    with pytest.raises(Refusal, match=re.escape(text)):
        PaperTable("main", **declared)


def test_every_fault_is_told_at_once():
    """Three mistakes in two tables are one refusal."""
    with pytest.raises(Refusal) as refusal:
        study_of(paper("loo", rows=["x"], columns=["y"]), paper("nothing", name="second"))
    for text in (
        "paper table 'main'",
        "'x' is no row",
        "'y' is no column",
        "paper table 'second'",
        "'nothing'",
    ):
        assert text in str(refusal.value)


def test_rows_and_columns_are_picked_in_the_order_in_which_they_are_named():
    """A group stands for its rows, a metric for its columns on every data set, and a place for one."""
    table = paper("depth", rows=["grouped", "depth 2"], columns=["Rank-1", "Market-1501 / mAP"])
    (table,) = study_of(table).paper_tables
    rows, columns = table.pick({"depth": DEPTH})
    assert ["grouped / depth 2", "grouped / other", "depth 2"] == [row.label for row in rows]
    assert [("Market-1501", "rank1"), ("DukeMTMC-reID", "rank1"), ("Market-1501", "map")] == [
        column[1:] for column in columns
    ]


def test_rows_of_joined_tables_are_named_with_their_table():
    """Where two tables have a row of one name, the table before it says which is meant."""
    joined = paper("loo", "depth", rows=["depth: depth 2", "loo: full", "loo: w/o D"])
    (table,) = study_of(joined).paper_tables
    rows = table.pick({"loo": LOO, "depth": DEPTH}).rows
    assert [PickedRow("depth", "depth 2"), PickedRow("loo", "full"), PickedRow("loo", "w/o D")] == [*rows]


def test_a_metric_of_another_direction_is_another_column():
    """Tables whose metrics have one name and differ are not joined below each other."""
    other = make_ablation(
        [depth_row(2)], name="other", datasets=[MARKET, DUKE], metrics=[Metric("map", "mAP", digits=3), RANK1]
    )
    with pytest.raises(Refusal, match="other has no column 'Market-1501 / map'"):
        Study("tiny", "t", "Doe", (0,), [LOO, other], paper_tables=[paper("loo", "other")])


def test_a_paper_table_is_asked_for_by_its_name_and_needs_its_tables():
    """STUDY/TABLE of a paper's table keeps what it is made of; that of another table leaves it out, and its files."""
    study = study_of(paper("loo", "depth"))
    asked = study.with_tables(["main"])
    assert ("loo", "depth", "main") == asked.table_names
    other = study.with_tables(["narrow"])
    assert ("narrow",) == other.table_names
    assert "main" in other.left_out


def test_a_paper_table_loses_the_columns_that_its_tables_lose():
    """Columns and labels of a data set that is left out go with it; a table that has no others is left out."""
    market = paper(
        "loo", columns=["mAP", "Rank-1"], labels={"DukeMTMC-reID": "Duke", "Market-1501": "Market"}
    )
    duke = paper("loo", columns=["DukeMTMC-reID"], name="duke")
    cut = study_of(market, duke).with_datasets(["Market-1501"])
    assert cut is not None
    (left,) = cut.paper_tables
    assert (PickedColumn("", "Market-1501", "map"), PickedColumn("", "Market-1501", "rank1")) == left.pick(
        cut.ablations_by_name
    ).columns
    assert {"Market-1501": "Market"} == dict(left.labels)
    assert "duke" in cut.left_out


def test_a_paper_table_plans_no_training():
    """The same trainings and cells are planned with it and without."""
    plans = [
        make_plan([study], DataResolver(describe)) for study in (study_of(), study_of(paper("loo", "depth")))
    ]
    assert [*plans[0].trainings] == [*plans[1].trainings]
    assert plans[0].cells == plans[1].cells
    assert [*plans[0].tables] == [*plans[1].tables]


def test_the_metrics_of_joined_tables_may_be_fewer():
    """Tables that differ in columns are joined where the columns that are named are in both."""
    both = paper("depth", "narrow", columns=["Market-1501 / Rank-1"], rows=["narrow", "depth"])
    (table,) = study_of(both).paper_tables
    assert 5 == len(table.pick({"depth": DEPTH, "narrow": NARROW}).rows)
    assert MAP not in NARROW.metrics
