"""The table with one row an epoch that lies beside a training's record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tablewright.trainables.contract.run import EpochReport

FIXED = ("epoch", "num_epochs", "wall_s")
"""The columns that every training has; the others are named by what its epochs report."""

MAX_EPOCHS = 10**9
"""More than any training has; a file that says so was changed."""


def _fault_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say why rows are no reports of epochs, which an unfinished training has without a checksum; empty if they are."""
    last = -1
    for row in rows:
        for name in ("epoch", "num_epochs"):
            if type(row[name]) is not int:
                return f"has something else than numbers in its column {name}"
            if not 0 <= row[name] <= MAX_EPOCHS:
                return f"has {row[name]} in its column {name}"
        for name, value in row.items():
            if type(value) not in (int, float) and (value is not None or name == "wall_s"):
                return f"has something else than numbers in its column {name}"
        if row["epoch"] <= last:
            return f"has epoch {row['epoch']} after epoch {last}"
        last = row["epoch"]
    return ""


def columns_of_epochs(epochs: Sequence[EpochReport]) -> dict[str, list[Any]]:
    """Give the columns of the table; each name that any epoch reports has one, empty where others do not."""
    names = dict.fromkeys(name for report in epochs for name in report.metrics)
    return {
        "epoch": [report.epoch for report in epochs],
        "num_epochs": [report.num_epochs for report in epochs],
        "wall_s": [report.wall_s for report in epochs],
        **{name: [report.metrics.get(name) for report in epochs] for name in names},
    }


def epochs_of(table: Any) -> list[EpochReport]:
    """Give the epochs of a table, in order.

    Raises:
        ValueError: what is wrong with it, to be said after the name of the file.
    """
    if missing := [name for name in FIXED if name not in table.column_names]:
        raise ValueError(f"has no column {', '.join(missing)}")
    rows = table.to_pylist()
    if fault := _fault_of(rows):
        raise ValueError(fault)
    return [
        EpochReport(
            row["epoch"],
            row["num_epochs"],
            {name: value for name, value in row.items() if name not in FIXED and value is not None},
            row["wall_s"],
        )
        for row in rows
    ]
