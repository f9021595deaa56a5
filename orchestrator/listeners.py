"""Tells the listeners of a sweep: they are projections of the store, and a fault of one ends no training."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from tablewright.orchestrator.work import Listener, Outcome, Progress, Work
from tablewright.trainables.value.long_work import Telling

logger = logging.getLogger(__name__)


@runtime_checkable
class HearsOfWork(Protocol):
    """A listener that is told of long work that no epoch tells of, too."""

    def on_told(self, work: Work, telling: Telling) -> None:
        """It is so far."""
        ...


class Listeners:
    """Several listeners as one; a `Listener` that never raises."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        """Tell these, in order."""
        self._listeners = list(listeners)

    def on_start(self, work: Work) -> None:
        """An attempt begins."""
        self._tell(lambda listener: listener.on_start(work))

    def on_progress(self, work: Work, progress: Progress) -> None:
        """An epoch ended."""
        self._tell(lambda listener: listener.on_progress(work, progress))

    def on_told(self, work: Work, telling: Telling) -> None:
        """Long work is so far, for those who hear of it."""
        self._tell(
            lambda listener: listener.on_told(work, telling) if isinstance(listener, HearsOfWork) else None
        )

    def on_end(self, work: Work, outcome: Outcome) -> None:
        """No further attempt is made in this sweep."""
        self._tell(lambda listener: listener.on_end(work, outcome))

    def _tell(self, call: Callable[[Listener], None]) -> None:
        for listener in list(self._listeners):
            try:
                call(listener)
            except Exception as error:  # whatever it is, trainings go on without this listener
                self._listeners.remove(listener)
                logger.warning(
                    "%s has failed and follows this sweep no further (%s: %s). Trainings go on; running the "
                    "same command again brings it up to date from the store.",
                    type(listener).__name__,
                    type(error).__name__,
                    error,
                )
