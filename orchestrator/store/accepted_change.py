"""A changed default that was accepted in writing."""

from __future__ import annotations

import datetime
from typing import ClassVar

from tablewright.orchestrator.store.record import Record


class AcceptedChange(Record):
    """A default that was changed after trainings had been recorded, accepted as one that moves no number.

    Attributes:
        path: dotted, in the config.
        recorded: the old value, as JSON.
        planned: the new value, as JSON.
        reason: a person's words, which stand below every table that needs it.
    """

    HELD: ClassVar[str] = "that a changed default moves no number"
    NEXT_STEP: ClassVar[str] = "move it away, and accept the change again"
    SAYS: ClassVar[tuple[str, ...]] = ("reason",)

    method: str
    version: int | str
    path: str
    recorded: str
    planned: str
    reason: str
    accepted_by: str
    accepted_at: datetime.datetime
