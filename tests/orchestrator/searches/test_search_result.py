"""What a search has come to: how its trials ended, which is best, and which epochs it trained and saved."""

import pytest

from tests.orchestrator.searched import a_trial, result_of
from tests.toy_method import ToyConfig

RATE = "learning_rate"
TRIALS = [
    a_trial(0, {RATE: 0.1}, 0.5, intermediate_values={1: 0.2, 2: 0.4}),
    a_trial(1, {RATE: 0.2}, state="pruned", intermediate_values={1: 0.1, 2: 0.15}),
    a_trial(2, {RATE: 0.3}, 0.7, intermediate_values={1: 0.3, 2: 0.6}),
    a_trial(3, {RATE: 0.3}, 0.7, training="2"),
    a_trial(4, {RATE: 0.4}, state="fail", training=""),
    a_trial(5, {RATE: 0.15}, state="fail", num_failures=2, intermediate_values={1: 0.3}),
    a_trial(6, {RATE: 0.2}, state="pruned", training="1", intermediate_values={1: 0.1, 2: 0.15}),
]


def test_every_trial_has_ended_in_one_way():
    """Complete, pruned, failed, refused, and answered by a training that there was already, are told apart."""
    result = result_of(TRIALS)
    ended = ["complete", "pruned", "complete", "answered", "refused", "failed", "answered"]
    assert ended == [trial.outcome for trial in result.trials]
    assert {"complete": 2, "answered": 2, "pruned": 1, "failed": 1, "refused": 1} == result.counts()


def test_epochs_used_and_saved_add_up_to_those_of_every_trial_to_its_end():
    """What was stopped early and what was answered is saved; refused and failed trials count nowhere."""
    result = result_of(TRIALS, base=ToyConfig(epochs=6))
    assert (6 + 2 + 6, 6 - 2, 2 * 6) == (
        result.num_epochs_trained,
        result.num_epochs_stopped,
        result.num_epochs_answered,
    )


def test_the_best_is_a_complete_trial_and_the_first_of_equal_ones():
    """It is what the search says it has found; before its end, the best so far."""
    result = result_of(TRIALS)
    assert 2 == result.best.number
    assert {RATE: 0.3} == result.found == result.best.params
    assert [0, 0, 2, 2, 2, 2, 2] == [best.number for best in result.bests()]
    unfinished = result_of(TRIALS, num_trials=9)
    assert (2, None, False) == (unfinished.best.number, unfinished.found, unfinished.is_finished)


@pytest.mark.parametrize(("trials", "best"), [([], None), (TRIALS[1:2], None)])
def test_a_search_without_a_value_has_no_best(trials, best):
    """One that has not begun, or has stopped all that it tried, says nothing of a best."""
    result = result_of(trials)
    assert (best, best, None) == (result.best, result.found, result.declared_trial)


def test_the_declared_trial_is_known_by_its_values():
    """It is the one with the declared config's own values, wherever it stands."""
    result = result_of([TRIALS[2], TRIALS[0].model_copy(update={"number": 1})])
    assert 1 == result.declared_trial.number
