"""The records of a plan as one tidy data frame: what every table and figure is made from.

A row is one metric of one cell. A cell without a measurement has its row too, with no value and the
reason for it, so that nothing later can overlook a hole.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import pandas as pd

from tablewright.orchestrator.declared.cost_columns import CostColumn, cost_metric
from tablewright.orchestrator.identity import digest_of
from tablewright.orchestrator.plans.plan import Cell, Plan, PlannedTraining
from tablewright.orchestrator.plans.recorded_config import (
    accepted_changes,
    accepted_in_words,
    config_changes,
    view_changes,
)
from tablewright.orchestrator.store.accepted_change import AcceptedChange
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.item_table import measured_items
from tablewright.orchestrator.store.parallel_reading import read_all
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_folder import TrainingFolder
from tablewright.orchestrator.store.training_records import Measurement, TrainingRecord
from tablewright.reports.table.cell_cost import cost_of, recorded_costs
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.value.freezing import EMPTY

CellState = Literal["done", "missing", "failed", "refused"]

COLUMNS = (
    "study",
    "table",
    "group",
    "row",
    "dataset",
    "seed",
    "training_id",
    "partner_ids",
    "view_id",
    "metric",
    "value",
    "state",
    "message",
    "failed_ids",
    "git_commits",
    "own_methods",
    "versions",
    "items",
    "num_measured",
    "left_out",
    "items_sha256",
    "warnings",
    "accepted",
)
LINE = "\n"
"""Parts what several trainings say in one field."""

NOT_SAID = "not said why"
"""Reason for what a record of an earlier version leaves out."""


@dataclass(frozen=True)
class _Measured:
    """A view as it was measured.

    Attributes:
        metrics: by name.
        items: what they are means over, in the plural.
        num_measured: how many of them; None where the record does not say and its table is lost.
        left_out: why others are not in the means -> how many.
        items_sha256: of the names of those measured; empty where they are lost.
        warnings: what measuring had to say.
        accepted: changed defaults of the view under which it is shown, in words.
    """

    metrics: Mapping[str, float]
    items: str
    num_measured: int | None
    left_out: Mapping[str, int]
    items_sha256: str
    warnings: tuple[str, ...]
    accepted: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Reading:
    """What the store says of one training: its measured views, or why there are none.

    Attributes:
        views: by view id.
        git_commit: of its code; None while it has no record.
        own_method: its method's name, if that has code of its own.
        versions: of packages, each with the package's name before it.
        failure: why it failed.
        fault: why what is recorded of it cannot be used.
        faults: likewise of single views, by view id.
        warnings: what the training had to say of itself.
        accepted: changed defaults under which it is shown, in words.
        costs: what it has cost, where it has a record.
    """

    views: Mapping[str, _Measured] = field(default_factory=dict[str, _Measured])
    git_commit: str | None = None
    own_method: str = ""
    versions: tuple[str, ...] = ()
    failure: str | None = None
    fault: str | None = None
    faults: Mapping[str, str] = field(default_factory=dict[str, str])
    warnings: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()
    costs: Mapping[CostColumn, float | None] = EMPTY


def read_cells(plan: Plan, store: Store) -> pd.DataFrame:
    """Read every cell of a plan, in the plan's order; each measurement is read once.

    Returns:
        One row per (cell, metric) with the columns `COLUMNS`. `value` is a fraction, or of a cost in single operations,
        seconds or bytes; NaN where `state` is not `done`; `message` says why a cell failed or is refused. Parted by
        blanks, `partner_ids` has the other trainings of an ensemble, `failed_ids` those of its trainings that failed
        or are refused, and `git_commits` the code of all. `items`, `num_measured` and `left_out` say what the value is
        a mean over.
        Parted by line breaks, `own_methods` has the methods whose code is their own, `versions` those of packages,
        `warnings` what the trainings had to say, `accepted` the changed defaults that were accepted.

        An ensemble has failed where any of its trainings has. A file that cannot be used makes the cells that
        need it `refused`, and no others.
    """
    wanted: dict[str, set[str]] = {}
    for cell in plan.cells:
        wanted.setdefault(cell.training_id, set()).add(cell.view_id)
        for partner_id in cell.partner_ids:
            wanted.setdefault(partner_id, set())  # measured with the first, but recorded on its own
    store = store.listed()
    accepted = store.accepted_changes()

    def read(training_id: str) -> _Reading:
        planned, folder = plan.trainings[training_id], store.training(training_id)
        return _read_training(planned, folder, wanted[training_id], accepted)

    readings = dict(zip(wanted, read_all(read, wanted), strict=True))

    rows: list[tuple[object, ...]] = []
    for cell in plan.cells:
        table = plan.tables[cell.study, cell.table]
        rows += _rows_of(cell, table.metrics, readings, _costs(cell, table.costs, plan, readings))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype({"seed": "int64", "value": "float64", "num_measured": "Int64"})


def _read_training(
    planned: PlannedTraining,
    folder: TrainingFolder,
    view_ids: set[str],
    accepted: Sequence[AcceptedChange],
) -> _Reading:
    try:
        failure = folder.failure_message()
        record = folder.record()
    except DamagedFile as error:
        return _Reading(fault=str(error))
    if record is None:  # a measurement without a record is of a training that has not ended
        return _Reading(failure=failure)
    changes = config_changes(record, planned.config)
    refused, taken = accepted_changes(changes, accepted)
    if refused:
        return _Reading(fault=LINE.join(map(str, refused)))
    views: dict[str, _Measured] = {}
    faults: dict[str, str] = {}
    for view_id in sorted(view_ids):
        try:
            measurement = folder.measurement(view_id)
        except DamagedFile as error:
            faults[view_id] = str(error)
            continue
        if measurement is None:
            continue
        of_view = view_changes(record, measurement, planned.views[view_id].view)
        refused, taken_in_view = accepted_changes(of_view, accepted)
        if refused:
            faults[view_id] = LINE.join(map(str, refused))
        else:
            views[view_id] = replace(
                _measured(folder, record, measurement), accepted=_in_words(taken_in_view)
            )
    return _Reading(
        views,
        record.git_commit,
        own_method=record.method if record.source else "",
        versions=tuple(f"{name} {version}" for name, version in record.versions.items()),
        failure=failure,
        faults=faults,
        warnings=record.warnings,
        accepted=_in_words(taken),
        costs=recorded_costs(record),
    )


def _in_words(taken: Iterable[AcceptedChange]) -> tuple[str, ...]:
    return tuple(
        f"{accepted_in_words(change)}, accepted by {change.accepted_by} on {change.accepted_at:%Y-%m-%d}: "
        f"“{change.reason}”"
        for change in taken
    )


def _measured(folder: TrainingFolder, record: TrainingRecord, measurement: Measurement) -> _Measured:
    metrics = measurement.view.in_todays_names(measurement.metrics)
    if measurement.items:
        return _Measured(
            metrics,
            measurement.items,
            measurement.num_measured,
            measurement.left_out,
            measurement.items_sha256,
            measurement.warnings,
        )
    # A record of an earlier version does not say what it left out; its table has one row an item measured.
    try:
        table = folder.items(measurement.view_id, measurement)
    except (DamagedFile, FileNotFoundError):
        return _Measured(metrics, "items", None, {}, "", measurement.warnings)
    names, left_out = measured_items({name: table[name].to_pylist() for name in table.column_names})
    total = record.data.num_images.get(measurement.view.reads[0], 0)
    is_by_image = "multiple_query" not in measurement.view.reads
    if is_by_image and total > len(names) + sum(left_out.values()):
        left_out[NOT_SAID] = total - len(names) - sum(left_out.values())
    items = "queries" if "query" in table.column_names else "images"
    return _Measured(metrics, items, len(names), left_out, digest_of(names), measurement.warnings)


def _costs(
    cell: Cell, names: Sequence[CostColumn], plan: Plan, readings: Mapping[str, _Reading]
) -> dict[CostColumn, float | None]:
    """Give what a cell's trainings cost together; None of those that have not ended, or do not say."""
    members = (cell.training_id, *cell.partner_ids)
    configs = [plan.trainings[identity].config for identity in members]
    recorded = [readings[identity].costs for identity in members]
    return {name: cost_of(name, configs, recorded) if all(recorded) else None for name in names}


