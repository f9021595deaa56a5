"""When a search ends: its trials made, its budget spent, its space exhausted, answered by the store, or given up."""

from dataclasses import replace
from typing import Self

import pytest
from pydantic import model_validator

from tablewright.orchestrator.declared.budget import Budget, Spending
from tablewright.orchestrator.declared.constraints import Less
from tablewright.orchestrator.declared.pruners import Halving, Hyperband, Median, Patience
from tablewright.orchestrator.declared.ranges import Choice, FloatRange, IntRange
from tablewright.orchestrator.declared.samplers import CmaEs, Random
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.orchestrator.searches.search_end import FEWEST_REFUSALS_ALLOWED, search_end
from tablewright.orchestrator.searches.search_identity import find_search_id
from tablewright.orchestrator.searches.search_state import state_of
from tablewright.orchestrator.store.search_records import SearchTrialRecord
from tests.orchestrator.searches.test_search import FACTS, StopAfter, ToySweep, a_search, searched
from tests.orchestrator.small_declarations import RATE, search
from tests.toy_method import ToyConfig


def trial(number, **changes):
    told = {
        "number": number,
        "params": {RATE: 0.1 + number / 1000},
        "training_id": f"{number:064d}",
        "state": "complete",
        "value": 0.5,
    }
    return SearchTrialRecord(**{**told, **changes})


def refused(number):
    return trial(number, state="refused", training_id="", value=None)


def kind(declared, trials, spending=None):
    end = search_end(declared, trials, spending or Spending())
    return None if end is None else end.kind


def test_answered_suggestions_do_not_count_but_the_declared_config_does():
    """It is a trial of the search whoever trained it, so that the order of table and search decides nothing."""
    declared = search(num_trials=3)
    trials = [trial(0, is_answered=True), trial(1), trial(2, is_answered=True)]
    assert kind(declared, trials) is None
    assert "made" == kind(declared, [*trials, trial(3)])
    state = state_of(declared, [*trials, trial(3)])
    assert (3, 4, 1) == (state.num_made, state.num_complete, state.num_answered)
    assert "finished with 4 trials, 1 answered by the store" == str(state)


def test_a_search_that_is_answered_for_ever_ends():
    """Four times its trials in suggestions are enough, and it says how many the store has answered."""
    declared = search(num_trials=2)
    trials = [trial(0), *(trial(number, is_answered=True) for number in range(1, 8))]
    assert kind(declared, trials[:-1]) is None
    assert "answered" == kind(declared, trials)
    state = state_of(declared, trials)
    assert state.is_finished
    assert "of 8 suggestions 7 were answered by the store" in str(state)


@pytest.mark.parametrize("num_answered_between", [0, 1])
def test_a_search_whose_suggestions_are_refused_gives_up(num_answered_between):
    """It is not finished, has no best, and says why the last one was refused, and what to do."""
    declared = search(num_trials=5, space={"epochs": IntRange(1, 900_000)}, base=ToyConfig(epochs=3))
    trials = [trial(0, params={"epochs": 3})]
    while sum(one.is_refused for one in trials) < FEWEST_REFUSALS_ALLOWED:
        assert kind(declared, trials) is None
        trials.append(refused(len(trials)).model_copy(update={"params": {"epochs": -len(trials)}}))
    assert "gave up" == kind(declared, trials)
    state = state_of(declared, trials)
    assert (False, None, True) == (state.is_finished, state.best, state.has_given_up)
    text = str(state)
    assert text.startswith(
        "gave up after 1 of 5 trials, 100 refused: the last refused suggestion was (epochs = -100)"
    )
    assert "constraints=[…]" in text


def test_a_constraint_that_is_declared_since_takes_a_search_on():
    """What it rules out is suggested no more, and is no reason to give up."""
    declared = search(num_trials=5, space={RATE: FloatRange(0.05, 0.9)})
    trials = [trial(0, params={RATE: 0.1})]
    trials += [
        trial(number, params={RATE: 0.8}, state="refused", training_id="", value=None)
        for number in range(1, 200)
    ]
    assert "gave up" == kind(declared, trials)
    assert kind(replace(declared, constraints=[Less(RATE, 0.7)]), trials) is None


