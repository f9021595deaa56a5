"""Which study is being declared now: what is declared by another study's results is looked for on its behalf."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from tablewright.orchestrator.declared.found_base import FoundBase
from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.project.project import Project


@dataclass
class Declaring:
    """A study whose `make_study` runs.

    Attributes:
        study: its name.
        profile: that it is declared for; None where it has no profiles.
        studies_folder: in which its file lies.
        project: whose studies are found beside the built-in ones.
        outer: the study that asked for it, where one did.
        bases: what searches have found that it has asked for.
    """

    study: str
    profile: Profile | None
    studies_folder: Path
    project: Project | None
    outer: Declaring | None = None
    bases: list[FoundBase] = field(default_factory=list[FoundBase])

    def is_of(self, study: str) -> bool:
        """Say whether a study is this one, or one that this one is declared for."""
        return self.study == study or (self.outer is not None and self.outer.is_of(study))


_NOW: ContextVar[Declaring | None] = ContextVar("declaring", default=None)


def declaring_now() -> Declaring | None:
    """Give the study whose `make_study` runs; None outside of one."""
    return _NOW.get()


@contextlib.contextmanager
def declaring(
    study: str, profile: Profile | None, studies_folder: Path, project: Project | None
) -> Generator[Declaring]:
    """Be declaring a study."""
    now = Declaring(study, profile, studies_folder, project, _NOW.get())
    token = _NOW.set(now)
    try:
        yield now
    finally:
        _NOW.reset(token)
