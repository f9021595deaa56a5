"""Who a training is: one id for each thing that can be trained, the same from a plan and from a record.

Two configs that are equal are one training, whichever table asks for them. The id covers what changes
the weights: the method and its VERSION, the config and the data. Where and how fast it runs is not in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from trainables.contract import EvaluationView, TrainingConfig

IDENTITY_VERSION = 1
"""Raised when equal inputs would get other ids; a store written by a newer version is refused."""

KIND_FIELD = "kind"
"""Tells the members of a union apart, so it is written even at its default."""


def canonical(value: Any) -> Any:
    """Turn a config into the JSON value that its id is made of.

    A field at its declared default is left out, so that adding a field leaves old ids as they are.
    Changing a default must therefore raise the method's VERSION; a test pins the defaults.
    """
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        return {
            name: canonical(getattr(value, name))
            for name, declared in sorted(fields.items())
            if name == KIND_FIELD or getattr(value, name) != declared.get_default(call_default_factory=True)
        }
    if isinstance(value, dict):
        return {str(key): canonical(item) for key, item in sorted(value.items())}  # pyright: ignore
    if isinstance(value, (list, tuple)):
        return [canonical(item) for item in value]  # pyright: ignore
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(
        f"a config holds numbers, strings, booleans, lists and models; got {type(value).__name__}"
    )


def digest_of(value: Any) -> str:
    """Give the SHA-256 of a value's canonical JSON, all 64 digits."""
    text = json.dumps(canonical(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def training_id(config: TrainingConfig, data_fingerprint: str) -> str:
    """Identify a training by what it would train to."""
    return digest_of([IDENTITY_VERSION, config.METHOD, config.VERSION, config, data_fingerprint])


def view_id(view: EvaluationView, partner_ids: Sequence[str] = ()) -> str:
    """Identify one way to measure; the same for every training.

    Args:
        view: the way.
        partner_ids: the other trainings of an ensemble, which is measured as a view of its first one.
    """
    return digest_of([IDENTITY_VERSION, view.KIND, view, *partner_ids])
