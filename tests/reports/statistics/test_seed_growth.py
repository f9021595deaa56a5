"""Seeds that are added while comparisons are open: in a plan, and in sweeps that are stopped and run again."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.declared.study import Study, UntilDecided
from tablewright.orchestrator.plans.plan import Plan, make_plan
from tablewright.orchestrator.plans.planning import plan_as_recorded
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.orchestrator.store.store import Store
from tablewright.reports.ablation_table import build_table
from tablewright.reports.frame import read_cells
from tablewright.reports.statistics.seed import seeds_by_place
from tablewright.reports.statistics.seed_growth import seeds_at_most, seeds_until_decided
from tablewright.reports.statistics.table_values import table_values
from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.retrieval.view import MAP, RetrievalView
from tests.orchestrator.toy_sweep import StopAfter, ToySweep, a_study
from tests.reports.tiny_study import (
    DUKE,
    MARKET,
    depth_row,
    describe,
    make_ablation,
    record_failure,
    record_value,
    seeds_of,
)

FIRST, MOST = 3, 8
NEAR = (0.80, 0.83, 0.81)
NEARLY = (0.812, 0.85, 0.818)
FAR = (0.30, 0.33, 0.315)


def a_plan(num_rows: int = 3) -> tuple[Study, Plan]:
    rows = [depth_row(depth) for depth in range(2, 2 + num_rows)]
    ablation = make_ablation(rows, datasets=[MARKET, DUKE], metrics=[MAP])
    study = Study("tiny", "A tiny study", "Doe et al., 2026", UntilDecided(FIRST, MOST), [ablation])
    return study, make_plan([study], DataResolver(describe), seed_counts=None)


def record(store: Store, plan: Plan, row: str, dataset: str, values: tuple[float, ...]) -> None:
    record_value(store, plan, row, {dataset: seeds_of(values, values)})


def counts_of(plan: Plan, store: Store, dataset: str) -> list[int]:
    counts = seeds_until_decided(plan, store)
    return [counts["tiny", "depth", f"depth {depth}", dataset] for depth in (2, 3, 4)]


def test_every_row_begins_with_the_first_seeds(tmp_path: Path):
    """Nothing is recorded: three seeds a row now, and all of them at most."""
    _, plan = a_plan()
    store = Store(str(tmp_path))
    assert {FIRST} == set(seeds_until_decided(plan, store).values())
    assert {MOST} == set(seeds_at_most(plan, store).values())


@pytest.mark.slow
def test_rows_of_open_comparisons_get_one_more_seed(tmp_path: Path):
    """What is far off is found and has its three; what is near the reference goes on, and the reference with it."""
    study, plan = a_plan()
    store = Store(str(tmp_path))
    for row, values in (("depth 2", NEAR), ("depth 3", FAR), ("depth 4", NEARLY)):
        record(store, plan, row, "Market-1501", values)
        record(store, plan, row, "DukeMTMC-reID", tuple(value + 0.2 * (row == "depth 4") for value in values))
    assert [FIRST + 1, FIRST, FIRST + 1] == counts_of(plan, store, "Market-1501")
    assert [FIRST, FIRST, FIRST] == counts_of(plan, store, "DukeMTMC-reID")
    grown = make_plan([study], DataResolver(describe), seed_counts=seeds_until_decided(plan, store))
    assert 2 * 3 * FIRST + 2 == len(grown.trainings)
    largest = make_plan([study], DataResolver(describe), seed_counts=seeds_at_most(plan, store))
    assert 2 * 3 * FIRST + 2 * (MOST - FIRST) == len(largest.trainings)
    table = build_table(grown, "tiny", "depth", read_cells(grown, store))
    marks = [row.cells[0].compared for row in table.rows]
    assert [None, (True, False), (False, True)] == [mark and (mark.is_marked, mark.is_open) for mark in marks]
    assert "?: open; further seeds are to decide it." in table.source_notes
    assert any("the alpha spending of Kim and DeMets 1987" in note for note in table.source_notes)


def test_a_training_that_failed_is_not_waited_for(tmp_path: Path):
    """The others go on without that seed."""
    _, plan = a_plan(2)
    store = Store(str(tmp_path))
    record(store, plan, "depth 2", "Market-1501", (*NEAR, 0.82, 0.81))
    record(store, plan, "depth 3", "Market-1501", NEARLY)
    for row, values in (("depth 2", NEAR), ("depth 3", FAR)):
        record(store, plan, row, "DukeMTMC-reID", values)
    record_failure(store, plan, "depth 3", 3, "out of memory")
    counts = seeds_until_decided(plan, store)
    assert [5, 5] == [counts["tiny", "depth", f"depth {depth}", "Market-1501"] for depth in (2, 3)]


def test_a_row_that_repeats_another_has_its_seeds(tmp_path: Path):
    """It is the same training: where the other one gets a further seed its own cell has it too."""
    rows = [depth_row(2), depth_row(3), Row("again", {"depth": 3}, repeats="depth 3")]
    ablation = make_ablation(rows, metrics=[MAP])
    study = Study("tiny", "A tiny study", "Doe et al., 2026", UntilDecided(FIRST, MOST), [ablation])
    plan = make_plan([study], DataResolver(describe), seed_counts=None)
    store = Store(str(tmp_path))
    for row, values in (("depth 2", NEAR), ("depth 3", NEARLY)):
        record(store, plan, row, "Market-1501", values)
    assert {FIRST + 1} == set(seeds_until_decided(plan, store).values())


def test_a_view_with_more_seeds_than_another_is_its_pair_still(tmp_path: Path):
    """A table of the seeds that rows were given decides as the plan of all seeds did."""
    hard = Row("hard", view=RetrievalView(embeddings=("hard",)))
    ablation = make_ablation([depth_row(2), hard, depth_row(3)], metrics=[MAP], reference="depth 2")
    study = Study("tiny", "A tiny study", "Doe et al., 2026", UntilDecided(FIRST, MOST), [ablation])
    plan = make_plan([study], DataResolver(describe), seed_counts=None)
    store = Store(str(tmp_path))
    for row, values in (
        ("depth 2", NEAR),
        ("hard", tuple(value - 0.1 for value in NEAR)),
        ("depth 3", NEARLY),
    ):
        record(store, plan, row, "Market-1501", values)
    counts = seeds_until_decided(plan, store)
    grown = make_plan([study], DataResolver(describe), seed_counts=counts)
    of_all, of_grown = (
        table_values(ablation, seeds_by_place(read_cells(some, store)), study.all_seeds)
        for some in (plan, grown)
    )
    assert len(set(counts.values())) == 2
    assert [0, 0, 2] == of_all.source_R.tolist() == of_grown.source_R.tolist()


# -- sweeps


ROWS = [
    Row("declared", {"own_noise": 1}),
    Row("much better", {"own_noise": 2, "learning_rate": 0.4}),
    Row("hardly better", {"own_noise": 3, "learning_rate": 0.115}),
]


def a_growing_study() -> Study:
    study = a_study(ROWS)
    table = replace(study.ablations[0], reference="declared")
    return replace(study, ablations=[table], seeds=UntilDecided(FIRST, MOST))


def num_seeds(plan: Plan) -> dict[str, int]:
    return dict(Counter(cell.row for cell in plan.cells))


@pytest.mark.slow
def test_a_sweep_goes_on_until_every_comparison_is_decided(tmp_path: Path):
    """One command: rows that are decided keep their seeds, and running it again trains nothing."""
    sweep = ToySweep(tmp_path, seeds_until_decided)
    result, events = sweep(a_growing_study())
    counts = num_seeds(result.plan)
    assert result.is_complete
    assert counts["much better"] == FIRST
    assert FIRST < counts["declared"] == counts["hardly better"]
    assert len(events.started) == sum(counts.values())
    again, none = sweep(a_growing_study())
    assert [] == none.started
    assert result.plan.cells == again.plan.cells
    read = plan_as_recorded([a_growing_study()], sweep.store(), Runtime(None, "/cache"), seeds_until_decided)
    assert read.cells == result.plan.cells


@pytest.mark.slow
@pytest.mark.parametrize("num_epochs", [4, 20, 29, 31])
def test_a_stopped_sweep_ends_as_one_that_was_not(tmp_path: Path, num_epochs: int):
    """Stopped before, at and after the first look, it grows by the same seeds when it is run again."""
    whole, _ = ToySweep(tmp_path / "whole", seeds_until_decided)(a_growing_study())
    sweep = ToySweep(tmp_path / "stopped", seeds_until_decided)
    first, _ = sweep(a_growing_study(), backend=StopAfter(num_epochs))
    assert first.was_stopped
    second, _ = sweep(a_growing_study())
    assert whole.plan.cells == second.plan.cells
    assert second.is_complete


@pytest.mark.slow
def test_the_last_seed_ends_it(tmp_path: Path):
    """Rows that never differ are given up or reach the last seed; the sweep ends, and the table says so."""
    rows = [Row("declared", {"own_noise": 1}), Row("the same", {"own_noise": 2})]
    study = a_study(rows)
    study = replace(
        study, ablations=[replace(study.ablations[0], reference="declared")], seeds=UntilDecided(FIRST, MOST)
    )
    sweep = ToySweep(tmp_path, seeds_until_decided)
    result, _ = sweep(study)
    assert result.is_complete
    table = build_table(result.plan, "toy_study", "width", read_cells(result.plan, sweep.store()))
    compared = table.rows[1].cells[0].compared
    assert compared is not None
    assert not compared.is_open
    assert all(FIRST <= count <= MOST for count in num_seeds(result.plan).values())
    assert np.isfinite(compared.comparison.p_value)
