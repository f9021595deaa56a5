"""Re-identification data sets: what a config says of them, and what is found on disk.

Published sizes: Market-1501 as in Zheng et al., ICCV 2015; DukeMTMC-reID as in Zheng et al., ICCV 2017; CUHK03 as in
its index files (Zhong et al., CVPR 2017); SynergyReID as in its challenge's README; MSMT17 as in Wei et al., CVPR 2018.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from PIL import Image
from pydantic import Field, model_validator

from tablewright.trainables.contract.data import DatasetFacts
from tablewright.trainables.contract.view import Split
from tablewright.trainables.data.cuhk03 import NUM_FOLDS, Boxes, read_cuhk03
from tablewright.trainables.data.dataset_index import MIN_IMAGES, DatasetIndex, IndexFile
from tablewright.trainables.data.embedded import unpack_demo_archive
from tablewright.trainables.data.labelled_images import ImageFiles, find_root, fingerprint_of
from tablewright.trainables.data.market_layout import (
    CUHK03_NP_FILE_NAME,
    DISTRACTORS,
    DUKE_FILE_NAME,
    GALLERY,
    HAND_DRAWN,
    MARKET_FILE_NAME,
    QUERY,
    TRAIN,
    read_layout,
)
from tablewright.trainables.data.msmt17 import read_msmt17
from tablewright.trainables.data.name_table import NameTable
from tablewright.trainables.data.own_folder import name_of
from tablewright.trainables.data.reid_folder import ReidFolder
from tablewright.trainables.data.reid_images import FoundImages, ImageRecord, ImageRecords
from tablewright.trainables.data.synergyreid import read_synergyreid
from tablewright.trainables.value.frozen_model import FrozenModel

DatasetName = Literal[
    "market1501",
    "market1501_500k",
    "dukemtmc",
    "cuhk03_labelled",
    "cuhk03_detected",
    "cuhk03_classic_labelled",
    "cuhk03_classic_detected",
    "synergyreid",
    "msmt17",
    "demo_pedestrians",
    "real_pedestrians",
]
TrainSplit = Literal["train", "train_without_val"]

TRAINS_LIKE: Mapping[DatasetName, DatasetName] = MappingProxyType({"market1501_500k": "market1501"})
"""Data sets that differ from another one by images that are only measured on."""

VAL_FRACTION = 0.1
MIN_VAL_PIDS = 2
VAL_PERMUTATION_SEED = 1501
"""Fixed for good: another seed would hold out other people under the same config."""


def _require_order(min_area: float, max_area: float, min_aspect: float, max_aspect: float) -> None:
    if min_area > max_area or min_aspect > max_aspect:
        raise ValueError(
            f"a range runs from low to high, got area {min_area} to {max_area}, aspect {min_aspect} to {max_aspect}"
        )


class RandomErasing(FrozenModel):
    """A rectangle painted in the mean colour (Zhong et al., AAAI 2020); torchvision's ranges.

    Attributes:
        probability: that an image is erased.
        min_area: smallest part of the image.
        max_area: largest part of the image.
        min_aspect: smallest height by width.
        max_aspect: largest height by width; drawn uniformly in the logarithm.
    """

    probability: float = Field(default=0.5, gt=0, le=1)
    min_area: float = Field(default=0.02, gt=0, lt=1)
    max_area: float = Field(default=0.33, gt=0, lt=1)
    min_aspect: float = Field(default=0.3, gt=0)
    max_aspect: float = Field(default=3.3, gt=0)

    @model_validator(mode="after")
    def _order_ranges(self) -> RandomErasing:
        _require_order(self.min_area, self.max_area, self.min_aspect, self.max_aspect)
        return self


class RandomPatch(FrozenModel):
    """A piece of another image pasted in (Zhou et al., OSNet, ICCV 2019), from a pool of pieces.

    Attributes:
        probability: that an image receives a patch, once the pool is large enough.
        pool_size: newest patches kept; MDPR keeps 1,000.
        min_pool_size: nothing is pasted from a smaller pool.
        min_area: smallest part of the image that a patch covers.
        max_area: largest part.
        min_aspect: smallest height by width.
        max_aspect: largest height by width; drawn uniformly.
        flip_probability: that a patch is mirrored when pasted.
    """

    probability: float = Field(default=0.5, gt=0, le=1)
    pool_size: int = Field(default=1000, ge=1)
    min_pool_size: int = Field(default=100, ge=1)
    min_area: float = Field(default=0.01, gt=0, lt=1)
    max_area: float = Field(default=0.5, gt=0, lt=1)
    min_aspect: float = Field(default=0.1, gt=0)
    max_aspect: float = Field(default=10.0, gt=0)
    flip_probability: float = Field(default=0.5, ge=0, le=1)

    @model_validator(mode="after")
    def _order_ranges(self) -> RandomPatch:
        _require_order(self.min_area, self.max_area, self.min_aspect, self.max_aspect)
        if self.min_pool_size > self.pool_size:
            raise ValueError(f"min_pool_size {self.min_pool_size} is above pool_size {self.pool_size}")
        return self


class ScaleCrop(FrozenModel):
    """A random rectangle of the image, resized back to the image's size.

    Attributes:
        min_area: smallest part of the image.
        max_area: largest part of the image.
        min_aspect: smallest height by width, in pixels.
        max_aspect: largest height by width; drawn uniformly in the logarithm.
    """

    min_area: float = Field(default=0.64, gt=0, le=1)
    max_area: float = Field(default=1.0, gt=0, le=1)
    min_aspect: float = Field(default=2.0, gt=0)
    max_aspect: float = Field(default=3.0, gt=0)

    @model_validator(mode="after")
    def _order_ranges(self) -> ScaleCrop:
        _require_order(self.min_area, self.max_area, self.min_aspect, self.max_aspect)
        return self


class EnlargeCrop(FrozenModel):
    """The image enlarged and cropped back at a random place (torchreid's random crop).

    Attributes:
        probability: that an image is enlarged; otherwise it stays as it is.
        factor: of height and width.
    """

    probability: float = Field(default=0.5, gt=0, le=1)
    factor: float = Field(default=1.125, gt=1)


class Augmentation(FrozenModel):
    """What is done to an image in training, in the order of the fields; None switches one off.

    Attributes:
        pad_crop_px: black border added on all sides before cropping back at a random place.
        scale_crop: a random rectangle in place of the image.
        enlarge_crop: a part of the enlarged image; of these three, one at most.
        flip_probability: of mirroring left and right.
        erasing: random erasing.
        patch: random patch, after erasing, so that patches can hold erased area.
    """

    pad_crop_px: int | None = Field(default=10, ge=1)
    scale_crop: ScaleCrop | None = None
    enlarge_crop: EnlargeCrop | None = None
    flip_probability: float | None = Field(default=0.5, gt=0, le=1)
    erasing: RandomErasing | None = RandomErasing()
    patch: RandomPatch | None = RandomPatch()

    @model_validator(mode="after")
    def _crop_in_one_way(self) -> Augmentation:
        crops = [
            name for name in ("pad_crop_px", "scale_crop", "enlarge_crop") if getattr(self, name) is not None
        ]
        if len(crops) > 1:
            raise ValueError(
                f"an image is cropped in one way, got {' and '.join(crops)}; set the others to null"
            )
        return self


class ReidData(FrozenModel):
    """The images a training sees, and how they are drawn and changed.

    Attributes:
        dataset: name of a built-in data set, or a `ReidFolder` of one's own.
        train_split: `train` trains on everybody the data set gives for training, as papers do.
            `train_without_val` leaves out a tenth of these people (at least 2, always the same ones) to
            measure on as `val`, so it is what searches use. The demo set brings `val` people of its own
            in any case, therefore `train` is the only spelling there.
        fold: which of the 20 published splits, of CUHK03's classic protocol; other data sets have one.
        height_px: images are resized to it by bicubic interpolation, whatever their aspect ratio.
        width_px: likewise.
        sampling: `identities` draws so many people and so many images of each, until an epoch has as many images as
            the data set; `identities_once` likewise, until an epoch had every person once; `images` shuffles all
            images, for methods that compare no pairs.
        num_identities: different people in a batch of one rank; with `images` the images in it, whoever is on them.
        num_instances: images of each; 1 with `images`, and there alone.
        num_ranks: batches of one rank that make one optimisation step, one a device in the paper. Its 256 images
            are 4 ranks of 4 × 16; the default of one rank is for one device.
        augmentation: of the training images.
    """

    dataset: DatasetName | ReidFolder
    train_split: TrainSplit = "train"
    fold: int = Field(default=0, ge=0, lt=NUM_FOLDS)
    height_px: int = Field(default=384, ge=16)
    width_px: int = Field(default=192, ge=16)
    sampling: Literal["identities", "identities_once", "images"] = "identities"
    num_identities: int = Field(default=4, ge=2)
    num_instances: int = Field(default=16, ge=1)
    num_ranks: int = Field(default=1, ge=1)
    augmentation: Augmentation = Augmentation()

    @model_validator(mode="after")
    def _label_a_folder_as_itself(self) -> ReidData:
        if isinstance(self.dataset, ReidFolder):
            self.dataset.refuse_known(_SOURCES, [source.label for source in _SOURCES.values()])
        return self

    @model_validator(mode="after")
    def _spell_the_demo_split_in_one_way(self) -> ReidData:
        if self.dataset == "demo_pedestrians" and self.train_split != "train":
            raise ValueError(
                "data.train_split is 'train_without_val', but demo_pedestrians has val people outside of its "
                "train split; leave data.train_split at 'train', where 'val' can be measured too"
            )
        return self

    @model_validator(mode="after")
    def _fold_what_has_folds(self) -> ReidData:
        if self.fold and not self.dataset_name.startswith("cuhk03_classic"):
            raise ValueError(
                f"data.fold is {self.fold}, but {self.dataset_name} has one split; leave data.fold at 0, or set "
                "data.dataset to cuhk03_classic_labelled or cuhk03_classic_detected"
            )
        return self

    @model_validator(mode="after")
    def _spell_a_batch_in_one_way(self) -> ReidData:
        if self.sampling == "images" and self.num_instances != 1:
            raise ValueError(
                "with data.sampling 'images' nothing is drawn by people, and 8 x 4 and 16 x 2 would be one batch "
                f"under two names; got data.num_instances {self.num_instances}, set it to 1 and "
                "data.num_identities to the images of a batch"
            )
        if self.sampling != "images" and self.num_instances == 1:
            raise ValueError(
                f"data.sampling {self.sampling!r} draws several images of each person, got data.num_instances 1; "
                "set it to 2 or more, or data.sampling to 'images'"
            )
        return self

    @property
    def dataset_name(self) -> str:
        """Name of the data set, as records have it."""
        return name_of(self.dataset)

    def as_trained(self) -> ReidData:
        """Give the data set that has the same images to train on, no further ones to measure on, and no own label."""
        if isinstance(self.dataset, ReidFolder):
            dataset = self.dataset.without_label()
        else:
            dataset = TRAINS_LIKE.get(self.dataset, self.dataset)
        return self if dataset == self.dataset else self.model_copy(update={"dataset": dataset})

    @property
    def has_val(self) -> bool:
        """Whether people are left that a training under this config has not seen and that are not the test's."""
        return self.dataset == "demo_pedestrians" or self.train_split == "train_without_val"

    def require_split(self, split: Split) -> None:
        """Refuse to measure on people that this config trains on.

        Raises:
            ValueError: `val` under a config that trains on everybody.
        """
        if split == "val" and not self.has_val:
            raise _no_val(self.dataset_name)


_PUBLISHED_FOLDERS = MappingProxyType({"train": (TRAIN,), "query": (QUERY,), "gallery": (GALLERY,)})
_DEMO_FOLDERS = MappingProxyType(
    {**_PUBLISHED_FOLDERS, "val_query": ("val_query",), "val_gallery": ("val_gallery",)}
)


@dataclass(frozen=True)
class _Request:
    """Where a data set is looked for, and which part of it is wanted."""

    data_root: str | None
    cache_dir: str
    fold: int


def _read_folders(
    request: _Request,
    label: str,
    folder: str,
    file_name: re.Pattern[str],
    *,
    gallery: tuple[str, ...] = (GALLERY,),
    hand_drawn: str | None = None,
    how_to_get: str = "download it from its authors and unpack it there",
) -> FoundImages:
    """Read a data set that is laid out as Market-1501."""
    folders = {**_PUBLISHED_FOLDERS, "gallery": gallery}
    expected = [f"{name}/" for names in folders.values() for name in names]
    root = find_root(request.data_root, label, folder, expected, how_to_get)
    found = read_layout(root, folders, file_name, hand_drawn, DISTRACTORS)
    if hand_drawn is None or found.hand_drawn:
        return found
    lack = (
        f"{label} has no {hand_drawn}/, of which its multiple queries are made; the query and the gallery's images "
        "of the person under that camera stand for it"
    )
    return dataclasses.replace(found, warnings=(lack,))


def _read_market(request: _Request, gallery: tuple[str, ...] = (GALLERY,)) -> FoundImages:
    return _read_folders(
        request,
        "Market-1501",
        "Market-1501-v15.09.15",
        MARKET_FILE_NAME,
        gallery=gallery,
        hand_drawn=HAND_DRAWN,
    )


def _read_duke(request: _Request) -> FoundImages:
    return _read_folders(request, "DukeMTMC-reID", "DukeMTMC-reID", DUKE_FILE_NAME)


def _read_new_cuhk03(request: _Request, label: str, boxes: Boxes) -> FoundImages:
    """Read the 767/700 protocol: from CUHK03-NP where it is there, else from CUHK03 itself."""
    folder = f"cuhk03-np/{boxes}"
    if request.data_root is not None and (Path(request.data_root).expanduser() / folder).is_dir():
        return _read_folders(request, label, folder, CUHK03_NP_FILE_NAME)
    return read_cuhk03(request.data_root, boxes, None)


def _read_real(request: _Request) -> FoundImages:
    how_to_get = "run `make real`, which cuts the images from a video"
    return _read_folders(
        request, "PETS pedestrians", "real_pedestrians", MARKET_FILE_NAME, how_to_get=how_to_get
    )


def _read_demo(request: _Request) -> FoundImages:
    return read_layout(unpack_demo_archive(Path(request.cache_dir)), _DEMO_FOLDERS, MARKET_FILE_NAME)


@dataclass(frozen=True)
class _Source:
    """How a data set is read and what is published of it.

    Attributes:
        label: as papers print it.
        read: finds it.
        published_counts: of images by split, of people (`train pids`), of junk; see `_count`.
        is_demo: numbers on it are not comparable with any paper.
    """

    label: str
    read: Callable[[_Request], FoundImages]
    published_counts: Mapping[str, int]
    is_demo: bool = False


_SOURCES: Mapping[str, _Source] = MappingProxyType(
    {
        "market1501": _Source(
            "Market-1501",
            _read_market,
            # 19,732 images lie in the gallery's folder; 3,819 of them are junk.
            {"train pids": 751, "train": 12_936, "query": 3_368, "gallery": 15_913, "gallery junk": 3_819},
        ),
        "market1501_500k": _Source(
            "Market-1501+500k",
            lambda request: _read_market(request, (GALLERY, DISTRACTORS)),
            {"train pids": 751, "train": 12_936, "query": 3_368, "gallery": 515_913, "gallery junk": 3_819},
        ),
        "dukemtmc": _Source(
            "DukeMTMC-reID",
            _read_duke,
            {"train pids": 702, "train": 16_522, "query": 2_228, "gallery": 17_661, "gallery junk": 0},
        ),
        "cuhk03_labelled": _Source(
            "CUHK03 labelled",
            lambda request: _read_new_cuhk03(request, "CUHK03 labelled", "labeled"),
            {"train pids": 767, "query pids": 700, "train": 7_368, "query": 1_400, "gallery": 5_328},
        ),
        "cuhk03_detected": _Source(
            "CUHK03 detected",
            lambda request: _read_new_cuhk03(request, "CUHK03 detected", "detected"),
            {"train pids": 767, "query pids": 700, "train": 7_365, "query": 1_400, "gallery": 5_332},
        ),
        "cuhk03_classic_labelled": _Source(
            "CUHK03 labelled, 1367/100",
            lambda request: read_cuhk03(request.data_root, "labeled", request.fold),
            {"train pids": 1_367, "query pids": 100, "images": 14_096},
        ),
        "cuhk03_classic_detected": _Source(
            "CUHK03 detected, 1367/100",
            lambda request: read_cuhk03(request.data_root, "detected", request.fold),
            {"train pids": 1_367, "query pids": 100, "images": 14_097},
        ),
        "synergyreid": _Source(
            "SynergyReID",
            lambda request: read_synergyreid(request.data_root),
            {"train pids": 436, "query pids": 50, "train": 8_569, "query": 50, "gallery": 910},
        ),
        "msmt17": _Source(
            "MSMT17",
            lambda request: read_msmt17(request.data_root),
            {"train pids": 1_041, "query pids": 3_060, "train": 32_621, "query": 11_659, "gallery": 82_161},
        ),
        "real_pedestrians": _Source("PETS pedestrians", _read_real, {}, is_demo=True),
        "demo_pedestrians": _Source("Demo pedestrians", _read_demo, {"train pids": 60}, is_demo=True),
    }
)


@dataclass(frozen=True)
class ReidDataset:
    """A data set as it was found on disk. No pixel has been read.

    Attributes:
        name: as configs name it.
        label: as papers print it.
        is_demo: numbers on it are not comparable with any paper.
        open_image: gives the image of a record's path, not decoded yet.
        split_fingerprints: SHA-256 of each split: paths and sizes of its images, their people and cameras.
        earlier_fingerprints: see `FoundImages`.
        warnings: what differs from the published data set, one sentence each.
        splits: images of `train`, `query`, `gallery` and, where there are any, `val_query`, `val_gallery`; no junk.
            `multiple_query` and `val_multiple_query` where hand-drawn boxes are published.
    """

    name: str
    label: str
    is_demo: bool
    open_image: Callable[[str], Image.Image]
    split_fingerprints: Mapping[str, str]
    earlier_fingerprints: Mapping[str, tuple[str, ...]]
    warnings: tuple[str, ...]
    splits: Mapping[str, ImageRecords]

    @functools.cached_property
    def train_label_of(self) -> dict[int, int]:
        """Class index of each person in `train`: 0, 1, 2 … in the order of the pids."""
        pids = np.unique(self.splits["train"].pids_N).tolist()
        return {pid: label for label, pid in enumerate(pids)}

    def query_and_gallery(self, split: Split) -> tuple[str, str]:
        """Name the two splits of images that a view of `split` compares.

        Raises:
            ValueError: `val`, of a data set that was loaded with all its people in `train`.
        """
        names = ("query", "gallery") if split == "test" else ("val_query", "val_gallery")
        if names[0] not in self.splits:
            raise _no_val(self.name)
        return names

    def multiple_query(self, split: Split) -> str | None:
        """Name the images of which multiple queries are made, where the data set has some."""
        name = "multiple_query" if split == "test" else "val_multiple_query"
        return name if name in self.splits else None

    def facts(self) -> DatasetFacts:
        """Give what a plan and a caption need to know."""
        return DatasetFacts(
            name=self.name,
            label=self.label,
            fingerprint=self.split_fingerprints["train"],
            is_demo=self.is_demo,
            num_images={split: len(records) for split, records in self.splits.items()},
            warnings=self.warnings,
            split_fingerprints=self.split_fingerprints,
            earlier_fingerprints=self.earlier_fingerprints,
        )


def _source_of(dataset: str | ReidFolder) -> _Source:
    """Say how a data set is read.

    Raises:
        ValueError: there is none of this name.
    """
    if isinstance(dataset, ReidFolder):
        return _Source(dataset.label, lambda request: dataset.read(request.data_root), {})
    if dataset not in _SOURCES:
        raise ValueError(f"there is no data set {dataset!r}; there are {', '.join(_SOURCES)}")
    return _SOURCES[dataset]


def load_dataset(
    dataset: str | ReidFolder,
    data_root: str | None,
    cache_dir: str,
    *,
    train_split: TrainSplit = "train",
    fold: int = 0,
    looks_at_folders_alone: bool = False,
) -> ReidDataset:
    """Find a data set; reads names and lists, no pixel.

    Args:
        dataset: one of `DatasetName`, or a folder of one's own.
        data_root: folder that holds the folders of the data sets; not needed for the embedded demo set.
        cache_dir: where the embedded demo set is unpacked, once.
        train_split: which people stand in `train`; see `ReidData.train_split`.
        fold: see `ReidData.fold`.
        looks_at_folders_alone: see `files_read`.

    Raises:
        ValueError: an unknown name; files that are missing (names those expected and those found);
            all that is wrong in names and lists; too few people.
    """
    name, source = name_of(dataset), _source_of(dataset)
    asked = dataset if isinstance(dataset, str) else dataset.model_dump(mode="json")
    index = IndexFile(
        cache_dir, {"people": asked, "data_root": data_root, "train_split": train_split, "fold": fold}
    )
    if (kept := index.read(looks_at_folders_alone=looks_at_folders_alone)) is not None:
        return _from_index(kept)
    begun_at_s = time.time()
    found = source.read(_Request(data_root, cache_dir, fold))
    splits = dict(found.splits)
    counts = _count(found)
    warnings = [
        *found.warnings,
        *(
            f"{source.label} has {counts[what]} {what}, published are {published}"
            for what, published in source.published_counts.items()
            if counts[what] != published
        ),
    ]
    shared = {record.pid for record in splits["train"]} & {record.pid for record in splits["query"]}
    if shared:
        warnings.append(
            f"{source.label} has {len(shared)} people both in train and in query, such as {min(shared)}"
        )
    derived_from: dict[str, str] = {}
    if train_split == "train_without_val" and "val_query" not in splits:
        splits |= _hold_out_val(name, splits["train"], found.val_query_camid)
        derived_from |= {"val_query": "train", "val_gallery": "train"}
    for prefix in ("", "val_"):
        if f"{prefix}query" not in splits:
            continue
        if found.hand_drawn:
            splits[f"{prefix}multiple_query"] = _boxes_of(splits[f"{prefix}query"], found.hand_drawn)
            derived_from |= {"val_multiple_query": "multiple_query"} if prefix else {}
        warnings += _warnings_of_queries(
            source.label, splits[f"{prefix}query"], splits[f"{prefix}gallery"], f"{prefix}query"
        )
    loaded = ReidDataset(
        name,
        source.label,
        source.is_demo,
        found.open_image,
        {split: _fingerprint(records, found.sizes_bytes) for split, records in splits.items()},
        {
            earlier: (*covered, *(split for split, origin in derived_from.items() if origin in covered))
            for earlier, covered in found.earlier_fingerprints.items()
        },
        tuple(warnings),
        {split: ImageRecords.of(records) for split, records in splits.items()},
    )
    if found.read_from is not None and sum(map(len, splits.values())) >= MIN_IMAGES:
        index.keep(_facts_of(loaded), _arrays_of(loaded), found.read_from, begun_at_s=begun_at_s)
    return loaded


_IN_FACTS = ("name", "label", "is_demo", "split_fingerprints", "earlier_fingerprints", "warnings")


def _facts_of(dataset: ReidDataset) -> dict[str, Any]:
    return {field: getattr(dataset, field) for field in _IN_FACTS} | {"splits": [*dataset.splits]}


def _arrays_of(dataset: ReidDataset) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    for split, records in dataset.splits.items():
        arrays |= {f"{split}.letters": records.names.letters, f"{split}.ends": records.names.ends_N}
        arrays |= {f"{split}.pids": records.pids_N, f"{split}.camids": records.camids_N}
    return arrays


def _from_index(kept: DatasetIndex) -> ReidDataset:
    facts, arrays = dict(kept.facts), kept.arrays
    splits = {
        split: ImageRecords(
            NameTable(arrays[f"{split}.letters"], arrays[f"{split}.ends"]),
            arrays[f"{split}.pids"],
            arrays[f"{split}.camids"],
        )
        for split in facts.pop("splits")
    }
    facts["warnings"] = tuple(facts["warnings"])
    facts["earlier_fingerprints"] = {
        earlier: tuple(covered) for earlier, covered in facts["earlier_fingerprints"].items()
    }
    return ReidDataset(**facts, splits=splits, open_image=ImageFiles(kept.root))


def _fingerprint(records: Iterable[ImageRecord], sizes_bytes: Mapping[str, int]) -> str:
    return fingerprint_of(
        f"{record.path}\0{sizes_bytes[record.path]}\0{record.pid}\0{record.camid}" for record in records
    )


def _warnings_of_queries(
    label: str, query: Sequence[ImageRecord], gallery: Iterable[ImageRecord], split: str
) -> Iterator[str]:
    """Say how many queries nothing can be found for; a mean over the others is no mean over all."""
    seen = {(image.pid, image.camid) for image in gallery}
    cameras_of: dict[int, set[int]] = {}
    for pid, camid in seen:
        cameras_of.setdefault(pid, set()).add(camid)
    num_lost = sum(not cameras_of.get(image.pid, set()) - {image.camid} for image in query)
    if num_lost:
        yield (
            f"{label}: {num_lost} of {len(query)} images of {split} have no gallery image of their person under "
            "another camera, so that they are not measured"
        )


def published_num_pids(dataset: str | ReidFolder) -> tuple[int, str]:
    """Say how many people a data set is published to train on.

    Returns:
        The number, and whose it is where none is published of this data set: Market-1501's then.
    """
    own = _source_of(dataset).published_counts.get("train pids")
    if own is not None:
        return own, ""
    stand_in = _SOURCES["market1501"]
    number = stand_in.published_counts["train pids"]
    return number, f"{stand_in.label}'s {number} people"


def _count(found: FoundImages) -> dict[str, int]:
    """Count what is published of data sets."""
    counts = {split: len(records) for split, records in found.splits.items()}
    for split in ("train", "query"):
        counts[f"{split} pids"] = len({record.pid for record in found.splits[split]})
    counts["gallery junk"] = found.num_junk
    counts["images"] = len({record.path for records in found.splits.values() for record in records})
    return counts


def _boxes_of(queries: tuple[ImageRecord, ...], hand_drawn: Iterable[ImageRecord]) -> tuple[ImageRecord, ...]:
    """Choose the boxes of the queries' people under their cameras; a query that is none of them is added."""
    keys = {(query.pid, query.camid) for query in queries}
    boxes = [box for box in hand_drawn if (box.pid, box.camid) in keys]
    names = {Path(box.path).name for box in boxes}
    return (*boxes, *(query for query in queries if Path(query.path).name not in names))


def _hold_out_val(
    name: str, train: tuple[ImageRecord, ...], query_camid: int | None
) -> dict[str, tuple[ImageRecord, ...]]:
    """Move the last tenth of the people, in a fixed random order, from `train` to `val`.

    The first image of a person under each camera, by path, is a query; the other ones are the gallery,
    as in Market-1501's own test split. With `query_camid`, images of other cameras are no queries.
    """
    pids = sorted({record.pid for record in train})
    num_val = max(MIN_VAL_PIDS, round(VAL_FRACTION * len(pids)))
    if len(pids) < num_val + 2:
        raise ValueError(
            f"{name} has {len(pids)} people to train on; holding {num_val} of them out for 'val' leaves fewer than "
            "the 2 that a batch needs. Use a larger data set or data.train_split 'train'"
        )
    order = np.random.Generator(np.random.PCG64(VAL_PERMUTATION_SEED)).permutation(len(pids))
    held_out = {pids[index] for index in order[-num_val:]}
    query: list[ImageRecord] = []
    gallery: list[ImageRecord] = []
    seen: set[tuple[int, int]] = set()
    for record in train:
        if record.pid not in held_out:
            continue
        first = (record.pid, record.camid) not in seen and query_camid in (None, record.camid)
        seen.add((record.pid, record.camid))
        (query if first else gallery).append(record)
    return {
        "train": tuple(record for record in train if record.pid not in held_out),
        "val_query": tuple(query),
        "val_gallery": tuple(gallery),
    }


def _no_val(name: str) -> ValueError:
    return ValueError(
        f"split 'val' of {name} cannot be measured: data.train_split is 'train', which trains on these people too. "
        "Set data.train_split to 'train_without_val'"
    )
