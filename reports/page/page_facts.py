"""What the page of a study knows of each cell beside what it prints: what opens where somebody clicks.

It is embedded in the page as JSON, so that a page that is sent alone still has it. What would be too much for one file
(curves of very many epochs, results of very many items) is thinned or left in the store, and the page says which.
"""

from __future__ import annotations

import csv
import io
import json
import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.dataset import SEED
from tablewright.orchestrator.declared.design import full_label
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.plans.plan import Cell, Plan
from tablewright.orchestrator.plans.recorded_config import differences
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.item_table import measured_columns, measured_items
from tablewright.orchestrator.store.parallel_reading import read_all
from tablewright.orchestrator.store.store import Store
from tablewright.reports.cost_table import J_PER_KWH, hours_text
from tablewright.reports.figures.curves import drawn_names, quantity_of
from tablewright.reports.figures.figures import Trace
from tablewright.reports.paper.audit import Finding
from tablewright.reports.table.cell import TableCell
from tablewright.reports.table.cell_facts import cell_facts
from tablewright.reports.table.entry_text import entry_text
from tablewright.reports.table.grid import Grid
from tablewright.reports.table.lay_out import lay_out
from tablewright.reports.table.number import precise_text
from tablewright.reports.table.table import Table
from tablewright.reports.training_facts import TrainingFacts
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.value.freezing import EMPTY
from tablewright.trainables.value.text import visible

MLFLOW_PAGE = "mlflow.html"
"""In the root of a store that MLflow shows: leads to a training's run, whose id stands behind the `#`."""

MAX_CURVE_POINTS = 60_000
"""Of all curves of a page together; longer ones keep every n-th epoch and the last."""
MIN_POINTS_OF_A_CURVE = 8
MAX_ITEM_SCORES = 150_000
"""Of all trainings of a page together, a few bytes each; further ones stay in the store."""
CURVE_DIGITS, SCORE_DIGITS = 5, 4

Json = dict[str, Any]


@dataclass(frozen=True)
class StudyRecords:
    """What the facts of a page are made of.

    Attributes:
        plan: of the study, and of others.
        store: its records.
        frame: what `read_cells` gave.
        traces: what `read_traces` gave.
        facts: what `read_training_facts` gave.
        frames: the frame of each table that is made of others, under its own labels.
        findings: what the tables of the study lack.
    """

    plan: Plan
    store: Store
    frame: pd.DataFrame
    traces: Mapping[str, Trace]
    facts: Mapping[str, TrainingFacts]
    frames: Mapping[str, pd.DataFrame] = EMPTY
    findings: tuple[Finding, ...] = ()


def page_facts(
    records: StudyRecords,
    study: Study,
    tables: Sequence[Table],
    files: Mapping[str, Mapping[str, bytes]],
    to_store: str,
) -> Json:
    """Give what the page of a study embeds.

    Args:
        records: of the study.
        study: whose page it is.
        tables: on the page; they need not be of an ablation.
        files: of each table, by the ending of its name.
        to_store: link from the page's folder to the root of the store.
    """
    names = {table.name for table in tables}
    cells = [cell for cell in records.plan.cells if cell.study == study.name and cell.table in names]
    cells_of: dict[str, list[Cell]] = {}
    for cell in cells:
        cells_of.setdefault(cell.table, []).append(cell)
    ids = dict.fromkeys(identity for cell in cells for identity in (cell.training_id, *cell.partner_ids))
    metrics = dict.fromkeys(metric for cell in cells for metric in _view_of(records.plan, cell).metrics)
    curves = _curves({identity: records.traces[identity] for identity in ids if identity in records.traces})
    items = _items(records, cells)
    places = {
        name: _places(records, study, records.plan.tables[study.name, name], of_table)
        for name, of_table in cells_of.items()
    }
    everywhere: Json = {}
    for of_table in places.values():
        everywhere = of_table | everywhere
    return {
        "study": study.name,
        "to_store": to_store,
        "mlflow": MLFLOW_PAGE if records.store.root.exists(MLFLOW_PAGE) else "",
        "trainings": {
            identity: {**_training(records.facts[identity]), "curves": curves.get(identity, {})}
            for identity in ids
        },
        "quantities": _quantities(curves, list(metrics)),
        "items": items,
        "tables": {
            table.name: {
                "latex": files[table.name]["tex"].decode(),
                "markdown": files[table.name]["md"].decode(),
                **_table(records, study, table, places.get(table.name, everywhere)),
            }
            for table in tables
        },
    }


