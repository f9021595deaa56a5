"""Which of the images that a machine keeps nobody needs, and their removal.

What a process has opened stays. A part of a pool stays whole as long as one of its images is needed.
"""

from __future__ import annotations

import fcntl
import json
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tablewright.trainables.data import dataset_index, image_contents, image_pool
from tablewright.trainables.data.cached_array import DAMAGED
from tablewright.trainables.data.image_pool import ENCODED, is_in_use, rows_of

LEFT_S = 24 * 3600.0
"""So old is what a killed process has left half made."""

KEPT_DAYS = 30
"""So long after its last use an image stays that no study here needs: of a cache that projects share, another's may."""

_KEY_LETTERS = 24
_PART = re.compile(r"(?P<shape>\d+x\d+|shorter\d+|encoded)-[0-9a-f]{24}\.npy")
_FORMER = re.compile(
    r"\w+-(?P<shape>\d+x\d+|shorter\d+)-(?P<fingerprint>[0-9a-f]{24})(\.npy|\.sizes\.npy|\.verified|\.lock)"
)
_CONTENTS = re.compile(r"(?P<fingerprint>[0-9a-f]{24})-[0-9a-f]{8}\.(npz|verified|lock)")


@dataclass(frozen=True)
class Unneeded:
    """Files that belong together and are needed no more.

    Attributes:
        paths: of them, the one that processes open first.
        num_bytes: that they take.
        used_s_ago: since one of them was used last.
        is_in_use: whether a process of this machine has opened them.
    """

    paths: tuple[Path, ...]
    num_bytes: int
    used_s_ago: float
    is_in_use: bool

    @property
    def may_be_of_others(self) -> bool:
        """Whether they were used so lately that another project may need them."""
        return self.used_s_ago < KEPT_DAYS * 24 * 3600.0


def find_unneeded(
    cache_dir: str, needed: Mapping[str, Set[str]], kept_shapes: Set[str] = frozenset()
) -> list[Unneeded]:
    """Say what is needed no more; nothing is removed.

    Args:
        cache_dir: of this machine.
        needed: shape -> fingerprints of the splits that are needed in it.
        kept_shapes: of which all stays, since nobody knows what is needed in them.
    """
    return list(_find(Path(cache_dir), needed, kept_shapes))


def remove(unneeded: Unneeded) -> bool:
    """Remove files, unless a process has opened them since; says whether they are gone."""
    first = unneeded.paths[0]
    try:
        if first.is_dir() or first.suffix != ".npy":
            for path in unneeded.paths:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            return True
        with first.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # who opens it now waits, and then finds it gone
            for path in unneeded.paths:
                path.unlink(missing_ok=True)
        return True
    except FileNotFoundError:
        return True
    except BlockingIOError:
        return False


def holds_shapes(cache_dir: str, shapes: Set[str]) -> bool:
    """Say whether there is any image of some shapes."""
    names = [path.name for path in (Path(cache_dir) / image_pool.FOLDER).glob("*.npy")]
    return any(name.startswith(f"{shape}-") or f"-{shape}-" in name for name in names for shape in shapes)


def _find(cache: Path, needed: Mapping[str, Set[str]], kept_shapes: Set[str]) -> Iterator[Unneeded]:
    needed_in = {shape: {one[:_KEY_LETTERS] for one in prints} for shape, prints in needed.items()}
    everywhere = frozenset[str]().union(*needed_in.values())
    digests_of = {shape: _digests(cache, prints) for shape, prints in needed_in.items()}
    digests_of[ENCODED] = _digests(cache, everywhere)
    knows_all = not kept_shapes
    for path in sorted((cache / image_pool.FOLDER).glob("*")):
        if (match := _PART.fullmatch(path.name)) is not None:
            shape = match["shape"]
            stays = shape in kept_shapes or (shape == ENCODED and not knows_all)
            if not stays and not _holds_any(path, digests_of.get(shape, set())):
                yield _unneeded(path, rows_of(path))
        elif (match := _FORMER.fullmatch(path.name)) is not None:
            shape, fingerprint = match["shape"], match["fingerprint"]
            if shape not in kept_shapes and fingerprint not in needed_in.get(shape, set()):
                yield _unneeded(path)
        elif path.name.startswith(".") and time.time() - path.stat().st_mtime > LEFT_S:
            yield _unneeded(path)
    if not knows_all:  # of the data sets that nobody knows there may be some
        return
    for path in sorted((cache / image_contents.FOLDER).glob("*")):
        match = _CONTENTS.fullmatch(path.name)
        if match is not None and match["fingerprint"] not in everywhere:
            yield _unneeded(path)
    for path in sorted((cache / dataset_index.FOLDER).glob("*.json")):
        prints = _fingerprints_of_index(path)
        if prints is not None and not prints & everywhere:
            yield _unneeded(path, *path.parent.glob(f"{path.stem}-*"))


def _digests(cache: Path, fingerprints: Set[str]) -> set[bytes]:
    """Give the contents of the images of splits, as far as they were read on this machine."""
    found: set[bytes] = set()
    for path in (cache / image_contents.FOLDER).glob("*.npz"):
        if path.name.partition("-")[0] in fingerprints:
            contents = image_contents.read_contents(path)
            if contents is not None:
                found.update(map(bytes, contents.digests))
    return found


def _holds_any(path: Path, digests: Set[bytes]) -> bool:
    try:
        with np.load(rows_of(path)) as rows:
            return any(bytes(digest) in digests for digest in rows["digests"])
    except DAMAGED:  # nobody can read it
        return False


def _fingerprints_of_index(path: Path) -> set[str] | None:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))["facts"]
        return {one[:_KEY_LETTERS] for one in facts["split_fingerprints"].values()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _unneeded(*paths: Path) -> Unneeded:
    there = [path for path in paths if path.exists()]
    files = [file for path in there for file in ([*path.iterdir()] if path.is_dir() else [path])]
    num_bytes, used_at_s = 0, 0.0
    for file in files:
        with suppress(OSError):
            found = file.stat()
            num_bytes += found.st_size
            used_at_s = max(used_at_s, found.st_mtime)
    in_use = paths[0].suffix == ".npy" and paths[0].exists() and is_in_use(paths[0])
    return Unneeded(tuple(there) or paths, num_bytes, time.time() - used_at_s, in_use)
