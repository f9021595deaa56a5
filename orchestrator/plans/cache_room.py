"""What trainings will have this machine keep of their data sets: how much, how long it takes, whether there is room."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tablewright.orchestrator.plans.resolution import without_seed
from tablewright.trainables.contract.cache import CacheNeed
from tablewright.trainables.contract.method import KeepsImages, TrainingConfig
from tablewright.trainables.contract.run import Runtime
from tablewright.trainables.value.counted import counted
from tablewright.trainables.value.cpus import num_cpus

SPARE_BYTES = 64 * 2**20
"""Of the disc, that is left free."""


@dataclass(frozen=True)
class KeptShape:
    """Images that are to be made ready in one shape.

    Attributes:
        shape: such as `384x192`.
        what: the splits, in the order in which they were asked for.
        num_items: different images.
        decoded_bytes: that they take decoded and resized.
        encoded_bytes: that they take as they are published.
        core_s: that one core takes to make them ready; an estimate.
        is_exact: whether the sizes are.
        image_cache: how they will be kept, room or not.
    """

    shape: str
    what: tuple[str, ...]
    num_items: int
    decoded_bytes: int
    encoded_bytes: int
    core_s: float
    is_exact: bool
    image_cache: str

    @property
    def num_bytes(self) -> int:
        """Say what they will take."""
        return {"decoded": self.decoded_bytes, "encoded": self.encoded_bytes}.get(self.image_cache, 0)

    def __str__(self) -> str:
        """In words."""
        cores = num_cpus()
        about = "" if self.is_exact else "about "
        takes = f"{about}{_size_text(self.num_bytes)}"
        if self.image_cache == "encoded":
            takes = (
                f"kept encoded in about {_size_text(self.encoded_bytes)} (decoded they would take {about}"
                f"{_size_text(self.decoded_bytes)}) and decoded anew each time one is read, about "
                f"{self.num_items / max(self.core_s, 1e-9):,.0f} a second a core"
            )
        if self.image_cache == "files":
            takes = "kept in their own files alone, and decoded anew each time one is read"
        wall = _duration_text(self.core_s / cores)
        return (
            f"{_splits_text(self.what)} at {self.shape}: {counted(self.num_items, 'image')}, {takes}; about {wall} on "
            f"{counted(cores, 'core')} of this machine"
        )


@dataclass(frozen=True)
class CacheRoom:
    """What is to be made ready on this machine.

    Attributes:
        shapes: of images, each with how it will be kept.
        folder: of the cache.
        free_bytes: on its disc.
    """

    shapes: tuple[KeptShape, ...]
    folder: str
    free_bytes: int

    @property
    def num_bytes(self) -> int:
        """Say what all of it will take."""
        return sum(shape.num_bytes for shape in self.shapes)

    @property
    def is_too_little(self) -> bool:
        """Say whether the disc has not the room for it."""
        return bool(self.num_bytes) and self.num_bytes + SPARE_BYTES > self.free_bytes

    def __str__(self) -> str:
        """In words, a line a shape."""
        lines = [
            "Images to make ready, once on each machine that trains (times are estimates from a few of them):"
        ]
        lines += [f"    {shape}" for shape in self.shapes]
        lines.append(
            f"    {_size_text(self.num_bytes)} in all; {self.folder} has {_size_text(self.free_bytes)} free"
        )
        return "\n".join(lines)

    def why_too_little(self) -> str:
        """Say what lacks, and what to do; empty where nothing does."""
        if not self.is_too_little:
            return ""
        each = "; ".join(
            f"{_splits_text(shape.what)} at {shape.shape} {_size_text(shape.decoded_bytes)} decoded, "
            f"{_size_text(shape.encoded_bytes)} encoded"
            for shape in self.shapes
        )
        return (
            f"the disc of --cache-dir {self.folder} has {_size_text(self.free_bytes)} free, and the images that are to "
            f"be made ready take {_size_text(self.num_bytes)} ({each}): name a folder on another disc with "
            "--cache-dir, make room (--gc says what no study needs), or keep less: --image-cache encoded packs them "
            "as they are published, and --image-cache files keeps none and decodes the data set's own files each time"
        )


def cache_room(configs: Iterable[TrainingConfig], runtime: Runtime) -> CacheRoom:
    """Say what the data of configs still take of this machine's cache.

    Args:
        configs: that will be trained or measured.
        runtime: of this machine.

    Raises:
        ValueError: a data set is not there.
    """
    by_shape: dict[tuple[str, str], list[CacheNeed]] = {}
    for config in dict.fromkeys(map(without_seed, configs)):
        trainable = config.make_trainable()
        if isinstance(trainable, KeepsImages):
            for need in trainable.cache_needs(config, runtime):
                by_shape.setdefault((need.shape, need.image_cache), []).append(need)
    place = Path(runtime.cache_dir)
    there = next(folder for folder in (place, *place.parents) if folder.exists())
    free_bytes = shutil.disk_usage(there).free
    shapes: list[KeptShape] = []
    left_bytes = free_bytes - SPARE_BYTES
    for needs in by_shape.values():
        shape = _kept(needs, left_bytes)
        left_bytes -= shape.num_bytes
        shapes.append(shape)
    return CacheRoom(tuple(shapes), runtime.cache_dir, free_bytes)


def refuse_small_disc(configs: Iterable[TrainingConfig], runtime: Runtime) -> None:
    """Refuse what this machine's cache has no room for, before anything is decoded or a GPU is taken.

    Raises:
        ValueError: sizes, and what to do.
    """
    if why := cache_room(configs, runtime).why_too_little():
        raise ValueError(why)


def _kept(needs: list[CacheNeed], left_bytes: int) -> KeptShape:
    """Add up the needs of one shape, equal images once, and say how they will be kept."""
    items, first = np.unique(np.concatenate([need.items for need in needs]), return_index=True)
    item_bytes = np.concatenate([need.item_bytes for need in needs])[first]
    encoded_bytes = int(np.concatenate([need.encoded_item_bytes for need in needs])[first].sum())
    item_s = np.concatenate([np.full(len(need.items), need.item_s) for need in needs])[first]
    kept = needs[0].image_cache
    decoded_bytes = int(item_bytes.sum())
    if kept == "auto":
        has_room = decoded_bytes <= left_bytes or encoded_bytes > left_bytes
        kept = "decoded" if has_room else "encoded"
    return KeptShape(
        shape=needs[0].shape,
        what=tuple(dict.fromkeys(need.what for need in needs)),
        num_items=len(items),
        decoded_bytes=decoded_bytes,
        encoded_bytes=encoded_bytes,
        core_s=float(item_s.sum()),
        is_exact=all(need.is_exact for need in needs),
        image_cache=kept,
    )


def _splits_text(what: Iterable[str]) -> str:
    """Name each data set once, with its splits."""
    splits_of: dict[str, list[str]] = {}
    for one in what:
        label, _, split = one.removesuffix(")").rpartition(" (")
        splits_of.setdefault(label, []).append(split)
    return ", ".join(f"{label} ({', '.join(splits)})" for label, splits in splits_of.items())


def _duration_text(seconds: float) -> str:
    if seconds < 1:
        return "a second"
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _size_text(size_bytes: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if size_bytes >= size:
            return f"{size_bytes / size:,.1f} {unit}"
    return f"{size_bytes / 1e3:.0f} kB"