def _rows_of(
    cell: Cell,
    metrics: Sequence[Metric],
    readings: Mapping[str, _Reading],
    costs: Mapping[CostColumn, float | None],
) -> list[tuple[object, ...]]:
    members = {identity: readings[identity] for identity in (cell.training_id, *cell.partner_ids)}
    first = members[cell.training_id]
    is_recorded = all(reading.git_commit is not None for reading in members.values())
    measured = first.views.get(cell.view_id) if is_recorded else None
    failures = {identity: item.failure for identity, item in members.items() if item.failure is not None}
    faults = {identity: item.fault for identity, item in members.items() if item.fault is not None}
    if cell.view_id in first.faults:
        faults.setdefault(cell.training_id, first.faults[cell.view_id])
    place = (cell.study, cell.table, cell.group, cell.row, cell.dataset, cell.seed)
    identity = (cell.training_id, " ".join(cell.partner_ids), cell.view_id)
    commits = " ".join(dict.fromkeys(item.git_commit for item in members.values() if item.git_commit))
    said = _each_once(
        [line for item in members.values() for line in item.warnings]
        + list(measured.warnings if measured else ())
    )
    accepted = _each_once(
        [line for item in members.values() for line in item.accepted]
        + list(measured.accepted if measured else ())
    )
    own = _each_once(item.own_method for item in members.values() if item.own_method)
    versions = _each_once(line for item in members.values() for line in item.versions)
    rows: list[tuple[object, ...]] = []
    for metric in metrics:
        value = None if measured is None or faults else measured.metrics.get(metric.name)
        state, message, ids = _state(metric, value, failures, faults, cell)
        number = value if value is not None and state == "done" else math.nan
        counts = ("", None, "", "")
        if measured is not None and state == "done":
            left_out = "; ".join(f"{count} {reason}" for reason, count in measured.left_out.items())
            counts = (measured.items, measured.num_measured, left_out, measured.items_sha256)
        found = (number, state, message, " ".join(ids), commits, own, versions)
        rows.append((*place, *identity, metric.name, *found, *counts, said, accepted))
    for name, cost in costs.items():
        value = None if faults else cost
        state, message, ids = _state(cost_metric(name), value, failures, faults, cell)
        found = (math.nan if value is None else value, state, message, " ".join(ids), commits, own, versions)
        rows.append((*place, *identity, name, *found, "", 0, "", "", said, accepted))  # a mean over no items
    return rows


def _each_once(lines: Iterable[str]) -> str:
    return LINE.join(dict.fromkeys(lines))


def _state(
    metric: Metric,
    value: float | None,
    failures: Mapping[str, str],
    faults: Mapping[str, str],
    cell: Cell,
) -> tuple[CellState, str, Iterable[str]]:
    """Give the state, and where it is `failed` or `refused` why and which trainings."""
    if faults:
        return "refused", _each_once(faults.values()), faults
    if value is None:
        messages = "; ".join(dict.fromkeys(failures.values()))
        return ("failed", messages, failures) if failures else ("missing", "", ())
    if not math.isfinite(value):
        return "failed", f"{metric.label} is {value}, which is no number", (cell.training_id,)
    return "done", "", ()
