"""What a script leaves in its folder: the values of its metrics, a line of progress an epoch, values per item."""

from __future__ import annotations

import csv
import io
import json
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.contract.view import Split
from tablewright.trainables.value.name_list import some
from tablewright.trainables.value.refusal import nearest, shown

MAX_NAMES = 12
SEPARATOR = "_"
"""Between the names of nested values in a report of progress, as in `val_accuracy`."""


@dataclass(frozen=True)
class ScriptResults:
    """What was read of a script's results, at its end or in a line of progress.

    Attributes:
        values: as they stand in the file, nested or not.
        per_item: columns of values per item of the test split.
        place: where they stand, for messages.
        is_progress: whether it is a line of progress, in which some metrics may be absent.
    """

    values: Mapping[str, Any]
    per_item: Mapping[str, Sequence[Any]] = field(default_factory=dict[str, Sequence[Any]])
    place: str = ""
    is_progress: bool = False

    def has(self, metric: Metric, split: Split) -> bool:
        """Say whether it names a metric of a split."""
        return any(True for _ in self._spelt(metric.name, split))

    def value(self, metric: Metric, split: Split) -> float:
        """Find a metric of a split: `{"val": {"map": 0.5}}`, `val_map`, `val/map`, `val.map`; of `test` also `map`.

        Raises:
            ValueError: it is not there, is there twice with two values, or is no number.
        """
        found = {spelling: value for spelling, value in self._spelt(metric.name, split)}
        numbers = [value for value in found.values() if _is_number(value)]
        if not found:
            raise ValueError(
                f"{self.place} has no {metric.name!r} of the {split} split{self._instead(metric, split)}"
            )
        if len(numbers) < len(found):
            spelling, value = next((name, value) for name, value in found.items() if not _is_number(value))
            raise ValueError(f"{self.place} has {spelling} = {shown(value)}, where a number is needed")
        if not all(map(math.isfinite, numbers)):
            raise ValueError(f"{self.place} has {metric.name} = {numbers[0]}, which no table can average")
        if any(value != numbers[0] for value in numbers[1:]):
            raise ValueError(
                f"{self.place} has {metric.name!r} of the {split} split twice: {found}; write one"
            )
        return float(numbers[0])

    def _spelt(self, name: str, split: Split) -> Iterator[tuple[str, Any]]:
        inner = self.values.get(split)
        if isinstance(inner, Mapping) and name in inner:
            yield f"{split}.{name}", cast(Mapping[str, Any], inner)[name]
        spellings = [
            f"{split}_{name}",
            f"{split}/{name}",
            f"{split}.{name}",
            *([name] if split == "test" else []),
        ]
        for spelling in spellings:
            if spelling in self.values and not isinstance(self.values[spelling], Mapping):
                yield spelling, self.values[spelling]

    def _instead(self, metric: Metric, split: Split) -> str:
        there_is = list(flat(self.values, "."))
        wanted = [f"{split}_{metric.name}", metric.name]
        meant = next((found for name in wanted if (found := nearest(name, there_is))), None)
        plain = " or plain " + repr(metric.name) if split == "test" else ""
        return (
            f"{f'; did you mean {meant!r}?' if meant else '.'} It has {some(there_is, MAX_NAMES) or 'nothing'}; write "
            f"{f'{split}_{metric.name}'!r}{plain}"
        )

    def refuse_absent(self, metrics: Sequence[Metric]) -> None:
        """Refuse results in which a metric has no value in any split.

        Raises:
            ValueError: names each, and what there is.
        """
        faults: list[str] = []
        for metric in metrics:
            told: list[str] = []
            for split in reversed(get_args(Split)):  # `test` first: what a table needs
                try:
                    self.value(metric, split)
                    break
                except ValueError as error:
                    told.append(str(error))
            else:
                faults.append(told[0])
        if faults:
            raise ValueError("; ".join(faults))


