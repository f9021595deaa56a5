"""The environment variables that stand for options of the command."""

from __future__ import annotations

VARIABLE_PREFIX = "TABLEWRIGHT_"
"""An option's environment variable has this before its name."""


def variable_of(option: str) -> str:
    """Name the environment variable of an option: `data-root` is TABLEWRIGHT_DATA_ROOT."""
    return VARIABLE_PREFIX + option.upper().replace("-", "_")
