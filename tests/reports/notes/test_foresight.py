"""What a plan says that its tables can find, before anything trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tablewright.orchestrator.store.store import Store
from tablewright.reports.notes.foresight import foresee
from tablewright.trainables.retrieval.view import MAP
from tests.reports.tiny_study import DUKE, MARKET, depth_row, make_ablation, plan_of, record_value


def foreseen(store_path: Path, values: dict[str, tuple[float, ...]], **declared: Any) -> str:
    """Give what is said of a table of two rows whose values are recorded under Market-1501."""
    plan = plan_of(make_ablation([depth_row(2), depth_row(3)], metrics=[MAP], **declared))
    store = Store(str(store_path))
    for row, measured in values.items():
        record_value(store, plan, row, {"Market-1501": {seed: {"map": v} for seed, v in enumerate(measured)}})
    (foresight,) = foresee(plan, store)
    return str(foresight)


@pytest.mark.slow
def test_each_column_says_where_its_deviation_comes_from(tmp_path: Path):
    """One data set is recorded and the other is not: the declared deviation is told of that one alone."""
    values = {"depth 2": (0.80, 0.81, 0.82), "depth 3": (0.80, 0.815, 0.813)}
    text = foreseen(tmp_path, values, datasets=[MARKET, DUKE], deviation={"map": 0.01})
    assert "(Market-1501, by recorded spreads)" in text
    assert "(DukeMTMC-reID, by the declared deviation)" in text


@pytest.mark.slow
def test_a_column_of_which_nothing_is_known_is_named(tmp_path: Path):
    """What is foreseen for one data set is not taken for the other as well."""
    values = {"depth 2": (0.80, 0.81, 0.82), "depth 3": (0.80, 0.815, 0.813)}
    text = foreseen(tmp_path, values, datasets=[MARKET, DUKE])
    assert "; unknown for mAP (DukeMTMC-reID), where neither two seeds are recorded nor" in text
    assert "unknown" not in foreseen(tmp_path / "one", values)


@pytest.mark.slow
def test_two_recorded_seeds_say_less_than_a_declared_deviation(tmp_path: Path):
    """Two seeds that happen to agree promise no tables of hair-fine differences where a deviation is declared."""
    values = {"depth 2": (0.80, 0.81), "depth 3": (0.82, 0.8301)}
    declared = foreseen(tmp_path / "none", {}, deviation={"map": 0.01})
    assert declared == foreseen(tmp_path / "two", values, deviation={"map": 0.01})
    alone = foreseen(tmp_path / "alone", values)
    assert alone.endswith("(Market-1501), by recorded spreads, of two seeds and hardly known")


def test_a_difference_that_no_table_can_show_is_not_foreseen(tmp_path: Path):
    """Of a deviation of half the scale nothing is found, and no percentage above 100 is promised."""
    text = foreseen(tmp_path, {}, deviation={"map": 0.5})
    assert "3 seeds find more than 100 mAP, 5 find more than 100 (Market-1501)" in text
