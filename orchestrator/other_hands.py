"""What other sweeps and agents on this store are at, as one sweep sees it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import AbstractContextManager

from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.status import TrainingStatus
from tablewright.orchestrator.store.claims import Claim, Claims, Owner, training_claim
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_records import FailureRecord
from tablewright.orchestrator.work import Outcome, Work

LOOK_EVERY_S = 1.0
"""How often the claims are listed, while there is something to wait for."""
SHORT_PATIENCE_S = 1.0
"""For so long one waits for a claim that nobody holds longer than for a few files."""
READ_EVERY_S = 5.0
"""How often it is asked whether the owner of a claim still lives."""

IN_OTHER_HANDS = "(by another sweep or agent)"


class OtherHands:
    """Says which trainings are another's now, and what has become of them since."""

    def __init__(self, store: Store) -> None:
        """Look at nothing yet."""
        self._store, self._claims = store, Claims(store)
        self._names: set[str] = set()
        self._listed_at_s = float("-inf")
        self._owners: dict[str, tuple[Owner | None, float]] = {}
        self._failures: dict[str, FailureRecord | None] = {}

    def owner_of(self, training_id: str) -> Owner | None:
        """Give who has claimed a training and lives, or None; as it was a moment ago."""
        now_s = time.monotonic()
        if now_s - self._listed_at_s >= LOOK_EVERY_S:
            self._names, self._listed_at_s = self._claims.names(), now_s
        name = training_claim(training_id)
        if name not in self._names:
            self._owners.pop(name, None)
            return None
        owner, read_at_s = self._owners.get(name, (None, float("-inf")))
        if now_s - read_at_s >= READ_EVERY_S:
            owner = self._claims.owner(name)
            self._owners[name] = owner, now_s
            if owner is None:
                self._claims.clear_dead(name)  # a worker that looks now has not watched it
        return owner

    def held(self, name: str) -> AbstractContextManager[Claim | None]:
        """Hold a claim of the store for a moment, or None where another one has it."""
        return self._claims.held(name, SHORT_PATIENCE_S)

    def left(self, training_id: str) -> AbstractContextManager[Claim | None]:
        """Keep everybody from a training for a moment, or None where somebody is at it."""
        return self._claims.held(training_claim(training_id))

    def look_again(self) -> None:
        """Let the next question be answered as it is now."""
        self._listed_at_s = float("-inf")

    def remember(self, work: Work) -> None:
        """Keep how a training stands that goes to other hands, so that a failure there is told from an older one."""
        self._failures.setdefault(work.training_id, self._failure(work))

    def outcome_of(self, work: Work) -> Outcome | None:
        """Say how a training ended that was in other hands; None where it is left to be done."""
        folder = self._store.training(work.training_id)
        try:
            if folder.is_done() and set(work.views) <= folder.measured_views():
                return Outcome("done", IN_OTHER_HANDS)
        except DamagedFile:
            return None  # whoever takes it up says what is wrong
        if not folder.is_done() and (cancelled := folder.cancelled()):
            return Outcome("cancelled", cancelled)
        before = self._failures.pop(work.training_id, None)
        failure = self._failure(work)
        if failure is not None and failure != before:
            return Outcome("failed", failure.message)
        return None

    def _failure(self, work: Work) -> FailureRecord | None:
        try:
            return self._store.training(work.training_id).failure()
        except DamagedFile:
            return None


def is_left_to_others(plan: Plan, statuses: Iterable[TrainingStatus], store: Store) -> bool:
    """Say whether something is left, and living processes are at all trainings of tables, and at one of a search."""
    others = OtherHands(store)

    def has_owner(training_id: str) -> bool:
        return others.owner_of(training_id) is not None

    left = [status.training.training_id for status in statuses if status.state != "done"]
    searched = [identity for search in plan.unfilled_searches.values() for identity in search.running_ids]
    return all(map(has_owner, left)) and bool(left or any(map(has_owner, searched)))


def in_words(owners: Iterable[Owner]) -> str:
    """Name them for people, each once."""
    return ", ".join(dict.fromkeys(map(str, owners)))
