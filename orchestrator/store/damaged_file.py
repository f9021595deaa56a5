"""A file of the store that is not what it should be."""

from __future__ import annotations

from typing import Any


class DamagedFile(ValueError):
    """A file of the store that is not what it should be, named with what it held and what to do."""

    def __init__(self, path: str, fault: str, *, held: str, next_step: str) -> None:
        """Say it in one sentence.

        Args:
            path: of the file, below the root of the store.
            fault: what is wrong with it.
            held: what it was.
            next_step: for a person.
        """
        super().__init__(f"in the store, {path} {fault}. It held {held}; {next_step}")
        self.path, self._parts = path, (fault, held, next_step)

    def __reduce__(self) -> tuple[Any, ...]:
        """Let a worker send it to the driver, which exceptions with named arguments do not by themselves."""
        return _damaged_file, (self.path, *self._parts)


def _damaged_file(path: str, fault: str, held: str, next_step: str) -> DamagedFile:
    return DamagedFile(path, fault, held=held, next_step=next_step)
