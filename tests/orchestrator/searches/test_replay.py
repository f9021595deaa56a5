"""Recorded curves as a benchmark: what of a store answers, and what is refused."""

import dataclasses

import pytest

from tablewright.orchestrator.declared.pruners import Median
from tablewright.orchestrator.declared.ranges import FloatRange
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.plans.planning import resolver_of_records
from tablewright.orchestrator.searches.recorded_curves import (
    MIN_CURVES,
    RecordedCurve,
    RecordedCurves,
    find_curves,
)
from tablewright.orchestrator.searches.replay import WAYS, replay
from tablewright.reports.replay_page import write_replay
from tablewright.trainables.contract.run import Runtime
from tests.orchestrator.toy_sweep import ToySweep, a_search
from tests.toy_method import ToyConfig


def a_recorded_search(**changes):
    return a_search(num_trials=12, base=ToyConfig(epochs=4), pruner=Median(num_startup_trials=12), **changes)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A store on which one search let every trial end."""
    folder = tmp_path_factory.mktemp("recorded")
    sweep = ToySweep(folder)
    sweep(Study("s", "S", "nowhere", (0,), searches=[a_recorded_search()]))
    return sweep.store(), Runtime(None, str(folder / "cache"))


def found_of(recorded, search):
    store, runtime = recorded
    return find_curves(search, resolver_of_records(store, runtime), store)


@pytest.mark.slow
def test_a_search_is_replayed_without_a_training(recorded, tmp_path):
    """Every usual way is tried on the recorded curves, and finds the best of them in the end."""
    found = found_of(recorded, a_recorded_search())
    assert MIN_CURVES <= len(found.curves.curves) <= 12
    replayed = replay(a_recorded_search(), found, num_seeds=2)
    assert {*WAYS} <= {way.name for way in replayed.ways}
    assert 1 == sum(way.is_declared for way in replayed.ways)
    for way in replayed.ways:
        epochs = sorted(way.regrets)
        assert way.regrets[epochs[0]][0] >= way.regrets[epochs[-1]][0] >= 0
    study = Study("s", "S", "nowhere", (0,), searches=[a_recorded_search()])
    path = write_replay(replayed, study, ToySweep(tmp_path).store())
    page = (tmp_path / "runs/tables/s/replays/rate.md").read_text(encoding="utf-8")
    assert path.endswith("tables/s/replays/rate.md")
    assert all(f"| {name}" in page for name in WAYS)
    assert (tmp_path / "runs/tables/s/replays/rate.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_another_search_of_the_same_trainings_is_answered_too(recorded):
    """With other samplers, in a narrower space, its curves are those that lie in it."""
    of_all = found_of(recorded, a_recorded_search()).curves.curves
    wider = dataclasses.replace(
        a_recorded_search(), space={"learning_rate": FloatRange(0.01, 0.9)}, name="wider"
    )
    assert of_all == found_of(recorded, wider).curves.curves


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"base": ToyConfig(epochs=4, seed=1)},
        {"base": ToyConfig(epochs=5)},
        {"space": {"learning_rate": FloatRange(0.099, 0.1)}},
    ],
)
def test_too_few_curves_are_refused_in_words(recorded, changes):
    """What was trained otherwise answers nothing, and the message says how many there are and how to get more."""
    with pytest.raises(
        ValueError, match=r"at least 10 whole curves .* the store has \d.*num_trials=12.*Median"
    ):
        found_of(recorded, dataclasses.replace(a_recorded_search(), **changes))


def test_a_suggestion_is_answered_by_the_nearest_curve():
    """Distances are of logarithms where the range has one."""
    space = {"rate": FloatRange(1e-4, 1.0, log=True)}
    curves = RecordedCurves(
        space, tuple(RecordedCurve({"rate": rate}, (rate, rate)) for rate in (1e-4, 1e-2, 1.0))
    )
    assert [1e-4, 1e-2, 1.0] == [curves.settle({"rate": rate})["rate"] for rate in (5e-4, 0.05, 0.2)]
    assert (1.0, 1e-4, 2) == (curves.best, curves.worst, curves.num_epochs)
