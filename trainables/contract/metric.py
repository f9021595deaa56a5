"""One measured quantity, and how it is printed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from tablewright.trainables.value.declaration import Declaration
from tablewright.trainables.value.text import Label


@dataclass(frozen=True)
class Metric(Declaration):
    """One measured quantity: how it is named in records and how it is printed.

    Attributes:
        name: key in records and published numbers, such as `map`.
        label: column head in a table, such as `mAP`.
        higher_is_better: decides which value is set in bold.
        digits: digits behind the decimal point in print.
        is_fraction: stored in [0, 1] and printed in percent.
    """

    name: Label
    label: Label
    higher_is_better: bool = True
    digits: Annotated[int, Field(ge=0, le=10)] = 1
    is_fraction: bool = True


REPORTED_SPLITS = ("train", "val", "test")


def split_reported(name: str) -> tuple[str, str]:
    """Take the name that an epoch reports apart: `val_ppl` and `val/ppl` are `ppl` on `val`.

    Returns:
        (split, name of what was measured on it); the split is empty where the name has none.
    """
    for split in REPORTED_SPLITS:
        if name.startswith((f"{split}_", f"{split}/")):
            return split, name[len(split) + 1 :]
    return "", name


def metric_reported(name: str, metrics: Iterable[Metric]) -> tuple[Metric | None, str]:
    """Find the metric that an epoch reports by a name, and the split that the name says; None where there is none."""
    named = {metric.name: metric for metric in metrics}
    split, bare = split_reported(name)
    return (named[name], "") if name in named else (named.get(bare), split)
