"""How often Python looks for garbage in the command's own process."""

from __future__ import annotations

import atexit
import gc

OBJECTS_BETWEEN_COLLECTIONS = 300_000
"""Loading modules and making tables make many objects that stay: at Python's 700 a tenth of the time of the former and
a fifth of the latter's go into looking for those that do not. Torch alone leaves 250,000."""


def look_rarely() -> None:
    """Look for garbage as rarely as suits a process that plans, follows a sweep, makes tables and ends.

    At its end, after all that others do there, Python would go through everything once more, which of torch alone takes
    as long as the rest of a small plan: what is there then goes with the process.
    """
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    atexit.register(gc.freeze)
