"""The weights a network starts from are data as well: other bytes are another training."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from pathlib import Path

from trainables.contract import DatasetFacts


def join_weights(facts: DatasetFacts, weights_path: Path | None) -> DatasetFacts:
    """Give the facts with the digest of a weight file in their fingerprint; unchanged without one."""
    if weights_path is None:
        return facts
    stat = weights_path.stat()
    weights_sha256 = _sha256_of_version(weights_path, stat.st_size, stat.st_mtime_ns)
    joined = hashlib.sha256(f"{facts.fingerprint}/{weights_sha256}".encode())
    return dataclasses.replace(facts, fingerprint=joined.hexdigest())


@functools.lru_cache(maxsize=64)
def _sha256_of_version(path: Path, size_bytes: int, mtime_ns: int) -> str:
    """Digest a file; its size and time are there to tell its versions apart."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
