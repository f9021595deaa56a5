"""What a page embeds of each cell."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tablewright.orchestrator.declared.paper_table import PaperTable
from tablewright.orchestrator.plans.plan import Plan, make_plan
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.orchestrator.store.store import Store
from tablewright.reports.page import page_facts
from tablewright.reports.table_files import write_tables
from tablewright.trainables.contract.run import EpochReport
from tests.reports.tiny_study import (
    depth_row,
    describe,
    make_ablation,
    make_study,
    plan_of,
    record_value,
    seeds_of,
)

VALUES = seeds_of([0.8, 0.81, 0.82], [0.9, 0.9, 0.9])


def embedded(folder: Path, plan: Plan) -> dict[str, Any]:
    """Write the tables of a plan, and read what the page of its study embeds."""
    write_tables(plan, Store(str(folder)))
    page = (folder / "tables/tiny/index.html").read_text(encoding="utf-8")
    return json.loads(re.findall('<script type="application/json" class="facts">(.*)</script>', page)[0])


def place_of(facts: dict[str, Any], table: str, cell: str) -> dict[str, Any]:
    """Give the place of a cell as the page finds it."""
    first = facts["tables"][table]["cells"][cell]["seeds"][0]
    return facts["tables"][table]["places"][f"{first['ids'][0]} {first['view']}"]


@pytest.mark.slow
def test_a_papers_own_table_opens_the_same_places(tmp_path: Path):
    """Its rows have other labels, and still the config, the values and the reference of those that they are."""
    study = make_study(make_ablation([depth_row(2), depth_row(3)], name="depths"))
    paper = PaperTable("short", of=["depths"], labels={"depth 3": "deep"})
    plan = make_plan([replace(study, paper_tables=[paper])], DataResolver(describe))
    for row in ("depth 2", "depth 3"):
        record_value(Store(str(tmp_path)), plan, row, {"Market-1501": VALUES})
    facts = embedded(tmp_path, plan)
    cell = facts["tables"]["short"]["cells"]["1.0"]
    assert ("deep", [0.8, 0.81, 0.82]) == (cell["row"], [seed["value"] for seed in cell["seeds"]])
    assert [["depth", "2", "3"]] == place_of(facts, "short", "1.0")["changes"]
    assert place_of(facts, "depths", "1.0") == place_of(facts, "short", "1.0")
    first = facts["tables"]["short"]["cells"]["0.0"]["seeds"][0]
    assert f"{first['ids'][0]} {first['view']}" == place_of(facts, "short", "1.0")["reference_key"]


@pytest.mark.slow
def test_curves_of_many_epochs_are_thinned_and_keep_their_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """All together are no more points than a page can hold, and each curve begins and ends as it did."""
    monkeypatch.setattr(page_facts, "MAX_CURVE_POINTS", 60)
    plan, store = plan_of(make_ablation([depth_row(2), depth_row(3)])), Store(str(tmp_path))
    for row in ("depth 2", "depth 3"):
        record_value(store, plan, row, {"Market-1501": VALUES})
    for identity in plan.trainings:
        reports = [EpochReport(epoch, 100, {"loss": 1 / epoch}, 1.0) for epoch in range(1, 101)]
        store.training(identity).write_epochs(reports)
    curves = [training["curves"]["loss"] for training in embedded(tmp_path, plan)["trainings"].values()]
    assert 6 == len(curves)
    for epochs, values in curves:
        assert len(epochs) == len(values) <= 11
        assert ((1, 1.0), (100, 0.01)) == ((epochs[0], values[0]), (epochs[-1], values[-1]))


def test_a_row_that_is_not_trained_says_how_it_would_be(tmp_path: Path):
    """A cell without a record has its seeds, its command and its difference all the same."""
    plan = plan_of(make_ablation([depth_row(2), depth_row(3)]))
    facts = embedded(tmp_path, plan)
    seeds = facts["tables"]["depth"]["cells"]["1.0"]["seeds"]
    assert [(0, "missing"), (1, "missing"), (2, "missing")] == [
        (seed["seed"], seed["state"]) for seed in seeds
    ]
    assert {"not begun"} == {training["state"] for training in facts["trainings"].values()}
    assert "python sweep.py tiny/depth" == place_of(facts, "depth", "1.0")["command"]
    assert [["depth", "2", "3"]] == place_of(facts, "depth", "1.0")["changes"]
