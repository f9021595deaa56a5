"""What a study that starts from a search's best says of it below its tables."""

from __future__ import annotations

from dataclasses import dataclass

from tablewright.orchestrator.changes import Changes
from tablewright.trainables.contract.method import TrainingConfig
from tablewright.trainables.value.declaration import Declaration


@dataclass(frozen=True)
class FoundBase(Declaration):
    """That a study starts from what a search has found; said below its tables.

    Attributes:
        method: whose config it is.
        params: dotted path -> value.
        says: where they come from, in words.
    """

    method: str
    params: Changes
    says: str

    def is_in(self, config: TrainingConfig) -> bool:
        """Say whether a config has all that was found."""
        changes = self.params
        return self.method == config.METHOD and all(
            _value_at(config, path) == value for path, value in changes.items()
        )


def _value_at(config: TrainingConfig, path: str) -> object:
    value: object = config
    for name in path.split("."):
        value = getattr(value, name, None)
    return value
