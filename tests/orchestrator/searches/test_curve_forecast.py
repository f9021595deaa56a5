"""The forecast of final values: what rises late is seen from its parameters, whatever leads early."""

import math

import pytest

from tablewright.orchestrator.declared.ranges import Choice, FloatRange, When
from tablewright.orchestrator.searches.curve_forecast import forecast_finals, forecast_left
from tablewright.orchestrator.store.search_records import SearchTrialRecord

SPACE = {"rate": FloatRange(1e-4, 1e-1, log=True)}
RUNGS = (1, 3)


def a_trial(number: int, rate: float, values: dict[int, float], **changes: object) -> SearchTrialRecord:
    found = {"number": number, "params": {"rate": rate}, "training_id": str(number), "state": "paused"}
    return SearchTrialRecord.model_validate({**found, "intermediate_values": values, **changes})


def late_bloomers() -> list[SearchTrialRecord]:
    """Low rates begin at 0.1 and end at 0.9, high ones begin at 0.5 and end at 0.6."""
    low = [
        a_trial(n, 1e-4 * (1 + n), {1: 0.1, 3: 0.5, 9: 0.9}, state="complete", value=0.9) for n in range(3)
    ]
    high = [
        a_trial(3 + n, 0.05 * (1 + n / 3), {1: 0.5, 3: 0.55, 9: 0.6}, state="complete", value=0.6)
        for n in range(3)
    ]
    return low + high


def test_a_late_bloomer_is_forecast_above_what_leads_early():
    """Of two paused trials the one that is behind is ranked first where trials like it have ended higher."""
    finals = forecast_finals(
        SPACE, [*late_bloomers(), a_trial(6, 2.5e-4, {1: 0.1}), a_trial(7, 0.06, {1: 0.5})], RUNGS
    )
    assert finals[6] == pytest.approx(0.9, abs=0.05)
    assert finals[7] == pytest.approx(0.6, abs=0.05)


def test_a_complete_trial_is_forecast_its_own_value():
    """What was measured is never replaced by a forecast."""
    finals = forecast_finals(SPACE, late_bloomers(), RUNGS)
    assert [0.9] * 3 + [0.6] * 3 == [finals[number] for number in range(6)]


def test_until_trials_went_further_a_value_stands_for_itself():
    """Without three trials at the next rung nothing is made up."""
    trials = [a_trial(0, 1e-3, {1: 0.2}), a_trial(1, 1e-2, {1: 0.3, 2: 0.35, 3: 0.4})]
    assert {0: 0.2, 1: 0.4} == forecast_finals(SPACE, trials, RUNGS)


@pytest.mark.parametrize("changes", [{"state": "fail"}, {"intermediate_values": {1: math.nan}}])
def test_what_failed_or_is_no_number_is_not_forecast(changes: dict[str, object]):
    """It teaches nothing, and spoils no other forecast."""
    broken = a_trial(6, 1e-3, {1: 0.3}).model_copy(update=changes)
    finals = forecast_finals(SPACE, [*late_bloomers(), broken], RUNGS)
    assert set(range(6)) == set(finals)
    assert all(map(math.isfinite, finals.values()))


def test_choices_and_conditional_ranges_have_a_place():
    """A parameter that a trial does not have does not keep it from a forecast."""
    space = {"kind": Choice(("a", "b")), "rate": When("kind", ["b"], SPACE["rate"])}
    trials = [
        a_trial(0, 0, {1: 0.1}, params={"kind": "a"}),
        a_trial(1, 0, {1: 0.2}, params={"kind": "b", "rate": 1e-3}),
        *(a_trial(n, 0, {1: 0.1, 3: 0.3}, params={"kind": "b", "rate": 10.0**-n}) for n in (2, 3, 4)),
    ]
    assert all(map(math.isfinite, forecast_finals(space, trials, RUNGS).values()))
    assert set(range(5)) == set(forecast_finals(space, trials, RUNGS))


def test_what_was_left_is_forecast_from_where_it_was_left():
    """At any epoch, whatever pruner has left it there; of several trainings it is the mean of those there are."""
    parts = [{"dataset": "d", "seed": seed, "training_id": str(seed)} for seed in range(3)]
    told = [
        {**part, "state": "complete", "value": value} for part, value in zip(parts, (0.4, 0.6), strict=False)
    ]
    left = [
        a_trial(6, 2.5e-4, {1: 0.1}, state="pruned"),
        a_trial(7, 0.06, {1: 0.5, 3: 0.55}, state="pruned"),
        a_trial(8, 0.06, {}, state="pruned", parts=[*told, {**parts[2], "state": "left"}]),
        a_trial(9, 0.06, {1: 0.5}, state="running"),
        a_trial(10, 0.06, {}, state="pruned"),
    ]
    finals = forecast_left(SPACE, [*late_bloomers(), *left])
    assert {6: 0.9, 7: 0.6, 8: 0.5} == pytest.approx(finals, abs=0.05)
