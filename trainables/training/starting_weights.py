"""The weights a network starts from are data as well: other bytes are another training."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping

from tablewright.trainables.contract.data import DatasetFacts, StartingWeights
from tablewright.trainables.file_version import sha256_of, version_of
from tablewright.trainables.layers.pretrained import StartingFile, find_fit


def join_weights(facts: DatasetFacts, weights: Mapping[str, StartingFile]) -> DatasetFacts:
    """Give the facts with the digests of weight files in their fingerprint, and with what was found of each.

    Parts that start from equal files count once: which part takes which file is in the config.

    Args:
        facts: of the data set; returned as they are where no part starts from a file.
        weights: by part of the network.

    Raises:
        ValueError: files do not fill their parts; names each, with the likeliest cause and what to do.
    """
    digests: dict[str, None] = {}
    starting, warnings, faults = list[StartingWeights](), list[str](), list[str]()
    for part, file in sorted(weights.items()):
        try:
            fit = find_fit(file)
        except ValueError as error:
            faults.append(f"starting weights of {part}: {error}")
            continue
        sha256 = sha256_of(version_of(file.path))
        digests[sha256] = None
        name, foreign = file.path.name, _foreign_to(file, sha256)
        warnings += [f"{part} starts from {name}, which {remark}" for remark in (*fit.warnings, *foreign)]
        remarks = tuple(f"{name} {remark}" for remark in (*fit.remarks, *foreign))
        starting.append(StartingWeights(part, name, sha256, fit.fresh, fit.unused, remarks))
    if faults:
        raise ValueError("\n".join(faults))
    if not starting:
        return facts
    return dataclasses.replace(
        facts,
        fingerprint=_joined(facts.fingerprint, digests),
        warnings=(*facts.warnings, *warnings),
        files_fingerprint=facts.fingerprint,
        earlier_fingerprints={
            _joined(earlier, digests): covered for earlier, covered in facts.earlier_fingerprints.items()
        },
        starting_weights=tuple(starting),
    )


def _joined(fingerprint: str, digests: Iterable[str]) -> str:
    for sha256 in digests:
        fingerprint = hashlib.sha256(f"{fingerprint}/{sha256}".encode()).hexdigest()
    return fingerprint


def _foreign_to(file: StartingFile, sha256: str) -> tuple[str, ...]:
    """Tell a file that only has the place of the published one from that one."""
    if sha256.startswith(file.published_sha256):
        return ()
    return (
        f"is not the published file: its SHA-256 begins with {sha256[:8]} and not with {file.published_sha256[:8]}",
    )
