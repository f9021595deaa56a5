"""The scale that a study is declared at."""

from __future__ import annotations

from enum import StrEnum

from tablewright.trainables.value.refusal import guess, shown


class Profile(StrEnum):
    """Which scale a study is declared at; `Profile("demo")` gives the member itself."""

    DEMO = "demo"
    PAPER = "paper"

    @classmethod
    def _missing_(cls, value: object) -> Profile:
        profiles = [profile.value for profile in cls]
        hint = guess(value, profiles) if isinstance(value, str) else "."
        raise ValueError(f"a profile is one of {', '.join(map(repr, profiles))}; got {shown(value)}{hint}")

    @property
    def is_demo(self) -> bool:
        """Whether what is declared is for the demo data."""
        return self is Profile.DEMO
