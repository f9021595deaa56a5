"""Where in a file a part of a network lies: the prefix under which their names agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from tablewright.trainables.layers.published_part import IbnInit, Layout, PublishedPart, is_counter
from tablewright.trainables.layers.weight_file import Entry


@dataclass(frozen=True)
class Match:
    """A part held against a file, under one prefix. Names are the file's, those in `wanted` terms without the prefix.

    Attributes:
        layout: how the file is taken to hold the part.
        prefix: of the part's names in the file; empty or ending in a dot.
        num_agreeing: entries with the right name and shape.
        missing: wanted names that the file lacks, counters apart.
        unlike: wanted names whose entry in the file has another shape, or holds no real numbers.
        left_over: names in the file, under the prefix, that the part does not know and that are no head's.
    """

    layout: Layout
    prefix: str
    num_agreeing: int
    missing: tuple[str, ...]
    unlike: tuple[str, ...]
    left_over: tuple[str, ...]

    @property
    def fills(self) -> bool:
        """Whether every entry of the part can come from the file."""
        return not self.missing and not self.unlike

    @property
    def is_exact(self) -> bool:
        """Whether, besides, the file has nothing more in its place."""
        return self.fills and not self.left_over


def find_matches(part: PublishedPart, ibn_init: IbnInit | None, entries: Mapping[str, Entry]) -> list[Match]:
    """Hold a part against a file as it is, and against every place of it where names agree; the best first."""
    matches = [
        _match(part, layout, prefix, entries)
        for layout in part.layouts(ibn_init)
        for prefix in _prefixes(layout.wanted, entries)
    ]
    return sorted(matches, key=lambda match: (not match.fills, -match.num_agreeing, len(match.prefix)))


def _prefixes(wanted: Collection[str], entries: Collection[str]) -> list[str]:
    """Name what may stand before the part's names in the file; nothing is always among it."""
    votes: Counter[str] = Counter()
    for name in entries:
        for prefix, rest in _splits(name):
            if rest in wanted:
                votes[prefix] += 1
    # Places that share some names by chance are left out: `layer1.0.` stands before a `conv1.weight` as well.
    most = max(votes.values(), default=0)
    return ["", *(prefix for prefix, number in votes.items() if prefix and number * 2 >= most)]


def _splits(name: str) -> Iterator[tuple[str, str]]:
    yield "", name
    for index, character in enumerate(name):
        if character == ".":
            yield name[: index + 1], name[index + 1 :]


def _match(part: PublishedPart, layout: Layout, prefix: str, entries: Mapping[str, Entry]) -> Match:
    missing, unlike, num_agreeing = list[str](), list[str](), 0
    for name, wanted in layout.wanted.items():
        found = entries.get(prefix + name)
        if found is None:
            if not is_counter(name):
                missing.append(name)
        elif found.shape == wanted.shape and (found.is_floating or not wanted.is_floating):
            num_agreeing += 1
        else:
            unlike.append(name)
    rests = {name: name.removeprefix(prefix) for name in entries if name.startswith(prefix)}
    left_over = [name for name, rest in rests.items() if rest not in layout.wanted and not part.is_head(rest)]
    return Match(layout, prefix, num_agreeing, tuple(missing), tuple(unlike), tuple(left_over))
