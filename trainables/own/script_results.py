"""What a script leaves in its folder: the values of its metrics, a line of progress an epoch, values per item."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.contract.view import Split
from tablewright.trainables.own.script_folder import files_in
from tablewright.trainables.value.name_list import some
from tablewright.trainables.value.refusal import nearest, shown
from tablewright.trainables.value.regular_file import NotRegular, refuse_irregular

MAX_NAMES = 12
MAX_EPOCH = 10**9
"""Above it a number counts no epochs."""
SEPARATOR = "_"
"""Between the names of nested values in a report of progress, as in `val_accuracy`."""


@dataclass(frozen=True)
class ScriptResults:
    """What was read of a script's results, at its end or in a line of progress.

    Attributes:
        values: as they stand in the file, nested or not.
        per_item: columns of values per item of the test split.
        place: where they stand, for messages.
    """

    values: Mapping[str, Any]
    per_item: Mapping[str, Sequence[Any]] = field(default_factory=dict[str, Sequence[Any]])
    place: str = ""

    def has(self, metric: Metric, split: Split) -> bool:
        """Say whether it names a metric of a split."""
        return any(True for _ in self._spelt(metric.name, split))

    def value(self, metric: Metric, split: Split) -> float:
        """Find a metric of a split: `{"val": {"map": 0.5}}`, `val_map`, `val/map`, `val.map`; of `test` also `map`.

        Raises:
            ValueError: it is not there, is there twice with two values, or is no number.
        """
        found = {spelling: value for spelling, value in self._spelt(metric.name, split)}
        numbers = [number for value in found.values() if (number := _number(value)) is not None]
        if not found:
            raise ValueError(
                f"{self.place} has no {metric.name!r} of the {split} split{self._instead(metric, split)}"
            )
        if len(numbers) < len(found):
            spelling, value = next((name, value) for name, value in found.items() if _number(value) is None)
            wanted = "which no table can average" if _is_number(value) else "where a number is needed"
            raise ValueError(f"{self.place} has {spelling} = {shown(value)}, {wanted}")
        if any(value != numbers[0] for value in numbers[1:]):
            raise ValueError(
                f"{self.place} has {metric.name!r} of the {split} split twice: {found}; write one"
            )
        return numbers[0]

    def value_or_none(self, metric: Metric, split: Split) -> float | None:
        """Find a metric of a split as `value` does; None where it is not there, or is no number to compare."""
        try:
            return self.value(metric, split)
        except ValueError:
            return None

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
        """Refuse results in which a metric has no value of the test split, or of val one that is none.

        Raises:
            ValueError: names each, and what there is.
        """
        faults: list[str] = []
        for metric in metrics:
            for split in reversed(get_args(Split)):  # `test` first: what a table needs
                try:
                    if split == "test" or self.has(metric, split):
                        self.value(metric, split)
                except ValueError as error:
                    faults.append(str(error))
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
    except (ValueError, RecursionError) as error:
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
        refuse_irregular(out / name)
        return (out / name).read_text(encoding="utf-8-sig")  # editors on Windows begin a file with a mark
    except (FileNotFoundError, NotADirectoryError):
        there_is = some(sorted(path.relative_to(out).as_posix() for path in files_in(out)), MAX_NAMES)
        raise ValueError(
            f"the script ended well and left no {name} in {{out}}; there is {there_is or 'nothing'}"
        ) from None
    except (
        IsADirectoryError,
        PermissionError,
        NotRegular,
    ) as error:  # what the script made, and no fault of the machine
        raise ValueError(f"{name} in {{out}} cannot be read ({error.strerror}); write a file") from error
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
        except (ValueError, RecursionError) as error:
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


def _number(value: Any) -> float | None:
    """Give a number as a table can hold it; None of what is none, or not finite, or too large."""
    try:
        number = float(value) if _is_number(value) else math.nan
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


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

    Nothing odd in it ends a training: it is passed over, and told once.

    Attributes:
        num_read_bytes: up to where it was read.
    """

    def __init__(self, path: Path) -> None:
        """Begin before its first line."""
        self._path = path
        self._told: set[str] = set()
        self._is_quiet = False
        self._begin()

    def _begin(self) -> None:
        self.num_read_bytes = 0
        self._num_lines = self._last_epoch = 0
        self._first_epoch: int | None = None
        self._is_by_order = False

    def exists(self) -> bool:
        """Say whether the script has begun to write it."""
        return self._path.is_file()

    def skip(self, num_bytes: int) -> None:
        """Pass over what was read of it earlier, and mend the end that a killed script has left.

        A last line without an end is cut off, unless it is whole: then it is ended, so that the next one does not
        become a part of it.

        Args:
            num_bytes: `num_read_bytes` of then; a file that is shorter was begun anew.
        """
        if not self.exists():
            return
        content = self._path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            if _object_of(content[len(whole) :]) is not None:
                whole = content + b"\n"
                with self._path.open("ab") as file:
                    file.write(b"\n")
            else:
                with self._path.open("r+b") as file:
                    file.truncate(len(whole))
        if num_bytes <= len(whole):
            self._is_quiet = True  # an earlier attempt has told what is odd in these
            for line in whole[:num_bytes].split(b"\n"):
                self._line_of(line)
            self._is_quiet = False
            self.num_read_bytes = num_bytes

    def new_lines(self, *, is_ended: bool = False) -> Iterator[ProgressLine]:
        """Give what was written since; a last line without an end waits until the script has ended."""
        try:
            with self._path.open("rb") as file:
                if os.fstat(file.fileno()).st_size < self.num_read_bytes:  # written anew
                    self._begin()
                file.seek(self.num_read_bytes)
                content = file.read()
        except FileNotFoundError:
            return
        except OSError as error:
            self._warn_once("file", f"{self._path.name} cannot be read ({error.strerror})")
            return
        *lines, unfinished = content.split(b"\n")
        for line in lines:
            self.num_read_bytes += len(line) + 1
            if (found := self._line_of(line)) is not None:
                yield found
        if is_ended and (found := self._line_of(unfinished)) is not None:
            self.num_read_bytes += len(unfinished)
            yield found

    def _warn_once(self, kind: str, sentence: str) -> None:
        if kind not in self._told and not self._is_quiet:
            warnings.warn(sentence, stacklevel=2)
        self._told.add(kind)

    def _line_of(self, line: bytes) -> ProgressLine | None:
        if not line.strip():
            return None
        values = _object_of(line)
        if values is None:
            text = shown(line.decode(errors="backslashreplace").rstrip())
            self._warn_once("line", f"{self._path.name} has lines that are no JSON objects, such as {text}")
            return None
        self._num_lines += 1
        place = f"line {self._num_lines} of {self._path.name}"
        fields = flat(values)
        epoch = self._epoch_of(fields.pop("epoch", None), place)
        self._last_epoch = max(self._last_epoch, epoch)
        metrics: dict[str, float] = {}
        for name, value in fields.items():
            number = _number(value)
            if number is not None:
                metrics[name] = number
            elif _is_number(value):
                self._warn_once("value", f"{place} has {name} = {shown(value)}, which no curve can show")
        return ProgressLine(epoch, metrics, ScriptResults(values, place=place))

    def _epoch_of(self, given: Any, place: str) -> int:
        """Count from 1 on: by their own numbers, shifted where the first is 0, or the lines where they name none.

        Once a number is odd, such as the part of an epoch that a step ends, this and all later lines are counted.
        """
        if given is None and not self._is_by_order:
            return self._num_lines
        number = _number(given)
        if number is None or number < 0 or number != int(number) or number > MAX_EPOCH:
            self._is_by_order = True
            if given is not None:
                text = f"{place} has epoch = {shown(given)}, which is no whole number; from there the lines are counted"
                self._warn_once("epoch", text)
        if self._is_by_order or number is None:
            return self._last_epoch + 1
        if self._first_epoch is None:
            self._first_epoch = int(number)
        return int(number) + (1 if self._first_epoch == 0 else 0)


def _object_of(line: bytes) -> Mapping[str, Any] | None:
    """Read a line as a JSON object; None where it is none."""
    try:
        values: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return cast(Mapping[str, Any], values) if isinstance(values, Mapping) else None
