"""What a search has found, as a file that another study can start from.

A sweep writes it beside the search's table. What changes a number stands in a file under Git, so a study starts from
the copy that was kept on purpose, beside the files of studies: `search_spaces/found/<profile>/<study>.<search>.json`.
"""

from __future__ import annotations

import datetime
from pathlib import Path

from pydantic import ConfigDict

from tablewright.orchestrator.declared.declared_names import is_file_name
from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.declared.ranges import Atom
from tablewright.trainables.value.frozen_model import ClosedModel
from tablewright.trainables.value.refusal import shown
from tablewright.trainables.value.regular_file import refuse_irregular

FOLDER = "found"
"""Beside the files of studies."""

ENDING = "found.json"
"""Of the file beside the tables, behind the search's name."""


class FoundConfig(ClosedModel):
    """The best of a finished search.

    Attributes:
        study: that declares the search.
        search: its name.
        profile: that the study was declared for; None where it has no profiles.
        search_id: of its folder in the store.
        method: whose config was searched.
        version: of the method.
        params: dotted path -> value.
        metric: what was made better, on `val`.
        value: of the best trial; a fraction as metrics are.
        declared_value: of the declared config; None where that has none.
        training_id: of the best trial.
        trained_at: when that training ended; None where its record is gone.
        num_trials: what became of the trials -> how many.
        num_epochs: trained while searching.
    """

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    study: str
    search: str
    profile: Profile | None
    search_id: str
    method: str
    version: int | str
    params: dict[str, Atom]
    metric: str
    value: float
    declared_value: float | None
    training_id: str
    trained_at: datetime.datetime | None
    num_trials: dict[str, int]
    num_epochs: int

    def content(self) -> bytes:
        """Write it as JSON; an equal one gives equal bytes."""
        return (self.model_dump_json(indent=2) + "\n").encode()

    @property
    def num_complete(self) -> int:
        """How many trials it is the best of."""
        return sum(self.num_trials.get(outcome, 0) for outcome in ("complete", "answered"))

    @property
    def place(self) -> str:
        """Where it is kept, below the folder of studies."""
        return place_of(self.study, self.search, self.profile)


def place_of(study: str, search: str, profile: Profile | None) -> str:
    """Say where what a search has found is kept, below the folder of studies."""
    of_profile = "" if profile is None else f"{profile}/"
    return f"{FOLDER}/{of_profile}{study}.{search}.json"


def keep_found(found: FoundConfig, studies_folder: Path) -> Path:
    """Keep what a search has found beside the files of studies, in the place of what it found before.

    Raises:
        ValueError: the file cannot be written.
    """
    path = studies_folder / found.place
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_bytes() != found.content():
            path.write_bytes(found.content())
    except OSError as error:
        raise ValueError(f"{path} cannot be written: {error.strerror}") from error
    return path


def read_found(path: Path, study: str, search: str) -> FoundConfig:
    """Read what was kept of a search.

    Raises:
        ValueError: it cannot be read, or is that of another search.
        FileNotFoundError: nothing was kept.
    """
    try:
        refuse_irregular(path)
        content = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    next_step = "get it back from Git, or have it written again with --keep-found"
    try:
        found = FoundConfig.model_validate_json(content)
    except ValueError as error:
        raise ValueError(f"{path}: {error}\n{next_step}") from error
    if (found.study, found.search) != (study, search):
        raise ValueError(f"{path} holds what {found.study}/{found.search} has found; {next_step}")
    return found


def name_faults(study: object, search: object) -> list[str]:
    """Say which of two names cannot be that of a study or a search, whose file would lie elsewhere."""
    named = [
        is_file_name(name) if isinstance(name, str) else f"got {shown(name)}" for name in (study, search)
    ]
    return [text for text in named if text is not None]
