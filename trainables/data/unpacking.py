"""How much is unpacked of a packed file of a data set: a small one may hold more than any memory or disc."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import BinaryIO

MAX_UNPACKED_BYTES = 2**30
"""Of one file. The largest that is published of what is read here, Fashion-MNIST's training images, has 47 MB."""

CHUNK_BYTES = 2**20


class UnpacksToTooMuch(ValueError):
    """A file that holds more than is read; says so as the end of a sentence that names it."""

    def __init__(self) -> None:
        """Say it."""
        mib = MAX_UNPACKED_BYTES >> 20
        super().__init__(f"unpacks to more than {mib} MiB, as no published file does; get it again")


def refuse_too_much(sizes_bytes: Iterable[int]) -> None:
    """Refuse parts of a file, counted up to where they are too much.

    Raises:
        UnpacksToTooMuch: they are.
    """
    total_bytes = 0
    for size_bytes in sizes_bytes:
        total_bytes += size_bytes
        if total_bytes > MAX_UNPACKED_BYTES:
            raise UnpacksToTooMuch


def zlib_size_bytes(packed: BinaryIO, num_bytes: int) -> int:
    """Give to how much a zlib stream unpacks, or something beyond `MAX_UNPACKED_BYTES`, without keeping any of it.

    Args:
        packed: stands where the stream begins.
        num_bytes: how much of it there is.

    Raises:
        zlib.error: it is none.
    """
    unpacker, unpacked_bytes = zlib.decompressobj(), 0
    while num_bytes > 0 and unpacked_bytes <= MAX_UNPACKED_BYTES:
        chunk = packed.read(min(CHUNK_BYTES, num_bytes))
        if not chunk:
            break
        num_bytes -= len(chunk)
        while chunk and unpacked_bytes <= MAX_UNPACKED_BYTES:
            unpacked_bytes += len(unpacker.decompress(chunk, CHUNK_BYTES))
            chunk = unpacker.unconsumed_tail
    return unpacked_bytes
