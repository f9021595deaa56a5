"""How an attempt is ended from outside: by its search, its machine or its backend."""

from __future__ import annotations

from tablewright.orchestrator.searches.rungs import Verdict
from tablewright.orchestrator.store.training_records import FailureRecord


class Pruned(Exception):
    """The search has no more interest in this training."""


class Paused(Exception):
    """The search wants the training to save its state and to end here; it may go on later."""


class MachineFault(Exception):
    """The machine failed, not the training, or it hung: another attempt, elsewhere or later, may succeed.

    Attributes:
        failure: to be recorded once no further attempt is made.
    """

    def __init__(self, failure: FailureRecord) -> None:
        """Carry what would be recorded."""
        super().__init__(failure.message)
        self.failure = failure


class BackendEnded(BaseException):
    """The backend ends the attempt from within what it was told; it is no fault, and nothing is recorded."""


def raise_verdict(verdict: Verdict) -> None:
    """End a training, or not, as its search has decided.

    Raises:
        Pruned: it is to be given up.
        Paused: it is to rest.
    """
    if verdict == "prune":
        raise Pruned
    if verdict == "pause":
        raise Paused
