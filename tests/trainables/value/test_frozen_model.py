"""Models that refuse in our words, and that nothing changes."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from pydantic import BaseModel, Field, field_validator, model_validator

from tablewright.trainables.value.canonical import canonical
from tablewright.trainables.value.frozen_model import ClosedModel, FrozenModel
from tablewright.trainables.value.refusal import Refusal


class Branch(FrozenModel):
    kind: Literal["branch"] = "branch"
    width: int = Field(default=4, ge=1)


class Neck(FrozenModel):
    kind: Literal["neck"] = "neck"
    rate: float = 0.5


class Config(FrozenModel):
    epochs: int = Field(default=3, ge=1)
    rate: float = Field(default=0.1, gt=0, le=1)
    decay: float | None = Field(default=None, gt=0)
    widths: tuple[int, ...] = (1, 2)
    pair: tuple[int, float] = (1, 0.5)
    optimizer: Literal["adam", "sgd"] = "adam"
    relu: bool = True
    branch: Branch | None = Branch()
    part: Annotated[Branch | Neck, Field(discriminator="kind")] = Neck()
    either: Branch | Neck = Branch()
    branches: tuple[Branch, ...] = ()
    name: str

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if name == "bad":
            raise ValueError("a name is not 'bad'; take another")
        return name

    @model_validator(mode="after")
    def _check_whole(self) -> Config:
        if self.epochs == 7:
            raise ValueError("epochs is 7; set it to 8")
        return self


FOREIGN = (
    "pydantic",
    "Input should",
    "Field required",
    "Extra inputs",
    "validation error",
    "Value error",
    "type=",
)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"epochs": 8.0}, "epochs: a whole number of at least 1 is needed; got 8.0"),
        ({"epochs": "8"}, "epochs: a whole number of at least 1 is needed; got '8'"),
        ({"epochs": True}, "epochs: a whole number of at least 1 is needed; got True"),
        ({"epochs": 0}, "epochs: a whole number of at least 1 is needed; got 0"),
        ({"rate": 2}, "rate: a finite number above 0 and at most 1 is needed; got 2"),
        ({"rate": float("nan")}, "rate: a finite number above 0 and at most 1 is needed; got nan"),
        ({"rate": float("inf")}, "rate: a finite number above 0 and at most 1 is needed; got inf"),
        ({"rate": "0.1"}, "rate: a finite number above 0 and at most 1 is needed; got '0.1'"),
        ({"decay": -1}, "decay: a finite number above 0 or None is needed; got -1"),
        ({"widths": 3}, "widths: a tuple (each item a whole number) is needed; got 3"),
        ({"widths": [1, 2.5]}, "widths[1]: a whole number is needed; got 2.5"),
        ({"pair": (1,)}, "pair[1]: it is not given and has no default; a finite number is needed"),
        ({"pair": (1, 2, 3)}, "pair: a tuple of a whole number, a finite number is needed; got the tuple (1, 2, 3)"),
        ({"optimizer": "adm"}, "optimizer: one of 'adam', 'sgd' is needed; got 'adm'"),
        ({"relu": 1}, "relu: True or False is needed; got 1"),
        ({"name": 3}, "name: a string is needed; got 3"),
        ({"name": "bad"}, "name: a name is not 'bad'; take another"),
        ({"epochs": 7}, "epochs is 7; set it to 8"),
        ({"branch": Branch},
         "branch: a Branch or None is needed; got the class Branch, not one of it; write Branch(…)"),
        ({"branch": Neck()}, "branch: a Branch or None is needed; got a Neck"),
        ({"branch": {"width": 0}}, "branch.width: a whole number of at least 1 is needed; got 0"),
        ({"branch": {"widht": 1}}, "branch.widht: Branch has no such field; did you mean 'width'? It has kind, width"),
        ({"branches": [{"width": 1}, {"width": "2"}]},
         "branches[1].width: a whole number of at least 1 is needed; got '2'"),
        ({"part": 3}, "part: a Branch or a Neck is needed; got 3"),
        ({"part": {"kind": "nek"}},
         "part: a Branch or a Neck is needed, and its kind is one of 'branch', 'neck'; got 'nek'"),
        ({"part": {"kind": "neck", "rate": "1"}}, "part.rate: a finite number is needed; got '1'"),
        ({"either": 3}, "either: a Branch or a Neck is needed; got 3"),
        ({"either": {"kind": "neck", "rate": "1"}}, "either.rate: a finite number is needed; got '1'"),
        ({"epoch": 3},
         "epoch: Config has no such field; did you mean 'epochs'? It has epochs, rate, decay, widths, pair, "
         "optimizer, relu, branch, part, either, branches, name"),
    ],
)  # fmt: skip
def test_a_fault_is_told_in_our_words(fields, told):
    """The path, what is needed and what was got; the same from every way of building a model."""
    given = {"name": "good", **fields}
    sound = Config(name="good")
    for build in (
        lambda: Config(**given),
        lambda: Config.model_validate(given),
        lambda: sound.model_copy(update=fields),
    ):
        with pytest.raises(Refusal) as caught:
            build()
        assert f"Config is refused:\n  - {told}" == str(caught.value)
        assert not [word for word in FOREIGN if word in str(caught.value)]


def test_all_faults_are_told_at_once():
    """A field that is missing, one too many and one of another type give one error."""
    with pytest.raises(ValueError, match="Config is refused") as caught:
        Config(epoch=3, rate="fast")
    assert ["rate", "name", "epoch"] == [fault.path for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"name": "good", "epochs": 8.0}', "epochs: a whole number of at least 1 is needed; got 8.0"),
        ('{"name": "good"', "it is no JSON at line 1 column 15; it may be cut off"),
        ("3", "a Config is needed; got 3"),
    ],
)
def test_a_fault_of_json_is_told_in_our_words(text, told):
    """Neither a parser nor a model of a dependency is named."""
    with pytest.raises(Refusal) as caught:
        Config.model_validate_json(text)
    assert f"Config is refused:\n  - {told}" == str(caught.value)


def test_fields_are_given_by_name():
    """A value without a name is refused in our words too."""
    with pytest.raises(ValueError, match=r"fields are given by name, such as kind=…; got 4 without one"):
        Branch(4)


def test_what_means_the_same_is_taken():
    """Lists are tuples, numpy's numbers Python's, and a whole number a real one."""
    config = Config(name="good", widths=[np.int64(3), 4], rate=1, pair=np.array([1, 2]), epochs=np.int32(5))
    assert ((3, 4), 1.0, (1, 2.0), 5) == (config.widths, config.rate, config.pair, config.epochs)
    assert [int, float, int] == [type(config.widths[0]), type(config.rate), type(config.epochs)]
    assert config == Config.model_validate_json(config.model_dump_json())


def test_a_copy_is_checked():
    """What the constructor refuses, a copy is not given either; what it takes, it is."""
    assert Config(name="good", epochs=4) == Config(name="good").model_copy(update={"epochs": 4})
    with pytest.raises(ValueError, match="epochs is 7"):
        Config(name="good").model_copy(update={"epochs": 7})


def test_nothing_can_be_set_or_deleted():
    """A value does not change, and says what to do instead."""
    config = Config(name="good")
    for change in (lambda: setattr(config, "epochs", 4), lambda: delattr(config, "epochs")):
        with pytest.raises(ValueError, match=r"epochs: a value does not change; .*model_copy"):
            change()
    assert config == pickle.loads(pickle.dumps(config))
    assert hash(Config(name="good")) == hash(config)


class Mutable(BaseModel):
    width: int = 1


@pytest.mark.parametrize(
    ("annotation", "instead"),
    [
        (list[int], r"list\[int\] .*; write tuple\[int, \.\.\.\]"),
        (set[str], r"set\[str\] .*; write tuple\[str, \.\.\.\]"),
        (frozenset[int], r"write tuple\[int, \.\.\.\]"),
        (Sequence[float], r"write tuple\[float, \.\.\.\]"),
        (tuple[list[int], ...], r"write tuple\[int, \.\.\.\]"),
        (tuple, r"write tuple\[int, \.\.\.\]"),
        (Branch | list[Branch], r"write tuple\[Branch, \.\.\.\]"),
        (Annotated[list[int], Field(min_length=1)], r"write tuple\[int, \.\.\.\]"),
        (dict[str, float], r"dict\[str, float\] .*; write a FrozenModel of its own, or tuple\[tuple\[str, float\]"),
        (Mapping[str, int], "write a FrozenModel of its own"),
        (Mutable, "derive Mutable from FrozenModel"),
        (Any, "Any cannot be part of what nothing changes; write bool, int"),
        (Path, "write bool, int, float, str"),
        (np.ndarray, r"write tuple\[int, \.\.\.\]"),
        (bytearray, "write bool, int, float, str"),
    ],
)  # fmt: skip
def test_a_field_that_could_be_changed_is_refused_with_its_class(annotation, instead):
    """It is told when the class is defined: which field of which class, and what to write instead."""
    with pytest.raises(ValueError, match=rf"(?s)The class Held is refused:\n  - held: .*{instead}"):
        type("Held", (FrozenModel,), {"__annotations__": {"held": annotation}, "__module__": __name__})


def test_a_default_that_could_be_changed_is_refused():
    """A list as a default is told when the class is defined, with the tuple to write."""
    held = {"__annotations__": {"held": tuple[int, ...]}, "held": [1, 2], "__module__": __name__}
    with pytest.raises(ValueError, match=r"held: its default is a list; write the tuple \(1, 2\)"):
        type("Held", (FrozenModel,), held)


def test_a_field_of_values_is_let_in():
    """Numbers, strings, choices, tuples, models and unions of these make a class, self-references too."""
    held = Literal["a", 1] | tuple[tuple[str, float], ...] | Branch | None
    cls = type("Held", (FrozenModel,), {"__annotations__": {"held": held}, "__module__": __name__})
    assert (("a", 0.5),) == cls(held=[["a", 0.5]]).held


def test_a_record_may_hold_mappings():
    """What is only closed keeps what JSON gives, and still refuses in our words."""

    class Entry(ClosedModel):
        counts: dict[str, int]

    assert {"a": 1} == Entry.model_validate_json('{"counts": {"a": 1}}').counts
    with pytest.raises(Refusal, match="Entry has no such field; did you mean 'counts'"):
        Entry(count={})


class Sgd(FrozenModel):
    lr: float = 0.1


class Adam(FrozenModel):
    lr: float = 0.1


class Named(FrozenModel):
    kind: Literal["named"] = "named"
    lr: float = 0.1


class Wide(FrozenModel):
    name: Literal["wide"]


class Deep(FrozenModel):
    name: Literal["deep"]


@pytest.mark.parametrize(
    "annotation", [Sgd | Adam, Sgd | Adam | None, tuple[Sgd | Adam, ...], Sgd | Adam | Named]
)
def test_components_that_an_id_cannot_tell_apart_are_refused(annotation):
    """Two trainings of the same values and other classes would be one."""
    with pytest.raises(Refusal, match=r"opt: nothing tells Sgd, Adam.* apart .*give each a kind of its own"):

        class Mixed(FrozenModel):
            opt: annotation


@pytest.mark.parametrize("annotation", [Sgd | Named, Branch | Neck, Wide | Deep, Sgd | None])
def test_components_that_are_told_apart_are_taken(annotation):
    """By a kind, which one of them may lack, or by a name that has no default."""

    class Mixed(FrozenModel):
        opt: annotation


def test_true_is_not_taken_for_the_default_one():
    """Nor false for zero: they are equal in Python, and other configs."""

    class Warm(FrozenModel):
        warm: bool | int = 1
        cold: bool | int = False

    assert {"warm": True, "cold": 0} == canonical(Warm(warm=True, cold=0))
    assert {} == canonical(Warm(warm=1, cold=False))
