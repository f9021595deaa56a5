"""What papers printed, read from `search_spaces/published.yaml`, in the shape that rows of tables carry."""

from __future__ import annotations

import functools
import importlib.resources
import re
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import yaml
from pydantic import ConfigDict, Field

from tablewright.trainables.value.declaration import Declaration, repeated, take
from tablewright.trainables.value.freezing import FrozenMapping, thaw
from tablewright.trainables.value.frozen_model import ClosedModel
from tablewright.trainables.value.refusal import Fault, Refusal, guess, shown
from tablewright.trainables.value.text import Text

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


class _Entry(ClosedModel):
    """A part of the file; a number is finite and stands without quotation marks."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class PublishedRow(_Entry):
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


class PublishedTable(_Entry):
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

    def find_faults(self) -> Iterator[Fault]:
        """Find what is wrong between its fields."""
        for name, labels in (("rows", [row.row for row in self.rows]), ("columns", self.columns)):
            for label in repeated(labels):
                yield Fault(name, f"{label!r} is given twice, and its values could not be told apart")
        for index, row in enumerate(self.rows):
            if len(row.values) != len(self.columns):
                counts = f"{len(row.values)} values under {len(self.columns)} columns"
                yield Fault(f"rows[{index}]", f"{counts}; write null where nothing is printed")

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
class Printed(Declaration):
    """A printed row as a row of ours carries it.

    Attributes:
        values: data set label -> metric name -> fraction; nothing stands for what was not printed.
        source: where they stand, such as `Table 2`.
        row_id: table id and row label in `published.yaml`.
        quoted_in: where the values were read, if not in the paper itself.
    """

    values: Mapping[str, Mapping[str, float]]
    source: Text
    row_id: tuple[str, str]
    quoted_in: Text = ""


@functools.cache
def published_tables(package: str = "tablewright.search_spaces") -> Mapping[str, PublishedTable]:
    """Read every printed table, by id.

    Raises:
        Refusal: the file is not what it should be; every fault is named with its line.
    """
    file = _File(package)
    found: dict[str, PublishedTable] = {}
    for table_id, entry in file.entries().items():
        try:
            found[table_id] = table = PublishedTable.model_validate(thaw(entry))
        except Refusal as refusal:
            file.add_faults(table_id, refusal.faults)
        else:
            file.add_faults(table_id, table.find_faults())
    file.refuse_faults()
    return FrozenMapping(found)


class _File:
    """The text of the printed tables, and what is wrong with it by line."""

    def __init__(self, package: str) -> None:
        self._name = f"{package}/{FILE}"
        self._faults: list[tuple[int, str]] = []
        content = importlib.resources.files(package).joinpath(FILE).read_bytes()
        try:
            self._text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            self._refuse_at(
                content.count(b"\n", 0, error.start) + 1, "the file is written in UTF-8; save it as such"
            )
        self._root, self._entries = self._read()

    def entries(self) -> Mapping[str, Any]:
        """Give the tables as they stand in the file, by id."""
        for node, key in _repeated_keys(self._root):
            self._faults.append(
                (node.start_mark.line + 1, f"{key!r} stands here for a second time; rename or delete it")
            )
        if not isinstance(self._entries, dict):
            self._refuse_at(1, f"tables by id are needed, such as `mdpr_t2:`; got {shown(self._entries)}")
        entries = cast(dict[Any, Any], self._entries)
        for key in entries:
            if not isinstance(key, str):
                self._faults.append(
                    (self._line_of([key]), f"the id of a table is a string; got {shown(key)}")
                )
        return {key: entry for key, entry in entries.items() if isinstance(key, str)}

    def add_faults(self, table_id: str, faults: Iterable[Fault]) -> None:
        """Note what is wrong with a table."""
        for fault in faults:
            parts = [int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", fault.path)]
            named = Fault(self._with_label(table_id, fault.path), fault.text)
            self._faults.append((self._line_of([table_id, *parts]), f"{table_id}, {named}"))

    def _with_label(self, table_id: str, path: str) -> str:
        """Name a row as people know it: `rows[3].values[1]` is `row 'MGN', values[1]`."""
        found = re.fullmatch(r"rows\[(\d+)\]\.?(.*)", path)
        if found is None:
            return path
        row: Any = self._entries[table_id]["rows"][int(found[1])]
        label = row.get("row", found[1]) if isinstance(row, dict) else found[1]
        return ", ".join([f"row {label!r}", *([found[2]] if found[2] else [])])

    def refuse_faults(self) -> None:
        """Tell all that was noted."""
        if self._faults:
            raise Refusal(self._name, [Fault(f"line {line}", text) for line, text in sorted(self._faults)])

    def _refuse_at(self, line: int, text: str) -> typing.NoReturn:
        raise Refusal(self._name, [Fault(f"line {line}", text)])

    def _read(self) -> tuple[yaml.Node | None, Any]:
        try:
            loader = yaml.SafeLoader(self._text)
            root = loader.get_single_node()
            return root, None if root is None else loader.construct_document(root)
        except yaml.YAMLError as error:
            line = self._line_of_slip(error)
        found = [*self._text.splitlines(), ""][line - 1].strip()
        self._refuse_at(
            line,
            f"this is no YAML: {shown(found)}; look here and in the line before for a bracket or a quotation mark "
            "without its partner, a colon that is missing, a tab, or another indentation than that of its neighbours",
        )

    def _line_of_slip(self, error: yaml.YAMLError) -> int:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        if mark is not None:
            return min(mark.line + 1, max(1, len(self._text.splitlines())))
        return self._text.count("\n", 0, getattr(error, "position", 0)) + 1

    def _line_of(self, parts: Iterable[Any]) -> int:
        """Find the line of what lies at keys and indices; where there is nothing, that of what should hold it."""
        node, line = self._root, 1
        for part in parts:
            found: list[yaml.Node] = []  # a key and its value, or an item
            if isinstance(node, yaml.MappingNode):
                found = next(([key, value] for key, value in node.value if key.value == str(part)), [])
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
                found = node.value[part : part + 1]
            if not found:
                break
            node, line = found[-1], found[0].start_mark.line + 1
        return line


def _repeated_keys(node: yaml.Node | None) -> Iterator[tuple[yaml.Node, str]]:
    """Find what YAML would drop without a word: an entry whose key comes again."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                yield key, key.value
            seen.add(str(key.value))
            yield from _repeated_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated_keys(item)


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
    if query not in typing.get_args(Query):
        raise ValueError(_no_such("kind of query", query, typing.get_args(Query), "Market-1501"))
    given = take(columns, Mapping[str, tuple[str, str]] | None, "columns")
    if given.faults:
        raise Refusal(f"A row of {table_id}", given.faults)
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
    known = list(names)
    return f"{where} has no {what} {name!r}{guess(name, known, cutoff=0.4)} It has {', '.join(known)}"
