"""Data sets of fine-grained recognition: what a config says of them, and what is found on disk.

Published sizes: Zheng et al., Looking for the Devil in the Details, CVPR 2019, Table 1, for the first three;
arXiv:1708.07747 for Fashion-MNIST.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from PIL import Image
from pydantic import Field, model_validator

from tablewright.trainables.contract.data import DatasetFacts
from tablewright.trainables.contract.view import Split
from tablewright.trainables.data.cars196 import read_cars196
from tablewright.trainables.data.cub200 import read_cub200
from tablewright.trainables.data.dataset_index import MIN_IMAGES, DatasetIndex, IndexFile
from tablewright.trainables.data.demo_details.dataset import read_demo_details
from tablewright.trainables.data.fashion_mnist import read_fashion_mnist
from tablewright.trainables.data.image_folder import ImageFolder
from tablewright.trainables.data.inat2017 import read_inat2017
from tablewright.trainables.data.labelled_images import (
    FoundImages,
    ImageFiles,
    LabelledImages,
    fingerprint_of,
    fingerprint_of_sorted,
    some,
)
from tablewright.trainables.data.name_table import NameTable
from tablewright.trainables.data.own_folder import name_of
from tablewright.trainables.value.frozen_model import FrozenModel

DatasetName = Literal["cub200", "cars196", "inat2017", "fashion_mnist", "demo_details"]
TrainSplit = Literal["train", "train_without_val"]

VAL_FRACTION = 0.1
VAL_PERMUTATION_SEED = 2011
"""Fixed for good: another seed would hold out other images under the same config."""


class FineGrainedAugmentation(FrozenModel):
    """What is done to an image in training, in the order of the fields; None switches one off.

    The defaults are those of TASN's official training code.

    Attributes:
        random_crop: the crop lies anywhere in the resized image; if not, in its centre, as in a test.
        rotation_deg: largest angle to either side; corners that come from outside are white.
        flip_probability: of mirroring left and right.
        brightness: largest change of the factor that multiplies the image, from 1.
        contrast: the same of the factor between the image's mean grey and the image.
        saturation: the same of the factor between the grey image and the image. These three are done in an order
            drawn anew for each image.
        pca_noise: standard deviation of the noise along the principal axes of ImageNet's colours
            (Krizhevsky et al., NIPS 2012, Sec. 4.1), in units of their eigenvalues.
    """

    random_crop: bool = True
    rotation_deg: float | None = Field(default=30.0, gt=0, le=180)
    flip_probability: float | None = Field(default=0.5, gt=0, le=1)
    brightness: float | None = Field(default=0.4, gt=0, le=1)
    contrast: float | None = Field(default=0.4, gt=0, le=1)
    saturation: float | None = Field(default=0.4, gt=0, le=1)
    pca_noise: float | None = Field(default=0.1, gt=0)


class FineGrainedData(FrozenModel):
    """The images a training sees, and how they are drawn and changed.

    Attributes:
        dataset: name of a built-in data set, or an `ImageFolder` of one's own.
        train_split: `train` trains on all images the data set gives for training, as papers do.
            `train_without_val` leaves out a tenth of each class's (at least one, always the same ones) to
            measure on as `val`, so it is what searches use. The demo set brings `val` images of its own in any
            case, as a folder may, therefore `train` is the only spelling there.
        shorter_side_px: images are resized to it by bicubic interpolation, their aspect ratio kept.
        crop_px: side of the square that the network is given, cut out of the resized image: at a random
            place in training, in the centre for measuring.
        batch_size: images of an optimisation step.
        augmentation: of the training images.
    """

    dataset: DatasetName | ImageFolder
    train_split: TrainSplit = "train"
    shorter_side_px: int = Field(default=512, ge=16)
    crop_px: int = Field(default=512, ge=16)
    batch_size: int = Field(default=96, ge=2)
    augmentation: FineGrainedAugmentation = FineGrainedAugmentation()

    @model_validator(mode="after")
    def _label_a_folder_as_itself(self) -> FineGrainedData:
        if isinstance(self.dataset, ImageFolder):
            self.dataset.refuse_known(_SOURCES, [source.label for source in _SOURCES.values()])
        return self

    @model_validator(mode="after")
    def _check_parts_go_together(self) -> FineGrainedData:
        faults: list[str] = []
        if self.crop_px > self.shorter_side_px:
            faults.append(
                f"a crop of {self.crop_px} px does not fit in images whose shorter side has "
                f"{self.shorter_side_px} px; set data.shorter_side_px to data.crop_px or more"
            )
        if self._brings_val and self.train_split != "train":
            faults.append(
                f"data.train_split is 'train_without_val', but {self.dataset_name} has val images outside of its train "
                "split; leave data.train_split at 'train', where 'val' can be measured too"
            )
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @property
    def dataset_name(self) -> str:
        """Name of the data set, as records have it."""
        return name_of(self.dataset)

    def as_trained(self) -> FineGrainedData:
        """Give the same images without a label of one's own, which changes no weight."""
        if not isinstance(self.dataset, ImageFolder):
            return self
        return self.model_copy(update={"dataset": self.dataset.without_label()})

    @property
    def _brings_val(self) -> bool:
        if isinstance(self.dataset, ImageFolder):
            return self.dataset.val is not None
        return self.dataset == "demo_details"

    @property
    def has_val(self) -> bool:
        """Whether images are left that a training under this config has not seen and that are not the test's."""
        return self._brings_val or self.train_split == "train_without_val"

    def require_split(self, split: Split) -> None:
        """Refuse to measure on images that this config trains on.

        Raises:
            ValueError: `val` under a config that trains on every image.
        """
        if split == "val" and not self.has_val:
            raise ValueError(
                f"split 'val' of {self.dataset_name} cannot be measured: data.train_split is 'train', which trains on "
                "these images too. Set data.train_split to 'train_without_val'"
            )


