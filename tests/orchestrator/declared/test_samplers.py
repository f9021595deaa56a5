"""What searches try next, driven in memory: no training, no store."""

import math
import random
import re

import pytest

from tablewright.orchestrator.declared.pruners import Median
from tablewright.orchestrator.declared.ranges import Choice, FloatRange, IntRange, When
from tablewright.orchestrator.declared.samplers import (
    BruteForce,
    CmaEs,
    Gp,
    Nsga2,
    Nsga3,
    Qmc,
    Random,
    Tpe,
)
from tablewright.orchestrator.searches.finite_space import SearchSpace, cell_of
from tablewright.orchestrator.searches.suggester import Suggester
from tablewright.orchestrator.searches.unit_interval import share_of_value, value_at_share
from tablewright.orchestrator.store.search_records import LearntTrial, LearntTrials, SearchTrialRecord
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.work import Outcome
from tests.orchestrator.searches.test_search import open_source
from tests.orchestrator.toy_sweep import a_search

NUMBERS = {
    "learning_rate": FloatRange(0.05, 0.45, log=True),
    "network.embedding_size": IntRange(1, 64),
    "epochs": IntRange(2, 9),
}
CELLS = {
    "network.embedding_size": IntRange(2, 8, step=2),
    "epochs": IntRange(2, 7),
    "learning_rate": Choice((0.1, 0.2, 0.3, 0.4)),
}
EVERY_SAMPLER = [Tpe(4), Gp(3), CmaEs(4), Qmc(), Random(), BruteForce(), Nsga2(5)]


def value_of(params):
    """A hill whose top is at a learning rate of 0.2, 20 wide."""
    rate, width = params.get("learning_rate", 0.1), params.get("network.embedding_size", 4)
    return -(math.log(rate / 0.2) ** 2) - (width - 20) ** 2 / 400 - params.get("epochs", 3) / 100


def go_on(suggester, num_trials, num_open=1):
    """Suggest, and end trials, the last first; of six one is left early, and one pauses and ends ten trials later."""
    open_numbers = []
    while num_trials or open_numbers:
        while num_trials and len(open_numbers) < num_open and not suggester.is_spent:
            trial = suggester.suggested()
            suggester.take(trial.model_copy(update={"training_id": f"{trial.number:064x}", "num_epochs": 9}))
            open_numbers.append(trial.number)
            num_trials -= 1
        if not open_numbers:
            return suggester
        number = open_numbers.pop()
        value = value_of(suggester.trials[number].params)
        if number % 6 in (2, 5):
            suggester.reported(number, {1: value}, 9)
            suggester.told(number, "pruned") if number % 6 == 5 else suggester.paused(number)
        else:
            suggester.told(number, "complete", value)
        if number >= 10 and suggester.trials[number - 10].state == "paused":
            suggester.told(number - 10, "complete", value_of(suggester.trials[number - 10].params))
    return suggester


def taken_up(search, suggester, learnt=None):
    """Give the search as another process reads it."""
    other = Suggester(search, learnt=learnt)
    for trial in suggester.in_order:
        other.take(SearchTrialRecord.model_validate_json(trial.model_dump_json()))
    return other


def params_of(suggester):
    return [trial.params for trial in suggester.in_order]


@pytest.mark.slow
@pytest.mark.parametrize("sampler", EVERY_SAMPLER, ids=str)
def test_a_search_taken_up_after_each_trial_suggests_what_the_undisturbed_one_does(sampler):
    """Nothing that a sampler needs to know is kept outside the trials, and a trial stays small."""
    num_trials = 6 if isinstance(sampler, Gp) else 25
    space = CELLS if isinstance(sampler, BruteForce) else NUMBERS
    search = a_search(space=space, sampler=sampler, num_trials=100)
    undisturbed = go_on(Suggester(search), num_trials)
    disturbed = Suggester(search)
    for _ in range(num_trials):
        disturbed = go_on(taken_up(search, disturbed), 1)
    assert num_trials == len({cell_of(params) for params in params_of(undisturbed)})
    assert params_of(undisturbed) == params_of(disturbed)
    assert max(len(trial.model_dump_json()) for trial in undisturbed.in_order) < 1_500


@pytest.mark.slow
@pytest.mark.parametrize("sampler", [Tpe(4), CmaEs(4), Nsga2(5)], ids=str)
def test_a_search_that_has_learnt_from_elsewhere_goes_on_as_the_undisturbed_one(sampler):
    """What it was taught is among what its suggestions follow from, after it was taken up too."""
    params = [{"learning_rate": 0.2, "network.embedding_size": size, "epochs": 3} for size in range(10, 24)]
    learnt = LearntTrials(
        lines=("14 trials",),
        trials=tuple(LearntTrial(params=each, value=value_of(each)) for each in params),
    )
    search = a_search(space=NUMBERS, sampler=sampler, num_trials=100)
    undisturbed = go_on(Suggester(search, learnt=learnt), 14)
    disturbed = Suggester(search, learnt=learnt)
    for _ in range(14):
        disturbed = go_on(taken_up(search, disturbed, learnt), 1)
    assert params_of(undisturbed) == params_of(disturbed)
    assert params_of(undisturbed)[1:] != params_of(go_on(Suggester(search), 14))[1:]


def test_a_gaussian_process_hears_of_what_was_left_whatever_left_it():
    """A trial that a median left counts with its forecast, so that the sampler does not come back to where it lies."""
    space = {path: declared for path, declared in NUMBERS.items() if path != "epochs"}
    suggester = Suggester(a_search(space=space, sampler=Gp(), num_trials=100, pruner=Median()))
    go_on(suggester, 6)
    known = suggester._as_the_sampler_learns()
    assert {"complete"} == {trial.state for trial in known}
    assert value_of(known[5].params) == known[5].value


