"""A file of a training that cannot be used, and what to do about it."""

from __future__ import annotations

from typing import Self

from tablewright.trainables.contract.run import FINAL_CHECKPOINT, Checkpoints

UNREADABLE = "cannot be read: it is damaged, cut off, or of another program"


class CheckpointFault(ValueError):
    """A checkpoint that cannot be used.

    Attributes:
        what: is wrong, with the file's whole place, without what to do.
    """

    def __init__(self, what: str, next_step: str) -> None:
        """Say both in one line."""
        super().__init__(f"{what}. {next_step}")
        self.what, self._next_step = what, next_step

    def __reduce__(self) -> tuple[type[Self], tuple[str, str]]:
        """Let a worker send it to the driver."""
        return type(self), (self.what, self._next_step)

    @classmethod
    def of(cls, checkpoints: Checkpoints, name: str, what: str) -> Self:
        """Describe a file of a training by its place."""
        is_final = name == FINAL_CHECKPOINT
        return cls(
            f"{checkpoints.url}/{name} {what}",
            f"Delete the file to train {restart(name)}"
            f"{'; of a training that is recorded, its whole folder' if is_final else ''}",
        )


def restart(name: str) -> str:
    """Say how it is trained without a file."""
    return "again" if name == FINAL_CHECKPOINT else "from the start"
