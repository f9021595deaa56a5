"""What a person declares: frozen dataclasses whose fields are copied, frozen and checked when one is built."""

from __future__ import annotations

import functools
import inspect
import math
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import MISSING, fields
from typing import Any, Literal, TypeVar

from tablewright.trainables.value.field_type import arms_of, bounds_of, expected, members_of, parts_of
from tablewright.trainables.value.freezing import FrozenMapping, TooDeep, freeze
from tablewright.trainables.value.frozen_model import FrozenModel
from tablewright.trainables.value.refusal import Fault, Refusal, guess, nearest, shown

KindT = TypeVar("KindT")

INT_LIMIT = 2**63
"""What Parquet and databases keep of whole numbers lies below it."""

Rule = Callable[[Any], str | None]
"""Says what is wrong with a value of the right type; stands in the `Annotated` of a field."""


class _Checked(type):
    """The type of declarations: says in our words what Python would say of arguments that fit no field."""

    def __call__(cls: type[KindT], /, *values: Any, **named: Any) -> KindT:
        """Build one, if what is given can be told apart by its fields."""
        hints = _hints(cls)
        in_order = (
            values if len(values) <= len(hints) else ()
        )  # which of too many stands where would be a guess
        given = {**named, **dict(zip(hints, in_order, strict=False))}
        faults = [*_argument_faults(cls, values, named)]
        if not faults:
            return type.__call__(cls, *values, **named)
        for name, value in given.items():
            faults += take(value, hints[name], name).faults if name in hints else ()
        name = next((given[key] for key in ("name", "label") if isinstance(given.get(key), str)), None)
        raise Refusal(cls.__name__ if name is None else f"{cls.__name__} {shown(name)}", faults)

    @property
    def __signature__(cls) -> inspect.Signature:
        """Show its fields to `help()`, to editors and to documentation, which would see only `*values` otherwise."""
        _, *parameters = inspect.signature(cls.__init__).parameters.values()
        return inspect.Signature(parameters)


def _argument_faults(kind: type, values: Sequence[Any], named: Mapping[str, Any]) -> Iterator[Fault]:
    """Find arguments beyond the fields, fields that there are none of, given twice, or not given."""
    hints = _hints(kind)
    order = f"{kind.__name__} has, in this order, {', '.join(hints)}"
    if len(values) > len(hints):
        yield Fault(
            "",
            f"{order}; got {len(values)} values without a name, which is {len(values) - len(hints)} too many",
        )
    for name in named:
        if name not in hints:
            yield Fault(
                name, f"{kind.__name__} has no such field{guess(name, hints)} It has {', '.join(hints)}"
            )
        elif name in list(hints)[: len(values)]:
            place = list(hints).index(name)
            yield Fault(
                name,
                f"it is given twice, by its name and as value {place + 1}, {shown(values[place])}; {order}",
            )
    for field in fields(kind):
        is_given = field.name in named or field.name in list(hints)[: len(values)]
        has_default = field.default is not MISSING or field.default_factory is not MISSING
        if field.name in hints and not is_given and not has_default:
            yield Fault(
                field.name, f"it is not given and has no default; {expected(hints[field.name])} is needed"
            )


class Declaration(metaclass=_Checked):
    """The base of a frozen dataclass that a person writes.

    Whatever it is given is kept as tuples and read-only mappings, nested ones too, so that nothing that is changed
    afterwards changes it. An annotation says what a field may hold, and is held to: `Literal`, bounds by pydantic's
    `Field`, rules of our own in `Annotated`. Where it says nothing (`Any`), a number, a string, a boolean, None, a
    `FrozenModel`, or sequences and mappings of these may stand.

    Raises:
        Refusal: every fault of it.
    """

    def __post_init__(self) -> None:
        """Take the fields over, then ask how they go together."""
        taken = {name: take(getattr(self, name), hint, name) for name, hint in _hints(type(self)).items()}
        for name, one in taken.items():
            object.__setattr__(self, name, one.value)
        faults = [fault for one in taken.values() for fault in one.faults]
        if all(one.is_of_its_type for one in taken.values()):
            for name, value in self.follows().items():
                object.__setattr__(self, name, value)
            faults += self.find_faults()
        if faults:
            raise Refusal(self.subject, faults)

    @property
    def subject(self) -> str:
        """Name it in a refusal."""
        named = next((value for name in ("name", "label") if (value := getattr(self, name, None))), None)
        return type(self).__name__ if named is None else f"{type(self).__name__} {shown(named)}"

    def follows(self) -> Mapping[str, Any]:
        """Give fields that were left out and follow from others, each of which is of its type."""
        return {}

    def find_faults(self) -> Iterator[Fault]:
        """Find what is wrong between fields, each of which is of its type."""
        yield from ()


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in fields(kind) if field.init}


