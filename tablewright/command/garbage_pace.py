"""How often Python looks for garbage in the command's own process."""

from __future__ import annotations

import gc

OBJECTS_BETWEEN_COLLECTIONS = 50_000
"""Loading modules and making tables make many objects and leave few: at Python's 700 a tenth of the time of the former
and a fifth of the latter's go into looking for them."""


def look_rarely() -> None:
    """Look for garbage as rarely as suits a process that plans, follows a sweep, makes tables and ends."""
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
