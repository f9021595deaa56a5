"""A data set of one's own: a folder below the data root, said in the study, in the place of a built-in one's name."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Self

from pydantic import field_validator

from tablewright.trainables.value.frozen_model import FrozenModel
from tablewright.trainables.value.text import MAX_LABEL_LENGTH, has_unseen_signs, is_blank, is_too_long

IN_ORDER = ("label", "folder")
"""The fields that may be given without their names."""


class OwnFolder(FrozenModel):
    """What the layouts of folders have in common.

    A training is known by `folder`, by where its images lie in it and how they are named, and by the images to train
    on. The label is no part of it: another one trains nothing again.

    Attributes:
        label: of the data set, as papers print it.
        folder: its path below the data root, with `/` between parts.
    """

    label: str
    folder: str

    def __init__(self, /, *arguments: Any, **fields: Any) -> None:
        """Take label and folder in this order; the other fields are given by name."""
        given = {name: value for name, value in zip(IN_ORDER, arguments, strict=False) if name not in fields}
        super().__init__(*arguments[len(given) :], **given, **fields)

    # Or pydantic would build nested models through it, and find a refusal where it expects faults with places.
    __init__.__pydantic_base_init__ = True  # pyright: ignore[reportFunctionMemberAccess]

    @field_validator("label")
    @classmethod
    def _print_the_label(cls, label: str) -> str:
        for why in (has_unseen_signs(label), is_blank(label), is_too_long(label)):
            if why is not None:
                raise ValueError(why)
        return label

    @field_validator("folder")
    @classmethod
    def _lie_below_the_data_root(cls, folder: str) -> str:
        return require_folder(folder, "the data root")

    @property
    def name(self) -> str:
        """Name the data set as records do; no built-in one ends so."""
        return f"{self.folder}/"

    def without_label(self) -> Self:
        """Give the same images under the name of their folder."""
        return self.model_copy(update={"label": self.name})

    def refuse_known(self, names: Collection[str], labels: Collection[str]) -> None:
        """Refuse the label of a built-in data set, whose published numbers would seem to be of these images.

        Raises:
            ValueError: it is one.
        """
        if self.label in (*names, *labels):
            raise ValueError(
                f"the label {self.label!r} is that of a built-in data set; give this folder one of its own, or name "
                f"the built-in one: {', '.join(map(repr, names))}"
            )


def require_folder(folder: str, above: str) -> str:
    """Give a path back that names a folder below another one, the same on every machine and in one spelling.

    Args:
        folder: the path.
        above: the other folder, in words.

    Raises:
        ValueError: it does not.
    """
    parts = folder.split("/")
    if folder.startswith(("/", "~")) or re.match(r"[A-Za-z]:", folder):
        why = "is a place on one machine (--data-root says where the data root is)"
    elif "\\" in folder:
        why = "has a backslash"
    elif ".." in parts:
        why = "leads out of it"
    elif unseen := has_unseen_signs(folder):
        raise ValueError(unseen)
    elif len(folder) >= MAX_LABEL_LENGTH:  # since it stands for the label too
        why = f"has {MAX_LABEL_LENGTH} signs or more"
    elif {"", "."} & set(parts) or folder != folder.strip():
        why = "has an empty part or one that is '.'"
    else:
        return folder
    raise ValueError(
        f"a path below {above} is needed, with / between parts, such as 'images/train'; got {folder!r}, which {why}"
    )


def faults_of_sides(sides: Mapping[str, str], may_be_one: Collection[str] = ()) -> Iterator[str]:
    """Find folders of images that lie within each other, or are one.

    Args:
        sides: the folders, by the field that names each.
        may_be_one: fields that may name the same folder.
    """
    for (one, first), (other, second) in itertools.combinations(sides.items(), 2):
        if first == second and not {one, other} <= {*may_be_one}:
            yield f"{one} and {other} are both {first!r}, and a training is measured on images that it has not seen"
        elif first.startswith(f"{second}/") or second.startswith(f"{first}/"):
            yield f"{one} {first!r} and {other} {second!r} lie within each other; move one of them out"


def name_of(dataset: str | OwnFolder) -> str:
    """Name a data set, built-in or one's own, as records do."""
    return dataset if isinstance(dataset, str) else dataset.name
