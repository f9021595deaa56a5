"""Names of files and folders beyond ASCII: they are read as the same text everywhere, or refused."""

from __future__ import annotations

import sys


def why_not_the_same_everywhere(name: str) -> str | None:
    """Say why a name would be another text on another machine, and in an id or a database; None where it would not.

    Args:
        name: as Python gives it, with what it could not decode as surrogates.
    """
    encoding = sys.getfilesystemencoding()
    if name.isascii():
        return None
    if encoding.lower().replace("-", "") != "utf8":
        return f"names of files are read as {encoding} here; set PYTHONUTF8=1 and run the same command again"
    if any(0xD800 <= ord(sign) < 0xE000 for sign in name):
        return "the name is no UTF-8; rename it"
    return None
