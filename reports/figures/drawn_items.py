"""The tables of items that figures need: those of a few rows, each read once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tablewright.orchestrator.declared.design import full_label
from tablewright.orchestrator.store.parallel_reading import read_all
from tablewright.orchestrator.store.store import Store
from tablewright.reports.figures.drawn_table import DrawnTable
from tablewright.reports.statistics.item_scores import Items, read_items
from tablewright.trainables.contract.view import EvaluationView

Key = tuple[str, str]
"""Training and view of a table of items."""


@dataclass
class DrawnItems:
    """Reads the items of the rows of one table.

    Attributes:
        drawn: the table.
        store: of its measurements.
    """

    drawn: DrawnTable
    store: Store
    _read: dict[Key, Items] = field(default_factory=dict[Key, Items])

    def view_of(self, row: str) -> EvaluationView:
        """Give how a row is measured: label, its group in front."""
        ablation = self.drawn.ablation
        (found,) = (one for one in ablation.trained_rows if full_label(one) == row)
        return found.view or ablation.view

    def read_rows(self, rows: Iterable[str], dataset: str) -> None:
        """Read the items of rows on a data set, all at once."""
        keys = [key for row in rows for key in self._keys(row, dataset).values()]
        wanted = [key for key in dict.fromkeys(keys) if key not in self._read]
        folders = [(self.store.training(training_id), view_id) for training_id, view_id in wanted]
        self._read.update(zip(wanted, read_all(read_items, folders), strict=True))

    def of_row(self, row: str, dataset: str) -> dict[int, Items]:
        """Give the items of a row by seed, those that are lost left out."""
        self.read_rows([row], dataset)
        found = {seed: self._read[key] for seed, key in self._keys(row, dataset).items()}
        return {seed: items for seed, items in found.items() if items.columns and not items.fault}

    def _keys(self, row: str, dataset: str) -> dict[int, Key]:
        """Give training and view of each seed of a row that is measured."""
        metric = self.drawn.ablation.metrics[0]
        done: Sequence[int] = list(self.drawn.values(row, dataset, metric))
        return {
            cell.seed: (cell.training_id, cell.view_id)
            for cell in self.drawn.cells_of.get((row, dataset), ())
            if cell.seed in done
        }
