"""What the frame says of cells that are done, missing and failed."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from orchestrator.plan import make_plan
from orchestrator.records import Measurement, Store, TrainingFolder
from orchestrator.study import Row
from reports.frame import COLUMNS, read_cells
from tests.reports.tiny_study import (
    COMMIT,
    VIEW,
    WHEN,
    depth_row,
    describe,
    make_ablation,
    make_study,
    plan_of,
    record_failure,
    record_value,
    seeds_of,
)
from trainables.contract import MAP, RetrievalView


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
        first["git_commit"],
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
    folder = Path(store.root.url) / "trainings" / plan.cells[0].training_id / "measurements"
    record_value(store, plan, "depth 2", {"Market-1501": {0: {"map": 0.5}}})
    (file,) = folder.iterdir()
    file.write_text(file.read_text().replace("0.5", "Infinity"))
    frame = read_cells(plan, store)
    assert "failed" == frame.loc[0, "state"]
    assert math.isnan(frame.loc[0, "value"])


def test_each_measurement_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Two tables that share their trainings do not read them twice."""
    study = make_study(
        make_ablation([depth_row(2)]), make_ablation([depth_row(2)], name="again"), seeds=(0, 1)
    )
    plan = make_plan([study], describe)
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
