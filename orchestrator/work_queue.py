"""What runs next: planned trainings, then what the searches suggest, and of both what has a higher priority first.

The queue is the one place that knows which trainings are running, so that no training runs twice at a
time, whoever asks for it: a second request waits, and then finds the first one's record. One that a source
no longer wants, since the outcome of the first has answered it, is dropped.

What another sweep or agent has claimed is set aside, and the queue goes on with the rest. It comes back when it
was done there, or when it was left: to be told as ended, or to be handed out after all. So does what has failed, or was
cancelled, and somebody wants tried again.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from tablewright.orchestrator.orders import Retries
from tablewright.orchestrator.other_hands import OtherHands, in_words
from tablewright.orchestrator.plans.plan import PlannedTraining
from tablewright.orchestrator.searches.rungs import Verdict
from tablewright.orchestrator.spending_cap import SpendingCap
from tablewright.orchestrator.work import Outcome, Progress, Work
from tablewright.trainables.value.counted import counted

logger = logging.getLogger(__name__)


class WorkSource(Protocol):
    """Suggests work of its own and learns from its outcome; a search is one.

    Where one raises, the sweep goes on without it and names it by its text.
    """

    @property
    def priority(self) -> int:
        """Its suggestions come before planned work of a lower one."""
        ...

    def next_work(self) -> Work | None:
        """Give the next suggestion, or None when there is none now."""
        ...

    def is_finished(self) -> bool:
        """Say whether there will be no further suggestion."""
        ...

    def still_wants(self, work: Work) -> bool:
        """Say whether a suggestion that had to wait for an equal training is still unanswered."""
        ...

    def on_progress(self, work: Work, progress: Progress) -> Verdict:
        """Learn of an epoch, and say whether the training goes on."""
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
        retries: Retries | None = None,
        cap: SpendingCap | None = None,
    ) -> None:
        """Queue the planned work.

        Args:
            planned: handed out by priority, and of one priority in order.
            sources: asked by priority and in order once no planned work of theirs is left.
            when_all_ended: asked for more work whenever all that there was has ended, until it has none.
            others: who may have the same work; None where nobody has.
            retries: what somebody may want tried again; None where nobody does.
            cap: once it is reached nothing more is handed out; None is none.
        """
        self._planned = deque(sorted(planned, key=_highest_first))
        self._sources = sorted(sources, key=_highest_first)
        self._retries = retries
        self._ended_badly: dict[str, tuple[Work, WorkSource | None]] = {}
        self._idle: dict[str, None] = {}
        self._waits_for: tuple[str, ...] = ()
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
        if (again := self._wanted_again()) is not None:
            return again
        self._idle = {}
        while self._planned:
            if (started := self._started_of(self._above(self._planned[0].priority))) is not None:
                return started
            if (started := self._start(self._planned.popleft(), None)) is not None:
                return started
        if (back := self._back_from_others()) is not None:
            return back
        if (started := self._started_of(self._sources)) is not None:
            return started
        if self._has_all_ended() and not self._is_asked:
            if (again := self._wanted_again(looks_now=True)) is not None:
                return again
            self._planned.extend(sorted(self._when_all_ended(), key=_highest_first))
            self._is_asked = not self._planned
            return self.next_work()
        return None

    def _above(self, priority: int) -> list[WorkSource]:
        return [source for source in self._sources if source.priority > priority]

    def _started_of(self, sources: Sequence[WorkSource]) -> Work | None:
        """Start the next suggestion of the first source that has one now."""
        for source in list(sources):
            while (work := self._suggested(source)) is not None:
                if (started := self._start(work, source)) is not None:
                    return started
            if source in self._sources and not source.is_finished():
                self._idle[str(source)] = None
        return None

    def _wanted_again(self, *, looks_now: bool = False) -> Work | None:
        """Give what has ended badly here and is to be tried again; a search asks for its own when it is run again."""
        if self._retries is None or not self._ended_badly:
            return None
        for identity in self._retries.ordered(looks_now=looks_now) & self._ended_badly.keys():
            work, source = self._ended_badly[identity]
            if source is not None and not source.still_wants(work):
                continue
            del self._ended_badly[identity]
            self._retries.carry_out([identity])
            if (started := self._start(work, source)) is not None:
                return started
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
            if outcome is None and source is not None and not source.still_wants(work):
                continue  # its search has told there what became of it
            if outcome is None:
                self._run(work, source)
                return work
            self._remember_bad_end(source, work, outcome)
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

    # -- for people, who ask from another thread

    def counts(self) -> tuple[int, int, int]:
        """Count what was handed out and has not ended, what waits for its turn, and what others are at."""
        return len(self._running), len(self._planned) + len(self._waiting), len(self._aside)

    def note_wait(self, *why: str) -> None:
        """Keep why nothing starts, as the backend knows it; nothing where it does."""
        self._waits_for = why

    def waits_for(self) -> tuple[str, ...]:
        """Say what is waited for, a sentence each."""
        searches = (
            f"{source} waits for what its next suggestion learns from" for source in tuple(self._idle)
        )
        return (*self._waits_for, *searches)

    def is_finished(self) -> bool:
        """Say whether no further work will come."""
        if self._is_stopping:
            return True
        if self._is_asked and not (self._planned or self._waiting) and self._has_all_ended():
            return True
        return not self._running and self.starts_no_more

    def on_progress(self, work: Work, progress: Progress) -> Verdict:
        """Tell the source of a running work of an epoch; gives whether it goes on."""
        source = self._running.get(work.training_id)
        if source is None:
            return "go on"
        try:
            return source.on_progress(work, progress)
        except Exception as error:
            self._give_up(source, error)
            return "go on"

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
            self._remember_bad_end(source, work, outcome)
            self._tell_source(source, work, outcome)

    def _remember_bad_end(self, source: WorkSource | None, work: Work, outcome: Outcome) -> None:
        if outcome.state in ("failed", "cancelled"):
            self._ended_badly[work.training_id] = work, source

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
        priority=training.priority,
    )


def _highest_first(item: Work | WorkSource) -> int:
    return -item.priority
