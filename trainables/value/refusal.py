"""How a person is told what is wrong with what was written: every fault, and the place of each."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from tablewright.trainables.value.secret import masked

MAX_SHOWN = 80
"""Characters of a refused value that a message repeats."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        path: where, such as `optimisation.base_lr` or `rows[2]`; empty where it is of the whole.
        text: what is allowed, what was got, and what to do.
    """

    path: str
    text: str

    def __str__(self) -> str:
        """Say it in a line."""
        return f"{self.path}: {self.text}" if self.path else self.text

    def below(self, path: str) -> Fault:
        """Give the same fault as whoever holds the value sees it."""
        return Fault(join_paths(path, self.path), self.text)


class Refusal(ValueError):
    """What a person wrote is refused; all its faults are told at once.

    Attributes:
        subject: what is refused, such as `Ablation 'margins'`.
        faults: in the order of what was written.
    """

    def __init__(self, subject: str, faults: Sequence[Fault]) -> None:
        """Keep the faults apart, so that a larger whole can tell them with its own."""
        super().__init__(subject, tuple(faults))
        self.subject = subject
        self.faults = tuple(faults)

    def __str__(self) -> str:
        """Give every fault a line."""
        return f"{self.subject} is refused:\n" + "\n".join(f"  - {fault}" for fault in self.faults)


def join_paths(*paths: str) -> str:
    """Join `losses` and `triplet` with a dot, `rows` and `[2]` without one."""
    joined = ""
    for path in paths:
        joined += f".{path}" if joined and path and not path.startswith("[") else path
    return joined


def nearest(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """Find what a misspelt name was meant to be; None where nothing is like it."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return found[0] if found else None


def guess(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """End a sentence about a name that there is none of with what was meant, where that can be guessed."""
    meant = nearest(name, known, cutoff=cutoff)
    return f"; did you mean {meant!r}?" if meant else "."


def shown(value: Any) -> str:
    """Repeat a refused value, so that it is recognised and its kind is seen."""
    if isinstance(value, type):
        return f"the class {value.__name__}, not one of it; write {value.__name__}(…)"
    if isinstance(value, int) and abs(value) >= 10**MAX_SHOWN:
        return f"a whole number of more than {MAX_SHOWN} digits"
    if isinstance(value, str):
        return _cut(repr(masked(value)))
    if value is None or isinstance(value, bool | int | float | complex | bytes):
        return _cut(repr(value))
    if isinstance(value, list | tuple | AbstractSet | Mapping):
        return f"the {type(value).__name__} {_cut(repr(value))}"
    name = type(value).__name__
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"


def _cut(text: str) -> str:
    text = masked(text)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"
