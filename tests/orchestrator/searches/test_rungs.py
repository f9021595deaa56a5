"""Who goes on in a search: decided by the records of its trials alone."""

import math

import pytest

from tablewright.orchestrator.declared.pruners import Halving, Hyperband, Median, Patience
from tablewright.orchestrator.searches.rungs import bracket_of, first_stop, promotion, rungs_of, verdict
from tablewright.orchestrator.store.search_records import SearchTrialRecord

HALVING = Halving(first_epoch=1, factor=3, one_of=3, last_rung=1.0)


def a_trial(number, values, state="paused", until=None, **more):
    """A trial of nine epochs, with its values from epoch 1 on."""
    return SearchTrialRecord(
        number=number,
        params={},
        training_id=f"{number:064x}",
        state=state,
        intermediate_values=dict(enumerate(values, start=1)),
        num_epochs=9,
        until_epoch=until,
        **more,
    )


def paused(*values):
    """Trials that rest at the first rung with these values."""
    return [a_trial(number, [value], until=1) for number, value in enumerate(values)]


def decided(pruner, trials, trial, *, higher_is_better=True):
    return verdict(pruner, [*trials, trial], trial, higher_is_better=higher_is_better)


def promoted(trials, pruner=HALVING, **more):
    return promotion(pruner, trials, **{"higher_is_better": True, **more})


@pytest.mark.parametrize(
    ("pruner", "num_epochs", "rungs"),
    [
        (HALVING, 9, (1, 3)),
        (HALVING, 10, (1, 3, 9)),
        (Halving(first_epoch=2, last_rung=0.5), 16, (2, 4, 8)),
        (Halving(), 27, (1, 2, 4, 8)),
        (Halving(), 60, (3, 6, 12, 24)),
        (Halving(first_epoch=20), 27, (20,)),
        (Halving(), 2, (1,)),
        (HALVING, 1, ()),
        (Halving(first_epoch=30), 27, ()),
        (Median(), 27, ()),
        (None, 27, ()),
    ],
)
def test_rungs_lie_below_the_end_of_a_training(pruner, num_epochs, rungs):
    """Each is `factor` times as far as the one before; there is none at the last epoch."""
    assert rungs == rungs_of(pruner, num_epochs)


def test_brackets_of_hyperband_begin_later_and_later():
    """The last has no rung; each gets its share of the trials, spread over their numbers."""
    pruner = Hyperband(first_epoch=1)
    assert [(1, 3), (3,), ()] == [rungs_of(pruner, 9, bracket) for bracket in range(3)]
    brackets = [bracket_of(pruner, 9, number) for number in range(18)]
    assert [0, 1, 2] == sorted(set(brackets[:9]))
    assert brackets.count(0) > brackets.count(1) > 0
    assert [1, 3, None] == [first_stop(pruner, 9, bracket) for bracket in range(3)]


def test_a_trial_is_paused_at_the_rung_it_may_train_to():
    """It goes on before, and beyond once it was promoted."""
    running = a_trial(0, [0.5], "running", until=3)
    assert ["go on", "go on", "pause"] == [
        decided(
            HALVING,
            [],
            running.model_copy(update={"intermediate_values": dict.fromkeys(range(1, n + 1), 0.5)}),
        )
        for n in (1, 2, 3)
    ]
    assert "go on" == decided(HALVING, [], a_trial(0, [0.5] * 5, "running", until=None))


def test_nobody_is_promoted_among_fewer_than_a_factor():
    """One of three goes on; of two nobody is known to be good."""
    assert promoted(paused(0.1, 0.9)) is None
    assert (1, 3) == promoted(paused(0.1, 0.9, 0.2))


def test_the_best_is_promoted_and_of_equal_ones_the_first():
    """Whichever way the metric runs."""
    assert (2, 3) == promoted(paused(0.1, 0.2, 0.9, 0.3))
    assert (0, 3) == promoted(paused(0.1, 0.2, 0.9, 0.3), higher_is_better=False)
    assert (1, 3) == promoted(paused(0.1, 0.5, 0.5))


def test_who_has_been_promoted_counts_at_the_rung_and_is_not_promoted_again():
    """Of six, two may go on; the second is promoted when the first already was."""
    trials = [a_trial(0, [0.9, 0.9, 0.9], until=3), *paused(0, 0.1, 0.2, 0.3, 0.4, 0.8)[1:]]
    assert (5, 3) == promoted(trials)
    assert promoted(trials[:5]) is None


def test_a_higher_rung_is_served_first():
    """What is nearest to its end goes on before what begins."""
    high = [a_trial(number, [0.9, 0.9, value], until=3) for number, value in enumerate((0.5, 0.6, 0.7))]
    low = [a_trial(number + 3, [0.95], until=1) for number in range(6)]
    assert (2, None) == promoted([*high, *low])


