"""What a search has spent of its budget, read from the store: earlier runs count, and other sweeps of the search."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from tablewright.orchestrator.costs.training_cost import read_costs
from tablewright.orchestrator.declared.budget import Spending
from tablewright.orchestrator.declared.search import Search
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.search_records import SearchTrialRecord
from tablewright.orchestrator.store.store import Store

READ_EVERY_S = 5.0
"""What runs is read again so often; all of it is whenever a trial was begun or has ended."""

NOTHING = Spending()


class SearchSpending:
    """Reads what the trainings of one search have taken."""

    def __init__(self, search: Search, store: Store) -> None:
        """Read nothing yet."""
        self._budget, self._store, self._counts_answered = search.budget, store, search.counts_answered
        self._ended: dict[str, Spending] = {}
        self._read: tuple[tuple[tuple[str, str], ...], Spending] = ((), NOTHING)
        self._read_at_s = float("-inf")

    def of(self, trials: Sequence[SearchTrialRecord]) -> Spending:
        """Give what the trainings of these trials have taken; nothing is read for a search without a budget."""
        if self._budget is None:
            return NOTHING
        own = [it for it in _each_training(trials) if self._counts_answered or not it.is_answered]
        key, now_s = tuple((trial.training_id, trial.state) for trial in own), time.monotonic()
        if key != self._read[0] or now_s >= self._read_at_s + READ_EVERY_S:
            parts = [self._of_training(trial) for trial in {it.training_id: it for it in own}.values()]
            spent = Spending(
                sum(part.num_epochs for part in parts),
                sum(part.held_s for part in parts),
                sum(part.gpu_s for part in parts),
            )
            self._read, self._read_at_s = (key, spent), now_s
        return self._read[1]

    def _of_training(self, trial: SearchTrialRecord) -> Spending:
        identity = trial.training_id
        if identity in self._ended:
            return self._ended[identity]
        cost = read_costs([identity], self._store).get(identity)
        holdings = () if cost is None else cost.holdings
        found = Spending(
            max([self._num_epochs(identity, is_done=trial.state == "complete"), *trial.intermediate_values]),
            sum(holding.held_s for holding in holdings),
            sum(holding.gpus * holding.held_s for holding in holdings),
        )
        if trial.state in ("complete", "pruned"):
            self._ended[identity] = found
        return found

    def _num_epochs(self, identity: str, *, is_done: bool) -> int:
        """Count the epochs of a training; one that tells of none is one."""
        try:
            reports = self._store.training(identity).epochs()
        except DamagedFile:  # which --verify tells
            return 0
        return max((report.epoch for report in reports), default=int(is_done))


def told_spending(trials: Sequence[SearchTrialRecord]) -> Spending:
    """Count the epochs of trials by what their records say: of complete ones the whole training."""
    own = {trial.training_id: trial for trial in _each_training(trials) if not trial.is_answered}
    wholes = ((trial.num_epochs or 1 if trial.state == "complete" else 0, trial) for trial in own.values())
    return Spending(sum(max([whole, *trial.intermediate_values]) for whole, trial in wholes))


def _each_training(trials: Sequence[SearchTrialRecord]) -> Iterator[SearchTrialRecord]:
    """Give a record for each training of the trials, of those of several trainings one for each part."""
    for trial in trials:
        for part in trial.parts:
            state = "pruned" if part.state == "left" else part.state
            yield trial.model_copy(update={"training_id": part.training_id, "state": state, "parts": ()})
        if not trial.parts and trial.training_id:
            yield trial
