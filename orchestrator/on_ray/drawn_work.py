"""What Tune's trials are to train: drawn from the queue, each with what it gets of a machine."""

from __future__ import annotations

from collections.abc import Callable

from tablewright.orchestrator.attempts.resources import Resources
from tablewright.orchestrator.work import Work
from tablewright.orchestrator.work_queue import WorkQueue


class DrawnWork:
    """Draws from the queue, and keeps what it has drawn that no trial can take yet."""

    def __init__(
        self,
        queue: WorkQueue,
        share_of: Callable[[Work], Resources | None],
        give_back_due: Callable[[], None] = lambda: None,
    ) -> None:
        """Draw nothing yet.

        Args:
            queue: of the sweep.
            share_of: says what a training gets of a machine; None where it is to wait until more is known of it.
            give_back_due: gives back to the queue what was to wait for a while.
        """
        self._queue, self._share_of, self._give_back_due = queue, share_of, give_back_due
        self._held: Work | None = None

    def is_finished(self) -> bool:
        """Say whether nothing more will come."""
        return self._queue.is_finished()

    def next(self, share: Resources | None = None) -> tuple[Work, Resources] | None:
        """Draw the next training, if there is one now.

        Args:
            share: of a machine that it must need; None where it may need any.
        """
        self._give_back_due()
        if self._queue.is_stopping:
            return None
        work = self._held or self._queue.next_work()
        needed = None if work is None else self._share_of(work)
        if work is None or needed is None or share not in (None, needed):
            self._held = work
            return None
        self._held = None
        return work, needed
