"""The records of a plan as one tidy data frame: what every table and figure is made from.

A row is one metric of one cell. A cell without a measurement has its row too, with no value and the
reason for it, so that nothing later can overlook a hole.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from orchestrator.plan import Cell, Plan
from orchestrator.records import Store
from trainables.contract import Metric

CellState = Literal["done", "missing", "failed"]

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
)
NUM_READERS = 32  # reading waits for the disk or the network, not for a core


@dataclass(frozen=True)
class _Reading:
    """What the store says of one training: metrics by view id, or why there are none.

    Attributes:
        git_commit: of its code; None while it has no record.
    """

    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict[str, Mapping[str, float]])
    git_commit: str | None = None
    failure: str | None = None


def read_cells(plan: Plan, store: Store) -> pd.DataFrame:
    """Read every cell of a plan, in the plan's order; each measurement is read once.

    Returns:
        One row per (cell, metric) with the columns `COLUMNS`. `value` is a fraction, NaN where `state` is
        not `done`; `message` says why a cell failed. Parted by blanks, `partner_ids` has the other trainings
        of an ensemble, `failed_ids` those of its trainings that failed, and `git_commits` the code of all.

        An ensemble has failed where any of its trainings has.

    Raises:
        ValueError: a record is there but is not readable as one.
    """
    wanted: dict[str, set[str]] = {}
    for cell in plan.cells:
        wanted.setdefault(cell.training_id, set()).add(cell.view_id)
        for partner_id in cell.partner_ids:
            wanted.setdefault(partner_id, set())  # measured with the first, but recorded on its own

    def read(training_id: str) -> _Reading:
        return _read_training(store, training_id, wanted[training_id])

    with ThreadPoolExecutor(NUM_READERS) as readers:
        readings = dict(zip(wanted, readers.map(read, wanted), strict=True))

    rows: list[tuple[object, ...]] = []
    for cell in plan.cells:
        metrics = plan.tables[cell.study, cell.table].metrics
        rows += _rows_of(cell, metrics, readings)
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype({"seed": "int64", "value": "float64"})


def _read_training(store: Store, training_id: str, view_ids: set[str]) -> _Reading:
    folder = store.training(training_id)
    record, failed = folder.record(), folder.failure()
    failure = None if failed is None else failed.message
    if record is None:  # a measurement without a record is of a training that has not ended
        return _Reading(failure=failure)
    found = {view_id: folder.measurement(view_id) for view_id in sorted(view_ids)}
    metrics = {
        view_id: measured.view.in_todays_names(measured.metrics)
        for view_id, measured in found.items()
        if measured is not None
    }
    return _Reading(metrics, record.git_commit, failure)


def _rows_of(
    cell: Cell, metrics: Sequence[Metric], readings: Mapping[str, _Reading]
) -> list[tuple[object, ...]]:
    members = {identity: readings[identity] for identity in (cell.training_id, *cell.partner_ids)}
    is_recorded = all(reading.git_commit is not None for reading in members.values())
    measured = members[cell.training_id].metrics.get(cell.view_id, {}) if is_recorded else {}
    failures = {identity: item.failure for identity, item in members.items() if item.failure is not None}
    commits = dict.fromkeys(item.git_commit for item in members.values() if item.git_commit)
    place = (cell.study, cell.table, cell.group, cell.row, cell.dataset, cell.seed)
    identity = (cell.training_id, " ".join(cell.partner_ids), cell.view_id)
    rows: list[tuple[object, ...]] = []
    for metric in metrics:
        value = measured.get(metric.name)
        state, message, failed_ids = _state(metric, value, failures, cell)
        number = value if value is not None and state == "done" else math.nan
        rows.append(
            (*place, *identity, metric.name, number, state, message, " ".join(failed_ids), " ".join(commits))
        )
    return rows


def _state(
    metric: Metric, value: float | None, failures: Mapping[str, str], cell: Cell
) -> tuple[CellState, str, Collection[str]]:
    """Give the state, and where it is `failed` why and which trainings."""
    if value is None:
        messages = "; ".join(dict.fromkeys(failures.values()))
        return ("failed", messages, failures) if failures else ("missing", "", ())
    if not math.isfinite(value):
        return "failed", f"{metric.label} is {value}, which is no number", (cell.training_id,)
    return "done", "", ()