@pytest.mark.slow
@pytest.mark.parametrize("sampler", [Tpe(), Gp(), CmaEs(), BruteForce()], ids=str)
def test_a_small_space_is_tried_to_its_end_and_nothing_twice(tmp_path, sampler):
    """Eight at a time, ended in any order: each of 96 cells is trained once, and then the search is over."""
    space = (
        CELLS
        if not isinstance(sampler, CmaEs)
        else {**CELLS, "learning_rate": FloatRange(0.1, 0.1), "own_noise": IntRange(0, 3)}
    )
    search = a_search(space=space, sampler=sampler, num_trials=120)
    source = open_source(Store(str(tmp_path)), search, max_open=8)
    order, works, num_trained = random.Random(0), [], 0
    while True:
        while (work := source.next_work()) is not None:
            works.append(work)
        if not works:
            break
        source.on_end(works.pop(order.randrange(len(works))), Outcome("pruned"))
        num_trained += 1
    cells = {cell_of(trial.params) for trial in source.trials}
    assert (96, 96, 96) == (num_trained, len(source.trials), len(cells))
    assert source.is_finished()


def test_no_suggestion_is_made_twice_where_a_branch_has_an_end():
    """In an endless space the one cell without a free number is tried once."""
    space = {
        "epochs": Choice((2, 3)),
        "learning_rate": When("epochs", (3,), FloatRange(0.05, 0.45)),
    }
    suggester = go_on(Suggester(a_search(space=space, sampler=Random(), num_trials=40)), 30)
    assert 30 == len({cell_of(params) for params in params_of(suggester)})
    assert 1 == [params["epochs"] for params in params_of(suggester)].count(2)


@pytest.mark.slow
def test_a_larger_finite_space_repeats_nothing():
    """A sampler that comes back to the same few cells tries others instead."""
    search = a_search(space={"network.embedding_size": IntRange(1, 60)}, sampler=Tpe(2), num_trials=30)
    suggester = go_on(Suggester(search), 30)
    assert 30 == len({cell_of(params) for params in params_of(suggester)})


SWITCHED = {
    "network.embedding_size": When("epochs", (3, 4), IntRange(1, 5)),
    "epochs": IntRange(2, 4),
    "learning_rate": Choice((0.1, 0.2)),
}


def test_cells_of_a_space_with_conditions_are_counted_and_listed():
    """A range counts only where it is searched; what is endless has no size."""
    cells = list(SearchSpace(SWITCHED).cells())
    assert 22 == SearchSpace(SWITCHED).size == len({cell_of(cell) for cell in cells})
    assert all(("network.embedding_size" in cell) == (cell["epochs"] > 2) for cell in cells)
    assert 10**15 == SearchSpace({"a": IntRange(1, 10**12), "b": IntRange(1, 1_000)}).size
    assert SearchSpace({**SWITCHED, "weight": FloatRange(0, 1)}).size is None
    fixed = FloatRange(0.5, 0.5)
    assert 22 == SearchSpace({**SWITCHED, "weight": fixed}).size


@pytest.mark.parametrize(
    "declared", [FloatRange(0.01, 10, log=True), FloatRange(-1, 3), IntRange(1, 1000, log=True)]
)
def test_a_value_lies_at_its_share_of_a_range(declared):
    """What CMA-ES and a Sobol sequence know as a share is that value again."""
    for share in (0.0, 0.3, 1.0):
        value = value_at_share(declared, share)
        assert declared.contains(value)
        assert value == value_at_share(declared, share_of_value(declared, value))


def test_shares_of_a_range_of_steps_are_equal():
    """Each of four whole numbers, and of four choices, has a quarter."""
    for declared in (IntRange(2, 8, step=2), Choice(("a", "b", "c", "d"))):
        values = [value_at_share(declared, (index + 0.5) / 100) for index in range(100)]
        assert [25] * 4 == [values.count(value) for value in declared.values_in_order()]


REFUSED = [
    (CmaEs(), CELLS, "learning_rate is a Choice without an order"),
    (CmaEs(40), NUMBERS, "a generation of CmaEs is 40 trials, and with 20 in all it would never learn"),
    (Nsga2(), NUMBERS, "a generation of Nsga2 is 20 trials"),
    (Nsga3(4), NUMBERS, "Nsga3 divides its trials among several objectives, and there is one"),
    (BruteForce(), NUMBERS, "BruteForce tries every value, and learning_rate has no end of them"),
    *(
        (sampler, SWITCHED, "knows no conditional parameters, and network.embedding_size is one")
        for sampler in (Gp(), CmaEs(), Qmc(), Nsga2(4))
    ),
]


@pytest.mark.parametrize(("sampler", "space", "fault"), REFUSED, ids=str)
def test_what_a_sampler_cannot_do_is_refused(sampler, space, fault):
    """What Optuna would quietly draw at random is told when the search is declared."""
    with pytest.raises(ValueError, match=re.escape(fault)):
        a_search(space=space, sampler=sampler, num_trials=20)


@pytest.mark.parametrize(
    ("field", "given", "meant"),
    [
        ("sampler", "tpe", "Tpe(…)"),
        ("sampler", "cma-es", "CmaEs(…)"),
        ("sampler", "brute force", "BruteForce(…)"),
        ("pruner", "median", "Median(…)"),
        ("pruner", "Hyperband", "Hyperband(…)"),
    ],
)
def test_a_name_is_answered_with_what_to_write(field, given, meant):
    """Who writes the name that Optuna's users know is told the value."""
    with pytest.raises(ValueError, match=re.escape(f"write {meant}")):
        a_search(**{field: given})