def test_what_failed_or_was_answered_takes_no_part_at_a_rung():
    """A failed trial keeps nobody from going on, and makes nobody go on."""
    bad = a_trial(3, [0.99], "fail")
    answered = a_trial(4, [0.99], "pruned", is_answered=True)
    assert (1, 3) == promoted([*paused(0.1, 0.9, 0.2), bad, answered])
    assert promoted([*paused(0.1, 0.9), bad, answered]) is None


def test_a_value_that_is_no_number_is_the_worst():
    """A diverged trial counts as one that was tried, and never goes on before another."""
    assert (2, 3) == promoted(paused(math.nan, math.nan, 0.1))
    assert (0, 3) == promoted(paused(0.1, math.nan, math.inf))


def test_a_search_ends_with_a_trial_that_was_trained_to_its_end():
    """Where nothing more is begun, the best of the highest rung goes on until one is complete."""
    trials = paused(0.1, 0.9)
    assert (1, 3) == promoted(trials, is_closing=True)
    further = [trials[0], a_trial(1, [0.9, 0.9, 0.9], until=3)]
    assert (1, None) == promoted(further, is_closing=True)
    complete = [trials[0], a_trial(1, [0.9] * 9, "complete", value=0.9)]
    assert promoted(complete, is_closing=True) is None
    answered = [trials[0], a_trial(1, [], "complete", value=0.1, is_answered=True)]
    assert (0, 3) == promoted(answered, is_closing=True), "what a table had trained was at no rung"


def test_brackets_are_not_compared_with_each_other():
    """The best of one bracket keeps nobody of another from going on."""
    pruner = Hyperband(first_epoch=1)
    ours = paused(0.1, 0.2, 0.3)
    theirs = [a_trial(number, [0.9] * 3, until=3, bracket=1) for number in range(3, 5)]
    assert (2, 3) == promoted([*ours, *theirs], pruner)


def test_without_promotion_a_trial_is_ended_that_is_not_among_the_best():
    """One of three goes on beyond a rung; the first to get there does."""
    pruner = Halving(first_epoch=1, promotes=False)
    assert "go on" == decided(pruner, [], a_trial(0, [0.1], "running"))
    others = [a_trial(number, [0.5], "running") for number in range(3)]
    assert "prune" == decided(pruner, others, a_trial(3, [0.4], "running"))
    assert "go on" == decided(pruner, others, a_trial(3, [0.6], "running"))
    assert "go on" == decided(pruner, others, a_trial(3, [0.6, 0.1], "running"))
    assert "go on" == decided(pruner, others, a_trial(3, [0.1] * 9, "running"))


def test_a_rung_is_judged_at_the_first_epoch_that_was_measured_from_it_on():
    """A method that measures every second epoch is not let through."""
    pruner = Halving(first_epoch=1, promotes=False)
    others = [a_trial(number, [0.5, 0.5], "running") for number in range(3)]
    late = a_trial(3, [], "running").model_copy(update={"intermediate_values": {2: 0.1}})
    assert "prune" == decided(pruner, others, late)


def test_the_median_rule_warms_up_for_a_share_of_the_training():
    """Today's value is not what counts, but the best so far; and nothing is ended in the warm-up."""
    pruner = Median(warmup=0.3, num_startup_trials=2)
    others = [a_trial(number, [0.5] * 9, "complete", value=0.5) for number in range(2)]
    assert ["go on", "go on", "prune"] == [
        decided(pruner, others, a_trial(2, [0.1] * n, "running")) for n in (1, 2, 3)
    ]
    assert "go on" == decided(pruner, others, a_trial(2, [0.1, 0.9, 0.1], "running"))
    assert "go on" == decided(pruner, others[:1], a_trial(2, [0.1] * 5, "running"))


def test_patience_counts_epochs_without_a_better_value():
    """An improvement below the least one does not count."""
    pruner = Patience(2, min_improvement=0.1)
    assert "go on" == decided(pruner, [], a_trial(0, [0.1, 0.15], "running"))
    assert "prune" == decided(pruner, [], a_trial(0, [0.1, 0.15, 0.19], "running"))
    assert "go on" == decided(pruner, [], a_trial(0, [0.1, 0.15, 0.25], "running"))
    assert "prune" == decided(pruner, [], a_trial(0, [0.1, 0.2, 0.3], "running"), higher_is_better=False)


def test_a_rung_goes_by_forecasts_where_there_are_any():
    """Who is behind goes on where it is forecast to end ahead; without a forecast a value stands for itself."""
    trials = paused(0.1, 0.9, 0.2)
    assert (2, 3) == promoted(trials, finals={0: 0.5, 1: 0.6, 2: 0.8})
    assert (1, 3) == promoted(trials, finals={0: 0.5, 2: 0.8})


def test_how_many_go_on_is_set_apart_from_how_far():
    """One of four, to twice the epoch."""
    pruner = Halving(first_epoch=1, factor=2, one_of=4)
    assert promoted(paused(0.1, 0.9, 0.2), pruner) is None
    assert (1, 2) == promoted(paused(0.1, 0.9, 0.2, 0.3), pruner)
