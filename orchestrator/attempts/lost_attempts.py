"""How often a training is tried again whose worker died, whose machine failed, or was lost.

A spot machine that is taken back is no fault of the training on it: it is tried again however often that happens. A
process that dies by itself is tried a few times. Who takes its machine down with it, as by its memory, looks like the
first and is the second: it is told by coming no further from one lost machine to the next.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from tablewright.trainables.value.counted import counted

MAX_LOST_MACHINES = 10
"""In a row, without a new epoch or a newly written state between them."""


@dataclass
class _Losses:
    """Of one training: where its workers were lost, and how far it had come when the last one was.

    Attributes:
        workers_on: machines, each as often as a worker was lost on it.
        num_machines: lost in a row, without progress between them.
        best_epoch: the highest that it has told.
        state: names what it has written to go on from.
        is_further: whether it has told a new epoch since the last loss.
    """

    workers_on: list[str]
    num_machines: int = 0
    best_epoch: int = 0
    state: str = ""
    is_further: bool = False


class LostAttempts:
    """Counts, for each training of a sweep."""

    def __init__(self, max_lost_workers: int, max_lost_machines: int = MAX_LOST_MACHINES) -> None:
        """Begin at none.

        Args:
            max_lost_workers: how often a training is tried again after its worker died or its machine failed.
            max_lost_machines: see `MAX_LOST_MACHINES`.
        """
        self._max_lost_workers, self._max_lost_machines = max_lost_workers, max_lost_machines
        self._losses: defaultdict[str, _Losses] = defaultdict(lambda: _Losses([]))

    def on_epoch(self, training_id: str, epoch: int) -> None:
        """Learn how far a training is; an epoch that is repeated after a loss is none."""
        losses = self._losses[training_id]
        if epoch > losses.best_epoch:
            losses.best_epoch, losses.is_further = epoch, True

    def on_done(self, training_id: str) -> None:
        """Forget one that has come to its end: there may be very many."""
        self._losses.pop(training_id, None)

    def on_lost(
        self,
        training_id: str,
        machine: str,
        *,
        is_cut_off: bool = False,
        gone: Collection[str] = (),
        state: str,
    ) -> str:
        """Learn that an attempt has ended with its process.

        Args:
            training_id: whose attempt.
            machine: on which it ran; empty where nobody knows.
            is_cut_off: whether its machine was lost with it, or answers no more.
            gone: machines that were part of the cluster and are no more, all that are known now: a process may die
                some seconds before its machine is seen to.
            state: names what the training has written to go on from, and is another once it has written again.

        Returns:
            Why it is not tried again; empty where it is.
        """
        losses = self._losses[training_id]
        is_further = losses.is_further or state != losses.state
        losses.state, losses.is_further = state, False
        if is_cut_off or machine in gone:
            losses.num_machines = 1 if is_further else losses.num_machines + 1
            if losses.num_machines <= self._max_lost_machines:
                return ""
            return (
                f"{counted(losses.num_machines, 'machine')} in a row were lost under it, and it came no further "
                "between them: it may take them down itself, as by its memory"
            )
        losses.workers_on.append(machine)
        losses.workers_on = [lost_on for lost_on in losses.workers_on if lost_on not in gone]
        if len(losses.workers_on) <= self._max_lost_workers:
            return ""
        return f"given up after {counted(len(losses.workers_on), 'attempt')}"
