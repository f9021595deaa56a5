"""Which classes hold the values of a config, so that their fields are compared as values and not as code."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel


def models_of(config: type[BaseModel]) -> dict[Path, set[str]]:
    """Give the config's class, those that it inherits from, and those of its components: file -> qualified names."""
    found: dict[Path, set[str]] = {}
    seen: set[type] = set()
    waiting: list[type] = [config]
    while waiting:
        model = waiting.pop()
        if model in seen or not issubclass(model, BaseModel):
            continue
        seen.add(model)
        try:
            file = Path(inspect.getfile(model))
        except (TypeError, OSError):  # made while it runs, in no file
            continue
        found.setdefault(file, set()).add(model.__qualname__)
        waiting += model.__bases__
        for field in model.model_fields.values():
            waiting += _classes_in(field.annotation)
    return found


def _classes_in(annotation: Any) -> Iterator[type]:
    parts = typing.get_args(annotation)
    if not parts and isinstance(annotation, type):
        yield annotation
    for part in parts:
        yield from _classes_in(part)
