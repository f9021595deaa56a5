"""Rows that were trained elsewhere: their results from a CSV file under Git, beside ours and never in a mean of ours.

A table never asks a server: what MLflow or W&B has is first copied into such a file (`foreign_runs.py`).
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path

from tablewright.orchestrator.declared.declaring import declaring_now
from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.declared.imported_runs import Imported, ImportedRun
from tablewright.orchestrator.project.project import entered_project
from tablewright.trainables.contract.method import SEED_LIMIT
from tablewright.trainables.value.declaration import Declaration, repeated
from tablewright.trainables.value.freezing import EMPTY
from tablewright.trainables.value.refusal import Fault, Refusal, guess, shown
from tablewright.trainables.value.regular_file import refuse_irregular
from tablewright.trainables.value.text import Text

MAX_FAULTS = 20
"""Of a file that are told; the others are counted."""
NEXT_STEP = "name a CSV file, with its column names in the first line"


@dataclass(frozen=True)
class _Asked(Declaration):
    """What `imported` is given, checked as any declaration is."""

    file: Text
    columns: Mapping[str, str | tuple[str, str]]
    label: Text
    label_column: str
    dataset_column: str
    seed_column: str
    percent: Sequence[str]
    where: Mapping[str, str]
    group: Text
    source: Text

    @property
    def subject(self) -> str:
        """Name it by its file."""
        return f"imported({shown(self.file)})"

    def find_faults(self) -> Iterator[Fault]:
        """Find what is said twice, or not at all."""
        if bool(self.label) == bool(self.label_column):
            yield Fault(
                "label",
                "rows are named by label=… (one row of all lines) or by label_column=… (a row for each of its values); "
                f"got {shown(self.label)} and {shown(self.label_column)}; give one of them",
            )
        if not self.columns:
            yield Fault("columns", "at least one column is read, {'test_acc': ('CIFAR-10', 'accuracy')}")
        for column, place in self.columns.items():
            if isinstance(place, str) != bool(self.dataset_column):
                yield Fault(
                    f"columns[{column!r}]",
                    "a metric's name stands alone where dataset_column=… names the data sets, and behind the label of "
                    f"its data set otherwise, ('CIFAR-10', 'accuracy'); got {shown(place)}",
                )
        for column in self.percent:
            if column not in self.columns:
                yield Fault("percent", f"{column!r} is none of columns={{…}}{guess(column, self.columns)}")
        places = list(self.columns.values())
        for place in repeated(places):
            yield Fault("columns", f"two of them are {shown(place)}; read one")

    @property
    def named(self) -> Iterator[str]:
        """Every column that the file has to have."""
        yield from self.columns
        yield from filter(None, (self.label_column, self.dataset_column, self.seed_column))
        yield from self.where


@dataclass
class _Read:
    """What the lines of one row have said so far; seed or line number -> data set -> metric -> value."""

    runs: dict[int, dict[str, dict[str, float]]] = field(
        default_factory=dict[int, dict[str, dict[str, float]]]
    )
    lines: dict[tuple[int, str, str], int] = field(default_factory=dict[tuple[int, str, str], int])


def imported(
    file: str,
    columns: Mapping[str, str | tuple[str, str]],
    *,
    label: str = "",
    label_column: str = "",
    dataset_column: str = "",
    seed_column: str = "",
    percent: Sequence[str] = (),
    where: Mapping[str, str] = EMPTY,
    group: str = "",
    source: str = "",
) -> tuple[Row, ...]:
    """Read rows that were trained elsewhere from a CSV file, a line a run.

    They are printed with the mark “(imported)”, as mean ± deviation where there are several runs, and are compared
    with nothing: nobody here knows what they share with ours.

    Args:
        file: its path, from the folder that `search_spaces/` lies in.
        columns: column of the file -> (data set label, metric name) of the table; with `dataset_column` -> metric name.
            An empty field is a value that was not measured.
        label: of the one row that all lines are runs of.
        label_column: instead, the column whose values name the rows, in the order in which they come.
        dataset_column: the column with the labels of the data sets, where each line is of one.
        seed_column: the column with the seeds; left out, no seed is known.
        percent: columns that hold a fraction in percent, 86.1 for 0.861.
        where: column -> text that a line must have there to be read.
        group: of the rows.
        source: whose results these are and where they come from, such as an address; printed in the note.

    Raises:
        Refusal: every fault of the arguments, then every one of the file, with its line.
    """
    asked = _Asked(
        file,
        columns,
        label,
        label_column,
        dataset_column,
        seed_column,
        percent,
        where,
        group,
        source,
    )
    content = _content(asked)
    faults: list[Fault] = []
    found = _rows_of(asked, content, faults)
    if len(faults) > MAX_FAULTS:
        faults[MAX_FAULTS:] = [Fault("", f"and {len(faults) - MAX_FAULTS} more faults")]
    if faults:
        raise Refusal(asked.subject, faults)
    digest = hashlib.sha256(content).hexdigest()
    in_percent = [
        place if isinstance(place, str) else place[1]
        for place in map(asked.columns.__getitem__, asked.percent)
    ]
    return tuple(
        Row(
            name,
            group=group,
            is_trained=False,
            imported=Imported(
                [
                    ImportedRun(number if seed_column else None, values)
                    for number, values in sorted(read.runs.items())
                ],
                file=file,
                sha256=digest,
                source=source,
                in_percent=in_percent,
            ),
        )
        for name, read in found.items()
    )


def _content(asked: _Asked) -> bytes:
    now, project = declaring_now(), entered_project()
    folder = now.studies_folder.parent if now is not None else Path() if project is None else project.folder
    path = folder / Path(asked.file).expanduser()
    try:
        refuse_irregular(path)
        return path.read_bytes()
    except OSError as error:
        why = f"{path} cannot be read ({error.strerror}); the path is taken from {folder.absolute()}"
        raise Refusal(asked.subject, [Fault("file", f"{why}; {NEXT_STEP}")]) from error


def _rows_of(asked: _Asked, content: bytes, faults: list[Fault]) -> dict[str, _Read]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        faults.append(Fault(f"line {line}", "the file is written in UTF-8; save it as such"))
        return {}
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    found: dict[str, _Read] = {}
    try:
        heads = next(reader, None)
        if heads is None:
            faults.append(Fault("", f"it is empty; {NEXT_STEP}"))
            return {}
        faults += _head_faults(asked, heads)
        if faults:
            return {}
        for fields in reader:
            if fields:
                _take_line(
                    asked,
                    dict(zip(heads, fields, strict=False)),
                    heads,
                    fields,
                    reader.line_num,
                    found,
                    faults,
                )
    except csv.Error as error:
        faults.append(Fault(f"line {reader.line_num}", f"this is no CSV: {error}"))
        return {}
    if not found and not faults:
        chosen = f" with {dict(asked.where)}" if asked.where else ""
        faults.append(Fault("", f"it has no line{chosen} below its column names, so that there is no row"))
    for column in asked.percent:
        place = asked.columns[column]
        values = [
            value
            for read in found.values()
            for run in read.runs.values()
            for dataset, of_dataset in run.items()
            for metric, value in of_dataset.items()
            if place in (metric, (dataset, metric))
        ]
        if values and max(map(abs, values)) <= 0.01:
            faults.append(
                Fault(
                    "percent",
                    f"no value of {column!r} is above 1, so that they look like fractions; take it out of percent=[…]",
                )
            )
    for name, read in found.items() if not faults else ():
        if not any(of_dataset for run in read.runs.values() for of_dataset in run.values()):
            faults.append(Fault(f"row {name!r}", "none of its lines has a value"))
    return found


def _head_faults(asked: _Asked, heads: Sequence[str]) -> Iterator[Fault]:
    for head in repeated(heads):
        if head in asked.named:
            yield Fault("line 1", f"there are two columns {head!r}, and nothing says which is meant")
    for name in dict.fromkeys(asked.named):
        if name not in heads:
            yield Fault(
                "line 1",
                f"there is no column {name!r}{guess(name, heads)} It has {', '.join(map(repr, heads))}",
            )


def _take_line(
    asked: _Asked,
    line: Mapping[str, str],
    heads: Sequence[str],
    fields: Sequence[str],
    number: int,
    found: dict[str, _Read],
    faults: list[Fault],
) -> None:
    where = f"line {number}"
    if len(fields) != len(heads):
        faults.append(Fault(where, f"it has {len(fields)} fields under {len(heads)} column names"))
        return
    if any(line[column] != text for column, text in asked.where.items()):
        return
    for column in filter(None, (asked.label_column, asked.dataset_column, asked.seed_column)):
        if not line[column].strip():
            faults.append(Fault(where, f"{column!r} is empty"))
            return
    run = number
    if asked.seed_column:
        try:
            run = int(Decimal(line[asked.seed_column].strip()).to_integral_exact())
        except (InvalidOperation, ValueError, OverflowError):
            run = -1
        if not 0 <= run < SEED_LIMIT or Decimal(line[asked.seed_column].strip()) != run:
            text = f"a seed is a whole number from 0 on; got {shown(line[asked.seed_column])}"
            faults.append(Fault(f"{where}, {asked.seed_column!r}", text))
            return
    read = found.setdefault(asked.label or line[asked.label_column].strip(), _Read())
    values = read.runs.setdefault(run, {})
    for column, place in asked.columns.items():
        dataset, metric = (line[asked.dataset_column].strip(), place) if isinstance(place, str) else place
        text = line[column].strip()
        if not text:
            continue
        value = _number(text, is_percent=column in asked.percent)
        if value is None:
            needed = "a finite number is needed, or nothing where nothing was measured"
            faults.append(Fault(f"{where}, {column!r}", f"{needed}; got {shown(text)}"))
            continue
        first = read.lines.setdefault((run, dataset, metric), number)
        if first != number:
            faults.append(
                Fault(
                    where,
                    f"seed {run} of {asked.label or line[asked.label_column].strip()!r} on {dataset!r} stands in line "
                    f"{first} already; a seed is one run. Leave one out, part them by where=… or label_column=…, or "
                    "leave seed_column out",
                )
            )
            return
        values.setdefault(dataset, {})[metric] = value


def _number(text: str, *, is_percent: bool) -> float | None:
    """Read a finite number, one in percent as a fraction, without a rounding of its own."""
    try:
        value = Decimal(text)
        value = float(value / 100 if is_percent else value)
    except (InvalidOperation, OverflowError, ValueError):
        return None
    return value if math.isfinite(value) else None
