"""What a file of published weights must hold for a part of a network, and what of either may be left out.

A part is filled whole: each parameter and buffer comes from the file. The exceptions are the network's own and stand
here: heads that publishers have behind the part, norms that IBN-a splits, and batch norm's counters, which nothing
depends on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from torch import nn

from tablewright.trainables.layers.resnet import InstanceBatchNorm
from tablewright.trainables.layers.weight_file import Entry, entry_of

IbnInit = Literal["fresh", "from_plain_bn"]

_NORM_ENTRIES = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def is_counter(name: str) -> bool:
    """Whether an entry counts the batches that a norm has seen; files from before 2018 have none."""
    return name.rpartition(".")[2] == "num_batches_tracked"


@runtime_checkable
class Published(Protocol):
    """A module of which files are published.

    Attributes:
        published_name: turns a key of its state dict into the name that files use.
        heads: what files may hold behind it, by the beginning of their names.
    """

    published_name: Callable[[str], str]
    heads: tuple[str, ...]


def published_name(module: nn.Module, key: str) -> str:
    """Give the name that files use for a key of a module's state dict, or for a module inside it."""
    return module.published_name(key) if isinstance(module, Published) else key


@dataclass(frozen=True)
class Source:
    """Where an entry of a part comes from.

    Attributes:
        name: in the file, without a prefix.
        first_channel: those before it are left out; of scalars nothing is.
    """

    name: str
    first_channel: int = 0


@dataclass(frozen=True)
class Layout:
    """One way in which a file may hold a part. Names are the file's, without a prefix.

    Attributes:
        wanted: what the file must hold; counters may be absent.
        sources: where each entry of the part comes from that is not fresh.
        fresh: the part's entries that the file does not give.
        has_plain_norms: whether norms that the part splits are whole in the file.
    """

    wanted: Mapping[str, Entry]
    sources: Mapping[str, Source]
    fresh: tuple[str, ...] = ()
    has_plain_norms: bool = False


@dataclass(frozen=True, eq=False)
class PublishedPart:
    """A part of a network under published names. Two are equal only if they are one.

    Attributes:
        architecture: as configs name it.
        entries: all its parameters and buffers.
        heads: what files may hold behind it, by the beginning of their names.
        split_norms: norms that IBN-a splits -> channels of their instance half.
    """

    architecture: str
    entries: Mapping[str, Entry]
    heads: tuple[str, ...] = ()
    split_norms: Mapping[str, int] = field(default_factory=dict)

    def is_head(self, name: str) -> bool:
        """Whether a name of a file, without prefix, belongs to what stands behind the part."""
        return any(name == head or name.startswith(f"{head}.") for head in self.heads)

    def layouts(self, ibn_init: IbnInit | None) -> Iterator[Layout]:
        """Give the ways in which a file may hold the part.

        Args:
            ibn_init: what split norms do with a file that has plain ones: None refuses it; `fresh` leaves them as
                they are; `from_plain_bn` lets their batch half take the second half of the plain norm.
        """
        yield Layout(self.entries, {name: Source(name) for name in self.entries})
        if self.split_norms and ibn_init is not None:
            yield self._plain_layout(is_halved=ibn_init == "from_plain_bn")

    def _plain_layout(self, *, is_halved: bool) -> Layout:
        wanted, sources = dict(self.entries), {name: Source(name) for name in self.entries}
        fresh: list[str] = []
        for norm, num_instance_channels in self.split_norms.items():
            for half in ("IN", "BN"):
                for entry in _NORM_ENTRIES:
                    name = f"{norm}.{half}.{entry}"
                    if name not in self.entries:
                        continue
                    del wanted[name], sources[name]
                    if half == "BN":
                        kept = self.entries[name]
                        channels = tuple(size + num_instance_channels for size in kept.shape)
                        wanted[f"{norm}.{entry}"] = Entry(channels, kept.dtype)
                    if half == "BN" and is_halved:
                        sources[name] = Source(f"{norm}.{entry}", num_instance_channels)
                    else:
                        fresh.append(name)
        return Layout(wanted, sources, tuple(fresh), has_plain_norms=True)


def part_of(architecture: str, module: nn.Module) -> PublishedPart:
    """Describe a module, which may be on the meta device, to be filled from a file.

    Args:
        architecture: what people call it.
        module: under its own names, or under those that it publishes.
    """
    return PublishedPart(
        architecture,
        {published_name(module, key): entry_of(value) for key, value in module.state_dict().items()},
        module.heads if isinstance(module, Published) else (),
        {
            published_name(module, key): layer.num_instance_channels
            for key, layer in module.named_modules()
            if isinstance(layer, InstanceBatchNorm)
        },
    )
