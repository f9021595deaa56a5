"""Trainings whose workers the cluster has taken back before they began, though neither they nor a machine had failed.

That is a state of the cluster and no fault of theirs: each waits before it is tried again, twice as long each time, and
is tried however often it happens.
"""

from __future__ import annotations

from collections import Counter

from tablewright.orchestrator.work import Work

FIRST_PAUSE_S, MAX_PAUSE_S = 1.0, 300.0


class DroppedAttempts:
    """Those of a sweep."""

    def __init__(self) -> None:
        """Begin with none."""
        self._num_in_a_row: Counter[str] = Counter()
        self._due_at_s: dict[str, tuple[float, Work]] = {}

    def on_dropped(self, work: Work, now_s: float) -> float:
        """Learn that the worker of a training was taken back before it began; gives how long it waits, in seconds."""
        num_before = self._num_in_a_row[work.training_id]
        self._num_in_a_row[work.training_id] += 1
        pause_s = min(FIRST_PAUSE_S * 2.0 ** min(num_before, 30), MAX_PAUSE_S)
        self._due_at_s[work.training_id] = now_s + pause_s, work
        return pause_s

    def on_begun(self, training_id: str) -> None:
        """Learn that a worker of a training has begun."""
        self._num_in_a_row.pop(training_id, None)

    def take_due(self, now_s: float) -> list[Work]:
        """Take out what has waited for long enough."""
        due = [work for at_s, work in self._due_at_s.values() if at_s <= now_s]
        for work in due:
            del self._due_at_s[work.training_id]
        return due

    @property
    def waiting(self) -> list[Work]:
        """What waits for its next try."""
        return [work for _, work in self._due_at_s.values()]
