"""What the annotation of a field allows: in words, and whether it can be part of an immutable value."""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

Metadata = tuple[Any, ...]

_WORDS: Mapping[Any, str] = {
    None: "None",
    type(None): "None",
    bool: "True or False",
    int: "a whole number",
    float: "a finite number",
    str: "a string",
    Any: "a value",
}
_BOUNDS = {"ge": "of at least", "gt": "above", "le": "at most", "lt": "below"}


def parts_of(annotation: Any) -> tuple[Any, Metadata]:
    """Take `Annotated` apart, and what pydantic's `Field` holds in it."""
    metadata: list[Any] = []
    while typing.get_origin(annotation) is Annotated:
        annotation, *found = typing.get_args(annotation)
        metadata = [*found, *metadata]
    return annotation, tuple(part for item in metadata for part in getattr(item, "metadata", [item]))


def members_of(annotation: Any) -> tuple[Any, ...]:
    """Give the members of a union as they are annotated, each with bounds and rules of its own; else itself."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def arms_of(annotation: Any) -> tuple[Any, ...]:
    """Give the types of a union, those of unions within it too; of anything else, itself."""
    annotation, _ = parts_of(annotation)
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return tuple(arm for member in typing.get_args(annotation) for arm in arms_of(member))
    return (annotation,)


def bounds_of(metadata: Iterable[Any]) -> dict[str, Any]:
    """Give the bounds of a number: `ge`, `gt`, `le`, `lt`."""
    return {
        name: bound
        for item in metadata
        for name in _BOUNDS
        if (bound := getattr(item, name, None)) is not None
    }


def expected(annotation: Any) -> str:
    """Say in words what may be given, such as `a whole number of at least 1`."""
    annotation, metadata = parts_of(annotation)
    bounds = " and ".join(f"{_BOUNDS[name]} {bound}" for name, bound in bounds_of(metadata).items())
    if bounds:
        *others, last = [arm for arm in arms_of(annotation) if arm is not type(None)]
        can_be_none = type(None) in arms_of(annotation)
        return _or([*map(_word, others), f"{_word(last)} {bounds}", *(["None"] if can_be_none else [])])
    return _or([_word(arm) for arm in arms_of(annotation)])


def _word(annotation: Any) -> str:
    origin: Any = typing.get_origin(annotation)
    arguments: tuple[Any, ...] = typing.get_args(annotation)
    if origin is Literal:
        return f"{'one of ' if len(arguments) > 1 else ''}{', '.join(map(repr, arguments))}"
    if origin is tuple and not (len(arguments) == 2 and arguments[1] is Ellipsis):
        return f"a tuple of {', '.join(map(expected, arguments))}" if arguments else "an empty tuple"
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return "a mapping" if arguments[1] is Any else f"a mapping (each value {expected(arguments[1])})"
    if origin is not None and isinstance(origin, type) and issubclass(origin, Collection):
        word = "a tuple" if origin is tuple else "a list"
        return word if arguments[0] is Any else f"{word} (each item {expected(arguments[0])})"
    if annotation in _WORDS:
        return _WORDS[annotation]
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return f"one of {', '.join(repr(member.value) for member in annotation)}"
    name = getattr(origin or annotation, "__name__", str(annotation))
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"


def _or(words: list[str]) -> str:
    words = list(dict.fromkeys(words))
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def what_to_write(annotation: Any, immutable: type) -> str | None:
    """Say what to write instead of a type that cannot be part of an immutable value; None for one that can.

    Args:
        annotation: of a field, with no name in it left to be resolved.
        immutable: the base of the models that may stand in a field.
    """
    annotation, _ = parts_of(annotation)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is None or annotation in (type(None), bool, int, float, str) or origin is Literal:
        return None
    if origin in (typing.Union, types.UnionType):
        return next((text for arm in arguments if (text := what_to_write(arm, immutable))), None)
    if origin is tuple:
        items = [item for item in arguments if item is not Ellipsis]
        return next((text for item in items if (text := what_to_write(item, immutable))), None)
    if isinstance(annotation, typing.TypeVar):
        return None  # the model is looked at again where it is filled in
    kind: Any = origin or annotation
    if isinstance(kind, type):
        if issubclass(kind, immutable) or (issubclass(kind, enum.Enum) and issubclass(kind, int | str)):
            return None
        if issubclass(kind, Mapping):
            return f"write a {immutable.__name__} of its own, or tuple[tuple[str, float], ...]"
        if kind is tuple or (issubclass(kind, Collection) and not issubclass(kind, bytes | bytearray)):
            item = _named(arguments[0]) if arguments else "int"
            return f"write tuple[{item}, ...]"
        if hasattr(kind, "model_fields") or hasattr(kind, "__dataclass_fields__"):
            return f"derive {kind.__name__} from {immutable.__name__}"
    return (
        f"write bool, int, float, str, Literal[…], a tuple of such, a {immutable.__name__}, "
        "or a union of these"
    )


def told_apart_by_nothing(annotation: Any, immutable: type, kind_field: str) -> tuple[type, ...]:
    """Give the models of a union whose values may be equal in all that is kept of them; empty where there are none.

    Args:
        annotation: of a field.
        immutable: the base of the models.
        kind_field: the field that is kept even at its default. Models are told apart by it, or by another one that has
            no default: a Literal, of other values in each. One of them may lack it.
    """
    arms = [parts_of(arm)[0] for arm in arms_of(annotation)]
    for arm in arms:
        if typing.get_origin(arm) is tuple:
            for item in typing.get_args(arm):
                if item is not Ellipsis and (found := told_apart_by_nothing(item, immutable, kind_field)):
                    return found
    kinds: list[Any] = [typing.get_origin(arm) or arm for arm in arms]
    models: list[Any] = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, immutable)]
    fields = {field for model in models for field in model.model_fields}
    is_told = len(models) < 2 or any(_tells_apart(models, field, kind_field) for field in fields)
    return () if is_told else tuple(models)


def _tells_apart(models: Sequence[Any], field: str, kind_field: str) -> bool:
    """Say whether models have other values of a field each, and in what is kept at most one of them has none."""
    having = [model for model in models if field in model.model_fields]
    values = [_values_of(model, field) for model in having]
    is_disjoint = all(values) and len({word for some in values for word in some}) == sum(map(len, values))
    is_left_out = [field != kind_field and not model.model_fields[field].is_required() for model in having]
    return is_disjoint and len(models) - len(having) + sum(is_left_out) < 2


def _values_of(model: Any, field: str) -> tuple[Any, ...]:
    annotation = model.model_fields[field].annotation
    return typing.get_args(annotation) if typing.get_origin(annotation) is Literal else ()


def _named(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")
