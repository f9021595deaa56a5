"""How things are named in MLflow: tags, parameters, metrics; and how long they may be."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tablewright.orchestrator.identity import digest_of
from tablewright.orchestrator.store.training_records import Measurement, TrainingRecord
from tablewright.trainables.contract.view import EvaluationView
from tablewright.trainables.value.secret import masked

SWEEP = "tablewright.sweep"
TRAINING_ID = "tablewright.training_id"
STORE = "tablewright.store"
"""The store's own id; runs of earlier versions have its path there."""
STORE_URL = "tablewright.store_url"
DRIVER = "tablewright.driver"
"""Who writes a run; of a sweep's own run all who do, one a line."""
TABLES = "tablewright.tables"
"""Digest of the tables that are attached."""
STATE = "tablewright.state"
FAILURE = "tablewright.failure"
PICTURE_WARNING = "tablewright.picture_warning"
WARNINGS = "tablewright.warnings"
DAMAGED = "tablewright.damaged"
RECORDED_AT = "tablewright.recorded_at"
NUM_VIEWS = "tablewright.num_views"
PARENT = "mlflow.parentRunId"
RUN_NAME = "mlflow.runName"
NOTE = "mlflow.note.content"

STUDY, TABLE, ROW, DATASET, SEED, SEARCH, TRIAL = (
    f"tablewright.{name}" for name in ("study", "table", "row", "dataset", "seed", "search", "trial")
)
"""Where a training stands, for people: all of it in one text, as several tables may share one run."""
ROW_IN, TRIAL_IN = "row.", "trial."
"""Before a table's or a search's key: the row or the trial that a run is there, to group by."""
GIVEN_NAME = "tablewright.name"
"""The name that a run was given; one that a person has changed stays."""
PLACES = "tablewright.places."
"""Before a study's key: every place of the training in it, as JSON."""

EPOCH_MARK = "epoch_wall_s"
"""The metric that is there exactly where an epoch is logged."""

MAX_PARAM_LENGTH = 6000
MAX_TAG_LENGTH = 5000
MAX_DIGEST_LENGTH = 36
MAX_FRONT_LENGTH = 230
"""Of a number's name before its statistic; MLflow takes 250 signs."""


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Give a config as MLflow's parameters: dotted path -> text."""
    flat: dict[str, str] = {}
    for name, value in config.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{path}.")  # pyright: ignore[reportUnknownArgumentType]
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            flat[allowed_name(path)] = masked(text)[:MAX_PARAM_LENGTH]
    return flat


def view_prefix(view: EvaluationView) -> str:
    """Name a view as the front of its metrics; see `EvaluationView.short_name`."""
    return allowed_name(view.short_name)


def ensemble_suffix(partner_ids: Sequence[str]) -> str:
    """Name an ensemble by its size and its partners, such as `.ensemble-3-1a2b3c`; empty for one training.

    Several ensembles may have the same first training, in whose run they stand.
    """
    return f".ensemble-{len(partner_ids) + 1}-{digest_of(partner_ids)[:6]}" if partner_ids else ""


def data_suffix(measurement: Measurement, record: TrainingRecord) -> str:
    """Name the data set that was measured on where it is not the training's, such as `.on-Market-1501_500k`."""
    is_other = measurement.data_label not in ("", record.data.label)
    measured_on = measurement.measured_on.items()
    if measured_on and measured_on <= record.data.split_fingerprints.items():
        is_other = False  # the training's images, by another label
    return f".on-{measurement.data_label}" if is_other else ""


def allowed_name(name: str) -> str:
    """Replace what MLflow refuses in a name."""
    return re.sub(r"[^/\w.\- :]", "_", name)[:250]


def number_names(numbers: Mapping[tuple[str, ...], float]) -> dict[str, float]:
    """Name the numbers of tables as metrics: `rates/full/Toy/map`, and behind it `.deviation` and `.n`.

    Rows whose labels are the same once they have only the signs of a name are told apart by a number.

    Args:
        numbers: by study, table, row, data set, metric and statistic.
    """
    fronts: dict[tuple[str, ...], str] = {}
    used: set[str] = set()
    has_studies = len({place[0] for place in numbers}) > 1
    named: dict[str, float] = {}
    for (study, table, *rest, statistic), value in numbers.items():
        place = (study, table, *rest)
        if place not in fronts:
            parts = [*([study] if has_studies else []), table, *rest]
            front = "/".join(map(_part, parts))[:MAX_FRONT_LENGTH].rstrip("/ ")
            fronts[place] = _unused(front, used)
            used.add(fronts[place])
        named[fronts[place] if statistic == "mean" else f"{fronts[place]}.{statistic}"] = value
    return named


def _part(text: str) -> str:
    """Give a label as one part of a name, in which a slash, and dots alone, mean something else."""
    return allowed_name(text).replace("/", "_").strip(". ") or "_"


def _unused(front: str, used: Collection[str]) -> str:
    number, unused = 1, front
    while unused in used:
        number += 1
        unused = f"{front} {number}"
    return unused