def facts_to_json(facts: Json) -> str:
    """Write facts so that they can stand inside a `script` element: nothing in them can end it."""
    text = json.dumps(facts, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return (
        text.replace("&", "\\u0026")
        .replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("\u2028", "\\u2028")
    )


# -- trainings -----------------------------------------------------------------------------------


def _training(facts: TrainingFacts) -> Json:
    """Say how a training went, without what is not known."""
    spent = facts.spent
    sign = "" if spent is None else "≥ " if spent.is_at_least else "≈ " if spent.is_estimated else ""
    said: Json = {
        "state": facts.state,
        "host": facts.host,
        "device": facts.device,
        "began": "" if facts.began_at is None else f"{facts.began_at:%Y-%m-%d %H:%M:%S} UTC",
        "ended": "" if facts.ended_at is None else f"{facts.ended_at:%Y-%m-%d %H:%M:%S} UTC",
        "wall_s": None if facts.wall_s is None else round(facts.wall_s, 1),
        "attempts": facts.num_attempts,
        "gpu_hours": "" if spent is None or not spent.gpu_s else sign + hours_text(spent.gpu_s / 3600),
        "cpu_hours": "" if spent is None else sign + hours_text(spent.cpu_s / 3600),
        "kilowatt_hours": ""
        if spent is None or not spent.energy_j
        else hours_text(spent.energy_j / J_PER_KWH),
        "peak_memory_mib": round(facts.peak_memory_bytes / 2**20),
        "warnings": list(facts.warnings),
        "message": facts.message,
        "command_line": facts.command_line,
    }
    return {name: value for name, value in said.items() if value not in ("", None, [], 0)}


def _curves(traces: Mapping[str, Trace]) -> dict[str, dict[str, tuple[list[int], list[float]]]]:
    """Give the curves of each training: name -> epochs and values, thinned where all together are too many."""
    drawn = {
        identity: {name: trace.curves[name] for name in drawn_names(trace.curves) if trace.curves[name]}
        for identity, trace in traces.items()
    }
    num_curves = sum(map(len, drawn.values()))
    most = max(MIN_POINTS_OF_A_CURVE, MAX_CURVE_POINTS // max(num_curves, 1))
    return {
        identity: {name: _thinned(points, most) for name, points in curves.items()}
        for identity, curves in drawn.items()
    }


def _thinned(points: Mapping[int, float], most: int) -> tuple[list[int], list[float]]:
    epochs = sorted(points)
    step = -(-len(epochs) // most)
    kept = sorted({*epochs[::step], epochs[-1]})
    return kept, [float(f"{points[epoch]:.{CURVE_DIGITS}g}") for epoch in kept]


def _quantities(
    curves: Mapping[str, Mapping[str, object]], metrics: Sequence[Metric]
) -> dict[str, tuple[str, float]]:
    """Say how each reported name is printed: label, and what its values are multiplied by."""
    names = drawn_names(name for some in curves.values() for name in some)
    quantities = {name: quantity_of(name, metrics) for name in names}
    return {name: (quantity.label, quantity.factor) for name, quantity in quantities.items()}


# -- items ---------------------------------------------------------------------------------------


def _items(records: StudyRecords, cells: Sequence[Cell]) -> Json:
    """Give the results of single items by training and view, as many as a page can hold, first seeds first."""
    num_measured: dict[tuple[str, str], int] = {}
    frame = records.frame
    for identity, view_id, count in zip(
        *(frame[name].tolist() for name in ("training_id", "view_id", "num_measured")), strict=True
    ):
        if not pd.isna(count):
            num_measured[identity, view_id] = int(count)
    room = MAX_ITEM_SCORES
    shown: list[tuple[str, str]] = []
    left_out = 0
    for key in dict.fromkeys((cell.training_id, cell.view_id) for cell in cells):
        if key not in num_measured:
            continue
        num_scores = num_measured[key] * len(records.plan.trainings[key[0]].views[key[1]].view.metrics)
        if num_scores > room:
            left_out += 1
            continue
        room -= num_scores
        shown.append(key)
    found = read_all(lambda key: _scores_of(records, *key), shown)
    lists: list[list[str]] = []
    place_of: dict[tuple[str, ...], int] = {}
    measured: Json = {}
    for (identity, view_id), (names, scores) in zip(shown, found, strict=True):
        if not scores:
            continue
        place = place_of.setdefault(names, len(lists))
        if place == len(lists):
            lists.append(list(names))
        measured[f"{identity} {view_id}"] = {"names": place, "scores": scores}
    return {"names": lists, "measured": measured, "left_out": left_out}


def _scores_of(
    records: StudyRecords, identity: str, view_id: str
) -> tuple[tuple[str, ...], dict[str, list[float]]]:
    """Give the names of a view's items, and by metric each one's part in it; nothing where they are lost."""
    view = records.plan.trainings[identity].views[view_id].view
    try:
        table = records.store.training(identity).items(view_id)
    except (DamagedFile, FileNotFoundError):  # no number needs it, and `--verify` names it
        return (), {}
    columns = {name: table[name].to_numpy() for name in table.column_names}
    names = tuple(map(visible, measured_items(columns)[0]))
    kept = measured_columns(columns)
    scores: dict[str, list[float]] = {}
    for metric in view.metrics:
        of_items = view.item_scores(metric, kept)
        if of_items is not None and np.isfinite(of_items).all():
            scores[metric.name] = [round(float(score), SCORE_DIGITS) for score in of_items]
    return names, scores


# -- tables --------------------------------------------------------------------------------------


def _table(records: StudyRecords, study: Study, table: Table, places: Json) -> Json:
    """Give what is known of a table; of one that is made of others, each row's place is the first that has it."""
    seeds = _seeds(records, study, table)
    keys = {f"{some[0]['ids'][0]} {some[0]['view']}" for some in seeds.values()}
    return {
        "csv": grid_to_csv(lay_out(table)),
        "places": {key: place for key, place in places.items() if key in keys},
        "cells": dict(_cells(table, seeds)),
    }


def _cells(table: Table, seeds: Mapping[tuple[str, str, str], list[Json]]) -> Iterator[tuple[str, Json]]:
    """Give by `row.column` what is known of each value that was trained."""
    labels = [full_row_label(group.label, row.label) for group in table.groups for row in group.rows]
    for number, row in enumerate(table.rows):
        for place, (column, cell) in enumerate(zip(table.columns, row.cells, strict=True)):
            if not cell.training_ids:
                continue
            known = {
                "row": labels[number],
                "dataset": column.dataset,
                "metric": column.metric.label,
                "name": column.metric.name,
                "percent": column.metric.is_fraction,
                "higher": column.metric.higher_is_better,
                "facts": list(cell_facts(cell, column.metric)),
                "interval": None if cell.interval is None else list(cell.interval),
                "seeds": seeds.get((labels[number], column.dataset, column.metric.name))
                or _without_values(seeds, labels[number], column.dataset, cell),
            }
            yield f"{number}.{place}", known


def _without_values(
    seeds: Mapping[tuple[str, str, str], list[Json]], row: str, dataset: str, cell: TableCell
) -> list[Json]:
    """Give the seeds of a cell that no view measured, such as a cost, by what its row has measured."""
    of_row = next((some for place, some in seeds.items() if place[:2] == (row, dataset)), [])
    known = ("seed", "ids", "view", "state")
    return [{name: seed[name] for name in known} for seed in of_row] or [
        {"ids": [identity]} for identity in cell.training_ids
    ]


def full_row_label(group: str, row: str) -> str:
    """Name a row with its group in front."""
    return f"{group} / {row}" if group else row


def _seeds(records: StudyRecords, study: Study, table: Table) -> dict[tuple[str, str, str], list[Json]]:
    """Give each seed of each cell: its trainings, its view, and its value or why it has none."""
    whole = records.frames.get(table.name, records.frame)
    frame = cast(pd.DataFrame, whole[(whole["study"] == study.name) & (whole["table"] == table.name)])
    metrics = {column.metric.name: column.metric for column in table.columns}
    fields = (
        *("group", "row", "dataset", "metric", "seed", "training_id", "partner_ids", "view_id"),
        *("state", "value", "message"),
    )
    found: dict[tuple[str, str, str], list[Json]] = {}
    for group, row, dataset, metric, seed, identity, partner_ids, view_id, state, value, message in zip(
        *(frame[name].tolist() for name in fields), strict=True
    ):
        known: Json = {"seed": seed, "ids": [identity, *partner_ids.split()], "view": view_id, "state": state}
        if not math.isnan(value):
            known |= {"value": value, "text": precise_text(value, metrics[metric])}
        if message:
            known["message"] = visible(message)
        found.setdefault((full_row_label(group, row), dataset, metric), []).append(known)
    return {place: sorted(some, key=lambda known: known["seed"]) for place, some in found.items()}


def _places(records: StudyRecords, study: Study, ablation: Ablation, cells: Sequence[Cell]) -> Json:
    """Give of each row on each data set in what its config differs, from what, and the command that trains it.

    A place is named by what its first seed is measured from, which is the same in whatever table it is shown.
    It differs from the row that it is compared with by default; where a table has none, from its first row.
    """
    reference = full_label(ablation.reference_row or next(iter(ablation.trained_rows)))
    first_of: dict[tuple[str, str], Cell] = {}
    for cell in sorted(cells, key=lambda cell: cell.seed):
        first_of.setdefault((full_row_label(cell.group, cell.row), cell.dataset), cell)
    configs: dict[str, Json] = {}

    def config_of(cell: Cell) -> Json:
        if cell.training_id not in configs:
            configs[cell.training_id] = records.plan.trainings[cell.training_id].config.model_dump(
                mode="json"
            )
        return configs[cell.training_id]

    places: Json = {}
    for (_, dataset), cell in first_of.items():
        base = first_of.get((reference, dataset))
        view = _view_of(records.plan, cell).protocol
        place: Json = {"command": _command(study, ablation, dataset), "view": view}
        if base is not None:
            changes = [
                change for change in differences(config_of(base), config_of(cell)) if change[0] != SEED
            ]
            of_base = _view_of(records.plan, base).protocol
            if of_base != view:
                changes.append(("(measured with)", of_base, view))
            place |= {"reference": reference, "reference_key": _key(base), "changes": changes}
        places[_key(cell)] = place
    return places


def _key(cell: Cell) -> str:
    return f"{cell.training_id} {cell.view_id}"


def _view_of(plan: Plan, cell: Cell) -> Any:
    return plan.trainings[cell.training_id].views[cell.view_id].view


def _command(study: Study, ablation: Ablation, dataset: str) -> str:
    """Give the command that trains what a table lacks, but for `--seeds`."""
    profile = "" if study.profile is None else f" --profile {study.profile}"
    is_one_of_several = len(ablation.datasets) > 1 and "," not in dataset
    datasets = f" --datasets {shlex.quote(dataset)}" if is_one_of_several else ""
    return f"python sweep.py {study.name}/{ablation.name}{profile}{datasets}"


def grid_to_csv(grid: Grid) -> str:
    """Write a table as CSV the way it is printed: one line of heads, the data set before each metric."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    has_groups = any(group.label for group in grid.groups)
    heads = [f"{column.spanner} {_head(column.belongs_to, column.head)}".strip() for column in grid.columns]
    writer.writerow(["group", *heads] if has_groups else heads)
    for group in grid.groups:
        for row in group.rows:
            entries = [entry_text(entry) for entry in row.entries]
            writer.writerow([group.label, *entries] if has_groups else entries)
    return text.getvalue()


def _head(metric: str, head: str) -> str:
    return head if head.startswith(metric) else f"{metric} {head}"
