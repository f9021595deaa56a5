"""A new database of SQLite appears whole: whoever else makes it at that moment, and whenever its maker is killed."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from typing import TypeVar

from tablewright.orchestrator.addresses import causes_of, sqlite_path

TRIES_WHILE_MADE = 5
"""Of opening a database whose tables somebody else is making: a server takes seconds over MLflow's."""

OpenedT = TypeVar("OpenedT")


def make_database(url: str, make_tables: Callable[[str], object]) -> None:
    """Make an SQLite database with its tables where there is none; other kinds make their tables at one stroke.

    Args:
        url: of the database.
        make_tables: makes a database with its tables at the URL that it gets.

    Raises:
        OSError: there is no space left or no right to write.
    """
    path = sqlite_path(url)
    if path is None or path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        make_tables(f"sqlite:///{aside}")
        os.link(aside, path)
    except FileExistsError:
        pass  # another one was quicker, and it is as good
    finally:
        for left in (aside, aside.with_name(f"{aside.name}-journal")):
            left.unlink(missing_ok=True)


def while_it_is_made(open_database: Callable[[], OpenedT]) -> OpenedT:
    """Open a database, once more where its tables were being made by another one at that moment.

    Raises:
        Exception: whatever opening it raised last.
    """
    for tries in range(1, TRIES_WHILE_MADE):
        try:
            return open_database()
        except Exception as error:  # each driver has its own for "it is there"
            if not is_made_by_another(error):
                raise
            time.sleep(0.5 * tries)
    return open_database()


def is_made_by_another(error: Exception) -> bool:
    """Say whether a table or its first row was not made because somebody else had just made it."""
    words = " ".join(f"{type(cause).__name__} {cause}" for cause in causes_of(error))
    return any(
        sign in words for sign in ("already exists", "UNIQUE constraint", "UniqueViolation", "Duplicate")
    )
