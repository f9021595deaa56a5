"""What a search has come to so far: its trials with what each took, its best, and what it spent of its budget.

Read from its suggestions alone, finished or not; reports draw it and say it in words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import Any, Literal, cast, get_args

from tablewright.orchestrator.declared.ranges import Range, When, range_of
from tablewright.orchestrator.declared.samplers import Sampler
from tablewright.orchestrator.declared.search import Search
from tablewright.orchestrator.searches.pareto import front_of, knee_of
from tablewright.orchestrator.searches.rungs import rungs_of
from tablewright.orchestrator.searches.search_state import SearchState
from tablewright.orchestrator.store.search_records import SearchTrialRecord

TrialOutcome = Literal["complete", "answered", "pruned", "paused", "failed", "refused", "running"]
"""What became of a suggestion; `answered` was one by a training that the store had before it was suggested."""

OUTCOMES: tuple[TrialOutcome, ...] = get_args(TrialOutcome)
TRAINED: tuple[TrialOutcome, ...] = ("complete", "pruned", "paused", "running")
"""Outcomes of suggestions that the search has trained for, and that have not failed."""


@dataclass(frozen=True)
class SearchTrial:
    """One suggestion.

    Attributes:
        number: counted from 0, in the order of suggesting.
        params: dotted path -> value; a path that is not searched beside the others is not in it.
        training_id: empty where the suggestion was refused.
        outcome: what became of it.
        value: of the objective at the end of the training, where it got there; a fraction as metrics are.
        values: of all objectives, where they are several and it got there.
        reported: epoch -> value of the objective there, of those that are numbers.
        num_epochs_trained: of its training by this search; none for one that was recorded already.
        num_epochs: of its whole training.
        rungs: epochs after which it was decided whether it goes on.
    """

    number: int
    params: Mapping[str, Any]
    training_id: str
    outcome: TrialOutcome
    value: float | None
    reported: Mapping[int, float]
    num_epochs_trained: int
    num_epochs: int
    rungs: tuple[int, ...] = ()
    values: tuple[float, ...] = ()

    @property
    def last_value(self) -> float | None:
        """Its value, or the last that was seen of one that did not get to its end."""
        return (
            self.value if self.value is not None or not self.reported else self.reported[max(self.reported)]
        )


@dataclass(frozen=True)
class SearchResult:
    """What a search has come to so far.

    Attributes:
        search: the declaration.
        search_id: of its folder in the store.
        trials: by number.
        is_finished: whether nothing is left to suggest or to train.
        found: parameters of the best trial of a finished search; None while there is none.
        learnt: from where it has learnt before its first trial, for people.
        begun_by: the sampler that has begun it, in an earlier version, where another one goes on; None where none did.
        why_ended: why it suggests nothing more before it has made all its trials, in words; empty where it does.
    """

    search: Search
    search_id: str
    trials: tuple[SearchTrial, ...]
    is_finished: bool
    found: Mapping[str, Any] | None
    learnt: tuple[str, ...] = ()
    begun_by: Sampler | None = None
    why_ended: str = ""

    @property
    def declared(self) -> dict[str, Any]:
        """The declared config's own values; a path that is not searched beside them is not in it."""
        return self.search.declared_params()

    @property
    def space(self) -> dict[str, Range | When]:
        """Dotted path -> range, in the order of the declaration."""
        return dict(self.search.space)

    def is_always_searched(self, path: str) -> bool:
        """Say whether a parameter is searched whatever the others are."""
        return not isinstance(self.search.space[path], When)

    def has(self, trial: SearchTrial, path: str) -> bool:
        """Say whether a parameter was searched in a trial, within today's range."""
        return path in trial.params and range_of(self.search.space[path]).contains(trial.params[path])

    @cached_property
    def complete(self) -> tuple[SearchTrial, ...]:
        """The trials that have a value at the end of their training."""
        return tuple(trial for trial in self.trials if trial.value is not None)

    @property
    def best(self) -> SearchTrial | None:
        """The best of the complete trials so far, the first of equal ones."""
        if self.found is not None:
            return next((trial for trial in self.complete if trial.params == self.found), None)
        return next(reversed([*self.bests()]), None)

    @property
    def declared_trial(self) -> SearchTrial | None:
        """The complete trial of the declared values; None where there is none."""
        return next((trial for trial in self.complete if dict(trial.params) == self.declared), None)

    @cached_property
    def front(self) -> tuple[SearchTrial, ...]:
        """Of several objectives, the complete trials so far that none beats in all, the best in the first one first."""
        complete = [trial for trial in self.complete if trial.values]
        front = front_of([trial.values for trial in complete], self.search.are_higher_better)
        return tuple(complete[place] for place in front)

    @property
    def knee(self) -> SearchTrial | None:
        """Of the front, the trial where giving up a little of one objective stops gaining much of another."""
        if not self.front:
            return None
        return self.front[knee_of([trial.values for trial in self.front], self.search.are_higher_better)]

    def is_better(self, trial: SearchTrial, other: SearchTrial) -> bool:
        """Say whether one complete trial is better than another."""
        assert trial.value is not None
        assert other.value is not None
        difference = trial.value - other.value
        return difference > 0 if self.search.objective.metric.higher_is_better else difference < 0

    def bests(self) -> Iterator[SearchTrial | None]:
        """Give beside each trial the best complete one so far, itself among them."""
        best: SearchTrial | None = None
        for trial in self.trials:
            if trial.value is not None and (best is None or self.is_better(trial, best)):
                best = trial
            yield best

    def count(self, *outcomes: TrialOutcome) -> int:
        """Count the trials that came to one of these."""
        return sum(trial.outcome in outcomes for trial in self.trials)

    def counts(self) -> dict[str, int]:
        """Count the trials by what became of them, those outcomes that there are."""
        return {outcome: self.count(outcome) for outcome in OUTCOMES if self.count(outcome)}

    @property
    def num_epochs_trained(self) -> int:
        """Epochs that the search has trained, those of failed trainings left out."""
        return sum(trial.num_epochs_trained for trial in self.trials if trial.outcome in TRAINED)

    @property
    def num_epochs_stopped(self) -> int:
        """Epochs that were left, of the trainings that were stopped early."""
        stopped = (trial for trial in self.trials if trial.outcome in ("pruned", "paused"))
        return sum(trial.num_epochs - trial.num_epochs_trained for trial in stopped)

    @property
    def num_epochs_answered(self) -> int:
        """Epochs of the trainings that were there already."""
        return sum(trial.num_epochs for trial in self.trials if trial.outcome == "answered")