def test_an_exhausted_space_ends_a_search():
    """Every point that keeps the constraints was tried: finished, and said."""
    declared = search(num_trials=9, space={RATE: Choice((0.1, 0.2, 0.3)), "epochs": IntRange(2, 3)})
    points = [{RATE: rate, "epochs": epochs} for rate in (0.1, 0.2, 0.3) for epochs in (2, 3)]
    trials = [trial(number, params=point) for number, point in enumerate(points)]
    assert kind(declared, trials[:-1]) is None
    assert "exhausted" == kind(declared, trials)
    assert "its space is exhausted" in str(state_of(declared, trials))
    narrower = replace(declared, constraints=[Less(RATE, 0.25)])
    assert "exhausted" == kind(narrower, trials[:4])


@pytest.mark.parametrize(
    ("budget", "spending", "text"),
    [
        (Budget(epochs=200), Spending(num_epochs=200), "200 epochs"),
        (Budget(hours=1.5), Spending(held_s=5400), "1.5 hours"),
        (Budget(gpu_hours=2), Spending(gpu_s=7200), "2 GPU-hours"),
        (Budget(epochs=200, hours=1), Spending(num_epochs=3, held_s=3600), "1 hours"),
    ],
)
def test_a_budget_ends_a_search_before_its_trials_are_made(budget, spending, text):
    """Whichever is spent first is named, after how many trials."""
    declared = search(num_trials=50, budget=budget)
    trials = [trial(0), trial(1)]
    assert (
        kind(declared, trials, replace(spending, num_epochs=1, held_s=spending.held_s / 2, gpu_s=1)) is None
    )
    state = state_of(declared, trials, spending)
    assert f"finished with 2 trials: budget of {text} spent after 2 trials" == str(state)
    assert state.best is not None


def test_neither_trials_nor_budget_are_part_of_a_search(tmp_path):
    """A search goes on when one of them is raised."""
    store, resolver = ToySweep(tmp_path).store(), DataResolver(lambda config: FACTS)
    several = [
        search(),
        search(num_trials=9),
        search(budget=Budget(epochs=4)),
        search(budget=Budget(hours=1)),
    ]
    assert 1 == len({find_search_id(declared, resolver, store) for declared in several})


@pytest.mark.slow
def test_a_search_stops_at_its_budget_of_epochs_and_goes_on_with_a_larger_one(tmp_path):
    """Stopped or not the same trials are made: 9 epochs are three trainings, for the table's own costs it nothing."""
    sweep, other = ToySweep(tmp_path), ToySweep(tmp_path / "other")
    (tmp_path / "other").mkdir()
    study = Study("s", "S", "nowhere", (0,), searches=[a_search(num_trials=20, budget=Budget(epochs=9))])
    result, events = sweep(study)
    assert result.is_complete
    assert 4 == len(set(searched(events))), "the declared config's is the table's, and measured only"
    assert "budget of 9 epochs spent after 4 trials" in str(result.plan.searches["s", "rate"])
    other(study, backend=StopAfter(8))
    resumed, _ = other(study)
    assert str(result.plan.searches["s", "rate"]) == str(resumed.plan.searches["s", "rate"])
    larger = Study("s", "S", "nowhere", (0,), searches=[a_search(num_trials=20, budget=Budget(epochs=15))])
    result, events = sweep(larger)
    assert ["rate: trial 4", "rate: trial 5"] == searched(events)
    assert result.is_complete


@pytest.mark.slow
def test_nobody_is_promoted_once_the_budget_is_spent(tmp_path):
    """What rests is ended; only where nothing was trained to its end one trial goes on, so that there is a result."""
    base = ToyConfig(epochs=9, epoch_s=0.001, learning_rate=0.2)
    declared = a_search(num_trials=20, base=base, pruner=Halving(first_epoch=1), budget=Budget(epochs=3))
    sweep = ToySweep(tmp_path)
    result, _ = sweep(Study("s", "S", "nowhere", (0,), searches=[declared]))
    trials = sweep.store().search_trials(
        find_search_id(declared, DataResolver(lambda config: FACTS), sweep.store())
    )
    assert result.is_complete
    assert {"complete", "pruned"} == {one.state for one in trials}
    epochs = [max(one.intermediate_values, default=0) for one in trials if not one.is_answered]
    assert [1, 1, 9] == sorted(epochs)


class Picky(ToyConfig):
    """A config that asks for what no range says, and hardly any suggestion has."""

    @model_validator(mode="after")
    def check_rate(self) -> Self:
        """Refuse all but three rates."""
        if self.learning_rate not in (0.1, 0.05, 0.45):
            raise ValueError("only round rates are trained")
        return self


