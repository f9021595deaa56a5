"""The JSON value that a config's identity is made of."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

KIND_FIELD = "kind"
"""Tells the members of a union apart, so it is written even at its default."""


def canonical(value: Any) -> Any:
    """Turn a config into the JSON value that its id, and the digest in its checkpoints, are made of.

    A field at its declared default is left out, so that adding a field leaves old ids as they are.
    Changing a default must therefore raise the method's VERSION; a test pins the defaults.
    """
    if isinstance(value, BaseModel):
        return {
            name: canonical(field)
            for name, declared in sorted(type(value).model_fields.items())
            if not _is_default(field := getattr(value, name), _default_of(declared)) or name == KIND_FIELD
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


def _default_of(declared: FieldInfo) -> Any:
    """Give a field's default itself; a copy of it, as pydantic makes, would be most of the time of an id."""
    return (
        declared.default
        if declared.default_factory is None
        else declared.get_default(call_default_factory=True)
    )


def _is_default(value: Any, default: Any) -> bool:
    """Say whether a field has its default; True equals 1 in Python, and is another config."""
    return value == default and isinstance(value, bool) == isinstance(default, bool)
