"""Models that refuse in our words, and those of them that nothing can change once they are built."""

from __future__ import annotations

import re
import typing
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NoReturn, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from tablewright.trainables.value.canonical import KIND_FIELD
from tablewright.trainables.value.field_type import (
    arms_of,
    expected,
    parts_of,
    told_apart_by_nothing,
    what_to_write,
)
from tablewright.trainables.value.freezing import TooDeep, thaw
from tablewright.trainables.value.refusal import Fault, Refusal, guess, join_paths, shown


class ClosedModel(BaseModel):
    """A model that refuses every field that it does not declare, whoever builds it and by whichever verb.

    Raises:
        Refusal: every fault, with the path of the field; pydantic's own words reach nobody.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    def __init__(self, /, *arguments: Any, **fields: Any) -> None:
        """Check every field; they are given by name."""
        kind = type(self)
        if arguments:
            text = f"fields are given by name, such as {next(iter(kind.model_fields), 'name')}=…"
            raise Refusal(kind.__name__, [Fault("", f"{text}; got {shown(arguments[0])} without one")])
        try:
            super().__init__(**kind._prepared(fields))
        except ValidationError as error:
            raise Refusal(kind.__name__, faults_of(kind, error)) from None

    # Or pydantic would build nested models through it, and find a refusal where it expects faults with places.
    __init__.__pydantic_base_init__ = True  # pyright: ignore[reportFunctionMemberAccess]

    @classmethod
    def _prepared(cls, fields: Any) -> Any:
        """Give what is validated in the place of what was written."""
        return fields

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """Build it from a mapping."""
        try:
            return super().model_validate(cls._prepared(obj), **options)
        except ValidationError as error:
            raise Refusal(cls.__name__, faults_of(cls, error)) from None

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **options: Any) -> Self:
        """Build it from JSON."""
        try:
            return super().model_validate_json(json_data, **options)
        except ValidationError as error:
            raise Refusal(cls.__name__, faults_of(cls, error)) from None

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Give one that differs in some fields; unlike pydantic's, it is checked as one that is built is."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return self.model_validate({**fields, **(update or {})})

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse; what is private may be kept, and is no part of the value."""
        if not name.startswith("_"):
            self._refuse_change(name)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        """Refuse."""
        self._refuse_change(name)

    def _refuse_change(self, name: str) -> NoReturn:
        text = "a value does not change; make another one with model_copy(update={…})"
        raise Refusal(type(self).__name__, [Fault(name, text)])


class FrozenModel(ClosedModel):
    """A value: immutable down to what its fields hold, so that it can be a key and has one identity.

    A field is of bool, int, float, str, Literal, a tuple, another FrozenModel, or a union of these; which is
    checked when the class is defined. Nothing is converted in silence: 8.0 is no whole number and "8" no number.
    Lists are taken for tuples and numpy's numbers for Python's, which mean the same.
    """

    # Types that pydantic does not know are let in, to be refused in our words when the class is complete.
    model_config = ConfigDict(strict=True, allow_inf_nan=False, arbitrary_types_allowed=True)

    @classmethod
    def _prepared(cls, fields: Any) -> Any:
        try:
            return thaw(fields)
        except TooDeep as error:
            raise Refusal(cls.__name__, [Fault("", str(error))]) from None

    @classmethod
    def __pydantic_on_complete__(cls) -> None:
        """Refuse a field whose values could be changed."""
        faults: list[Fault] = []
        for name, field in cls.model_fields.items():
            instead = what_to_write(field.annotation, FrozenModel)
            if instead is not None:
                text = f"{_type_name(field.annotation)} cannot be part of what nothing changes; {instead}"
                faults.append(Fault(name, text))
            elif isinstance(field.default, list):
                faults.append(Fault(name, f"its default is a list; write the tuple {tuple(field.default)!r}"))
            elif alike := told_apart_by_nothing(field.annotation, FrozenModel, KIND_FIELD):
                names = ", ".join(model.__name__ for model in alike)
                text = f"nothing tells {names} apart in the id of a config, which keeps values and no classes"
                faults.append(
                    Fault(
                        name, f"{text}; give each a {KIND_FIELD} of its own: {KIND_FIELD}: Literal['a'] = 'a'"
                    )
                )
        if faults:
            raise Refusal(f"The class {cls.__name__}", faults)


