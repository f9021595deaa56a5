"""The weights a network starts from are data as well: other bytes are another training."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from trainables.contract import DatasetFacts


def join_weights(facts: DatasetFacts, weights: Mapping[str, Path]) -> DatasetFacts:
    """Give the facts with the digests of weight files in their fingerprint; unchanged without any.

    Parts that start from equal files count once: which part takes which file is in the config.

    Args:
        facts: of the data set.
        weights: part of the network -> its file.
    """
    digests = list(dict.fromkeys(_sha256_of(weights[part]) for part in sorted(weights)))
    if not digests:
        return facts
    return dataclasses.replace(
        facts,
        fingerprint=_joined(facts.fingerprint, digests),
        files_fingerprint=facts.fingerprint,
        earlier_fingerprints={
            _joined(earlier, digests): covered for earlier, covered in facts.earlier_fingerprints.items()
        },
    )


def _joined(fingerprint: str, digests: Sequence[str]) -> str:
    for weights_sha256 in digests:
        fingerprint = hashlib.sha256(f"{fingerprint}/{weights_sha256}".encode()).hexdigest()
    return fingerprint


def _sha256_of(path: Path) -> str:
    stat = path.stat()
    return _sha256_of_version(path, stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _sha256_of_version(path: Path, size_bytes: int, mtime_ns: int) -> str:
    """Digest a file; its size and time are there to tell its versions apart."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
