"""A view as a record holds it: as data with its kind, so that any method may have views of its own."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.contract.view import EvaluationView, MethodsView

KIND_OF_RECORD = "kind"
"""Field of a recorded view that holds its KIND; records of earlier versions have none."""


class UnknownView(EvaluationView):
    """A recorded view of a kind that no loaded module has: it is kept as it is, and measures nothing.

    Attributes:
        kind: as it was recorded.
        fields_json: its fields.
    """

    KIND: ClassVar[str] = ""

    kind: str
    fields_json: str

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """None that is known."""
        return ()

    @property
    def protocol(self) -> str:
        """Say that it is not known."""
        return f"a view of the kind {self.kind!r}, which nothing that is loaded has"

    @property
    def short_name(self) -> str:
        """Name it by its split and its kind."""
        return f"{self.split}.{self.kind}"


def recorded_view(view: EvaluationView) -> dict[str, Any]:
    """Give a view as a record holds it: its kind and its fields."""
    if isinstance(view, UnknownView):
        return {KIND_OF_RECORD: view.kind, **json.loads(view.fields_json)}
    return {KIND_OF_RECORD: view.KIND, **view.model_dump(mode="json")}


def view_of_record(recorded: Any) -> Any:
    """Read a view from a record, by the class that has its kind.

    A record of an earlier version names no kind: it is the one that has all its fields.

    Raises:
        ValueError: the class of that kind refuses it.
    """
    if not isinstance(recorded, Mapping):
        return recorded
    fields = {str(name): value for name, value in recorded.items()}  # pyright: ignore[reportUnknownVariableType]
    kind = fields.pop(KIND_OF_RECORD, None)
    for known in _kinds():
        if fields.keys() <= known.model_fields.keys() if kind is None else kind == known.KIND:
            return known.model_validate_json(json.dumps(fields))
    return UnknownView(split=fields.get("split", "test"), kind=str(kind), fields_json=json.dumps(fields))


def fault_of_view(view: EvaluationView) -> str | None:
    """Say why a record could not hold a view, and what to do; None where it can."""
    name, kind = type(view).__name__, getattr(view, "KIND", None)
    if not isinstance(kind, str) or not kind:
        return f'{name} has no kind, by which its records are read; write KIND: ClassVar[str] = "…" in it'
    if KIND_OF_RECORD in type(view).model_fields:
        return f"{name} has a field {KIND_OF_RECORD!r}, where a record has the KIND of the view; rename the field"
    alike = [f"{known.__module__}.{known.__qualname__}" for known in _kinds() if kind == known.KIND]
    if len(alike) > 1:
        return f"the kind {kind!r} is that of {' and '.join(alike)}; give each view a KIND of its own"
    try:
        is_held = view_of_record(json.loads(json.dumps(recorded_view(view)))) == view
    except (ValueError, TypeError) as error:
        return f"a record cannot hold {name} ({error}); its fields are numbers, strings, tuples and models of these"
    return (
        None
        if is_held
        else f"{name} read from a record is another; its fields must be all that it consists of"
    )


def _kinds() -> Iterable[type[EvaluationView]]:
    """Give every kind of view that a loaded module has; of a class that was defined again, the last one."""
    found = {f"{known.__module__}.{known.__qualname__}": known for known in _subclasses(EvaluationView)}
    return [
        known
        for known in found.values()
        if not inspect.isabstract(known) and known not in (UnknownView, MethodsView)
    ]


def _subclasses(view: type[EvaluationView]) -> Iterator[type[EvaluationView]]:
    for known in view.__subclasses__():
        yield known
        yield from _subclasses(known)
