"""A small table of words below the cells of a table, such as what a search found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TextTable:
    """Texts in rows and columns, without a format.

    Attributes:
        name: what it is of; letters and underscores.
        heads: of the columns; the first is that of the row labels.
        rows: as many texts each.
    """

    name: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
