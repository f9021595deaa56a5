"""Text that is printed in tables: one line, of signs that every reader sees as they stand."""

from __future__ import annotations

import unicodedata
from typing import Annotated

_JOINERS = "\u200c\u200d"  # part of words in some scripts, and of emoji
_NAMES = {"\n": "a line break", "\r": "a line break", "\t": "a tab", "\0": "a null character"}


def has_unseen_signs(text: str) -> str | None:
    """Say which sign would break a line or a table, or change unseen how its neighbours read."""
    for position, sign in enumerate(text, start=1):
        category = unicodedata.category(sign)
        is_unseen = category in ("Cc", "Cf", "Cs", "Zl", "Zp") and sign not in _JOINERS
        if is_unseen:
            name = _NAMES.get(sign) or unicodedata.name(sign, "a control sign")
            code = f"U+{ord(sign):04X}"
            return f"text is one line of visible signs; sign {position} of {_ascii(text)} is {name} ({code})"
    return None


def is_blank(text: str) -> str | None:
    """Say that a label shows nothing."""
    return None if text.strip() else f"a label is printed and says which one it is; got {text!r}"


def _ascii(text: str) -> str:
    """Show a text so that a sign in it can do no harm to the message."""
    return ascii(text if len(text) <= 60 else f"{text[:59]}…")


Text = Annotated[str, has_unseen_signs]
"""A caption, a source or another text that is printed; it may be empty."""

Label = Annotated[str, has_unseen_signs, is_blank]
"""What tells a row, a column or a group from its neighbours."""
