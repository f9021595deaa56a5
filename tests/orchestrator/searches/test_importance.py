"""How much each parameter of a search mattered: the right one comes first, and what cannot be told is not told."""

import itertools
import math

import numpy as np
import pytest

from tablewright.orchestrator.declared.ranges import Choice, FloatRange, IntRange, When
from tablewright.orchestrator.searches.importance import FANOVA, NUM_REPLICATES, PED_ANOVA, importances_of
from tablewright.orchestrator.store.search_records import SearchTrialRecord
from tests.orchestrator.searched import a_trial, result_of

RATE, SIZE = "learning_rate", "network.embedding_size"
GUIDANCE, NUM = "network.attention.guidance", "network.attention.num_attentions"
SPACE = {
    RATE: FloatRange(0.001, 1.0, log=True),
    SIZE: IntRange(2, 16),
    GUIDANCE: Choice((True, False)),
    NUM: When(GUIDANCE, (False,), IntRange(1, 4)),
}


def searched(value_of, num_trials=24):
    """A search of random trials, with a value that a function of its parameters gives."""
    rng = np.random.default_rng(1)
    trials = []
    for number in range(num_trials):
        params = {RATE: math.exp(rng.uniform(math.log(0.001), 0)), SIZE: int(rng.integers(2, 17))}
        params[GUIDANCE] = bool(rng.integers(2))
        params |= {} if params[GUIDANCE] else {NUM: int(rng.integers(1, 5))}
        trials.append(a_trial(number, params, value_of(params), training=f"{number:02x}"))
    return result_of(trials, space=SPACE)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("value_of", "path"),
    [(lambda params: -(math.log(params[RATE] / 0.01) ** 2), RATE), (lambda params: params[SIZE], SIZE)],
)
def test_the_parameter_that_decides_comes_first(value_of, path):
    """Both measures put the only parameter that matters before the others, and say how sure they are."""
    importances = importances_of(searched(value_of))
    assert ("", 24) == (importances.lack, importances.num_trials)
    for measure, some in importances.by_measure.items():
        assert path == some[0].path, measure
        low, high = some[0].interval
        assert 0 <= low < high <= 1
        assert math.isclose(1, sum(importance.mean for importance in some))


@pytest.mark.slow
def test_equal_trials_give_equal_importances_and_fanova_has_no_conditional_parameter():
    """No random number is drawn but by seeds of its own; what was not searched in every trial is PED-ANOVA's alone."""
    result = searched(lambda params: params[RATE])
    first, second = importances_of(result), importances_of(result)
    assert first == second
    paths = {measure: {one.path for one in some} for measure, some in first.by_measure.items()}
    assert {FANOVA: {RATE, SIZE, GUIDANCE}, PED_ANOVA: {RATE, SIZE, GUIDANCE, NUM}} == paths


@pytest.mark.parametrize(
    ("result", "lack"),
    [
        (searched(lambda params: params[RATE], num_trials=3), "3 different complete trials"),
        (searched(lambda params: 0.5), "all 24 complete trials have the same value"),
        (result_of([a_trial(n, {RATE: 0.1 + n / 20}, n / 9) for n in range(5)]), "has one parameter"),
    ],
)
def test_what_trials_cannot_tell_is_said(result, lack):
    """Too few trials, no difference between them, or nothing to share out give a reason and no number."""
    importances = importances_of(result)
    assert {} == importances.by_measure
    assert lack in importances.lack


def left_early(num_left, num_complete):
    """Trials whose first epochs the rate decides, and of which few have an end, which the size decides."""
    trials = list[SearchTrialRecord]()
    for trial in searched(lambda params: 0.0, num_left + num_complete).trials:
        rate = math.log(trial.params[RATE])
        told = {"intermediate_values": {epoch: rate + epoch for epoch in range(1, 2 + trial.number % 3)}}
        is_complete = trial.number < num_complete
        ended = {"value": trial.params[SIZE], "state": "complete"} if is_complete else {"state": "pruned"}
        trials.append(
            a_trial(trial.number, dict(trial.params), training=f"{trial.number:02x}", **told, **ended)
        )
    return result_of(trials, space=SPACE)


@pytest.mark.slow
def test_where_few_trials_have_an_end_they_are_compared_after_the_last_epoch_that_enough_have_reached():
    """Eight of 24 have got to the third epoch, where all but four were left; with eight complete it is the end."""
    early, late = importances_of(left_early(20, 4)), importances_of(left_early(16, 8))
    assert ((8, 3), (8, None)) == ((early.num_trials, early.epoch), (late.num_trials, late.epoch))
    assert (RATE, SIZE) == (early.by_measure[FANOVA][0].path, late.by_measure[FANOVA][0].path)
    assert importances_of(left_early(18, 3)).epoch == 2


@pytest.mark.slow
def test_draws_in_which_no_trials_differ_tell_nothing():
    """Where one of eight is better than the others, the draws that have it say what sets it apart."""
    values = itertools.chain([1.0], itertools.repeat(0.0))
    importances = importances_of(searched(lambda params: next(values), num_trials=8))
    assert "" == importances.lack
    assert 0 < len(importances.by_measure[FANOVA][0].shares) < NUM_REPLICATES