class Taken(typing.NamedTuple):
    """A value that was given, taken over.

    Attributes:
        value: copied and frozen.
        faults: what is wrong with it.
        is_of_its_type: whether others may rely on what its annotation says; a rule may be broken even so.
    """

    value: Any
    faults: tuple[Fault, ...] = ()
    is_of_its_type: bool = True


def take(value: Any, hint: Any, path: str) -> Taken:
    """Copy, freeze and check one value.

    Args:
        value: as it was given.
        hint: the annotation of its field.
        path: of the field.
    """
    try:
        frozen = freeze(value)
    except TooDeep as error:
        return Taken(None, (Fault(path, str(error)),), is_of_its_type=False)
    annotation, metadata = parts_of(hint)
    members = members_of(annotation)
    if len(members) > 1:
        taken = _take_one_of(frozen, members, path)
    elif annotation is Any:
        faults = tuple(_faults_of_any(frozen, path))
        taken = Taken(frozen, faults, is_of_its_type=not faults)
    else:
        taken = _take_typed(frozen, annotation, path)
    if taken is None:
        return Taken(frozen, (Fault(path, _needed(hint, value)),), is_of_its_type=False)
    if not taken.is_of_its_type or taken.value is None:
        return taken
    rules = typing.cast(list[Rule], [rule for rule in metadata if callable(rule)])
    broken = [text for rule in rules if (text := rule(taken.value)) is not None]
    if any(not _is_within(taken.value, name, bound) for name, bound in bounds_of(metadata).items()):
        broken.append(_needed(hint, taken.value))
    return taken._replace(faults=(*taken.faults, *(Fault(path, text) for text in broken)))


def _take_one_of(value: Any, arms: Sequence[Any], path: str) -> Taken | None:
    """Take what one member of a union is; None where none is of the value's type."""
    if value is None and type(None) in arms:
        return Taken(None)
    tried: list[Taken] = []
    for arm in arms:
        taken = take(value, arm, path)
        if taken.is_of_its_type:
            return taken
        tried.append(taken)
    inside = (one for one in tried if any(fault.path != path for fault in one.faults))
    return next(inside, None)  # a fault inside says more than that nothing fits