def _type_name(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")


# -- pydantic's errors in our words --------------------------------------------------------------


_Detail = Mapping[str, Any]
"""One error of pydantic: its type, location, input and context."""


def faults_of(model: type[BaseModel], error: ValidationError) -> list[Fault]:
    """Say what a model refused.

    Args:
        model: that was to be built.
        error: pydantic's.
    """
    details: list[_Detail] = [*error.errors(include_url=False)]
    faults: dict[Fault, None] = {}
    for detail in _of_nearest_arms(model, details):
        faults |= dict.fromkeys(_faults_of_one(model, detail))
    return list(faults)


def _faults_of_one(model: type[BaseModel], detail: _Detail) -> list[Fault]:
    kind, given = detail["type"], detail["input"]
    place = _Place(model, detail["loc"])
    raised = detail.get("ctx", {}).get("error")
    if isinstance(raised, Refusal):
        return [fault.below(place.path) for fault in raised.faults]
    if isinstance(raised, Exception):
        return [Fault(place.path, str(raised))]
    if kind == "json_invalid":
        where = re.search(r"line \d+ column \d+", detail["msg"])
        return [Fault(place.path, f"it is no JSON{f' at {where[0]}' if where else ''}; it may be cut off")]
    if kind == "extra_forbidden":
        name, fields = str(detail["loc"][-1]), list(place.owner.model_fields)
        known = f"{guess(name, fields)} It has {', '.join(fields)}" if fields else ""
        return [Fault(place.path, f"{place.owner.__name__} has no such field{known}")]
    if kind == "missing":
        needed = expected(place.annotation) if place.annotation is not None else "a value"
        return [Fault(place.path, f"it is not given and has no default; {needed} is needed")]
    if kind.startswith("union_tag"):
        name = str(detail.get("ctx", {}).get("discriminator", "'kind'")).strip("'")
        arms = (arm.model_fields.get(name) for arm in arms_of(place.annotation) if arm is not type(None))
        allowed = [field.default for field in arms if field is not None]
        got = given.get(name) if isinstance(given, Mapping) and name in given else given
        text = f"its {name} is one of {', '.join(map(repr, allowed))}"
        return [Fault(place.path, f"{expected(place.annotation)} is needed, and {text}; got {shown(got)}")]
    needed = expected(place.annotation) if place.annotation is not None else "another value"
    return [Fault(place.path, f"{needed} is needed; got {shown(given)}")]


def _of_nearest_arms(model: type[BaseModel], details: Sequence[_Detail]) -> list[_Detail]:
    """Leave out what pydantic says of the members of a union that were less likely meant than another."""
    tried: dict[str, dict[str, list[_Detail]]] = {}
    for detail in details:
        place = _Place(model, detail["loc"])
        if place.first_arm is not None:
            path, tag = place.first_arm
            tried.setdefault(path, {}).setdefault(tag, []).append(detail)
    left_out: list[_Detail] = []
    for path, by_tag in tried.items():
        inside = {
            tag: found for tag, found in by_tag.items() if any(_is_inside(model, path, one) for one in found)
        }
        chosen = min((inside or by_tag).values(), key=len)
        left_out += [detail for found in by_tag.values() if found is not chosen for detail in found]
    return [detail for detail in details if not any(detail is other for other in left_out)]


def _is_inside(model: type[BaseModel], path: str, detail: _Detail) -> bool:
    """Say whether a member of the union at a path took the value for its own and found fault with a part of it."""
    return _Place(model, detail["loc"]).path != path or "error" in detail.get("ctx", {})


class _Place:
    """Where an error of pydantic lies: the dotted path, what is allowed there, and the model that has the field."""

    def __init__(self, model: type[BaseModel], location: Sequence[int | str]) -> None:
        self.path = ""
        self.annotation: Any = model
        self.owner: type[BaseModel] = model
        self.first_arm: tuple[str, str] | None = None
        self._arm: Any = None  # of the union that was entered last, until a part of it is
        for part in location:
            self._enter(part)
        if not location and model is BaseModel:  # which stands for one that is none of ours
            self.annotation = None

    def _enter(self, part: int | str) -> None:
        inner = self._arm or self.annotation
        arms = [arm for arm in arms_of(inner) if arm is not type(None)] if inner is not None else []
        if len(arms) > 1:  # pydantic puts the member that it tried into the place
            self.first_arm = self.first_arm or (self.path, str(part))
            self._arm = _arms_by_tag(inner).get(part, Any)
            return
        self._arm = None
        self.annotation, self.path = self._inside(arms[0] if arms else None, part)

    def _inside(self, outer: Any, part: int | str) -> tuple[Any, str]:
        """Give what is allowed at a part of a value, and the part's path."""
        outer, _ = parts_of(outer)
        origin, arguments = typing.get_origin(outer), typing.get_args(outer)
        if isinstance(outer, type) and issubclass(outer, BaseModel):
            self.owner = outer
            field = outer.model_fields.get(str(part))
            path = join_paths(self.path, str(part))
            return (None if field is None else _annotated(field.annotation, field.metadata)), path
        if origin is tuple and isinstance(part, int):
            is_open = len(arguments) == 2 and arguments[1] is Ellipsis
            item = arguments[0] if is_open else arguments[part] if part < len(arguments) else None
            return item, f"{self.path}[{part}]"
        return None, f"{self.path}[{part!r}]"


def _annotated(annotation: Any, metadata: Sequence[Any]) -> Any:
    return Annotated[(annotation, *metadata)] if metadata else annotation  # pyright: ignore


def _arms_by_tag(annotation: Any) -> dict[Any, Any]:
    """Give the members of a union by what pydantic calls them: their name, or the `kind` that tells them apart."""
    tags: dict[Any, Any] = {}
    for arm in arms_of(annotation):
        tags[getattr(arm, "__name__", str(arm))] = arm
        if isinstance(arm, type) and issubclass(arm, BaseModel):
            for field in arm.model_fields.values():
                if typing.get_origin(field.annotation) is Literal:
                    tags |= {value: arm for value in typing.get_args(field.annotation)}
    return tags
