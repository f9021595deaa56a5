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

from tablewright.orchestrator.identity import digest_of
from tablewright.orchestrator.parallel_reading import read_all
from tablewright.orchestrator.records import DamagedFile, Store, TrainingRecord
from tablewright.trainables.contract.memory import CONTEXT_BYTES, Card, StepMemory
from tablewright.trainables.contract.method import CountsMemory, TrainingConfig

ALLOWANCE_BYTES = 3_000_000_000
"""What a process holds beyond the tensors that are counted: CUDA itself, working memory of convolutions, gaps between
tensors. Estimated at 3 to 5 GB for the largest of the five papers; what is recorded replaces it."""

GB = 1_000_000_000

logger = logging.getLogger(__name__)
_counted: dict[str, StepMemory | None] = {}


@dataclass(frozen=True)
class MemoryNeed:
    """What one training needs of a GPU's memory.

    Attributes:
        num_bytes: in all.
        is_recorded: whether a training like it has held that; else it is counted, with an allowance.
    """

    num_bytes: int
    is_recorded: bool

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


def recorded_peaks(store: Store, identities: Iterable[str] | None = None) -> dict[str, int]:
    """Give the most that trainings on a GPU have held, in bytes, by their shape.

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

    peaks: dict[str, int] = {}
    for record in read_all(record_of, store.training_ids() if identities is None else identities):
        if record is not None and record.device == "cuda" and record.peak_memory_bytes:
            peaks[record.memory_shape] = max(peaks.get(record.memory_shape, 0), record.peak_memory_bytes)
    return peaks


def need_of(config: TrainingConfig, peaks: Mapping[str, int], cache_dir: str) -> MemoryNeed | None:
    """Say what a training needs; None where none like it is recorded and its method cannot count it.

    Args:
        config: of the training.
        peaks: see `recorded_peaks`.
        cache_dir: where this machine keeps what was counted.
    """
    if peak_bytes := peaks.get(memory_shape(config), 0):
        return MemoryNeed(peak_bytes, is_recorded=True)
    counted = counted_memory(config, cache_dir)
    return None if counted is None else MemoryNeed(counted.num_bytes + ALLOWANCE_BYTES, is_recorded=False)


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
    need = MemoryNeed(counted.num_bytes + ALLOWANCE_BYTES, is_recorded=False)
    return (
        f"{config.METHOD} takes {need} of a GPU's memory, and {largest.name} has {in_gb(largest.memory_bytes)}: use a "
        "machine whose GPU has more, such as an A100 (40 or 80 GB) or an H100 (80 GB), or set a smaller batch, which "
        "is another training"
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
