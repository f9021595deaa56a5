"""What is recorded of a search: its suggestions, and what it had learnt before the first."""

from __future__ import annotations

import datetime
from typing import Any, ClassVar, Literal

from pydantic import Field

from tablewright.orchestrator.store.record import Record
from tablewright.trainables.value.frozen_model import ClosedModel

RUNS_TO_FAIL_IN = 2
"""A suggestion that failed in this many runs is not tried again."""


class TrialPart(ClosedModel):
    """One of the several trainings of a suggestion.

    Attributes:
        dataset: label of its data set.
        seed: of it.
        training_id: of it.
        state: `running` until it is told, begun or not; `left` where its suggestion has ended without it.
        value: of the objective, None unless complete.
    """

    dataset: str
    seed: int
    training_id: str
    state: Literal["running", "complete", "left", "fail"] = "running"
    value: float | None = None


class SearchTrialRecord(Record):
    """One suggestion of a search.

    Attributes:
        number: its number in the search.
        params: dotted path -> value.
        training_id: the training that answers it, of several the first; empty where none can.
        state: `running` until it is told; `paused` at a rung, from where it may go on; `refused` by a constraint, or
            by the method. Earlier versions wrote `fail` without a training for a refused one.
        value: of the objective, None unless complete.
        intermediate_values: epoch -> value.
        num_failures: runs of the sweep in which its training failed.
        num_epochs: of its whole training, once that is known.
        until_epoch: how far it may train as things stand; None is to its end.
        bracket: of Hyperband, which counts them from the one with the earliest rung.
        is_answered: whether it took no training of its own: one was recorded, or an equal one was given up.
        sampler_state: what the sampler keeps with a trial, so that a search that goes on suggests what it would have.
        suggested_at: when it was made.
        ended_at: when it was told for the last time.
        parts: its trainings, where they are several; the value is their mean.
        values: of all objectives, where they are several, the first of which is `value`; none unless complete.
    """

    HELD: ClassVar[str] = "one suggestion of a search and what became of it"
    NEXT_STEP: ClassVar[str] = (
        "get it back from a copy, or delete the search's folder to search anew (trainings stay)"
    )

    number: int
    params: dict[str, Any]
    training_id: str
    state: Literal["running", "paused", "complete", "pruned", "refused", "fail"]
    value: float | None = None
    intermediate_values: dict[int, float] = Field(default_factory=dict[int, float])
    num_failures: int = 0
    num_epochs: int | None = None
    until_epoch: int | None = None
    bracket: int = 0
    is_answered: bool = False
    sampler_state: dict[str, Any] = Field(default_factory=dict[str, Any])
    suggested_at: datetime.datetime | None = None
    ended_at: datetime.datetime | None = None
    parts: tuple[TrialPart, ...] = ()
    values: tuple[float, ...] = ()

    @property
    def training_ids(self) -> tuple[str, ...]:
        """The trainings that answer it; empty where none can."""
        one = (self.training_id,) if self.training_id else ()
        return tuple(part.training_id for part in self.parts) or one

    @property
    def told_values(self) -> tuple[tuple[str, float | None], ...]:
        """Each of its trainings with the value that it has told; None while it has told none."""
        of_parts = tuple((part.training_id, part.value) for part in self.parts)
        return of_parts or ((self.training_id, self.value),)

    @property
    def is_refused(self) -> bool:
        """Whether no training can answer it."""
        return self.state == "refused" or (self.state == "fail" and not self.training_id)

    @property
    def is_final(self) -> bool:
        """Whether nothing is left to be done for it."""
        if self.state == "fail":
            return self.is_refused or self.num_failures >= RUNS_TO_FAIL_IN
        return self.state not in ("running", "paused")


class LearntTrial(ClosedModel):
    """A trial of elsewhere that teaches a search's sampler.

    Attributes:
        params: dotted path -> value, of this search's space.
        value: of the objective.
    """

    params: dict[str, Any]
    value: float


class LearntTrials(Record):
    """What a search has learnt from elsewhere before its first trial, written once.

    Attributes:
        lines: for people, from where, and what did not fit.
        trials: teach its sampler; they are none of its own.
        points: recorded trainings that nobody has measured on `val` yet, which is done before anything is trained.
    """

    HELD: ClassVar[str] = "what a search has learnt before its first trial"
    NEXT_STEP: ClassVar[str] = (
        "get it back from a copy, or delete the search's folder to search anew (trainings stay)"
    )
    SAYS: ClassVar[tuple[str, ...]] = ("lines",)

    lines: tuple[str, ...]
    trials: tuple[LearntTrial, ...]
    points: tuple[dict[str, Any], ...] = ()
