"""What a cell has of each of its seeds."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from tablewright.reports.frame import CellState

Place = tuple[str, str, str]
"""Of a cell in its table: row with its group in front, data set and metric."""


@dataclass(frozen=True)
class Seed:
    """One seed of a cell.

    Attributes:
        seed: of the training.
        training_ids: of the training, or of those of an ensemble.
        state: whether it was measured.
        value: NaN unless it is done.
    """

    seed: int
    training_ids: tuple[str, ...]
    state: CellState
    value: float


def seeds_by_place(frame: pd.DataFrame) -> dict[Place, list[Seed]]:
    """Give what each cell of a table has of its seeds.

    Args:
        frame: the table's part of what `read_cells` gives.
    """
    found: dict[Place, list[Seed]] = {}
    fields = ("group", "row", "dataset", "metric", "seed", "training_id", "partner_ids", "state", "value")
    for group, row, dataset, metric, seed, training_id, partner_ids, state, value in zip(
        *(frame[name].tolist() for name in fields), strict=True
    ):
        measured = Seed(seed, (training_id, *partner_ids.split()), state, value)
        found.setdefault((f"{group} / {row}" if group else row, dataset, metric), []).append(measured)
    return found
