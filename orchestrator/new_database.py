"""A new database of SQLite appears whole: whoever else makes it at that moment, and whenever its maker is killed."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable

from tablewright.orchestrator.addresses import sqlite_path


def make_database(url: str, make_tables: Callable[[str], None]) -> None:
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
