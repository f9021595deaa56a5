"""The table with one row an item that lies beside a measurement: which items were measured, and which were left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tablewright.trainables.contract.view import LEFT_OUT
from tablewright.trainables.value.secret import masked

NAMES_OF_ITEMS = ("query", "name")
"""Columns of a per-item table that say what was measured, the first that is there."""


def measured_columns(per_item: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Give the columns of a table of items without the items that were left out.

    Args:
        per_item: columns as `ViewResult.per_query` has them.
    """
    reasons = per_item.get(LEFT_OUT)
    if reasons is None:
        return dict(per_item)
    is_measured = np.array([not reason for reason in reasons], dtype=bool)
    return {name: column[is_measured] for name, column in per_item.items()}


def measured_items(per_item: Mapping[str, Any]) -> tuple[list[str], dict[str, int]]:
    """Give the names of the items that were measured, and why others were not -> how many.

    Args:
        per_item: columns as `ViewResult.per_query` has them. Items without names are told apart by their places.
    """
    num_items = max((len(column) for column in per_item.values()), default=0)
    named = next((per_item[name] for name in NAMES_OF_ITEMS if name in per_item), range(num_items))
    reasons = [str(reason) for reason in per_item.get(LEFT_OUT, [""] * num_items)]
    names = [str(name) for name, reason in zip(named, reasons, strict=True) if not reason]
    left_out: dict[str, int] = {}
    for reason in filter(None, reasons):
        left_out[reason] = left_out.get(reason, 0) + 1
    return names, left_out


def masked_column(column: Any) -> Any:
    """Mask secrets in a column of texts, such as names of files; nearly always there are none."""
    if not all(isinstance(text, str) for text in column):
        return column
    joined = "\n".join(column)
    return column if masked(joined) == joined else [masked(text) for text in column]