def flat(values: Mapping[str, Any], separator: str = SEPARATOR, above: str = "") -> dict[str, Any]:
    """Give nested values by joined names."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(cast(Mapping[str, Any], value), separator, f"{above}{name}{separator}")
        else:
            found[f"{above}{name}"] = value
    return found


def read_results(out: Path, metrics_file: str, items_file: str | None) -> ScriptResults:
    """Read what a script that has ended well left.

    Raises:
        ValueError: a file is not there, or is not whole.
    """
    text = _read(out, metrics_file)
    try:
        values: Any = json.loads(text)
    except ValueError as error:
        raise ValueError(
            f"{metrics_file} is no whole JSON ({error}), as a file that was cut short"
        ) from error
    if not isinstance(values, Mapping):
        raise ValueError(
            f'{metrics_file} holds {shown(values)}, where values by name are needed: {{"accuracy": 0.9}}'
        )
    per_item = {} if items_file is None else _columns_of(items_file, _read(out, items_file))
    return ScriptResults(cast(Mapping[str, Any], values), per_item, metrics_file)


def _read(out: Path, name: str) -> str:
    try:
        return (out / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        files = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
        there_is = some(files, MAX_NAMES) or "nothing"
        raise ValueError(
            f"the script ended well and left no {name} in {{out}}; there is {there_is}"
        ) from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is no text in UTF-8 ({error})") from error


def _columns_of(name: str, text: str) -> dict[str, list[Any]]:
    """Read rows of values: JSON lines, or CSV with a line of names."""
    is_csv = name.endswith(".csv")
    rows = csv.DictReader(io.StringIO(text)) if is_csv else _json_lines(name, text)
    columns: dict[str, list[Any]] = {}
    for number, row in enumerate(rows, start=1):
        columns = columns or {column: [] for column in row}
        if row.keys() != columns.keys() or None in (*row, *row.values()):
            raise ValueError(
                f"row {number} of {name} has not a value for each of {', '.join(map(str, columns))}"
            )
        for column, values in columns.items():
            values.append(row[column])
    return {column: _numbers(values) for column, values in columns.items()} if is_csv else columns


def _json_lines(name: str, text: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(filter(str.strip, text.split("\n")), start=1):
        try:
            row: Any = json.loads(line)
        except ValueError as error:
            raise ValueError(f"row {number} of {name} is no whole JSON ({error})") from error
        if not isinstance(row, dict):
            raise ValueError(f"row {number} of {name} holds {shown(row)}, where values by name are needed")
        yield cast(dict[str, Any], row)


def _numbers(values: list[str]) -> list[Any]:
    """Give a column of CSV as numbers, or as true and false, where all of it is."""
    if all(value in ("True", "False") for value in values):
        return [value == "True" for value in values]
    try:
        return [float(value) for value in values]
    except (TypeError, ValueError):
        return list(values)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(frozen=True)
class ProgressLine:
    """One line of progress.

    Attributes:
        epoch: that it ends, from 1 on.
        metrics: what it says in numbers.
        results: all that it says, from which a search is served.
    """

    epoch: int
    metrics: Mapping[str, float]
    results: ScriptResults


class ProgressFile:
    """A file of JSON lines that is followed while a script appends to it.

    Attributes:
        num_read_bytes: up to where it was read.
    """

    def __init__(self, path: Path) -> None:
        """Begin before its first line."""
        self._path = path
        self.num_read_bytes = 0
        self._num_lines = 0
        self._first_epoch: int | None = None
        self._is_told = False

    def exists(self) -> bool:
        """Say whether the script has begun to write it."""
        return self._path.exists()

    def skip(self, num_bytes: int) -> None:
        """Pass over what was read of it earlier, and cut off a last line that a killed script has not ended.

        Args:
            num_bytes: `num_read_bytes` of then; a file that is shorter was begun anew.
        """
        if not self._path.exists():
            return
        content = self._path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            with self._path.open("r+b") as file:
                file.truncate(len(whole))
        if num_bytes <= len(whole):
            for line in whole[:num_bytes].split(b"\n"):
                self._line_of(line)
            self.num_read_bytes = num_bytes

    def new_lines(self, *, is_ended: bool = False) -> Iterator[ProgressLine]:
        """Give what was written since; a last line without an end waits until the script has ended.

        Raises:
            ValueError: an epoch is no whole number.
        """
        try:
            with self._path.open("rb") as file:
                if self._path.stat().st_size < self.num_read_bytes:  # written anew
                    self.num_read_bytes, self._num_lines, self._first_epoch = 0, 0, None
                file.seek(self.num_read_bytes)
                content = file.read()
        except FileNotFoundError:
            return
        *lines, unfinished = content.split(b"\n")
        for line in [*lines, *([unfinished] if is_ended else [])]:
            self.num_read_bytes += len(line) + 1
            if (found := self._line_of(line)) is not None:
                yield found

    def _line_of(self, line: bytes) -> ProgressLine | None:
        if not line.strip():
            return None
        try:
            values: Any = json.loads(line)
        except ValueError:
            values = None
        if not isinstance(values, Mapping):
            if not self._is_told:
                text = shown(line.decode(errors="replace").rstrip())
                warnings.warn(
                    f"{self._path.name} has lines that are no JSON objects, such as {text}", stacklevel=2
                )
            self._is_told = True
            return None
        self._num_lines += 1
        fields = flat(cast(Mapping[str, Any], values))
        place = f"line {self._num_lines} of {self._path.name}"
        epoch = self._epoch_of(fields.pop("epoch", None), place)
        metrics = {name: float(value) for name, value in fields.items() if _is_number(value)}
        return ProgressLine(
            epoch, metrics, ScriptResults(cast(Mapping[str, Any], values), place=place, is_progress=True)
        )

    def _epoch_of(self, given: Any, place: str) -> int:
        """Count from 1 on: the lines where they name no epoch, from the first one's number where that is 0."""
        if given is None:
            return self._num_lines
        if not _is_number(given) or given != int(given) or given < 0:
            raise ValueError(
                f"{place} has epoch = {shown(given)}; it is a whole number, or left out to count the lines"
            )
        if self._first_epoch is None:
            self._first_epoch = int(given)
        return int(given) + (1 if self._first_epoch == 0 else 0)
