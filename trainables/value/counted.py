"""A number of things as a sentence says it."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Say how many there are of something."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
