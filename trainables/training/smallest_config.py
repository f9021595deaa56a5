"""A config made small enough that one step of it takes a moment, to find what its training would raise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from tablewright.trainables.contract.method import TrainingConfig
from tablewright.trainables.value.refusal import Refusal

ConfigT = TypeVar("ConfigT", bound=TrainingConfig)

SHRINKING = (8, 6, 4, 3, 2)
"""By how much sides of images are divided, the most first."""


def smallest_config(config: ConfigT, candidates: Iterable[Mapping[str, int]]) -> ConfigT:
    """Give the config in float32 with the first sizes that it accepts.

    Args:
        config: of a training.
        candidates: dotted path -> size, smallest first; the last one is the config's own.
    """
    for sizes in candidates:
        changed = config.model_dump()
        for path, value in {**sizes, "optimisation.precision": "fp32"}.items():
            *parents, name = path.split(".")
            owner: dict[str, Any] = changed
            for parent in parents:
                owner = owner[parent]
            owner[name] = value
        try:
            return type(config).model_validate(changed)
        except Refusal:  # the network does not fit on so small an image
            continue
    raise AssertionError("a config accepts its own sizes")
