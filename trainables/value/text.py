"""Text that is printed in tables: one line, of signs that every reader sees as they stand."""

from __future__ import annotations

import unicodedata
from typing import Annotated

from tablewright.trainables.value.secret import holds_secret

_BLANK_LETTERS = "\u115f\u1160\u2800\u3164\uffa0"  # letters by their category, and drawn as nothing
_COMBINING_BLANKS = (
    "\u034f\u17b4\u17b5\u180b\u180c\u180d\u180f"  # marks by their category, and drawn as nothing
)
_NO_CHARACTERS = frozenset(map(chr, range(0xFDD0, 0xFDF0)))
_JOINERS = "\u200c\u200d"  # part of words in some scripts, and of emoji
MAX_LABEL_LENGTH = 200
"""Signs of a label; a longer one fits no table."""

_NAMES = {"\n": "a line break", "\r": "a line break", "\t": "a tab", "\0": "a null character"}


def has_unseen_signs(text: str) -> str | None:
    """Say which sign would break a line or a table, or change unseen how its neighbours read."""
    for position, sign in enumerate(text):
        if _is_unseen(sign) or (sign in _JOINERS and not _joins(text, position)):
            name = _NAMES.get(sign) or unicodedata.name(sign, "a control sign")
            code = f"U+{ord(sign):04X}"
            return (
                f"text is one line of visible signs; sign {position + 1} of {_ascii(text)} is {name} ({code})"
            )
    return None


def _is_unseen(sign: str) -> bool:
    if " " <= sign <= "~":
        return False
    category = unicodedata.category(sign)
    return (
        (category in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp") and sign not in _JOINERS)
        or sign in _BLANK_LETTERS
        or sign in _COMBINING_BLANKS
        or ord(sign) & 0xFFFE == 0xFFFE
        or sign in _NO_CHARACTERS
    )


def _joins(text: str, position: int) -> bool:
    """Say whether a joiner stands between two signs that it can change; between Latin letters it is merely unseen."""
    around = text[position - 1 : position] + text[position + 1 : position + 2]
    return len(around) == 2 and not any(sign.isascii() or sign in _JOINERS for sign in around)


def visible(text: str) -> str:
    """Give a text from elsewhere, such as a file's name or a program's words, with each unseen sign as code writes it.

    Line breaks stay: whoever prints a text lays out its lines.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_spelt(sign) if _is_unseen(sign) and sign != "\n" else sign for sign in text)


def _spelt(sign: str) -> str:
    return sign.encode("ascii", "backslashreplace").decode() if ord(sign) > 127 else repr(sign)[1:-1]


def is_blank(text: str) -> str | None:
    """Say that a label shows nothing."""
    is_seen = any(unicodedata.category(sign)[0] not in "ZCM" for sign in text)
    return None if is_seen else f"a label is printed and says which one it is; got {_ascii(text)}"


def is_too_long(text: str) -> str | None:
    """Say that a label fits no table."""
    if len(text) <= MAX_LABEL_LENGTH:
        return None
    shown = _ascii(text)
    return f"a label has at most {MAX_LABEL_LENGTH} signs; got {len(text)}, {shown}; put the rest into the caption"


def as_seen(text: str) -> str:
    """Give a text as a reader tells it from others: blanks at its ends, doubled ones and spellings of é go unseen."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def _ascii(text: str) -> str:
    """Show a text so that a sign in it can do no harm to the message."""
    return ascii(text if len(text) <= 60 else f"{text[:59]}…")


Text = Annotated[str, has_unseen_signs, holds_secret]
"""A caption, a source or another text that is printed; it may be empty."""

Label = Annotated[str, has_unseen_signs, is_blank, is_too_long, holds_secret]
"""What tells a row, a column or a group from its neighbours."""
