"""Why a search suggests nothing more: its trials are made, its budget is spent, its space is exhausted, or it gave up.

Three kinds of suggestions train nothing: those that the store answers, those that are refused by a constraint or by the
method, and those that would repeat another. None of them counts as made, and too many of them end a search.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from tablewright.orchestrator.declared.budget import Spending
from tablewright.orchestrator.declared.constraints import is_kept
from tablewright.orchestrator.declared.search import Search
from tablewright.orchestrator.searches.finite_space import LISTED, Cell, SearchSpace, cell_of
from tablewright.orchestrator.store.search_records import SearchTrialRecord
from tablewright.trainables.value.counted import counted

SUGGESTIONS_ALLOWED = 4
"""A search ends when it has made so many times its number of trials in suggestions that were not refused: what is left
to be suggested is mostly answered by the store."""

REFUSALS_ALLOWED, FEWEST_REFUSALS_ALLOWED = 3, 100
"""A search gives up when so many times its number of trials were refused, or this many where that is more, or this many
in a row."""


@dataclass(frozen=True)
class SearchEnd:
    """Why no further suggestion is made.

    Attributes:
        kind: what has ended it; `gave up` is no end of a finished search.
        text: the same in words, to stand behind how many trials it made.
    """

    kind: Literal["made", "budget", "exhausted", "answered", "gave up"]
    text: str = ""


def made_ids(search: Search, trials: Sequence[SearchTrialRecord]) -> set[str]:
    """Give the trainings that count: those that the search has made, and the declared config's, whoever made it."""
    own = (trial for trial in trials if search.counts_answered or not trial.is_answered or trial.number == 0)
    return {trial.training_id for trial in own} - {""}


def search_end(search: Search, trials: Sequence[SearchTrialRecord], spending: Spending) -> SearchEnd | None:
    """Say why a search with these trials suggests nothing more; None where it does.

    Args:
        search: the declaration.
        trials: by number.
        spending: of its own trainings.
    """
    num_made = len(made_ids(search, trials))
    if num_made >= search.num_trials:
        return SearchEnd("made")
    if search.budget is not None and (spent := search.budget.spent(spending)):
        return SearchEnd("budget", f"budget of {spent} spent after {counted(num_made, 'trial')}")
    tried = {cell_of(trial.params) for trial in trials}
    if _is_exhausted(search, tried):
        return SearchEnd("exhausted", f"its space is exhausted, all {len(tried)} points of it")
    num_refused = sum(trial.is_refused for trial in trials)
    violations = search.violations()
    # What breaks a constraint that was declared since is suggested no more.
    counting = [trial for trial in trials if is_kept(violations(trial.params))]
    refused = [trial for trial in counting if trial.is_refused]
    last = itertools.takewhile(lambda trial: trial.is_refused, reversed(counting))
    most_refused = max(REFUSALS_ALLOWED * search.num_trials, FEWEST_REFUSALS_ALLOWED)
    if len(refused) >= most_refused or len([*last]) >= FEWEST_REFUSALS_ALLOWED:
        return SearchEnd("gave up", f"{len(refused)} suggestions were refused")
    if len(trials) - num_refused >= SUGGESTIONS_ALLOWED * search.num_trials:
        num_answered = len(trials) - num_refused - num_made
        return SearchEnd(
            "answered",
            f"of {len(trials)} suggestions {num_answered} were answered by the store",
        )
    return None


def _is_exhausted(search: Search, tried: Collection[Cell]) -> bool:
    """Say whether every point of the space was tried that keeps the constraints."""
    space = SearchSpace(search.space)
    if space.size is None or not search.constraints:
        return space.is_exhausted(tried)
    violations = search.violations()
    return space.size <= LISTED and all(
        cell_of(cell) in tried for cell in space.cells() if is_kept(violations(cell))
    )
