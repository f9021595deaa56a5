"""Whether a trial of several trainings is worse than the best one, by Optuna's Wilcoxon pruner and records alone.

Nothing is kept between two questions, so that a search that goes on after a kill decides as it would have.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import optuna
from optuna.pruners import WilcoxonPruner
from optuna.trial import FrozenTrial, TrialState

from tablewright.orchestrator.declared.pruners import Wilcoxon
from tablewright.orchestrator.store.search_records import SearchTrialRecord


def is_surely_worse(
    pruner: Wilcoxon, trials: Iterable[SearchTrialRecord], trial: SearchTrialRecord, *, higher_is_better: bool
) -> bool:
    """Say whether what is left of a trial is not worth training.

    Args:
        pruner: of the search.
        trials: all of the search; the best complete one is what it is compared with.
        trial: of which some trainings have a value.
        higher_is_better: of the objective.
    """
    if sum(part.value is not None for part in trial.parts) < pruner.num_startup_parts:
        return False
    complete = [one for one in trials if one.state == "complete" and one.number != trial.number]
    if not complete:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.create_study(direction="maximize" if higher_is_better else "minimize")
        study.add_trials([_with_parts(one) for one in complete])
        optunas = WilcoxonPruner(p_threshold=pruner.p, n_startup_steps=pruner.num_startup_parts)
        return optunas.prune(study, _with_parts(trial))


def _with_parts(trial: SearchTrialRecord) -> FrozenTrial:
    """Give a trial as the pruner wants it: the value of each training by its place among them."""
    is_complete = trial.state == "complete"
    return optuna.trial.create_trial(
        state=TrialState.COMPLETE if is_complete else TrialState.RUNNING,
        value=trial.value if is_complete else None,
        intermediate_values={
            place: part.value for place, part in enumerate(trial.parts) if part.value is not None
        },
    )
