"""Runs that others have logged, copied once into a CSV file under Git: what a table then reads asks no server.

`imported` declares rows from such a file; `mlflow_experiment.read_experiment` gives the runs of MLflow, and a file
those that `wandb.Api().runs` was asked for.
"""

from __future__ import annotations

import ast
import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from tablewright.trainables.value.refusal import shown
from tablewright.trainables.value.regular_file import refuse_irregular
from tablewright.trainables.value.secret import masked
from tablewright.trainables.value.text import visible

OF_RUN = ("run_id", "run_name", "state")
PARAMS, METRICS = "params", "metrics"
"""Stand before the names of a run's settings and results, as in MLflow's own frames."""

WANDB_PARTS = ("config", "summary", "summary_metrics", "history")


@dataclass(frozen=True)
class ForeignRun:
    """One run that was logged elsewhere.

    Attributes:
        run_id: where it was logged.
        name: likewise.
        state: as it is called there, such as `FINISHED` or `finished`.
        params: what it was started with.
        metrics: what it ended with.
    """

    run_id: str
    name: str
    state: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]


def runs_to_csv(runs: Sequence[ForeignRun]) -> bytes:
    """Write a line a run and a column a setting and a result; equal runs give equal bytes."""
    params = sorted({name for run in runs for name in run.params})
    metrics = sorted({name for run in runs for name in run.metrics})
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    heads = [*(f"{PARAMS}.{name}" for name in params), *(f"{METRICS}.{name}" for name in metrics)]
    writer.writerow([*OF_RUN, *map(_one_line, heads)])
    for run in runs:
        given = [run.params.get(name, "") for name in params]
        measured = ["" if name not in run.metrics else repr(run.metrics[name]) for name in metrics]
        writer.writerow([*map(_one_line, (run.run_id, run.name, run.state, *given)), *measured])
    return text.getvalue().encode()


def _one_line(text: str) -> str:
    return " ".join(visible(masked(text)).splitlines())


def read_wandb(path: Path) -> list[ForeignRun]:
    """Read what was exported of W&B's runs: JSON or JSON lines of runs, or the CSV of W&B's own example.

    A run has `config` and `summary` (or `summary_metrics`, as text too), or a `history`, whose last values count then.

    Raises:
        ValueError: it is no such file; says where.
    """
    where = f"{path} is no export of W&B's runs"
    try:
        refuse_irregular(path)
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{where}: it is not written in UTF-8") from error
    entries = (
        list(csv.DictReader(io.StringIO(text, newline="")))
        if path.suffix == ".csv"
        else _entries(text, where)
    )
    if not entries:
        raise ValueError(f"{where}: there is no run in it")
    return [_wandb_run(entry, f"{where}: run {number}") for number, entry in enumerate(entries, start=1)]


def _entries(text: str, where: str) -> list[Any]:
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        try:
            found = [json.loads(line) for line in text.splitlines() if line.strip()]
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{where}: it is neither JSON nor JSON lines ({error})") from error
    if isinstance(found, dict):  # a frame's own JSON: column -> row -> value
        columns = cast(dict[str, Any], found)
        if columns and all(isinstance(column, dict) for column in columns.values()):
            rows = dict.fromkeys(row for column in columns.values() for row in column)
            return [{name: column.get(row) for name, column in columns.items()} for row in rows]
        return [columns]
    return cast(list[Any], found) if isinstance(found, list) else []


def _wandb_run(entry: Any, where: str) -> ForeignRun:
    if not isinstance(entry, dict):
        raise ValueError(f"{where} is {shown(entry)}, and no object with its name, config and summary")
    fields = cast(dict[str, Any], entry)
    if not any(part in fields for part in WANDB_PARTS):
        raise ValueError(
            f"{where} has neither config nor summary nor history; it has {', '.join(map(str, fields))}. Export "
            '{"name": run.name, "state": run.state, "config": run.config, "summary": dict(run.summary)} of each run'
        )
    config = _mapping(fields.get("config"), f"{where}, config")
    summary = _mapping(fields.get("summary") or fields.get("summary_metrics"), f"{where}, summary")
    history: Any = fields.get("history")
    for step in cast(list[Any], history) if not summary and isinstance(history, list) else ():
        summary |= {
            name: value for name, value in _mapping(step, f"{where}, history").items() if value is not None
        }
    numbers = {
        name: float(value)
        for name, value in _flat(summary)
        if isinstance(value, int | float) and not isinstance(value, bool) and not name.startswith("_")
    }
    settings = {name: _text(value) for name, value in _flat(config) if not name.startswith("_")}
    said = {name: fields.get(name) for name in ("id", "name", "state")}
    return ForeignRun(
        *("" if value is None else str(value) for value in said.values()), params=settings, metrics=numbers
    )


def _mapping(value: Any, where: str) -> dict[str, Any]:
    """Take an object, or the text of one: JSON, or what Python prints of a dictionary."""
    if isinstance(value, str) and value.strip():
        try:
            value = json.loads(value)
        except ValueError:
            try:
                value = ast.literal_eval(value)
            except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
                raise ValueError(f"{where} is neither JSON nor a dictionary: {shown(value)}") from error
    if value in (None, ""):
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"{where} is {shown(value)}, and no object")
    return {str(name): item for name, item in cast(dict[Any, Any], value).items()}


def _flat(fields: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in fields.items():
        if isinstance(value, dict):
            inside = cast(dict[str, Any], value)
            if "value" in inside and inside.keys() <= {"value", "desc"}:  # as W&B keeps a setting
                yield f"{prefix}{name}", inside["value"]
            else:
                yield from _flat(inside, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