@dataclass(frozen=True)
class _Source:
    """How a data set is read and what is published of it.

    Attributes:
        label: as papers print it.
        read: finds it below (data root, cache folder).
        published_counts: of `classes` and of images by split.
        is_demo: numbers on it are not comparable with the papers whose methods are trained here.
    """

    label: str
    read: Callable[[str | None, str], FoundImages]
    published_counts: Mapping[str, int]
    is_demo: bool = False


_SOURCES: Mapping[str, _Source] = MappingProxyType(
    {
        "cub200": _Source(
            "CUB-200-2011",
            lambda data_root, _: read_cub200(data_root),
            {"classes": 200, "train": 5_994, "test": 5_794},
        ),
        "cars196": _Source(
            "Stanford Cars",
            lambda data_root, _: read_cars196(data_root),
            {"classes": 196, "train": 8_144, "test": 8_041},
        ),
        "inat2017": _Source(
            "iNaturalist-2017",
            lambda data_root, _: read_inat2017(data_root),
            {"classes": 5_089, "train": 579_184, "test": 95_986},
        ),
        "fashion_mnist": _Source(
            "Fashion-MNIST",
            lambda data_root, _: read_fashion_mnist(data_root),
            {"classes": 10, "train": 60_000, "test": 10_000},
            is_demo=True,
        ),
        "demo_details": _Source(
            "Demo details",
            lambda _, cache_dir: read_demo_details(Path(cache_dir)),
            {},
            is_demo=True,
        ),
    }
)


@dataclass(frozen=True)
class FineGrainedDataset:
    """A data set as it was found on disk. No pixel has been decoded.

    Attributes:
        name: as configs name it.
        label: as papers print it.
        is_demo: numbers on it are not comparable with any paper.
        split_fingerprints: SHA-256 of each split: names and sizes of its images, and their classes.
        earlier_fingerprint: see `FoundImages`.
        warnings: what differs from the published data set, one sentence each.
        class_names: by label.
        splits: images of `train`, `test` and, where there are any, `val`, in the order of their names.
        open_image: see `FoundImages`.
    """

    name: str
    label: str
    is_demo: bool
    split_fingerprints: Mapping[str, str]
    earlier_fingerprint: str | None
    warnings: tuple[str, ...]
    class_names: tuple[str, ...]
    splits: Mapping[str, LabelledImages]
    open_image: Callable[[str], Image.Image]

    def facts(self) -> DatasetFacts:
        """Give what a plan and a caption need to know."""
        return DatasetFacts(
            name=self.name,
            label=self.label,
            fingerprint=self.split_fingerprints["train"],
            is_demo=self.is_demo,
            num_images={split: len(images) for split, images in self.splits.items()},
            warnings=self.warnings,
            split_fingerprints=self.split_fingerprints,
            earlier_fingerprints=(
                {} if self.earlier_fingerprint is None else {self.earlier_fingerprint: tuple(self.splits)}
            ),
        )


def _source_of(dataset: str | ImageFolder) -> _Source:
    """Say how a data set is read.

    Raises:
        ValueError: there is none of this name.
    """
    if isinstance(dataset, ImageFolder):
        return _Source(dataset.label, lambda data_root, _: dataset.read(data_root), {})
    if dataset not in _SOURCES:
        raise ValueError(f"there is no data set {dataset!r}; there are {', '.join(_SOURCES)}")
    return _SOURCES[dataset]


