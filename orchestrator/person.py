"""Who asks for something: named in records that say by whom."""

from __future__ import annotations

import getpass


def name_of_user() -> str:
    """Name the person whose account runs this process."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container without a name for its user
        return "unknown"
