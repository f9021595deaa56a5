"""How much of a GPU a training is given: what was asked for, or what its memory says; more where that was too little.

`auto` goes by memory. A training of a shape that is recorded gets what one of that shape has held; one whose method
counts its memory gets that; each with a margin, rounded up to an eighth of the smallest GPU that there is. What is not
known starts with a GPU of its own, and its shape is known once it has ended.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from tablewright.orchestrator.plans.memory_need import (
    BackgroundCounting,
    MemoryNeed,
    memory_shape,
    need_of,
    recorded_needs,
)
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.work import Work
from tablewright.trainables.contract.memory import Card

NUM_PARTS = 8
"""A GPU is divided into so many parts: more trainings would wait for each other's kernels."""

NUM_AHEAD_GPUS = 1.0
"""Of trainings whose memory is unknown so much is offered to the cluster beyond what it has: those offered later may
be known by then."""


def share_for(enough_bytes: int, card_bytes: int) -> float:
    """Give the part of a GPU that is enough for a training; at the most a whole one.

    Args:
        enough_bytes: see `MemoryNeed`.
        card_bytes: that the GPU has.
    """
    return min(1.0, math.ceil(NUM_PARTS * enough_bytes / card_bytes) / NUM_PARTS)


class FixedShares:
    """The same for every training, and twice as much, up to a whole GPU, for shapes that have run out of memory."""

    def __init__(self, gpus: float) -> None:
        """Nothing has run out yet.

        Args:
            gpus: of a training: whole ones, or a part of one; 0 is none.
        """
        self._gpus = gpus
        self._larger: dict[str, float] = {}

    def gpus_of(self, work: Work) -> float | None:
        """Say how much of a GPU a training gets; None where it is to wait until more is known."""
        return self._at_least(work, self._gpus)

    def _at_least(self, work: Work, gpus: float) -> float:
        return max(gpus, self._larger.get(memory_shape(work.config), 0.0)) if self._larger else gpus

    def step_back(self, work: Work, had: float) -> bool:
        """Give a training that ran out of memory a larger part next time; false where it had a whole GPU, or none.

        Args:
            work: of the training.
            had: of a GPU.
        """
        if not 0 < had < 1:
            return False
        shape = memory_shape(work.config)
        self._larger[shape] = max(self._larger.get(shape, 0.0), min(1.0, 2 * had))
        return True

    def on_done(self, work: Work) -> None:
        """Learn from a training that is recorded: nothing here."""

    def on_left(self, work: Work) -> None:
        """Learn that a training holds nothing any more: nothing here."""

    def smallest(self) -> float:
        """Give the least that a training was given."""
        return self._gpus


class MemoryShares(FixedShares):
    """What its memory says, for each training."""

    def __init__(
        self,
        store: Store,
        cache_dir: str,
        cards: Callable[[], Sequence[Card]],
        num_gpus: Callable[[], float],
    ) -> None:
        """Read what is recorded.

        Args:
            store: of the records.
            cache_dir: where this machine keeps what was counted.
            cards: the GPUs that there are now, as far as they are known.
            num_gpus: how many there are.
        """
        super().__init__(1.0)
        self._store, self._cache_dir, self._cards, self._num_gpus = store, cache_dir, cards, num_gpus
        self._recorded, self._counting = recorded_needs(store), BackgroundCounting(cache_dir)
        self._seen_card_bytes = 0
        self._given: dict[str, float] = {}
        self._smallest = 1.0

    def gpus_of(self, work: Work) -> float | None:
        """Say how much of a GPU a training gets.

        Returns:
            None while its memory is counted; and where nothing is known of it, as long as there are enough of those
            to fill all GPUs.
        """
        gpus, card_bytes = 1.0, self._card_bytes()
        is_recorded = memory_shape(work.config) in self._recorded
        if card_bytes and not is_recorded and not self._counting.is_counted(work.config):
            return None
        need = need_of(work.config, self._recorded, self._cache_dir) if card_bytes else None
        if need is not None:
            gpus = share_for(need.enough_bytes, card_bytes)
        elif sum(self._given.values()) >= self._num_gpus() + NUM_AHEAD_GPUS:
            return None
        gpus = self._at_least(work, gpus)
        self._given[work.training_id] = gpus
        self._smallest = min(self._smallest, gpus)
        return gpus

    def _card_bytes(self) -> int:
        """Give the memory of the smallest GPU, or of one that a training was recorded on; 0 where none is known."""
        return min((card.memory_bytes for card in self._cards()), default=self._seen_card_bytes)

    def on_done(self, work: Work) -> None:
        """Learn what a training has held."""
        try:
            record = self._store.training(work.training_id).record()
        except (OSError, ValueError):  # its shape stays as unknown as it was
            return
        if record is not None and (need := MemoryNeed.recorded(record)) is not None:
            self._recorded[record.memory_shape] = need.or_more(self._recorded.get(record.memory_shape))
            self._seen_card_bytes = record.device_memory_bytes or self._seen_card_bytes

    def on_left(self, work: Work) -> None:
        """Learn that a training holds nothing any more."""
        self._given.pop(work.training_id, None)

    def smallest(self) -> float:
        """Give the least that a training was given."""
        return self._smallest
