"""One measured quantity, and how it is printed."""

from __future__ import annotations

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
