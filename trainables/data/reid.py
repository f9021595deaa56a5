"""Person re-identification data: what a config says of it, and the data sets that are known.

Each data set has these splits: `train`; `query` and `gallery` for tables; `val_query` and `val_gallery` for
searches. The published data sets have no identities for validation, so a tenth of the training identities
plays them, and a training whose search looks at them must leave them out: `train_split="train_without_val"`.
The demo set has validation people of its own, whom no training ever sees.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from trainables.contract import DatasetFacts, FrozenModel, Split
from trainables.data.embedded import unpack_demo
from trainables.data.market_layout import JUNK_PID, ImageRecord, fingerprint_of, read_folders

DatasetName = Literal["market1501", "dukemtmc", "demo_pedestrians", "real_pedestrians"]
TrainSplit = Literal["train", "train_without_val"]

VAL_SHARE = 0.1
MIN_VAL_IDENTITIES = 2
VAL_SEED = 1501  # which identities are held out; fixed for ever, as it is part of what a split means


class RandomErasing(FrozenModel):
    """Fill a rectangle with the data's mean colour (Zhong et al., AAAI 2020; torchvision's ranges).

    Attributes:
        probability: that an image is erased.
        min_area: share of the image.
        max_area: share of the image.
        max_aspect: height over width lies between its inverse and it, on a logarithmic scale.
    """

    probability: float = 0.5
    min_area: float = 0.02
    max_area: float = 0.33
    max_aspect: float = 10 / 3


class RandomPatch(FrozenModel):
    """Paste a piece of an earlier image (fast-reid's RandomPatch; MDPR keeps a pool of 1,000).

    Attributes:
        probability: that an image gets a patch.
        pool_size: patches kept; the oldest goes first.
        min_pool_size: nothing is pasted before the pool holds as many.
        min_area: share of the image.
        max_area: share of the image.
        max_aspect: height over width lies between its inverse and it, on a linear scale.
        flip_probability: that a patch is mirrored.
    """

    probability: float = 0.5
    pool_size: int = 1000
    min_pool_size: int = 100
    min_area: float = 0.01
    max_area: float = 0.5
    max_aspect: float = 10.0
    flip_probability: float = 0.5


class Augmentation(FrozenModel):
    """What happens to a training image, in this order; None is off.

    Attributes:
        pad_crop_px: zeros added on every side before a random crop back to size.
        flip_probability: of mirroring left and right; 0 is off.
        erasing: random erasing.
        patch: random patch.
    """

    pad_crop_px: int | None = 10
    flip_probability: float = 0.5
    erasing: RandomErasing | None = RandomErasing()
    patch: RandomPatch | None = RandomPatch()


class ReidData(FrozenModel):
    """Which images a training sees, and how they come in batches.

    Attributes:
        dataset: name of the data set.
        train_split: all training identities, or those that a search does not look at.
        height_px: images are resized to it, the aspect ratio is not kept.
        width_px: likewise.
        num_identities: identities in the batch of one rank.
        num_instances: images of each.
        num_ranks: batches that make one step; each has its own normalisation statistics and its own
            mining, as on as many GPUs. They run one after another.
        augmentation: of training images.
    """

    dataset: DatasetName
    train_split: TrainSplit = "train"
    height_px: int = Field(default=384, ge=1)
    width_px: int = Field(default=192, ge=1)
    num_identities: int = Field(default=4, ge=2)
    num_instances: int = Field(default=16, ge=2)
    num_ranks: int = Field(default=1, ge=1)
    augmentation: Augmentation = Augmentation()

    def check_split(self, split: Split) -> None:
        """Refuse to validate on people that the training sees.

        Raises:
            ValueError: says what to set.
        """
        if split == "val" and self.train_split == "train" and not _SOURCES[self.dataset].has_val:
            raise ValueError(
                f"a view of the val split measures on people that data.train_split='train' trains on; set "
                f"data.train_split to 'train_without_val' for {self.dataset}"
            )


@dataclass(frozen=True)
class _Source:
    """Where a data set lies and what its publisher counted."""

    label: str
    folders: tuple[str, ...]
    published: Mapping[str, int]
    is_demo: bool = False
    has_val: bool = False


_SOURCES: Mapping[str, _Source] = {
    "market1501": _Source(
        "Market-1501",
        ("Market-1501-v15.09.15", "Market-1501", "market1501"),
        # Zheng et al., ICCV 2015; the gallery without its 3,819 junk images.
        {"train identities": 751, "train": 12_936, "query": 3_368, "gallery": 15_913, "junk": 3_819},
    ),
    "dukemtmc": _Source(
        "DukeMTMC-reID",
        ("DukeMTMC-reID", "dukemtmc-reid", "dukemtmc"),
        # Zheng et al., ICCV 2017.
        {"train identities": 702, "train": 16_522, "query": 2_228, "gallery": 17_661, "junk": 0},
    ),
    "demo_pedestrians": _Source("Demo pedestrians", (), {}, is_demo=True, has_val=True),
    "real_pedestrians": _Source("Real pedestrians", ("real_pedestrians",), {}),
}

_MARKET_FOLDERS = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}
_DEMO_FOLDERS = {**_MARKET_FOLDERS, "val_query": "val_query", "val_gallery": "val_gallery"}


@dataclass(frozen=True)
class ReidDataset:
    """A data set that was found: the names of its images, none of them opened.

    Attributes:
        name: as configs name it.
        label: as papers print it.
        is_demo: numbers on it are comparable with no paper.
        fingerprint: SHA-256 over names and sizes.
        warnings: where it differs from the published one.
        num_junk: gallery images without an identity; they are in no split.
        splits: `train`, `train_without_val`, `val_query`, `val_gallery`, `query`, `gallery`.
    """

    name: str
    label: str
    is_demo: bool
    fingerprint: str
    warnings: tuple[str, ...]
    num_junk: int
    splits: Mapping[str, tuple[ImageRecord, ...]]

    def train_labels(self, train_split: TrainSplit) -> dict[int, int]:
        """Number the training identities from 0 on, in their order."""
        pids = sorted({record.pid for record in self.splits[train_split]})
        return {pid: label for label, pid in enumerate(pids)}

    def facts(self) -> DatasetFacts:
        """What plans and captions need."""
        num_images = {split: len(records) for split, records in self.splits.items()} | {"junk": self.num_junk}
        return DatasetFacts(self.name, self.label, self.fingerprint, self.is_demo, num_images, self.warnings)


def load_dataset(name: str, data_root: str | None, cache_dir: str) -> ReidDataset:
    """Find a data set and parse its names.

    Args:
        name: one of `DatasetName`.
        data_root: folder that holds the published data sets; the embedded one needs none.
        cache_dir: where the embedded one is unpacked.

    Raises:
        ValueError: names the folders expected and those found.
    """
    return _load(name, _find(name, data_root, cache_dir))


def _find(name: str, data_root: str | None, cache_dir: str) -> Path:
    source = _SOURCES[name]
    if source.is_demo:
        return unpack_demo(cache_dir)
    if data_root is None:
        raise ValueError(
            f"{source.label} is not embedded; name the folder that holds {source.folders[0]}/ "
            "with --data-root"
        )
    root = Path(data_root)
    if not root.is_dir():
        raise ValueError(f"the data root {root} is no folder; it must hold {source.folders[0]}/")
    for folder in source.folders:
        if (root / folder).is_dir():
            return root / folder
    found = ", ".join(sorted(path.name + "/" for path in root.iterdir() if path.is_dir())) or "no folder"
    expected = " or ".join(f"{folder}/" for folder in source.folders)
    raise ValueError(
        f"{source.label} is not under the data root {root}: expected {expected} "
        f"with {', '.join(_MARKET_FOLDERS.values())} inside; found {found}"
    )


@functools.lru_cache(maxsize=16)  # a plan asks for the same data set once a config
def _load(name: str, root: Path) -> ReidDataset:
    source = _SOURCES[name]
    folders = _DEMO_FOLDERS if source.has_val else _MARKET_FOLDERS
    by_folder = read_folders(root, tuple(folders.values()))
    read = {split: by_folder[folder] for split, folder in folders.items()}
    gallery = tuple(record for record in read["gallery"] if record.pid != JUNK_PID)
    num_junk = len(read["gallery"]) - len(gallery)
    if source.has_val:
        validation = {
            "train_without_val": read["train"],
            "val_query": read["val_query"],
            "val_gallery": read["val_gallery"],
        }
    else:
        validation = _hold_out(read["train"])
    splits = {"train": read["train"], **validation, "query": read["query"], "gallery": gallery}
    return ReidDataset(
        name,
        source.label,
        source.is_demo,
        fingerprint_of(by_folder),
        _count_warnings(source, splits, num_junk),
        num_junk,
        splits,
    )


def _hold_out(train: Sequence[ImageRecord]) -> dict[str, tuple[ImageRecord, ...]]:
    """Take a tenth of the identities out; the first image of each camera of each is a query."""
    pids = sorted({record.pid for record in train})
    num_held_out = max(MIN_VAL_IDENTITIES, round(VAL_SHARE * len(pids)))
    held_out = set(np.random.default_rng(VAL_SEED).permutation(pids)[:num_held_out].tolist())
    query: dict[tuple[int, int], ImageRecord] = {}
    for record in train:
        if record.pid in held_out:
            query.setdefault((record.pid, record.camid), record)
    queries = set(query.values())
    return {
        "train_without_val": tuple(record for record in train if record.pid not in held_out),
        "val_query": tuple(query.values()),
        "val_gallery": tuple(record for record in train if record.pid in held_out and record not in queries),
    }


def _count_warnings(
    source: _Source, splits: Mapping[str, Sequence[ImageRecord]], num_junk: int
) -> tuple[str, ...]:
    found = {split: len(splits[split]) for split in ("train", "query", "gallery")}
    found |= {"train identities": len({record.pid for record in splits["train"]}), "junk": num_junk}
    return tuple(
        f"{source.label} has {found[what]:,} {what} here, {number:,} as published"
        for what, number in source.published.items()
        if found[what] != number
    )
