"""What the frame says of cells that are done, missing and failed."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tablewright.orchestrator.design import Row
from tablewright.orchestrator.plan import Plan, make_plan
from tablewright.orchestrator.records import Measurement, Store, TrainingFolder
from tablewright.orchestrator.resolution import DataResolver
from tablewright.reports.frame import COLUMNS, read_cells
from tablewright.reports.table import build_table
from tablewright.trainables.retrieval.view import MAP, RetrievalView
from tests.reports.tiny_study import (
    COMMIT,
    VIEW,
    WHEN,
    depth_row,
    describe,
    make_ablation,
    make_study,
    plan_of,
    record_cell,
    record_failure,
    record_value,
    seeds_of,
)


def test_each_cell_and_metric_has_a_row_even_where_nothing_was_measured(tmp_path: Path):
    """A missing cell has a row without a value."""
    plan = plan_of(make_ablation([depth_row(2), depth_row(3)]), seeds=(0, 1))
    store = Store(str(tmp_path))
    record_value(store, plan, "depth 2", {"Market-1501": seeds_of([0.5], [0.75])})
    frame = read_cells(plan, store)
    assert list(COLUMNS) == list(frame.columns)
    assert 2 * 2 * 2 == len(frame)  # rows, seeds, metrics
    first = frame.iloc[0]
    assert ("depth 2", 0, "map", 0.5, "done", COMMIT) == (
        first["row"],
        first["seed"],
        first["metric"],
        first["value"],
        first["state"],
        first["git_commits"],
    )
    others = frame[frame["state"] != "done"]
    assert {"missing"} == set(others["state"])
    assert others["value"].isna().all()


def test_a_failure_carries_its_message(tmp_path: Path):
    """A failed training's cells say why."""
    plan = plan_of(make_ablation([depth_row(2)]), seeds=(0,))
    store = Store(str(tmp_path))
    record_failure(store, plan, "depth 2", 0, "ValueError: no")
    frame = read_cells(plan, store)
    assert [("failed", "ValueError: no")] * 2 == list(zip(frame["state"], frame["message"], strict=True))


def ensemble_plan() -> Plan:
    """A row of two members, of which the second is a row of its own."""
    rows = [Row("both", ensemble=({"depth": 3}, {"depth": 4})), depth_row(4)]
    return plan_of(make_ablation(rows, metrics=[MAP]), seeds=(0,))


def record_members(plan: Plan, store: Store) -> tuple[str, str]:
    """Record both members and what they measure together; gives their ids."""
    cell = plan.cells[0]
    (partner_id,) = cell.partner_ids
    record_cell(store, plan, cell.training_id, cell.view_id, {"map": 0.6})
    record_value(store, plan, "depth 4", {"Market-1501": {0: {"map": 0.5}}})
    return cell.training_id, partner_id


def test_an_ensemble_names_the_code_of_all_its_trainings(tmp_path: Path):
    """A member of another commit is not passed over, and every member is counted among the trainings."""
    plan, store = ensemble_plan(), Store(str(tmp_path))
    _, partner_id = record_members(plan, store)
    folder = store.training(partner_id)
    record = folder.record()
    assert record is not None
    folder.write_record(record.model_copy(update={"git_commit": "fedcba98765432"}))
    frame = read_cells(plan, store)
    assert ("done", 0.6, f"{COMMIT} fedcba98765432") == tuple(
        frame.loc[0, name] for name in ("state", "value", "git_commits")
    )
    ensemble = make_ablation([plan.tables["tiny", "depth"].trained_rows[0]], metrics=[MAP])
    alone = plan_of(ensemble, seeds=(0,))
    notes = build_table(alone, "tiny", "depth", read_cells(alone, store)).source_notes
    assert "Made from 2 of 2 trainings; Git commit 0123456789ab, fedcba987654." in notes


