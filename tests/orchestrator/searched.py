"""Trials of a search as a store would have them, without one having been made."""

from dataclasses import replace

from tablewright.orchestrator.searches.search_end import made_ids
from tablewright.orchestrator.searches.search_result import search_result
from tablewright.orchestrator.searches.search_state import state_of
from tablewright.orchestrator.store.search_records import SearchTrialRecord
from tests.orchestrator.toy_sweep import a_search


def a_trial(number, params, value=None, *, state="complete", training=None, **more):
    """One suggestion; its training is told by a letter, another one for each number unless it is given."""
    identity = f"{number:x}" if training is None else training
    return SearchTrialRecord(
        number=number, params=params, training_id=identity * 64, state=state, value=value, **more
    )


def result_of(trials, **changes):
    """What a search of the toy method with these trials has come to; all of them are all that it makes."""
    search = a_search(**changes)
    if "num_trials" not in changes:
        search = replace(search, num_trials=max(1, len(made_ids(search, trials))))
    return search_result(search, replace(state_of(search, trials), search_id="5" * 64))
