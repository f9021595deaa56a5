"""`init`: a project to begin with."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from tablewright.command.exit_codes import EXIT_REFUSED
from tablewright.command.screen import console, errors
from tablewright.orchestrator.project.first_project import begin_project


def begin(folders: Sequence[str], verbs: Sequence[str]) -> int:
    """`init`: a first project, in the current folder or the one that is named."""
    folder = Path(folders[0]).expanduser() if folders else Path()
    try:
        if len(folders) > 1 or verbs or not all(folders):
            raise ValueError(
                f"init takes the name of one folder, or nothing; got {', '.join([*map(repr, folders), *verbs])}"
            )
        written = begin_project(folder)
    except ValueError as error:
        errors.print(Text(f"error: {error}", style="red"))
        return EXIT_REFUSED
    for path in written:
        console.print(f"wrote {path}")
    if all(path.name != ".gitignore" for path in written):
        console.print("There is a .gitignore already: add /runs/ to it, in which results lie.")
    console.print("\nNext, its plan and its tables (a minute):\n")
    enter = "" if folder == Path() else f"cd {shlex.quote(str(folder))} && "
    for line in (f"{enter}tablewright spirals --plan", "tablewright spirals"):
        console.print(f"    {line}")
    console.print("\nThen make it yours: the fields of its config, its rows, its function.")
    return 0
