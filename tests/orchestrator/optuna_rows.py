"""What Optuna's storage shows of a search, compared with what the store has of it."""

import optuna

from tablewright.orchestrator.projections.mirrored_study import SUGGESTION
from tablewright.orchestrator.projections.optuna_mirror import open_storage

SHOWN = {"running": "RUNNING", "complete": "COMPLETE", "pruned": "PRUNED", "refused": "FAIL", "fail": "FAIL"}


def rows_of(url, name):
    """The trials of the one study whose name begins so; none where there is no such study yet."""
    storage = open_storage(url)  # which the sweep may be making at this moment
    found = [known for known in optuna.get_all_study_names(storage) if known.startswith(name)]
    trials = [
        trial for known in found for trial in optuna.load_study(study_name=known, storage=storage).trials
    ]
    storage.engine.dispose()
    return trials


def shown(url, name):
    """(suggestion, state, values by epoch, value) of each trial, by suggestion."""
    return sorted(
        (row.user_attrs[SUGGESTION], row.state.name, row.intermediate_values, row.value)
        for row in rows_of(url, name)
    )


def expected(store, search_id):
    """The same of each suggestion in the store."""
    rows = []
    for trial in store.search_trials(search_id):
        state = SHOWN.get(trial.state, "WAITING") if trial.is_final or trial.state == "running" else "WAITING"
        values, value = trial.intermediate_values, trial.value
        if state == "PRUNED" and values:
            value = values[max(values)]
        rows.append((trial.number, state, values, value))
    return rows
