"""Who a training is: one id for each thing that can be trained, the same from a plan and from a record.

Two configs that are equal are one training, whichever table asks for them. The id covers what changes
the weights: the method and its VERSION, the config and the data that are trained on. Where and how fast it
runs is not in it, nor is what is only measured on: that belongs to the id of a measurement.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from tablewright.trainables.contract.method import TrainingConfig
from tablewright.trainables.contract.view import EvaluationView
from tablewright.trainables.value.canonical import canonical

IDENTITY_VERSION = 1
"""Raised when equal inputs would get other ids; a store written by a newer version is refused."""
SHORT_ID_DIGITS = 8
"""Of an id where a person reads it: enough to find its folder, and to type."""


def digest_of(value: Any) -> str:
    """Give the SHA-256 of a value's canonical JSON, all 64 digits."""
    text = json.dumps(canonical(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def training_id(config: TrainingConfig, data_fingerprint: str, version: int | str | None = None) -> str:
    """Identify a training by what it would train to.

    Args:
        config: of the training.
        data_fingerprint: of what it trains on.
        version: of the method; None is today's.
    """
    version = config.VERSION if version is None else version
    return digest_of([IDENTITY_VERSION, config.METHOD, version, config, data_fingerprint])


def view_id(
    view: EvaluationView, partner_ids: Sequence[str] = (), measured_on: Mapping[str, str] | None = None
) -> str:
    """Identify one way to measure, on certain data; the same for every training.

    Args:
        view: the way.
        partner_ids: the other trainings of an ensemble, which is measured as a view of its first one.
        measured_on: fingerprints by split. Without them the data are not told apart here, as in records of earlier
            versions, or by a method that has all of its data in the id of a training.
    """
    on = [{"measured_on": dict(measured_on)}] if measured_on else []
    return digest_of([IDENTITY_VERSION, view.KIND, view, *partner_ids, *on])
