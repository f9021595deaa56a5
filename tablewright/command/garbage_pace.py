"""How often Python looks for garbage while tables are made."""

from __future__ import annotations

import gc

OBJECTS_BETWEEN_COLLECTIONS = 50_000
"""Tables make many objects and leave few: at Python's 700 a fifth of their time goes into looking for them."""


def look_rarely() -> None:
    """Look for garbage as rarely as suits a process that makes tables and ends."""
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
