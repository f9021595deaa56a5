"""What is handed out to be trained, and what is heard of it: between a sweep, its backend and its listeners."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from tablewright.orchestrator.declared.search import Objective
from tablewright.orchestrator.plans.place import Place
from tablewright.orchestrator.plans.plan import PlannedView
from tablewright.orchestrator.store.training_records import FailureRecord
from tablewright.trainables.contract.data import DatasetFacts
from tablewright.trainables.contract.method import (
    TrainingConfig,
)
from tablewright.trainables.contract.run import (
    EpochReport,
)


@dataclass(frozen=True)
class Work:
    """A training to be made, or a finished one to be measured in further views.

    Attributes:
        training_id: identity.
        config: what is trained.
        data: the data set as the plan saw it.
        views: to be measured, by view id.
        label: for people.
        study: the first study that asked for it.
        watch: measured between epochs, so that a pruner can see it; None where nobody does.
        priority: higher ones are handed out first.
        trial: of a search, as which it was suggested; None for planned work.
        version: of the method where the work was planned: a worker may have imported other code since.
    """

    training_id: str
    config: TrainingConfig
    data: DatasetFacts
    views: Mapping[str, PlannedView]
    label: str
    study: str
    watch: Objective | None = None
    priority: int = 0
    trial: Place | None = None
    version: int | str = field(init=False)

    def __post_init__(self) -> None:
        """Keep the version, which does not travel with a config to a worker."""
        object.__setattr__(self, "version", self.config.VERSION)


@dataclass(frozen=True)
class Progress:
    """What a running training reports at the end of an epoch.

    Attributes:
        report: of the training itself.
        system: use of the machine since the last report, `system/...` -> value.
        watched: the watched objective's value; None where nothing is watched.
    """

    report: EpochReport
    system: Mapping[str, float]
    watched: float | None = None


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended.

    Attributes:
        state: `done` has a record, `failed` a failure record; `stopped` will go on in the next run;
            `pruned` was ended by a search, without a record; `paused` has saved its state for a search that may let
            it go on; `claimed` is in the hands of another sweep or agent;
            `cancelled` has saved what it could, and is not begun again until somebody asks for it.
        message: of a failure, one line; of a done training, what it warned of, and what could not be drawn.
        unwritten: a failure record that the worker could not write; the driver tries again.
    """

    state: Literal["done", "failed", "stopped", "pruned", "paused", "claimed", "cancelled"]
    message: str = ""
    unwritten: FailureRecord | None = None


class Listener(Protocol):
    """Follows the trials of a sweep in the driver: progress views, tracking, searches.

    `on_start` may come twice for a work whose machine was lost; `on_end` comes once.
    """

    def on_start(self, work: Work) -> None:
        """An attempt begins."""
        ...

    def on_progress(self, work: Work, progress: Progress) -> None:
        """An epoch ended."""
        ...

    def on_end(self, work: Work, outcome: Outcome) -> None:
        """No further attempt is made in this sweep."""
        ...
