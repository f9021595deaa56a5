"""A list of names as a sentence shows it."""

from __future__ import annotations

from collections.abc import Sequence

NUM_NAMES_IN_ERROR = 5


def some(names: Sequence[str], num_shown: int = NUM_NAMES_IN_ERROR) -> str:
    """Name the first few of many."""
    more = f" and {len(names) - num_shown} more" if len(names) > num_shown else ""
    return f"{', '.join(names[:num_shown])}{more}"
