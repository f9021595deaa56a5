"""What the tables of a study lack, and why: a line for each cause, with the cells that it empties."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import cast

import pandas as pd

from tablewright.trainables.value.text import visible

NOT_TRAINED = "not trained yet, or not measured"


@dataclass(frozen=True)
class Hole:
    """A cause for which cells have no value.

    Attributes:
        state: `failed`, `refused` or `missing`.
        cause: why.
        trainings: ids of those that failed or are refused.
        cells: places in the tables, one text each: table, row, data set and seeds.
    """

    state: str
    cause: str
    trainings: tuple[str, ...]
    cells: tuple[str, ...]


def find_holes(frame: pd.DataFrame, study: str, tables: Collection[str]) -> list[Hole]:
    """List what some tables of a study lack, failures first.

    Args:
        frame: what `read_cells` gave.
        study: name of the study.
        tables: names of its tables that are looked at.
    """
    lacking = cast(
        pd.DataFrame,
        frame[(frame["study"] == study) & frame["table"].isin(list(tables)) & (frame["state"] != "done")],
    )
    fields = ("state", "message", "failed_ids", "table", "group", "row", "dataset", "seed")
    found: dict[tuple[str, str], tuple[dict[str, None], dict[str, dict[int, None]]]] = {}
    for state, message, ids, table, group, row, dataset, seed in zip(
        *(lacking[name].tolist() for name in fields), strict=True
    ):
        trainings, cells = found.setdefault((state, message or NOT_TRAINED), ({}, {}))
        trainings.update(dict.fromkeys(ids.split()))
        place = f"{table}: {group} / {row}, {dataset}" if group else f"{table}: {row}, {dataset}"
        cells.setdefault(place, {})[seed] = None
    holes = [
        Hole(
            state,
            visible(cause),
            tuple(trainings),
            tuple(
                f"{place}, seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
                for place, seeds in cells.items()
            ),
        )
        for (state, cause), (trainings, cells) in found.items()
    ]
    return sorted(holes, key=lambda hole: ("failed", "refused", "missing").index(hole.state))
