"""What a study that starts from a search's best keeps of where it comes from, to say it below its tables."""

from __future__ import annotations

from dataclasses import dataclass

from tablewright.orchestrator.declared.changes import Changes
from tablewright.trainables.contract.method import TrainingConfig
from tablewright.trainables.value.declaration import Declaration


@dataclass(frozen=True)
class FoundBase(Declaration):
    """Values that a search has found, which a study has asked for.

    Attributes:
        study: that declares the search.
        search: its name.
        search_id: of its folder in the store.
        method: whose config it is.
        version: of the method; empty for a method of one's own, whose version is its code.
        params: dotted path -> value.
        num_complete: trials that it is the best of.
        metric: name of what was made better, on `val`.
        value: of it; a fraction as metrics are.
    """

    study: str
    search: str
    search_id: str
    method: str
    version: str
    params: Changes
    num_complete: int
    metric: str
    value: float

    def is_in(self, config: TrainingConfig) -> bool:
        """Say whether a config has all that was found."""
        return self.method == config.METHOD and all(
            _value_at(config, path) == value for path, value in self.params.items()
        )


def _value_at(config: TrainingConfig, path: str) -> object:
    value: object = config
    for name in path.split("."):
        value = getattr(value, name, None)
    return value
