"""What runs next: planned trainings first, then what the searches suggest, then what had to wait for both.

The queue is the one place that knows which trainings are running, so that no training runs twice at a
time, whoever asks for it: a second request waits, and then finds the first one's record. One that a source
no longer wants, since the outcome of the first has answered it, is dropped.

What another sweep or agent has claimed is set aside, and the queue goes on with the rest. It comes back when it
was done there, or when it was left: to be told as ended, or to be handed out after all.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from tablewright.orchestrator.other_hands import OtherHands, in_words
from tablewright.orchestrator.plan import PlannedTraining
from tablewright.orchestrator.spending_cap import SpendingCap
from tablewright.orchestrator.trial import Outcome, Progress, Work
from tablewright.trainables.value.counted import counted

logger = logging.getLogger(__name__)


class WorkSource(Protocol):
    """Suggests work of its own and learns from its outcome; a search is one.

    Where one raises, the sweep goes on without it and names it by its text.
    """

    def next_work(self) -> Work | None:
        """Give the next suggestion, or None when there is none now."""
        ...

    def is_finished(self) -> bool:
        """Say whether there will be no further suggestion."""
        ...

    def still_wants(self, work: Work) -> bool:
        """Say whether a suggestion that had to wait for an equal training is still unanswered."""
        ...

    def on_progress(self, work: Work, progress: Progress) -> bool:
        """Learn of an epoch; true ends the training early."""
        ...

    def on_end(self, work: Work, outcome: Outcome) -> None:
        """Learn how a suggestion of this source ended."""
        ...


class WorkQueue:
    """Hands out work to a backend, one training at most once at a time."""

    def __init__(
        self,
        planned: Sequence[Work],
        sources: Sequence[WorkSource] = (),
        when_all_ended: Callable[[], Iterable[Work]] = lambda: (),
        others: OtherHands | None = None,
        cap: SpendingCap | None = None,
    ) -> None:
        """Queue the planned work.

        Args:
            planned: handed out first, in order.
            sources: asked in order once no planned work is left.
            when_all_ended: asked for more work whenever all that there was has ended, until it has none.
            others: who may have the same work; None where nobody has.
            cap: once it is reached nothing more is handed out; None is none.
        """
        self._planned = deque(planned)
        self._sources = list(sources)
        self._when_all_ended = when_all_ended
        self._is_asked = not (planned or sources)
        self._running: dict[str, WorkSource | None] = {}
        self._waiting: list[tuple[Work, WorkSource | None]] = []
        self._others = others
        self._aside: dict[str, tuple[Work, WorkSource | None]] = {}
        self._ended_elsewhere: list[tuple[Work, Outcome]] = []
        self._is_wait_told = False
        self._cap = cap
        self._starts_no_more = False
        self._is_stopping = self._is_out_of_grace = False

    @property
    def is_stopping(self) -> bool:
        """Whether the sweep was asked to end."""
        return self._is_stopping

    def stop(self) -> None:
        """Hand out nothing more; what runs is asked by the backend to save its state."""
        self._is_stopping = True

    @property
    def starts_no_more(self) -> bool:
        """Whether all is spent that may be: what runs goes on to its end, and what was handed out is not begun."""
        if self._cap is not None and not self._starts_no_more and self._cap.is_reached():
            self._starts_no_more = True
            logger.warning("%s are spent: what runs goes on to its end, and nothing more is begun", self._cap)
        return self._starts_no_more

    @property
    def is_out_of_grace(self) -> bool:
        """Whether what still runs is to be ended hard."""
        return self._is_out_of_grace

    def end_grace(self) -> None:
        """Wait for nothing that runs any longer."""
        self._is_stopping = self._is_out_of_grace = True

    def next_work(self) -> Work | None:
        """Give the next work, or None when there is none now."""
        if self._is_stopping or self.starts_no_more:
            return None
        self._waiting = [
            (work, source) for work, source in self._waiting if source is None or source.still_wants(work)
        ]
        for entry in list(self._waiting):
            if not self._is_at_work(entry[0]):
                self._waiting.remove(entry)
                if (started := self._start(*entry)) is not None:
                    return started
        while self._planned:
            if (started := self._start(self._planned.popleft(), None)) is not None:
                return started
        if (back := self._back_from_others()) is not None:
            return back
        for source in list(self._sources):
            while (work := self._suggested(source)) is not None:
                if (started := self._start(work, source)) is not None:
                    return started
        if self._has_all_ended() and not self._is_asked:
            self._planned.extend(self._when_all_ended())
            self._is_asked = not self._planned
            return self.next_work()
        return None

    def _has_all_ended(self) -> bool:
        return not (self._running or self._aside) and all(source.is_finished() for source in self._sources)

    def _start(self, work: Work, source: WorkSource | None) -> Work | None:
        if self._is_at_work(work):
            self._waiting.append((work, source))
            return None
        if self._others is not None and self._others.owner_of(work.training_id) is not None:
            self._set_aside(work, source)
            return None
        self._run(work, source)
        return work

    def _run(self, work: Work, source: WorkSource | None) -> None:
        self._running[work.training_id] = source
        if self._cap is not None:
            self._cap.begin(work.training_id)

    def _is_at_work(self, work: Work) -> bool:
        return work.training_id in self._running or work.training_id in self._aside

    # -- what others have

    def _set_aside(self, work: Work, source: WorkSource | None) -> None:
        assert self._others is not None
        self._others.remember(work)
        self._aside[work.training_id] = work, source

    def _back_from_others(self) -> Work | None:
        """Tell of what has ended in other hands; give what was left there."""
        if self._others is None:
            return None
        for identity, (work, source) in list(self._aside.items()):
            if self._others.owner_of(identity) is not None:
                continue
            del self._aside[identity]
            self._is_wait_told = False
            outcome = self._others.outcome_of(work)
            if outcome is None:
                self._run(work, source)
                return work
            self._tell_source(source, work, outcome)
            self._ended_elsewhere.append((work, outcome))
        return None

    def ended_elsewhere(self) -> list[tuple[Work, Outcome]]:
        """Give what has ended in other hands since this was asked last."""
        ended, self._ended_elsewhere = self._ended_elsewhere, []
        return ended

    def tell_of_waiting(self) -> None:
        """Say once, where all that is left is in other hands, whose they are."""
        is_alone = self._aside and not (self._running or self._planned)
        if self._others is None or self._is_wait_told or not is_alone:
            return
        owners = [owner for identity in self._aside if (owner := self._others.owner_of(identity)) is not None]
        if owners:
            self._is_wait_told = True
            logger.warning(
                "what is left is in the hands of %s (%s); it is waited for, and gone on with here should it end there",
                in_words(owners),
                counted(len(self._aside), "training"),
            )

    def is_finished(self) -> bool:
        """Say whether no further work will come."""
        if self._is_stopping:
            return True
        if self._is_asked and not (self._planned or self._waiting) and self._has_all_ended():
            return True
        return not self._running and self.starts_no_more

    def on_progress(self, work: Work, progress: Progress) -> bool:
        """Tell the source of a running work of an epoch; true ends the training early."""
        source = self._running.get(work.training_id)
        if source is None:
            return False
        try:
            return source.on_progress(work, progress)
        except Exception as error:
            self._give_up(source, error)
            return False

    def on_end(self, work: Work, outcome: Outcome) -> None:
        """Take a work off the running ones and tell its source; what another has claimed is set aside."""
        if work.training_id not in self._running:
            return
        source = self._running.pop(work.training_id)
        if self._cap is not None:
            self._cap.look_again()
        if outcome.state == "claimed" and self._others is not None:
            self._others.look_again()
            self._set_aside(work, source)
        else:
            self._tell_source(source, work, outcome)

    def _tell_source(self, source: WorkSource | None, work: Work, outcome: Outcome) -> None:
        if source is None:
            return
        try:
            source.on_end(work, outcome)
        except Exception as error:
            self._give_up(source, error)

    def give_back(self, work: Work) -> None:
        """Take a work off the running ones that did not run to an end, and hand it out again."""
        self._waiting.insert(0, (work, self._running.pop(work.training_id)))

    def _suggested(self, source: WorkSource) -> Work | None:
        try:
            return source.next_work()
        except Exception as error:
            self._give_up(source, error)
            return None

    def _give_up(self, source: WorkSource, error: Exception) -> None:
        """Go on without a source that failed, as where the store has no room for its suggestions."""
        logger.warning(
            "%s cannot go on (%s: %s). The other trainings do; run the same command again to continue it.",
            source,
            type(error).__name__,
            error,
        )
        self._sources = [other for other in self._sources if other is not source]
        self._waiting = [(work, owner) for work, owner in self._waiting if owner is not source]
        self._aside = {identity: found for identity, found in self._aside.items() if found[1] is not source}
        self._running = {
            identity: None if owner is source else owner for identity, owner in self._running.items()
        }


def planned_work(training: PlannedTraining) -> Work:
    """Turn a planned training into work."""
    return Work(
        training.training_id,
        training.config,
        training.data,
        training.views,
        training.label,
        training.study,
    )
