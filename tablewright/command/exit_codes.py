"""Exit codes of the command, beside that of one that was stopped (`signals`)."""

from __future__ import annotations

EXIT_INCOMPLETE = 1
"""A cell is empty, or a fault was found."""
EXIT_REFUSED = 2
"""What was asked for is refused."""
