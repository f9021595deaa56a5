"""What trainings compute, counted from their configs: once on a machine, as building a network takes a moment."""

from __future__ import annotations

import json
import logging
import uuid
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from tablewright.orchestrator.identity import digest_of
from tablewright.orchestrator.plans.resolution import without_seed
from tablewright.trainables.contract.data import DatasetFacts
from tablewright.trainables.contract.method import CountsWork, TrainingConfig
from tablewright.trainables.contract.size import TrainingWork

COUNT_VERSION = 1
"""Raised when what is counted changes."""

logger = logging.getLogger(__name__)


class CountedWork:
    """Counts what trainings compute, and keeps it in this machine's cache."""

    def __init__(self, cache_dir: str) -> None:
        """Keep it below a folder, which need not be there."""
        self._folder = Path(cache_dir) / "work"
        self._known: dict[str, TrainingWork | None] = {}

    def __call__(self, config: TrainingConfig, data: DatasetFacts) -> TrainingWork | None:
        """Give what a training computes; None where its method cannot count it."""
        trainable = config.make_trainable()
        if not isinstance(trainable, CountsWork):
            return None
        counted = without_seed(config).model_dump(mode="json")
        key = digest_of(
            [COUNT_VERSION, config.METHOD, config.VERSION, counted, sorted(data.num_images.items())]
        )
        if key not in self._known:
            self._known[key] = self._read(key)
            if self._known[key] is None:
                self._known[key] = self._count(trainable, config, data, key)
        return self._known[key]

    def _read(self, key: str) -> TrainingWork | None:
        try:
            return TrainingWork(**json.loads((self._folder / f"{key}.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):  # not there, or of another version: it is counted
            return None

    def _count(
        self, trainable: CountsWork, config: TrainingConfig, data: DatasetFacts, key: str
    ) -> TrainingWork | None:
        try:
            work = trainable.work(config, data)
        except Exception as error:  # of code that somebody writes; a plan can do without
            logger.warning(
                "what %s computes cannot be counted: %s: %s", config.METHOD, type(error).__name__, error
            )
            return None
        if work is not None:
            with suppress(OSError):  # a cache that takes nothing
                self._folder.mkdir(parents=True, exist_ok=True)
                aside = self._folder / f".{uuid.uuid4().hex[:12]}"
                aside.write_text(json.dumps(asdict(work)), encoding="utf-8")
                aside.replace(self._folder / f"{key}.json")
        return work
