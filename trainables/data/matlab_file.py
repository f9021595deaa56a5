"""Reading MATLAB files of version 5 to 7, which scipy knows; files of version 7.3 are HDF5.

A file of version 5 to 7: a head of `HEAD_BYTES`, its last two bytes the order of bytes, then the variables, each a kind
and a size of 32 bits and as many bytes; those of kind `COMPRESSED` are a zlib stream.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tablewright.trainables.data.unpacking import UnpacksToTooMuch, refuse_too_much, zlib_size_bytes

HEAD_BYTES, COMPRESSED = 128, 15


def read_matlab(path: Path) -> dict[str, Any]:
    """Give the variables of a file; cells and structs as lists and dicts.

    Raises:
        ValueError: it cannot be read as one, or holds too much, and why.
    """
    import scipy.io  # a tenth of a second, which only such a file is worth

    try:
        refuse_too_much(_unpacked_sizes_bytes(path))
        return scipy.io.loadmat(path, simplify_cells=True)
    except UnpacksToTooMuch:
        raise
    except Exception as error:  # scipy raises whatever its parser stumbles over
        why = "it may be cut off, or of version 7.3, which is another kind of file"
        raise ValueError(f"cannot be read as a MATLAB file of version 5 to 7 ({why})") from error


def _unpacked_sizes_bytes(path: Path) -> Iterator[int]:
    """Give the size of each compressed variable."""
    with path.open("rb") as file:
        order = ">" if file.read(HEAD_BYTES)[-2:] == b"MI" else "<"
        while len(tag := file.read(8)) == 8:
            kind, num_bytes = struct.unpack(f"{order}II", tag)
            begin = file.tell()
            if kind == COMPRESSED:
                yield zlib_size_bytes(file, num_bytes)
            file.seek(begin + num_bytes)
