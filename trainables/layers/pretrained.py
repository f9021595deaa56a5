"""Starting a part of a network from a file of published weights, whole or not at all.

Names and shapes alone decide whether a file fills a part, so that a plan finds out what a training would.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from tablewright.trainables.file_version import FileVersion
from tablewright.trainables.layers.misfit import describe_misfit
from tablewright.trainables.layers.name_matching import Match, find_matches
from tablewright.trainables.layers.published_part import (
    IbnInit,
    PublishedPart,
    Source,
    published_name,
)
from tablewright.trainables.layers.weight_file import Entry, look_at, read_entries, read_tensors
from tablewright.trainables.value.name_list import some

# A network and the moving average of it that contrastive methods keep: MoCo's, and its third version's.
_MOVING_AVERAGES = (("encoder_q", "encoder_k"), ("base_encoder", "momentum_encoder"))


@dataclass(frozen=True)
class StartingFile:
    """The file that a part of a network starts from.

    Attributes:
        path: of the file.
        part: what it must fill.
        publisher: where it is published; empty for a file of one's own.
        published_sha256: how the published file's digest begins, where its publisher says so.
        ibn_init: as `PublishedPart.layouts` takes it.
    """

    path: Path
    part: PublishedPart
    publisher: str = ""
    published_sha256: str = ""
    ibn_init: IbnInit | None = None


@dataclass(frozen=True)
class Fit:
    """How a file fills a part.

    Attributes:
        sources: entry of the part -> where it comes from, by the file's whole names.
        fresh: entries of the part that keep their initialisation.
        unused: entries of the file that go nowhere.
        remarks: what is to be known of the file, each to follow its name: "has plain norms".
        warnings: those of the remarks that a reader of the network's numbers is to see.
    """

    sources: Mapping[str, Source]
    fresh: tuple[str, ...]
    unused: tuple[str, ...]
    remarks: tuple[str, ...]
    warnings: tuple[str, ...]


def find_fit(file: StartingFile) -> Fit:
    """Find out how a file fills its part, once a version of it and process.

    Raises:
        ValueError: it does not; says what is missing and left over, the likeliest cause, and what to do.
    """
    return _fit_of_version(file, look_at(file.path))


def load_weights(module: nn.Module, file: StartingFile) -> None:
    """Fill a part from its file.

    Args:
        module: changed in place; its names are those that `file.part` was made from.
        file: on this machine.

    Raises:
        ValueError: as `find_fit`; or values are not finite.
    """
    fit = find_fit(file)
    tensors = read_tensors(file.path)
    own = {published_name(module, key): value for key, value in module.state_dict().items()}
    values = {
        name: _cut(tensors[source.name], source).to(own[name].dtype) for name, source in fit.sources.items()
    }
    bad = [name for name, value in values.items() if not bool(value.isfinite().all())]
    if bad:
        raise ValueError(
            f"{file.path} holds values that are not finite, in {some(bad, 3)}, as a training that has diverged "
            f"leaves them{_advice(file)}"
        )
    with torch.no_grad():
        for name, value in values.items():
            own[name].copy_(value)


def _cut(tensor: Tensor, source: Source) -> Tensor:
    return tensor[source.first_channel :] if tensor.dim() else tensor


@functools.lru_cache(maxsize=64)
def _fit_of_version(file: StartingFile, version: FileVersion) -> Fit:
    try:
        entries = read_entries(version.path)
    except ValueError as error:
        raise ValueError(f"{error}{_advice(file)}") from None
    matches = _without_moving_averages(find_matches(file.part, file.ibn_init, entries))
    filling = [match for match in matches if match.fills]
    exact = [match for match in filling if not match.left_over]
    if not exact:
        misfit = describe_misfit(file.part, entries, filling or matches, file.publisher)
        raise ValueError(f"{file.path} {misfit}")
    if len(filling) > 1 and not _hold_the_same(file.path, filling):
        places = " and ".join(repr(match.prefix) if match.prefix else "no prefix" for match in filling)
        raise ValueError(
            f"{file.path} holds {file.part.architecture} {len(filling)} times with different values, under {places}; "
            "keep the entries of the one that is meant in a file of their own"
        )
    if file.ibn_init == "from_plain_bn" and not exact[0].layout.has_plain_norms:
        raise ValueError(
            f"{file.path} holds the split norms of {file.part.architecture} themselves, so that ibn_init "
            "'from_plain_bn', which cuts them from plain ones, has no effect; set the backbone's ibn_init to 'fresh'"
        )
    return _describe(file, entries, exact[0])


def _advice(file: StartingFile) -> str:
    return f"; the published file comes from {file.publisher}" if file.publisher else ""


def _without_moving_averages(matches: Sequence[Match]) -> list[Match]:
    prefixes = {match.prefix for match in matches}
    averages = {
        prefix.replace(network, average)
        for prefix in prefixes
        for network, average in _MOVING_AVERAGES
        if network in prefix.split(".")
    }
    return [match for match in matches if match.prefix not in averages]


def _hold_the_same(path: Path, matches: Sequence[Match]) -> bool:
    tensors = read_tensors(path)
    first, *others = matches

    def values(match: Match, name: str) -> Tensor | None:
        return tensors.get(match.prefix + name)

    return all(
        other.layout.has_plain_norms == first.layout.has_plain_norms
        and _equal(values(first, name), values(other, name))
        for other in others
        for name in first.layout.wanted
    )


def _equal(one: Tensor | None, other: Tensor | None) -> bool:
    """Whether two entries are alike; a counter may be absent."""
    return one is None or other is None or (one.dtype == other.dtype and torch.equal(one, other))


def _describe(file: StartingFile, entries: Mapping[str, Entry], match: Match) -> Fit:
    sources = {
        name: Source(match.prefix + source.name, source.first_channel)
        for name, source in match.layout.sources.items()
        if match.prefix + source.name in entries
    }
    used = {source.name for source in sources.values()}
    unused = tuple(name for name in entries if name not in used)
    remarks, warnings = list[str](), list[str]()
    if match.prefix:
        num_beside = sum(not name.startswith(match.prefix) for name in unused)
        beside = f" (beside them, not used: {num_beside})" if num_beside else ""
        remarks.append(f"has the entries under {match.prefix!r}{beside}")
    if match.layout.has_plain_norms:
        halves = "the instance halves of " if file.ibn_init == "from_plain_bn" else ""
        warnings.append(
            f"has plain norms: {halves}the {len(file.part.split_norms)} norms that "
            f"{file.part.architecture} splits start fresh"
        )
    for found, wanted in sorted(_conversions(file.part, entries, sources), key=str):
        remark = f"holds values in {_name(found)}, which start as {_name(wanted)}"
        (warnings if found.itemsize < wanted.itemsize else remarks).append(remark)
    return Fit(
        sources,
        tuple(name for name in file.part.entries if name not in sources),
        unused,
        (*remarks, *warnings),
        tuple(warnings),
    )


def _conversions(
    part: PublishedPart, entries: Mapping[str, Entry], sources: Mapping[str, Source]
) -> set[tuple[torch.dtype, torch.dtype]]:
    """Name the types of values that are not the part's own; counters are none."""
    pairs = {(entries[source.name].dtype, part.entries[name].dtype) for name, source in sources.items()}
    return {(found, wanted) for found, wanted in pairs if found != wanted and wanted.is_floating_point}


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