def test_an_ensemble_failed_where_a_member_failed(tmp_path: Path):
    """The member that failed is named with its reason, and not the first one in its place."""
    plan, store = ensemble_plan(), Store(str(tmp_path))
    record_failure(store, plan, "depth 4", 0, "RuntimeError: loss is NaN")
    (partner_id,) = plan.cells[0].partner_ids
    frame = read_cells(plan, store)
    assert ("failed", "RuntimeError: loss is NaN", partner_id) == tuple(
        frame.loc[0, name] for name in ("state", "message", "failed_ids")
    )
    table = build_table(plan, "tiny", "depth", frame)
    assert ["failed", "failed"] == [row.cells[0].state for row in table.rows]
    assert f"Failed: {partner_id[:8]} (RuntimeError: loss is NaN)." in table.source_notes
    assert "Made from 0 of 2 trainings." in table.source_notes


def test_an_ensemble_needs_the_record_of_every_member(tmp_path: Path):
    """What was measured together counts only as long as all members are done."""
    plan, store = ensemble_plan(), Store(str(tmp_path))
    _, partner_id = record_members(plan, store)
    store.root.remove(f"trainings/{partner_id}/record.json")
    assert "missing" == read_cells(plan, store).loc[0, "state"]


def test_a_training_that_is_not_done_gives_no_value(tmp_path: Path):
    """A measurement counts only once its training has a record."""
    plan = plan_of(make_ablation([depth_row(2)]), seeds=(0,))
    store = Store(str(tmp_path))
    (cell,) = plan.cells
    (store.root / f"trainings/{cell.training_id}").write_model(
        f"measurements/{cell.view_id}.json",
        Measurement(
            training_id=cell.training_id,
            view_id=cell.view_id,
            view=VIEW,
            metrics={"map": 0.5, "rank1": 0.5},
            measured_at=WHEN,
        ),
    )
    assert {"missing"} == set(read_cells(plan, store)["state"])


def test_a_view_added_later_is_missing_until_it_is_measured(tmp_path: Path):
    """A done training without a view's measurement leaves that view's cells missing, and no others."""
    plan = plan_of(make_ablation([depth_row(2)]), seeds=(0,))
    store = Store(str(tmp_path))
    record_value(store, plan, "depth 2", {"Market-1501": seeds_of([0.5], [0.5])})
    wider = plan_of(
        make_ablation([depth_row(2), Row("hard", view=RetrievalView(embeddings=("hard",)))]), seeds=(0,)
    )
    frame = read_cells(wider, store).set_index(["row", "metric"])
    assert ("done", "missing") == (
        frame.loc[("depth 2", "map"), "state"],
        frame.loc[("hard", "map"), "state"],
    )


def test_a_value_that_is_no_number_is_a_failure(tmp_path: Path):
    """Infinity is never averaged into a cell."""
    plan = plan_of(make_ablation([depth_row(2)], metrics=[MAP]), seeds=(0,))
    store = Store(str(tmp_path))
    record_value(store, plan, "depth 2", {"Market-1501": {0: {"map": math.inf}}})
    frame = read_cells(plan, store)
    assert "failed" == frame.loc[0, "state"]
    assert math.isnan(frame.loc[0, "value"])


def test_each_measurement_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Two tables that share their trainings do not read them twice."""
    study = make_study(
        make_ablation([depth_row(2)]), make_ablation([depth_row(2)], name="again"), seeds=(0, 1)
    )
    plan = make_plan([study], DataResolver(describe))
    store = Store(str(tmp_path))
    record_value(store, plan, "depth 2", {"Market-1501": seeds_of([0.5, 0.6], [0.5, 0.6])})
    read: list[str] = []
    original = TrainingFolder.measurement

    def counted(folder: TrainingFolder, view_id: str) -> Measurement | None:
        read.append(folder.training_id + view_id)
        return original(folder, view_id)

    monkeypatch.setattr(TrainingFolder, "measurement", counted)
    frame = read_cells(plan, store)
    assert 8 == len(frame)
    assert 2 == len(read) == len(set(read))
