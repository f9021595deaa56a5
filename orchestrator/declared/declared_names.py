"""What tables, searches and studies may be called, since their names become those of files; and labels that clash."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any

from tablewright.orchestrator.declared.profile import Profile
from tablewright.trainables.value.refusal import Fault, shown
from tablewright.trainables.value.text import as_seen

MAX_NAME_LENGTH = 100
"""Characters of a name, which becomes a file name and a part of longer ones."""

WINDOWS_NAMES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
)

"""No file may be named so on Windows, whatever its ending."""

BESIDE_TABLES = ("index", "figures", "audit", "configs", "numbers", "report")
"""Names of what is written into the folder of a study beside its tables."""


def is_file_name(name: str) -> str | None:
    """Say what keeps a name from being that of a file on every system."""
    if re.fullmatch(r"[a-z][a-z0-9_]*", name) is None:
        return f"it becomes a file name: small letters, digits and underscores, a letter first; got {shown(name)}"
    if len(name) > MAX_NAME_LENGTH:
        return (
            f"it becomes a file name, of at most {MAX_NAME_LENGTH} characters; got {len(name)}, {shown(name)}"
        )
    if name in WINDOWS_NAMES:
        return f"{name!r} is reserved by Windows and could not be copied there; take another"
    return None


def is_not_ours(name: str) -> str | None:
    """Say that a table would stand in the place of what is written beside the tables."""
    taken = name in BESIDE_TABLES
    return f"{name!r} is the name of what is written beside the tables; take another" if taken else None


def is_not_reserved(name: str) -> str | None:
    """Say that a study could not be asked for by its name, or its tables would lie where others do."""
    if name == "all":
        return "'all' stands for every study on the command line; take another"
    if name == "init":
        return "'init' begins a project on the command line; take another"
    return (
        f"{name!r} is a profile, whose tables lie in a folder of that name; take another"
        if name in set(Profile)
        else None
    )


TableName = Annotated[str, is_file_name, is_not_ours]
StudyName = Annotated[str, is_file_name, is_not_reserved]


def twice(what: str, labels: Iterable[str]) -> Iterator[Fault]:
    """Find labels that are given twice, or look the same in print."""
    alike: dict[str, list[str]] = {}
    for label in labels:
        alike.setdefault(as_seen(label), []).append(label)
    for same in alike.values():
        if len(set(same)) > 1:
            yield Fault("", f"{what}s {', '.join(map(ascii, same))} look the same in print; name them apart")
        elif len(same) > 1:
            yield Fault("", f"{what} {same[0]!r} is given twice")


def absent(what: str, given: Sequence[Any]) -> Iterator[Fault]:
    """Find that a table has none of what it needs one of."""
    if not given:
        yield Fault("", f"a table needs at least one {what}")
