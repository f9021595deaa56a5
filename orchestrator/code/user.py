"""Who gives the command."""

from __future__ import annotations

import getpass


def user_name() -> str:
    """Name the user of this process, as records and MLflow show it."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container without a name for its user
        return "unknown"
