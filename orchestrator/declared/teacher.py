"""What a search can learn from before its first trial, as a declaration names it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tablewright.trainables.value.declaration import Declaration
from tablewright.trainables.value.freezing import EMPTY


class Teacher(Declaration):
    """An ablation, another search, or a study of Optuna."""


@dataclass(frozen=True)
class OptunaStudy(Teacher):
    """A study that Optuna has kept in a database, made by whatever program.

    Attributes:
        url: of the database, such as `sqlite:///lab/tuning.db`; read once, when the search begins.
        name: of the study.
        paths: its name of a parameter -> dotted path; what is left out is a path itself.
    """

    url: str
    name: str
    paths: Mapping[str, str] = EMPTY
