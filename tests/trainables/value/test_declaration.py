"""Declarations of whatever fields: each annotation is held to, when one is built."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from tablewright.trainables.value.declaration import Declaration, repeated
from tablewright.trainables.value.refusal import Fault, Refusal
from tablewright.trainables.value.text import Label


@dataclass(frozen=True)
class Part(Declaration):
    label: Label
    size: int = 1


def is_even(number: int) -> str | None:
    return None if number % 2 == 0 else f"an even number is needed; got {number}"


@dataclass(frozen=True)
class Whole(Declaration):
    name: str
    mode: Literal["fast", "exact"] = "fast"
    count: Annotated[int, Field(ge=0, lt=10), is_even] = 0
    share: float | None = None
    step: Annotated[int, Field(ge=1), is_even] | None = None
    parts: Sequence[Part] = ()
    by_name: Mapping[str, Part | None] | None = None
    pair: tuple[str, int] = ("a", 1)
    anything: Any = None

    def find_faults(self) -> Iterator[Fault]:
        if self.count > len(self.parts):
            yield Fault("count", f"{self.count} is more than there are parts")


@pytest.mark.parametrize(
    ("fields", "path", "text"),
    [
        ({"name": 3}, "name", "a string is needed; got 3"),
        ({"mode": "exat"}, "mode", "one of 'fast', 'exact' is needed; got 'exat'; did you mean 'exact'?"),
        ({"mode": None}, "mode", "one of 'fast', 'exact' is needed; got None"),
        ({"count": True}, "count", "a whole number of at least 0 and below 10 is needed; got True"),
        ({"share": "1"}, "share", "a finite number or None is needed; got '1'"),
        ({"share": float("inf")}, "share", "a finite number or None is needed; got inf"),
        ({"step": 0}, "step", "a whole number of at least 1 is needed; got 0"),
        ({"step": 3}, "step", "an even number is needed; got 3"),
        ({"step": "2"}, "step", "a whole number or None is needed; got '2'"),
        ({"parts": [Part("a"), "b"]}, "parts[1]", "a Part is needed; got 'b'"),
        ({"parts": Part("a")}, "parts", "a list (each item a Part) is needed; got a Part; put it into brackets, […]"),
        ({"parts": "ab"}, "parts", "a list (each item a Part) is needed; got 'ab'"),
        ({"by_name": {"a": 3}}, "by_name['a']", "a Part or None is needed; got 3"),
        ({"by_name": {1: None}}, "by_name[1]", "a string is needed; got 1"),
        ({"by_name": [Part]}, "by_name", "a mapping (each value a Part or None) or None is needed; got the list"),
        ({"pair": ("a", "b")}, "pair[1]", "a whole number is needed; got 'b'"),
        ({"pair": ("a",)}, "pair", "a tuple of a string, a whole number is needed; got the tuple ('a',)"),
        ({"anything": {"a": [1, float("nan")]}}, "anything['a'][1]", "a finite number is needed; got nan"),
        ({"anything": {"a": {1}}}, "anything['a']", "a number, a string, a boolean, None, a FrozenModel"),
        ({"anything": Part("a")}, "anything", "a number, a string, a boolean, None, a FrozenModel"),
    ],
)  # fmt: skip
def test_an_annotation_is_held_to(fields, path, text):
    """What it does not allow is told with the field's path, what is needed and what was got."""
    with pytest.raises(Refusal) as caught:
        Whole(**{"name": "w", **fields})
    (fault,) = caught.value.faults
    assert path == fault.path
    assert fault.text.startswith(text)


def test_rules_and_faults_between_fields_are_told_with_the_others():
    """A rule that is broken hides no fault between fields; a wrong type is told alone, for others rely on it."""
    with pytest.raises(Refusal) as caught:
        Whole("w", count=11)
    assert ["count"] * 3 == [fault.path for fault in caught.value.faults]
    with pytest.raises(Refusal) as caught:
        Whole("w", count="3", share="1")
    assert ["count", "share"] == [fault.path for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("values", "named", "faults"),
    [
        (("w",), {"nam": 1}, ["nam: Whole has no such field; did you mean 'name'? It has name, mode, count,"]),
        ((), {}, ["name: it is not given and has no default; a string is needed"]),
        (("w", "exat"), {"cout": 1}, ["cout: Whole has no such field; did you mean 'count'?", "mode: one of"]),
        (("w",), {"name": "v"}, ["name: it is given twice, by its name and as value 1, 'w'; Whole has, in"]),
        (tuple("wabcdefghi"), {}, ["Whole has, in this order, name, mode, count,"]),
    ],
)  # fmt: skip
def test_arguments_that_fit_no_field_are_refused_with_all_other_faults(values, named, faults):
    """A slip in a keyword is told as every other fault is, with the nearest field."""
    with pytest.raises(Refusal) as caught:
        Whole(*values, **named)
    assert len(faults) == len(caught.value.faults)
    for text, fault in zip(faults, caught.value.faults, strict=True):
        assert str(fault).startswith(text)


def test_a_slip_in_a_changed_copy_is_refused():
    """`dataclasses.replace` names fields too."""
    with pytest.raises(
        Refusal, match=r"Part 'a' is refused:\n  - siz: Part has no such field; did you mean 'size'\?"
    ):
        replace(Part("a"), siz=2)


def test_a_changed_copy_is_checked():
    """`dataclasses.replace` builds a declaration like any other."""
    with pytest.raises(Refusal, match=r"Whole 'w' is refused:\n  - mode: one of"):
        replace(Whole("w"), mode="slow")
    assert (Part("a"),) == replace(Whole("w"), parts=[Part("a")]).parts


def test_equal_things_are_found_once():
    """1, 1.0 and True are one thing, and what is there three times is named once."""
    assert [1.0, "a"] == repeated([1, 1.0, "a", True, "a", "b"])


def test_help_shows_the_fields_of_a_declaration():
    """Editors and documentation see names and defaults, not what a check of arguments takes in."""
    parameters = inspect.signature(Part).parameters
    assert ["label", "size"] == list(parameters)
    assert 1 == parameters["size"].default
