"""A text of sections, lists and tables without a format, such as an audit or an appendix."""

from __future__ import annotations

from dataclasses import dataclass

from tablewright.reports.table.text_table import TextTable


@dataclass(frozen=True)
class Points:
    """Sentences or names, one below the other.

    Attributes:
        texts: in printing order.
    """

    texts: tuple[str, ...]


@dataclass(frozen=True)
class Fields:
    """Names with their values, such as the fields of a config.

    Attributes:
        pairs: name and value, in printing order.
    """

    pairs: tuple[tuple[str, str], ...]


Block = str | Points | Fields | TextTable
"""A paragraph, a list, fields with values, or a table of words."""


@dataclass(frozen=True)
class Section:
    """A head and what stands below it.

    Attributes:
        title: of the head.
        blocks: before the sections below it.
        sections: below it.
    """

    title: str
    blocks: tuple[Block, ...] = ()
    sections: tuple[Section, ...] = ()
