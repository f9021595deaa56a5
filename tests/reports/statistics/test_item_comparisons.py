"""Rows compared over the queries that both were measured on, from the tables of items in the store."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.store.store import Store
from tablewright.reports.frame import read_cells
from tablewright.reports.statistics.item_comparisons import compare_items
from tablewright.reports.statistics.query_test import compare_queries
from tablewright.reports.table_files import WrittenTable, write_tables
from tablewright.trainables.contract.view import LEFT_OUT
from tablewright.trainables.retrieval.view import MAP, RANK1
from tests.reports.tiny_study import depth_row, make_ablation, plan_of, record_value

PERSONS_Q = np.repeat([1, 2, 3, 4], 3)
PLACE = ("depth 3", "Market-1501", "map")


def write_items(store: Store, plan: Plan, row: str, precision_NQ: np.ndarray) -> None:
    """Record each seed of a row with these average precisions; one more query is left out."""
    values = {seed: {"map": float(of_Q.mean()), "rank1": 0.5} for seed, of_Q in enumerate(precision_NQ)}
    record_value(store, plan, row, {"Market-1501": values})
    for cell in plan.cells:
        if cell.row == row and cell.seed < len(precision_NQ):
            columns = {
                "query": np.array([f"{number}.jpg" for number in range(len(PERSONS_Q) + 1)]),
                "pid": np.append(PERSONS_Q, 9),
                "average_precision": np.append(precision_NQ[cell.seed], np.nan),
                LEFT_OUT: np.array([""] * len(PERSONS_Q) + ["no right image"], dtype=object),
            }
            write_table_of_items(store, cell.training_id, cell.view_id, columns)


def write_table_of_items(store: Store, training_id: str, view_id: str, columns: dict[str, Any]) -> None:
    """Write what a view was measured on, and that its measurement knows it."""
    folder = store.root / f"trainings/{training_id}"
    sha256 = folder.write_table(f"queries/{view_id}.parquet", columns)
    measurement = store.training(training_id).measurement(view_id)
    assert measurement is not None
    folder.write_model(
        f"measurements/{view_id}.json", measurement.model_copy(update={"table_sha256": sha256})
    )


def measured(tmp_path: Path, **declared: Any) -> tuple[Plan, Store, np.ndarray, np.ndarray]:
    ablation = make_ablation([depth_row(2), depth_row(3)], metrics=[MAP, RANK1], **declared)
    plan, store = plan_of(ablation), Store(str(tmp_path))
    random = np.random.default_rng(0)
    first_NQ = random.uniform(0.2, 0.5, (3, len(PERSONS_Q)))
    second_NQ = first_NQ[:2] + 0.1 + random.normal(0, 0.02, (2, len(PERSONS_Q)))
    write_items(store, plan, "depth 2", first_NQ)
    write_items(store, plan, "depth 3", second_NQ)
    return plan, store, first_NQ, second_NQ


def test_queries_are_compared_over_the_seeds_that_both_rows_have(tmp_path: Path):
    """Means over the two common seeds, clustered by person, without the query that was left out."""
    plan, store, first_NQ, second_NQ = measured(tmp_path, tests_items=True)
    found = compare_items(plan, store, "tiny", "depth", read_cells(plan, store))
    assert {PLACE} == found.keys()  # the tables say nothing of Rank-1
    expected = compare_queries(second_NQ.mean(0), first_NQ[:2].mean(0), PERSONS_Q)
    assert expected is not None
    assert found[PLACE].items == "queries"
    assert (found[PLACE].of_items.num_queries, found[PLACE].of_items.num_identities) == (12, 4)
    assert found[PLACE].of_items.p_value == pytest.approx(expected.p_value)
    assert found[PLACE].of_items.estimate == pytest.approx(expected.estimate)


def test_queries_are_paired_by_name(tmp_path: Path):
    """A table of items in another order gives the same."""
    plan, store, *_ = measured(tmp_path, tests_items=True)
    frame = read_cells(plan, store)
    before = compare_items(plan, store, "tiny", "depth", frame)[PLACE].of_items
    for cell in plan.cells:
        if cell.row == "depth 3" and cell.seed == 0:
            table = store.training(cell.training_id).items(cell.view_id)
            turned = {key: table[key].to_numpy()[::-1] for key in table.column_names}
            write_table_of_items(store, cell.training_id, cell.view_id, turned)
    after = compare_items(plan, store, "tiny", "depth", frame)[PLACE].of_items
    assert before.p_value == pytest.approx(after.p_value)


def test_a_lost_table_of_items_costs_its_comparison_alone(tmp_path: Path):
    """The table stands; nothing is said over queries."""
    plan, store, *_ = measured(tmp_path, tests_items=True)
    cell = next(cell for cell in plan.cells if cell.row == "depth 3" and cell.seed == 0)
    (tmp_path / f"trainings/{cell.training_id}/queries/{cell.view_id}.parquet").unlink()
    assert {} == compare_items(plan, store, "tiny", "depth", read_cells(plan, store))


def written(plan: Plan, store: Store) -> WrittenTable:
    return write_tables(plan, store).tables[0]


def text_of(table: WrittenTable, ending: str) -> str:
    return Path(table.urls[ending]).read_text(encoding="utf-8")


@pytest.mark.slow
def test_page_and_parquet_say_what_a_test_over_queries_says(tmp_path: Path):
    """Of these weights and these queries; other formats say nothing of it, and no mark comes from it."""
    plan, store, *_ = measured(tmp_path, tests_items=True)
    table = written(plan, store)
    fact = "these weights rank these queries better, which says nothing of the method"
    assert fact in text_of(table, "html")
    assert "over 12 queries of 4 identities +" in text_of(table, "html")
    assert "these weights" not in text_of(table, "md") + text_of(table, "tex")
    assert "†" not in text_of(table, "md")
    frame = pd.read_parquet(io.BytesIO(Path(table.urls["parquet"]).read_bytes()))
    row = cast(pd.DataFrame, frame[(frame["row"] == "depth 3") & (frame["metric"] == "map")]).iloc[0]
    assert row["num_clusters"] == 4
    assert row["items_difference_low"] < row["items_difference"] < row["items_difference_high"]
    assert 0 < row["items_p_value"] < 0.05


@pytest.mark.slow
def test_nothing_is_said_over_queries_unless_asked_for(tmp_path: Path):
    """A small p-value would be read as one of the method."""
    plan, store, *_ = measured(tmp_path)
    table = written(plan, store)
    assert "these weights" not in text_of(table, "html")
    frame = pd.read_parquet(io.BytesIO(Path(table.urls["parquet"]).read_bytes()))
    assert frame["items_p_value"].isna().all()


@pytest.mark.slow
@pytest.mark.parametrize("way", ["is not there", "is not the table that was recorded"])
def test_rows_that_cannot_be_compared_say_which_file_they_lack(tmp_path: Path, way: str):
    """A lost table of items, and another one in its place, take the comparison away and nothing else; it is told."""
    plan, store, *_ = measured(tmp_path, tests_items=True)
    one, other = (cell for cell in plan.cells if cell.row == "depth 3" and cell.seed < 2)
    lost, whole = (
        tmp_path / f"trainings/{cell.training_id}/queries/{cell.view_id}.parquet" for cell in (one, other)
    )
    lost.unlink()
    if way != "is not there":
        lost.write_bytes(whole.read_bytes())
    (written,) = write_tables(plan, store).tables
    assert all(cell.items is None for row in written.table.rows for cell in row.cells)
    (note,) = (note for note in written.table.source_notes if "could not be compared" in note)
    assert f"queries/{one.view_id}.parquet {way}" in note
    assert note in Path(written.urls["md"]).read_text().replace("\\_", "_")
