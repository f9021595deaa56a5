"""What a training needs of a GPU's memory: as one like it has held, else as its method counts it."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import json
import logging
import queue
import threading
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tablewright.orchestrator.identity import digest_of
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.parallel_reading import read_all
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_records import TrainingRecord
from tablewright.trainables.contract.memory import CONTEXT_BYTES, Card, StepMemory
from tablewright.trainables.contract.method import CountsMemory, TrainingConfig

ALLOWANCE_BYTES = 3_000_000_000
"""What a process holds beyond the tensors that are counted: CUDA itself, working memory of convolutions, gaps between
tensors. Estimated at 3 to 5 GB for the largest of the five papers; what is recorded replaces it."""

MARGIN = 1.15
"""Times what was recorded or counted: of another seed, another card or another order of convolutions tried."""

GB = 1_000_000_000

logger = logging.getLogger(__name__)
_counted: dict[str, StepMemory | None] = {}


@dataclass(frozen=True)
class MemoryNeed:
    """What one training needs of a GPU's memory.

    Attributes:
        num_bytes: in all.
        enough_bytes: what is enough for others like it: that and a margin; or less, where one has ended with less, as
            what torch keeps for later use grows with what there is.
        is_recorded: whether a training like it has held that; else it is counted, with an allowance.
    """

    num_bytes: int
    enough_bytes: int
    is_recorded: bool

    @classmethod
    def recorded(cls, record: TrainingRecord) -> Self | None:
        """Give what a training has held; None where that is not known, or it was on no GPU."""
        peak_bytes, limit_bytes = record.peak_memory_bytes, record.memory_limit_bytes
        if record.device != "cuda" or not peak_bytes:
            return None
        enough_bytes = round(MARGIN * peak_bytes)
        return cls(
            peak_bytes, min(enough_bytes, limit_bytes) if limit_bytes else enough_bytes, is_recorded=True
        )

    @classmethod
    def counted(cls, counted: StepMemory) -> Self:
        """Give what a step takes, with an allowance for what is no tensor."""
        num_bytes = counted.num_bytes + ALLOWANCE_BYTES
        return cls(num_bytes, round(MARGIN * num_bytes), is_recorded=False)

    def or_more(self, other: MemoryNeed | None) -> MemoryNeed:
        """Give the larger one."""
        return self if other is None or other.enough_bytes < self.enough_bytes else other

    def __str__(self) -> str:
        """For people."""
        return f"{'' if self.is_recorded else 'about '}{in_gb(self.num_bytes)}"


def in_gb(num_bytes: int) -> str:
    """Say a size of memory as vendors do, in GB of a thousand million bytes."""
    return f"{num_bytes / GB:.{0 if num_bytes >= 10 * GB else 1}f} GB"


def memory_shape(config: TrainingConfig) -> str:
    """Identify what decides the memory of a training: of equal ones one tells of all.

    It is the config without its seed, and, where the method says which those are, without what takes no memory.
    """
    trainable = config.make_trainable()
    alike = (
        trainable.of_equal_memory(config)
        if isinstance(trainable, CountsMemory)
        else config.model_copy(update={"seed": 0})
    )
    return digest_of([config.METHOD, config.VERSION, alike])


def recorded_needs(store: Store, identities: Iterable[str] | None = None) -> dict[str, MemoryNeed]:
    """Give the most that trainings on a GPU have needed, by their shape.

    Args:
        store: of the records.
        identities: of the trainings that are looked at; None is all that are recorded.
    """
    store = store.listed()

    def record_of(identity: str) -> TrainingRecord | None:
        try:
            return store.training(identity).record()
        except (DamagedFile, OSError):  # named where it is read for its numbers
            return None

    needs: dict[str, MemoryNeed] = {}
    for record in read_all(record_of, store.training_ids() if identities is None else identities):
        if record is not None and (need := MemoryNeed.recorded(record)) is not None:
            needs[record.memory_shape] = need.or_more(needs.get(record.memory_shape))
    return needs


def need_of(config: TrainingConfig, recorded: Mapping[str, MemoryNeed], cache_dir: str) -> MemoryNeed | None:
    """Say what a training needs; None where none like it is recorded and its method cannot count it.

    Args:
        config: of the training.
        recorded: see `recorded_needs`.
        cache_dir: where this machine keeps what was counted.
    """
    if (known := recorded.get(memory_shape(config))) is not None:
        return known
    counted = counted_memory(config, cache_dir)
    return None if counted is None else MemoryNeed.counted(counted)


def counted_memory(config: TrainingConfig, cache_dir: str) -> StepMemory | None:
    """Count what a step takes, once a shape on this machine; None where the method cannot, or fails to.

    It takes some seconds of a core.

    Args:
        config: of the training.
        cache_dir: where this machine keeps what was counted.
    """
    if not is_counted(config, cache_dir):
        trainable = config.make_trainable()
        assert isinstance(trainable, CountsMemory)  # of another one it is known that nothing is counted
        _counted[memory_shape(config)] = _count(trainable, config, _path_of(config, cache_dir))
    return _counted[memory_shape(config)]


def is_counted(config: TrainingConfig, cache_dir: str) -> bool:
    """Say whether `counted_memory` answers at once."""
    shape = memory_shape(config)
    if shape not in _counted:
        if not isinstance(config.make_trainable(), CountsMemory):
            _counted[shape] = None
        elif (kept := _read(_path_of(config, cache_dir))) is not None:
            _counted[shape] = kept
    return shape in _counted


class BackgroundCounting:
    """Counts in a thread of its own, one shape after another, while whoever asks goes on with something else."""

    def __init__(self, cache_dir: str) -> None:
        """Count nothing yet.

        Args:
            cache_dir: where this machine keeps what was counted.
        """
        self._cache_dir = cache_dir
        self._asked: dict[str, TrainingConfig] = {}
        self._tasks: queue.SimpleQueue[TrainingConfig] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def is_counted(self, config: TrainingConfig) -> bool:
        """Say whether `counted_memory` answers at once; where it does not, it will later."""
        if is_counted(config, self._cache_dir):
            return True
        shape = memory_shape(config)
        if shape not in self._asked:
            self._asked[shape] = config
            self._tasks.put(config)
        if self._thread is None:
            self._thread = threading.Thread(target=self._count, name="counting memory", daemon=True)
            self._thread.start()
        return False

    def _count(self) -> None:
        while True:
            counted_memory(self._tasks.get(), self._cache_dir)


def _path_of(config: TrainingConfig, cache_dir: str) -> Path:
    return Path(cache_dir).expanduser() / "step_memory" / f"{memory_shape(config)}-{_version_of_torch()}.json"


def _count(trainable: CountsMemory, config: TrainingConfig, path: Path) -> StepMemory | None:
    try:
        counted = trainable.step_memory(trainable.of_equal_memory(config))
    except (
        Exception
    ) as error:  # of code that a step runs, or of torch's, which another version may have changed
        logger.warning(
            "what %s takes of a GPU's memory cannot be counted (%s: %s); it is known once one was trained",
            config.METHOD,
            type(error).__name__,
            error,
        )
        return None
    aside = path.with_name(f"{path.name}.{uuid.uuid4().hex[:12]}")
    with contextlib.suppress(OSError):  # it is counted again where it cannot be kept
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(json.dumps(dataclasses.asdict(counted)), encoding="utf-8")
        aside.replace(path)
    return counted


def _read(path: Path) -> StepMemory | None:
    try:
        return StepMemory(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _version_of_torch() -> str:
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return "none"


def why_too_small(config: TrainingConfig, cards: Sequence[Card], cache_dir: str) -> str:
    """Say that no card has the memory that a training takes; empty where one has, or that is not known.

    What is counted must fit, with what CUDA itself takes: of the rest of the allowance nobody knows.

    Args:
        config: of the training.
        cards: those that it could get.
        cache_dir: where this machine keeps what was counted.
    """
    counted = counted_memory(config, cache_dir) if cards else None
    if counted is None:
        return ""
    largest = max(cards, key=lambda card: card.memory_bytes)
    if counted.num_bytes + CONTEXT_BYTES <= largest.memory_bytes:
        return ""
    need, has = MemoryNeed.counted(counted), in_gb(largest.memory_bytes)
    return (
        f"{config.METHOD} takes {need} of a GPU's memory, and {largest.name} has {has}: use a machine whose GPU has "
        "more, such as an A100 (40 or 80 GB) or an H100 (80 GB), or set a smaller batch, which is another training"
    )


def refuse_small_cards(configs: Iterable[TrainingConfig], cards: Sequence[Card], cache_dir: str) -> None:
    """Refuse methods that no card could hold, before a GPU is taken for them.

    The first config of each is counted: to count all rows of a table takes minutes. Of the others the worker tells.

    Raises:
        ValueError: names each.
    """
    first = {config.METHOD: config for config in reversed(list(configs))}
    faults = [why_too_small(config, cards, cache_dir) for config in first.values()] if cards else []
    if told := list(dict.fromkeys(filter(None, faults))):
        raise ValueError("\n".join(told))
