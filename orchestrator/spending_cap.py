"""How much the trainings of a sweep may take: once it is spent, what runs goes on to its end and nothing more is begun.

What is spent is read from the store, so that earlier runs of the sweep count, and other sweeps and agents on the same
trainings; what runs counts as far as it has told, which is to the minute.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

from tablewright.orchestrator.costs.training_cost import Spent, TrainingCost, read_costs
from tablewright.orchestrator.store.store import Store

CHECK_EVERY_S, CHECK_OTHERS_EVERY_S = 5.0, 60.0
"""Trainings of this sweep are read again so often, and those that others may have at work."""


logger = logging.getLogger(__name__)


class SpendingCap:
    """Says when the trainings of a sweep have taken what they may."""

    def __init__(
        self,
        store: Store,
        training_ids: Callable[[], Iterable[str]],
        *,
        max_gpu_hours: float | None = None,
        max_cpu_hours: float | None = None,
    ) -> None:
        """Spend nothing yet.

        Args:
            store: of the records.
            training_ids: gives the trainings that count, as they are known now: searches add some.
            max_gpu_hours: that they may take in all; None is no limit.
            max_cpu_hours: the same of processors.
        """
        self._store, self._training_ids = store, training_ids
        self._max_gpu_hours, self._max_cpu_hours = max_gpu_hours, max_cpu_hours
        self._costs: dict[str, TrainingCost] = {}
        self._begun: set[str] = set()
        self._read_at_s = self._all_read_at_s = float("-inf")

    def begin(self, training_id: str) -> None:
        """Look at a training from now on: it is about to begin."""
        self._begun.add(training_id)

    def look_again(self) -> None:
        """Read anew when asked next: a training has ended."""
        self._read_at_s = float("-inf")

    def is_reached(self) -> bool:
        """Say whether all is spent."""
        if self._max_gpu_hours is None and self._max_cpu_hours is None:
            return False
        try:
            self._read()
        except Exception as error:  # of the store, which is told where it is needed
            logger.warning("what was spent cannot be read now: %s: %s", type(error).__name__, error)
        spent = self.spent
        limits = ((spent.gpu_s, self._max_gpu_hours), (spent.cpu_s, self._max_cpu_hours))
        return any(most is not None and used_s >= 3600 * most for used_s, most in limits)

    @property
    def spent(self) -> Spent:
        """What was spent when it was read last."""
        return sum((cost.spent() for cost in self._costs.values()), Spent())

    def __str__(self) -> str:
        """Say what may be spent and what is."""
        kinds = (
            ("GPU", self._max_gpu_hours, self.spent.gpu_s),
            ("CPU", self._max_cpu_hours, self.spent.cpu_s),
        )
        return " and ".join(
            f"{used_s / 3600:.4g} of at most {most:g} {kind}-hours"
            for kind, most, used_s in kinds
            if most is not None
        )

    def _read(self) -> None:
        now_s = time.monotonic()
        if now_s < self._read_at_s + CHECK_EVERY_S:
            return
        self._read_at_s = now_s
        store = self._store
        if now_s >= self._all_read_at_s + CHECK_OTHERS_EVERY_S:
            asked, store, self._all_read_at_s = [*self._training_ids(), *self._begun], store.listed(), now_s
        else:
            asked = list(self._begun)
        unfinished = [it for it in asked if it not in self._costs or self._costs[it].state != "done"]
        self._costs |= read_costs(unfinished, store)
