"""How things are named in MLflow: tags, parameters, metrics; and how long they may be."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tablewright.orchestrator.identity import digest_of
from tablewright.orchestrator.records import Measurement, TrainingRecord
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

EPOCH_MARK = "epoch_wall_s"
"""The metric that is there exactly where an epoch is logged."""

MAX_PARAM_LENGTH = 6000
MAX_TAG_LENGTH = 5000
MAX_DIGEST_LENGTH = 36


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
