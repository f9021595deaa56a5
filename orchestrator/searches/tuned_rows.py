"""What the searches of a tuned table's rows have come to: what each row is trained with, or what it waits for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.changes import Changes, apply_changes, try_changes
from tablewright.orchestrator.declared.dataset import SEED, Dataset
from tablewright.orchestrator.declared.design import Row, full_label
from tablewright.orchestrator.declared.row_search import RowSearch
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.orchestrator.searches.search_state import SearchState
from tablewright.trainables.contract.data import DatasetFacts
from tablewright.trainables.contract.method import TrainingConfig


@dataclass(frozen=True)
class TunedRow:
    """One search of a tuned table, which is that of one row, or of several of one config, on one data set.

    Attributes:
        search: the declaration.
        state: how far it is.
        data: that the rows are measured on.
        waits_for: why the rows cannot be trained; empty where they can.
    """

    search: RowSearch
    state: SearchState
    data: DatasetFacts
    waits_for: str

    @property
    def found(self) -> Changes | None:
        """What its rows are trained with; None while they wait."""
        return None if self.waits_for else self.state.best

    @property
    def config(self) -> TrainingConfig | None:
        """What its rows are trained from, but for the seed, which is that of the search; None while they wait."""
        return None if self.found is None else apply_changes(self.search.base, self.found)

    @property
    def value(self) -> float | None:
        """Of the objective, of what was found; None while there is nothing."""
        found = self.found
        return next((trial.value for trial in self.state.trials if found and trial.params == found), None)

    @property
    def num_epochs(self) -> int:
        """Epochs that its trials were trained for, each training once, whoever made it."""
        reached: dict[str, int] = {}
        for trial in self.state.trials:
            whole = trial.num_epochs or 0 if trial.state == "complete" else 0
            epochs = max([whole, *trial.intermediate_values])
            reached[trial.training_id] = max(epochs, reached.get(trial.training_id, 0))
        return sum(reached.values())


@dataclass(frozen=True)
class TunedRows:
    """The rows of one tuned table.

    Attributes:
        ablation: the declaration.
        rows: its searches, in printing order.
    """

    ablation: Ablation
    rows: tuple[TunedRow, ...]

    @cached_property
    def _by_place(self) -> Mapping[tuple[str, str], TunedRow]:
        return {(row, one.search.dataset_label): one for one in self.rows for row in one.search.rows}

    def of(self, row: Row, dataset: Dataset) -> TunedRow:
        """Give the search of a row on a data set."""
        return self._by_place[full_label(row), dataset.label]

    def members(self, row: Row, dataset: Dataset, seed: int | None = None) -> tuple[TrainingConfig, ...]:
        """Give the config behind one cell with what its search found; none while it waits: never the untuned one."""
        found = self.of(row, dataset).found
        if found is None:
            return ()
        return tuple(apply_changes(config, found) for config in self.ablation.members(row, dataset, seed))


def tuned_rows(ablation: Ablation, states: Sequence[SearchState], resolver: DataResolver) -> TunedRows:
    """Say what the searches of a table's rows have come to.

    Args:
        ablation: a tuned table.
        states: how far its searches are, in their order.
        resolver: finds their data.

    Raises:
        ValueError: the data cannot be found.
    """
    rows = tuple(
        TunedRow(search, state, resolver.resolve(search.base).measured, _waits_for(search, state))
        for search, state in zip(ablation.row_searches, states, strict=True)
    )
    return TunedRows(ablation, rows)


def _waits_for(search: RowSearch, state: SearchState) -> str:
    if state.best is None:
        return f"its search: {state}"
    # While it searched, search_changes stood beside what it found.
    _, faults = try_changes(search.base, {**state.best, SEED: search.base.seed})
    if faults:
        return f"its method refuses what its search found: {'; '.join(map(str, faults))}"
    return ""
