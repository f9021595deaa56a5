"""What the trainings of a plan take of a GPU's memory, as far as it is known before they run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tablewright.orchestrator.plans.memory_need import (
    ALLOWANCE_BYTES,
    MemoryNeed,
    in_gb,
    is_counted,
    memory_shape,
    need_of,
    recorded_needs,
)
from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.store.store import Store
from tablewright.trainables.contract.method import TrainingConfig


@dataclass(frozen=True)
class MethodMemory:
    """What trainings of one method take.

    Attributes:
        method: its name.
        needs: those that are known.
        num_shapes: of how many in all; see `memory_need.memory_shape`.
    """

    method: str
    needs: tuple[MemoryNeed, ...]
    num_shapes: int

    def __str__(self) -> str:
        """In words."""
        least, most = (choose(self.needs, key=lambda need: need.num_bytes) for choose in (min, max))
        up_to = "" if str(least) == str(most) else f" to {in_gb(most.num_bytes)}"
        is_recorded = all(need.is_recorded for need in self.needs)
        how = (
            "recorded" if is_recorded else f"counted, with {in_gb(ALLOWANCE_BYTES)} for CUDA itself and cuDNN"
        )
        known = len(self.needs)
        of = "" if known == self.num_shapes else f"; known of {known} of {self.num_shapes} shapes"
        return f"a training of {self.method} takes {least}{up_to} of a GPU's memory ({how}{of})"


def memory_of_plan(plan: Plan, store: Store, cache_dir: str) -> list[MethodMemory]:
    """Say what is known of each method: what is recorded or was counted, and one more that is counted now.

    Args:
        plan: of the tables.
        store: of the records.
        cache_dir: where this machine keeps what was counted.
    """
    recorded = recorded_needs(store, plan.trainings)
    by_method: dict[str, dict[str, TrainingConfig]] = {}
    for training in plan.trainings.values():
        config = training.config
        by_method.setdefault(config.METHOD, {}).setdefault(memory_shape(config), config)
    found = [
        MethodMemory(method, tuple(_known(shapes.values(), recorded, cache_dir)), len(shapes))
        for method, shapes in by_method.items()
    ]
    return [memory for memory in found if memory.needs]


def _known(
    configs: Iterable[TrainingConfig], recorded: Mapping[str, MemoryNeed], cache_dir: str
) -> Iterator[MemoryNeed]:
    for number, config in enumerate(configs):
        is_known = memory_shape(config) in recorded or is_counted(config, cache_dir)
        if (is_known or not number) and (need := need_of(config, recorded, cache_dir)) is not None:
            yield need
