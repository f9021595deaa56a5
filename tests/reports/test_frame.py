"""What the frame says of cells that are done, missing and failed."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.plans.plan import Plan, make_plan
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_folder import TrainingFolder
from tablewright.orchestrator.store.training_records import Measurement
from tablewright.reports.ablation_table import build_table
from tablewright.reports.frame import COLUMNS, read_cells
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


def origin_notes(plan: Plan, store: Store) -> list[str]:
    """What is said of the code below the only table."""
    notes = build_table(plan, "tiny", "depth", read_cells(plan, store)).source_notes
    return [note for note in notes if note.startswith(("Made from", "Trainings were made"))]


def rewrite(store: Store, training_id: str, **fields: object) -> None:
    """Replace fields of a record."""
    folder = store.training(training_id)
    record = folder.record()
    assert record is not None
    folder.write_record(record.model_copy(update=fields))


def test_a_version_that_differs_between_the_trainings_of_a_table_is_told(tmp_path: Path):
    """Between two seeds of one cell too; not those of what only schedules and shows, and not one that is unknown."""
    plan, store = plan_of(make_ablation([depth_row(2)], metrics=[MAP])), Store(str(tmp_path))
    record_value(store, plan, "depth 2", {"Market-1501": {seed: {"map": 0.5} for seed in (0, 1, 2)}})
    one, two, three = (cell.training_id for cell in plan.cells)
    same = {"torch": "2.13.0", "numpy": "2.0", "mlflow": "3.1", "tablewright": "0.1.0 (aaaaaaaaaaaa)"}
    other = {**same, "mlflow": "3.2", "tablewright": "0.1.0 (bbbbbbbbbbbb)"}
    rewrite(store, one, versions=same)
    rewrite(store, two, versions=other)
    made = "Made from 3 of 3 trainings; Git commit 0123456789ab."
    assert [made] == origin_notes(plan, store)
    rewrite(store, two, versions={**other, "torch": "2.13.1", "scikit-learn": "1.5"})
    rewrite(store, three, versions={**same, "scikit-learn": "1.6"})
    told = (
        "Trainings were made with different versions of packages: scikit-learn 1.5 (1 training), 1.6 (1 training); "
        "torch 2.13.0 (2 trainings), 2.13.1 (1 training)."
    )
    assert [made, told] == origin_notes(plan, store)


def test_the_commit_of_a_method_of_ones_own_is_not_taken_for_this_programs(tmp_path: Path):
    """Both are named, each with whose it is; and code that is in no checkout is said to be so."""
    plan, store = plan_of(make_ablation([depth_row(2)], metrics=[MAP]), seeds=(0,)), Store(str(tmp_path))
    record_value(store, plan, "depth 2", {"Market-1501": {0: {"map": 0.5}}})
    identity = plan.cells[0].training_id
    rewrite(store, identity, source={"a.py: fit": "1"}, versions={"tablewright": "0.1.0 (aaaaaaaaaaaa)"})
    made = "Made from 1 of 1 training; tiny's own code: Git commit"
    by = "trained by Tablewright 0.1.0 (aaaaaaaaaaaa)."
    assert [f"{made} 0123456789ab; {by}"] == origin_notes(plan, store)
    rewrite(store, identity, git_commit="")
    assert [f"{made} (none: it is in no checkout); {by}"] == origin_notes(plan, store)
