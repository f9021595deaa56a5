"""What lies under a file's name and is none: of a pipe or a device there is no end, and a reader waits for ever."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

NO_FILE = "it is a pipe, a socket or a device, and no file"


class NotRegular(OSError):
    """A pipe, a socket or a device, where a file was to be read."""


def refuse_irregular(path: Path) -> None:
    """Refuse what cannot be read to its end; a folder is told by who opens it.

    Raises:
        NotRegular: it is such; `strerror` says so in words.
        OSError: it is not there, or cannot be looked at.
    """
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise NotRegular(errno.EINVAL, NO_FILE, os.fspath(path))