def _take_typed(value: Any, annotation: Any, path: str) -> Taken | None:
    """Take what is of a type; None where it is not."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        is_one = any(type(value) is type(allowed) and value == allowed for allowed in arguments)
        return Taken(value) if is_one else None
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _take_mapping(value, arguments, path)
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return _take_sequence(value, origin, arguments, path)
    if annotation is float:
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        is_fine = _is_finite(value) if is_whole or isinstance(value, float) else False
    elif annotation in (int, bool):
        is_fine = type(value) is annotation
    elif annotation in (None, type(None)):
        is_fine = value is None
    else:
        is_fine = isinstance(value, annotation) and not isinstance(value, type)
    return Taken(value) if is_fine else None


def _take_mapping(value: Any, arguments: Sequence[Any], path: str) -> Taken | None:
    if not isinstance(value, FrozenMapping):
        return None
    entries: FrozenMapping[Any, Any] = value
    taken = [take(key, arguments[0], f"{path}[{key!r}]") for key in entries]
    values = {key: take(item, arguments[1], f"{path}[{key!r}]") for key, item in entries.items()}
    frozen = FrozenMapping({key: one.value for key, one in values.items()})
    return _joined(frozen, [*taken, *values.values()])


def _take_sequence(value: Any, origin: type, arguments: Sequence[Any], path: str) -> Taken | None:
    if not isinstance(value, tuple):
        return None
    is_open = origin is not tuple or arguments[-1] is Ellipsis
    if not is_open and len(value) != len(arguments):
        return None
    hints = [arguments[0]] * len(value) if is_open else arguments
    taken = [
        take(item, hint, f"{path}[{index}]")
        for index, (item, hint) in enumerate(zip(value, hints, strict=True))
    ]
    return _joined(tuple(one.value for one in taken), taken)


def _joined(value: Any, parts: Sequence[Taken]) -> Taken:
    faults = tuple(fault for one in parts for fault in one.faults)
    return Taken(value, faults, all(one.is_of_its_type for one in parts))


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond every float
        return False


def _faults_of_any(value: Any, path: str) -> Iterator[Fault]:
    if isinstance(value, tuple):
        for index, item in enumerate(typing.cast(tuple[Any, ...], value)):
            yield from _faults_of_any(item, f"{path}[{index}]")
    elif isinstance(value, FrozenMapping):
        for key, item in typing.cast(FrozenMapping[Any, Any], value).items():
            yield from _faults_of_any(item, f"{path}[{key!r}]")
    elif isinstance(value, float) and not math.isfinite(value):
        yield Fault(path, f"a finite number is needed; got {value!r}")
    elif isinstance(value, int) and not -INT_LIMIT <= value < INT_LIMIT:
        yield Fault(path, f"a whole number of at most 64 bits is needed; got {shown(value)}")
    elif isinstance(value, str) and any(0xD800 <= ord(sign) < 0xE000 for sign in value):
        yield Fault(path, f"text that can be written as UTF-8 is needed; got {value!a}")
    elif not (value is None or isinstance(value, bool | int | float | str | FrozenModel)):
        yield Fault(
            path,
            "a number, a string, a boolean, None, a FrozenModel, or a tuple of these is needed; "
            f"got {shown(value)}",
        )


def _needed(hint: Any, value: Any) -> str:
    """Say what is needed and what was given, and guess what was meant."""
    text = f"{expected(hint)} is needed; got {shown(value)}"
    annotation, _ = parts_of(hint)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if isinstance(value, AbstractSet):
        return f"{text}, which has no order"
    choices = [choice for arm in arms_of(annotation) for choice in _choices(arm)]
    if isinstance(value, str) and (meant := nearest(value, choices)):
        return f"{text}; did you mean {meant!r}?"
    if isinstance(value, str) and (kind := _declared_as(value, arms_of(annotation))):
        return f"{text}; write {kind}(…)"
    is_list = isinstance(origin, type) and issubclass(origin, Sequence) and origin is not tuple
    if is_list and not isinstance(value, list | tuple) and take(value, arguments[0], "").is_of_its_type:
        return (
            f"{text}; write [{shown(value)}]"
            if isinstance(value, str)
            else f"{text}; put it into brackets, […]"
        )
    return text


def _declared_as(name: str, arms: Sequence[Any]) -> str | None:
    """Find the declaration that is meant by its name alone, however that is written."""
    kinds = {
        arm.__name__.lower(): arm.__name__
        for arm in arms
        if isinstance(arm, type) and issubclass(arm, Declaration)
    }
    return kinds.get("".join(sign for sign in name.lower() if sign.isalnum()))


def _choices(annotation: Any) -> list[str]:
    is_literal = typing.get_origin(annotation) is Literal
    return [choice for choice in typing.get_args(annotation) if isinstance(choice, str)] if is_literal else []


def _is_within(value: Any, name: str, bound: Any) -> bool:
    return {"ge": value >= bound, "gt": value > bound, "le": value <= bound, "lt": value < bound}[name]


def repeated(items: Sequence[Any]) -> list[Any]:
    """Give what stands in a sequence more than once, each once; 1, 1.0 and True are one."""
    found: list[Any] = []
    for index, item in enumerate(items):
        if item in items[:index] and item not in found:
            found.append(item)
    return found
