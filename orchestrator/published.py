"""What papers printed, read from `search_spaces/published.yaml`, in the shape that rows of tables carry."""

from __future__ import annotations

import difflib
import functools
import importlib.resources
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import yaml
from pydantic import Field

from trainables.contract import FrozenModel

FILE = "published.yaml"
Query = Literal["single", "multiple"]

_DATASET_OF_PLACE = {
    "market_sq": "Market-1501",
    "market_mq": "Market-1501",
    "duke": "DukeMTMC-reID",
    "cuhk03_labeled": "CUHK03 labelled",
    "cuhk03_detected": "CUHK03 detected",
    "synergy": "SynergyReID",
}
_PLACE_OF_OTHER_QUERY: dict[Query, str] = {"single": "market_mq", "multiple": "market_sq"}


class PublishedRow(FrozenModel):
    """One printed row; values in the order of the table's columns, in the table's unit.

    Attributes:
        is_own: of the paper itself, not of a method it compares with.
        meaning: what the row stands for, where its label does not say it.
        why_not: why no study reproduces it; None where one does.
    """

    row: str
    is_own: bool
    values: tuple[float | None, ...]
    meaning: dict[str, Any] = Field(default_factory=dict[str, Any])
    why_not: str | None = None


class PublishedTable(FrozenModel):
    """One printed table.

    Attributes:
        number: as the paper counts it.
        kind: `ablation`, `main`, or what else it shows.
        unit: `percent`, `count` or `mixed`.
        read_in: where its values were read.
        quoted_in: that place in words, where it is not the paper itself or a picture of it.
        why_not: why no study reproduces any of its rows; None where one does.
    """

    paper: str
    number: str
    title: str
    kind: str
    data_sets: tuple[str, ...]
    unit: Literal["percent", "count", "mixed"]
    read_in: tuple[str, ...]
    quoted_in: str = ""
    note: str = ""
    columns: tuple[str, ...]
    rows: tuple[PublishedRow, ...]
    why_not: str | None = None

    def row(self, label: str) -> PublishedRow:
        """Find a row.

        Raises:
            ValueError: there is none of that label; the nearest is suggested.
        """
        for row in self.rows:
            if row.row == label:
                return row
        raise ValueError(
            _no_such("row", label, [row.row for row in self.rows], f"{self.number} of {self.paper}")
        )


@dataclass(frozen=True)
class Printed:
    """A printed row as a row of ours carries it.

    Attributes:
        values: data set label -> metric name -> fraction; nothing stands for what was not printed.
        source: where they stand, such as `Table 2`.
        row_id: table id and row label in `published.yaml`.
        quoted_in: where the values were read, if not in the paper itself.
    """

    values: Mapping[str, Mapping[str, float]]
    source: str
    row_id: tuple[str, str]
    quoted_in: str = ""


@functools.cache
def published_tables(package: str = "search_spaces") -> Mapping[str, PublishedTable]:
    """Read every printed table, by id.

    Raises:
        ValueError: the file is not what it should be; every fault is named.
    """
    text = importlib.resources.files(package).joinpath(FILE).read_text(encoding="utf-8")
    tables = cast(dict[str, Any], yaml.safe_load(text))
    found = {table_id: PublishedTable.model_validate(table) for table_id, table in tables.items()}
    faults = [
        f"{table_id}, row {row.row!r}: {len(row.values)} values under {len(table.columns)} columns"
        for table_id, table in found.items()
        for row in table.rows
        if len(row.values) != len(table.columns)
    ]
    if faults:
        raise ValueError(f"{package}/{FILE}: {'; '.join(faults)}")
    return found


def published_table(table_id: str) -> PublishedTable:
    """Find a printed table.

    Raises:
        ValueError: there is none of that id; the nearest is suggested.
    """
    tables = published_tables()
    if table_id not in tables:
        raise ValueError(_no_such("table", table_id, tables, FILE))
    return tables[table_id]


def printed(
    table_id: str, row: str, *, query: Query = "single", columns: Mapping[str, tuple[str, str]] | None = None
) -> Printed:
    """Give a printed row for a row of ours, by `Row.as_printed`.

    Args:
        table_id: in `published.yaml`.
        row: its label there.
        query: which of Market-1501's two protocols, where the table has both.
        columns: printed column -> data set label and metric name, where the column's own name does not say
            them; only these columns are read then.

    Raises:
        ValueError: there is no such table, row or column.
    """
    table = published_table(table_id)
    places = columns or {
        column: place for column in table.columns if (place := _place_of(column, table, query)) is not None
    }
    values: dict[str, dict[str, float]] = {}
    found = dict(zip(table.columns, table.row(row).values, strict=True))
    for column, (dataset, metric) in places.items():
        if column not in found:
            raise ValueError(_no_such("column", column, table.columns, table_id))
        value = found[column]
        if value is not None:
            fraction = round(value / 100, 6) if table.unit == "percent" else value
            values.setdefault(dataset, {})[metric] = fraction
    return Printed(values, table.number, (table_id, row), table.quoted_in)


def other_methods(table_id: str) -> list[str]:
    """Name the methods that a printed table compares its own with, in printing order."""
    return [row.row for row in published_table(table_id).rows if not row.is_own]


def _place_of(column: str, table: PublishedTable, query: Query) -> tuple[str, str] | None:
    if column == "accuracy" and table.data_sets:
        return table.data_sets[0], "top1"
    place, _, metric = column.rpartition("_")
    if place == _PLACE_OF_OTHER_QUERY[query] or place not in _DATASET_OF_PLACE:
        return None
    return _DATASET_OF_PLACE[place], metric


def _no_such(what: str, name: str, names: Iterable[str], where: str) -> str:
    known: Sequence[str] = list(names)
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f"did you mean {nearest[0]!r}? " if nearest else ""
    return f"{where} has no {what} {name!r}; {hint}It has {', '.join(known)}"
