"""Differences between configs: dotted path into a config -> new value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from pydantic import BaseModel

from tablewright.trainables.value.freezing import FrozenMapping, freeze, thaw
from tablewright.trainables.value.frozen_model import ClosedModel
from tablewright.trainables.value.refusal import Fault, Refusal, join_paths, nearest

Changes = Mapping[str, Any]
"""Dotted path into a config -> new value; several are applied together, then validated."""

ConfigT = TypeVar("ConfigT", bound=ClosedModel)


def apply_changes(config: ConfigT, changes: Changes) -> ConfigT:
    """Give a config that differs in the named fields, validated as a whole.

    Raises:
        Refusal: a path names no field (the nearest is suggested), leads through a component that is off, or
            the changed config is refused; all faults at once.
    """
    changed, faults = try_changes(config, changes)
    if faults:
        raise Refusal(f"A change of {type(config).__name__}", faults)
    return changed


def try_changes(config: ConfigT, changes: Changes) -> tuple[ConfigT, list[Fault]]:
    """Give a config that differs in the named fields; where there are faults, the config as it was."""
    faults: list[Fault] = []
    changed = _apply(config, cast(Changes, freeze(changes)), prefix="", faults=faults)
    return (config if faults else changed), faults


def _apply(config: ConfigT, changes: Changes, *, prefix: str, faults: list[Fault]) -> ConfigT:
    nested: dict[str, dict[str, Any]] = {}
    values: dict[str, Any] = {}
    fields = type(config).model_fields
    for path, value in changes.items():
        head, dot, rest = path.partition(".")
        whole_path = join_paths(prefix, head)
        if head not in fields:
            meant = nearest(head, fields)
            hint = f"; did you mean {join_paths(prefix, meant)}?" if meant else "."
            text = f"{join_paths(prefix, path)} names no field of {type(config).__name__}{hint}"
            faults.append(Fault("", f"{text} Fields: {', '.join(fields)}"))
        elif dot:
            nested.setdefault(head, {})[rest] = value
        elif isinstance(value, FrozenMapping) and isinstance(component := getattr(config, head), BaseModel):
            names = ", ".join(join_paths(whole_path, name) for name in cast(Changes, value))
            faults.append(
                Fault(
                    whole_path,
                    "it is given as a dictionary, which would put every field that it does not name back to its "
                    f"default; write dotted paths ({names}) or a whole {type(component).__name__}",
                )
            )
        else:
            values[head] = value
    for head, inner in nested.items():
        child, whole_path = getattr(config, head), join_paths(prefix, head)
        if head in values:
            faults.append(Fault(whole_path, "it is set as a whole and in part; set it once"))
        elif child is None:
            text = f"{whole_path} is off (None) in the base, so {', '.join(inner)} cannot be set in it"
            faults.append(Fault("", text))
        elif not isinstance(child, ClosedModel):
            faults.append(Fault(whole_path, f"it is a plain value and has no field {', '.join(inner)}"))
        else:
            values[head] = _apply(child, inner, prefix=whole_path, faults=faults)
    if faults:
        return config
    try:
        return config.model_copy(update=cast(Changes, thaw(values)))
    except Refusal as refusal:
        faults += [fault.below(prefix) for fault in refusal.faults]
        return config


def value_at(config: BaseModel, path: str) -> Any:
    """Read the value at a dotted path; None where the path leads through a component that is off."""
    value: Any = config
    for name in path.split("."):
        if value is None:
            return None
        value = getattr(value, name)
    return value
