"""Writing a state as torch does, with the error of the file itself where that cannot take it."""

from __future__ import annotations

from typing import Any, BinaryIO, cast

import torch


class _Heard:
    """Passes on what is written, and keeps the error by which that ended."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.fault: BaseException | None = None

    def write(self, content: Any) -> int:
        if self.fault is None:
            try:
                self._file.write(content)
            except BaseException as fault:
                self.fault = fault
                raise
        return len(content)  # torch still ends its archive

    def flush(self) -> None:
        if self.fault is None:
            self._file.flush()


def save(content: Any, file: BinaryIO) -> None:
    """Write it with `torch.save`.

    Raises:
        OSError: of the file, such as that of a full disc, which torch hides behind its own about the archive.
    """
    heard = _Heard(file)
    try:
        torch.save(content, cast(BinaryIO, heard))
    except Exception:
        if heard.fault is not None:
            raise heard.fault from None
        raise
