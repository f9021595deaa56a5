"""A data set as a table and a search name it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tablewright.orchestrator.declared.changes import Changes
from tablewright.trainables.contract.method import TrainingConfig
from tablewright.trainables.value.declaration import Declaration
from tablewright.trainables.value.freezing import EMPTY
from tablewright.trainables.value.refusal import Fault
from tablewright.trainables.value.text import Label

SEED = "seed"
"""The field of a config that tables and searches set themselves."""


@dataclass(frozen=True)
class Dataset(Declaration):
    """A data set as a column head of a table.

    Attributes:
        label: as it is printed, such as `Market-1501`.
        changes: what turns the ablation's base into a config for it.
    """

    label: Label
    changes: Changes = EMPTY

    def find_faults(self) -> Iterator[Fault]:
        """Find a seed, which is not the data set's to set."""
        if SEED in self.changes:
            yield Fault(
                "changes", f"it sets seed to {self.changes[SEED]!r}, but seeds are the study's (seeds=…)"
            )


def without_own_seed(config: TrainingConfig) -> TrainingConfig:
    """Give a config as it is where its writer names no seed."""
    return config.model_copy(update={SEED: type(config).model_fields[SEED].default})