@pytest.mark.slow
def test_a_search_that_gives_up_leaves_a_hole(tmp_path):
    """The sweep is not complete, and the table's row says why; nothing goes on for ever."""
    declared = a_search(num_trials=3, sampler=Random(), base=Picky())
    result, _ = ToySweep(tmp_path)(Study("s", "S", "nowhere", (0,), searches=[declared]))
    assert not result.is_complete
    (hole,) = [row for row in result.plan.tables["s", "rate"].printed_rows if row.waits_for]
    assert "gave up after 1 of 3 trials, 100 refused" in hole.waits_for
    assert "only round rates are trained" in hole.waits_for


# -- what is told when it is declared ------------------------------------------------------------

NINE = ToyConfig(epochs=9)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"budget": 200}, "budget: a Budget or None is needed; got 200"),
        ({"base": ToyConfig(epochs=1), "pruner": Halving(), "num_trials": 9}, "pruner: it decides between epochs"),
        ({"base": ToyConfig(epochs=1), "pruner": Median()}, "pruner: it decides between epochs"),
        ({"base": NINE, "pruner": Halving(first_epoch=9), "num_trials": 9},
         "the first rung, at epoch 9, is not before the end of a training of 9"),
        ({"base": NINE, "pruner": Hyperband(first_epoch=12), "num_trials": 9}, "the first rung, at epoch 12"),
        ({"base": NINE, "pruner": Halving(), "num_trials": 2}, "num_trials: of 3 trials at a rung one goes on"),
        ({"base": NINE, "pruner": Halving(), "num_trials": 2}, "and 2 come to none; ask for 3 or more"),
        ({"base": NINE, "pruner": Median(warmup=0.95)}, r"none is left to decide after; give warmup=… below 0\.89"),
        ({"base": NINE, "pruner": Patience(8)}, "a patience of 8 epochs does not end before a training of 9 does"),
        ({"base": NINE, "pruner": Halving(), "num_trials": 9, "space": {"epochs": IntRange(3, 9)}},
         "trainings of 3 to 9 epochs, which are not at the same point"),
        ({"base": NINE, "pruner": Median(), "space": {"epochs": Choice((9, 27))}}, "trainings of 9 to 27 epochs"),
        ({"space": {RATE: Choice((0.1,))}}, "every trial would be the same training, for no range changes it"),
        ({"space": {RATE: FloatRange(0.1, 0.1), "epochs": IntRange(3, 3)}}, r"\(now learning_rate, epochs\)"),
        ({"base": ToyConfig(learning_rate=0.12), "space": {RATE: FloatRange(0.1, 0.3, step=0.05)}},
         "the declared 0.12 is the first trial, and lies outside FloatRange"),
        ({"base": ToyConfig(epochs=4), "space": {"epochs": IntRange(1, 9, 2)}}, "declared 4 .* lies outside IntRange"),
        ({"space": {RATE: Choice((0.2, 0.3))}}, "the declared 0.1 .* lies outside Choice"),
    ],
)  # fmt: skip
def test_a_slip_in_a_search_is_told_when_it_is_declared(changes, message):
    """What could decide nothing, compare nothing fair, or search nothing."""
    with pytest.raises(ValueError, match=message):
        search(**changes)


def test_a_trial_may_be_compared_with_itself_whatever_its_length():
    """Patience looks at one training alone."""
    assert search(base=NINE, pruner=Patience(2), space={"epochs": IntRange(5, 9)}).pruner


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Budget(), "it limits nothing; give epochs=…, hours=… or gpu_hours=…"),
        (lambda: Budget(epochs=0), "epochs: a whole number of at least 1 or None is needed; got 0"),
        (lambda: Budget(epochs=2.5), "epochs: a whole number .* got 2.5"),
        (lambda: Budget(hours=0), "hours: .* above 0 .* got 0"),
        (lambda: Budget(gpu_hours=-1), "gpu_hours: .* got -1"),
        (lambda: Budget(gpu_hours="8h"), "gpu_hours: .* got '8h'"),
        (
            lambda: Halving(first_epoch=0),
            "first_epoch: a whole number of at least 1 or None is needed; got 0",
        ),
        (lambda: Hyperband(first_epoch=-1), "first_epoch: .* got -1"),
        (lambda: CmaEs(population_size=1), "population_size: .* got 1"),
        (lambda: FloatRange(0, 1, step=0), "step: .* above 0 .* got 0"),
    ],
)
def test_a_number_out_of_its_bounds_is_refused(build, message):
    """It is told when it is built."""
    with pytest.raises(ValueError, match=message):
        build()