def search_result(search: Search, state: SearchState) -> SearchResult:
    """Give what a search has come to.

    Args:
        search: the declaration.
        state: how far it is, as a plan has it.
    """
    seen: set[str] = set()
    trials: list[SearchTrial] = []
    for record in state.trials:
        is_repeated = bool(record.training_id) and record.training_id in seen
        trials.append(_trial(search, record, is_repeated=is_repeated))
        seen.add(record.training_id)
    return SearchResult(
        search,
        state.search_id,
        tuple(trials),
        state.is_finished,
        state.best,
        state.learnt,
        state.begun_by,
        state.why_ended,
    )


def _trial(search: Search, record: SearchTrialRecord, *, is_repeated: bool) -> SearchTrial:
    outcome = _outcome(record, is_repeated=is_repeated)
    whole = 0
    if not record.is_refused:
        planned = record.num_epochs or search.trial_config(record.params).planned_epochs()
        whole = max([planned, *record.intermediate_values]) * max(1, len(record.parts))
    trained = whole if outcome == "complete" else max(record.intermediate_values, default=0)
    if record.parts and outcome != "complete":
        trained = whole // len(record.parts) * sum(part.state == "complete" for part in record.parts)
    return SearchTrial(
        number=record.number,
        params=dict(record.params),
        training_id=record.training_id,
        outcome=outcome,
        value=record.value,
        reported={
            epoch: value for epoch, value in sorted(record.intermediate_values.items()) if isfinite(value)
        },
        num_epochs_trained=0 if outcome == "answered" or is_repeated or record.is_refused else trained,
        num_epochs=whole,
        rungs=() if record.is_refused else rungs_of(search.pruner, whole, record.bracket),
        values=record.values,
    )


def _outcome(record: SearchTrialRecord, *, is_repeated: bool) -> TrialOutcome:
    """Say what became of a trial; earlier versions did not write that it was answered, but its training was there."""
    if record.is_refused:
        return "refused"
    if record.state == "fail":
        return "failed"
    if record.state in ("complete", "pruned") and (record.is_answered or is_repeated):
        return "answered"
    return cast(TrialOutcome, record.state)