def load_fine_grained(
    dataset: str | ImageFolder,
    data_root: str | None,
    cache_dir: str,
    *,
    train_split: TrainSplit = "train",
    looks_at_folders_alone: bool = False,
) -> FineGrainedDataset:
    """Find a data set and read its lists.

    Args:
        dataset: one of `DatasetName`, or a folder of one's own.
        data_root: folder that holds the folders of the data sets; not needed for the demo set.
        cache_dir: where the demo set is drawn, once.
        train_split: which images stand in `train`; see `FineGrainedData.train_split`.
        looks_at_folders_alone: see `files_read`.

    Raises:
        ValueError: an unknown name; files that are missing (names those expected and those found); all that is
            wrong in the lists.
    """
    name, source = name_of(dataset), _source_of(dataset)
    asked = dataset if isinstance(dataset, str) else dataset.model_dump(mode="json")
    index = IndexFile(cache_dir, {"images": asked, "data_root": data_root, "train_split": train_split})
    if (kept := index.read(looks_at_folders_alone=looks_at_folders_alone)) is not None:
        return _from_index(kept)
    begun_at_s = time.time()
    found = source.read(data_root, cache_dir)
    counts = {"classes": len(found.class_names)}
    counts |= {split: len(images) for split, images in found.splits.items()}
    warnings = [
        f"{source.label} has {counts[what]} {what}, published are {published}"
        for what, published in source.published_counts.items()
        if counts[what] != published
    ]
    splits = {split: LabelledImages.of(images) for split, images in found.splits.items()}
    if train_split == "train_without_val" and "val" not in splits:
        splits |= _hold_out_val(name, splits["train"])
    for split in ("test", "val"):
        if split in splits and (lacking := _classes_without(splits[split], found.class_names)):
            warnings.append(
                f"{source.label}: {len(lacking)} of {len(found.class_names)} classes have no image in {split} and are "
                f"not measured ({some(lacking)})"
            )
    loaded = FineGrainedDataset(
        name,
        source.label,
        source.is_demo,
        {split: _fingerprint(images, found) for split, images in splits.items()},
        found.earlier_fingerprint,
        tuple(warnings),
        found.class_names,
        splits,
        found.open_image,
    )
    if found.read_from is not None and sum(map(len, splits.values())) >= MIN_IMAGES:
        index.keep(_facts_of(loaded), _arrays_of(loaded), found.read_from, begun_at_s=begun_at_s)
    return loaded


_IN_FACTS = (
    "name",
    "label",
    "is_demo",
    "split_fingerprints",
    "earlier_fingerprint",
    "warnings",
    "class_names",
)


def _facts_of(dataset: FineGrainedDataset) -> dict[str, Any]:
    return {field: getattr(dataset, field) for field in _IN_FACTS} | {"splits": [*dataset.splits]}


def _arrays_of(dataset: FineGrainedDataset) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    for split, images in dataset.splits.items():
        arrays |= {f"{split}.letters": images.names.letters, f"{split}.ends": images.names.ends_N}
        arrays[f"{split}.labels"] = images.labels_N
    return arrays


def _from_index(kept: DatasetIndex) -> FineGrainedDataset:
    facts, arrays = dict(kept.facts), kept.arrays
    splits = {
        split: LabelledImages(
            NameTable(arrays[f"{split}.letters"], arrays[f"{split}.ends"]), arrays[f"{split}.labels"]
        )
        for split in facts.pop("splits")
    }
    facts |= {field: tuple(facts[field]) for field in ("warnings", "class_names")}
    return FineGrainedDataset(**facts, splits=splits, open_image=ImageFiles(kept.root))


def _fingerprint(images: LabelledImages, found: FoundImages) -> str:
    """Identify a split; the number of classes is that of the network's outputs."""
    num_classes = f"{len(found.class_names)} classes"
    lines = (
        f"{name}\0{found.version_of(name)}\0{label}"
        for name, label in zip(images.names, images.labels_N.tolist(), strict=True)
    )
    if all(name < following for name, following in itertools.pairwise(images.names)):
        return fingerprint_of_sorted(lines, num_classes)
    return fingerprint_of([num_classes, *lines])


def _classes_without(images: LabelledImages, class_names: Sequence[str]) -> list[str]:
    """Name the classes that a split has no image of."""
    seen = set(np.unique(images.labels_N).tolist())
    return [name for label, name in enumerate(class_names) if label not in seen]


def published_num_classes(dataset: str | ImageFolder) -> tuple[int, str]:
    """Say how many classes a data set is published with.

    Returns:
        The number, and whose it is where none is published of this data set: CUB-200-2011's then.
    """
    own = _source_of(dataset).published_counts.get("classes")
    if own is not None:
        return own, ""
    stand_in = _SOURCES["cub200"]
    number = stand_in.published_counts["classes"]
    return number, f"{stand_in.label}'s {number} classes"


def _hold_out_val(name: str, train: LabelledImages) -> dict[str, LabelledImages]:
    """Move a tenth of each class, in a fixed random order, from `train` to `val`; at least one, never all."""
    by_label = np.argsort(train.labels_N, kind="stable")
    labels, starts = np.unique(train.labels_N[by_label], return_index=True)
    is_held_out_N = np.zeros(len(train), bool)
    for label, places in zip(labels.tolist(), np.split(by_label, starts[1:]), strict=True):
        num_val = min(max(1, round(VAL_FRACTION * len(places))), len(places) - 1)
        rng = np.random.Generator(np.random.PCG64([VAL_PERMUTATION_SEED, label]))
        is_held_out_N[places[rng.permutation(len(places))[:num_val]]] = True
    if not is_held_out_N.any():
        raise ValueError(
            f"{name} has one training image a class; nothing can be held out for 'val'. "
            "Set data.train_split to 'train'"
        )
    return {
        split: LabelledImages(train.names.chosen(places), train.labels_N[places])
        for split, places in (
            ("train", np.flatnonzero(~is_held_out_N)),
            ("val", np.flatnonzero(is_held_out_N)),
        )
    }
