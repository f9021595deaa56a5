"""The images of a split with one shorter side and their own aspect ratios, and square crops of them.

They are decoded and resized once, one behind the other in one memory-mapped array that all trainings of a node
share: at 512 px CUB-200-2011 takes 12 GB, Stanford Cars 17 GB. A split that would take more than
`MAX_ARRAY_BYTES`, as iNaturalist-2017 with its 700 GB, is decoded anew each time an image is needed, by as many
threads as the training has cores. Both give the same pixels, so that nothing of this is in a config.

Legend: N images of a split, B of a batch, H W height and width of an image, C colours.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from tablewright.trainables.data.cached_array import build_array_once, locked
from tablewright.trainables.data.fine_grained import FineGrainedDataset
from tablewright.trainables.data.image_reading import refuse_unreadable, unreadable_of
from tablewright.trainables.value.cpus import num_cpus

MAX_ARRAY_BYTES = 64 * 2**30
CENTRE = 0.5
"""Place of a crop in the middle; see `ResizedImages.crops`."""


class ResizedImages(Protocol):
    """The images of a split, in the order of its records."""

    def __len__(self) -> int:
        """Count them."""
        ...

    def crops(self, indices_B: np.ndarray, places_B2: np.ndarray, crop_px: int) -> np.ndarray:
        """Cut a square out of each of some images.

        Args:
            indices_B: which.
            places_B2: where, down and to the right: 0 is the first possible place, `CENTRE` the middle, below 1.
            crop_px: side of the square.

        Returns:
            uint8 (B, crop_px, crop_px, C).
        """
        ...


def open_resized(
    dataset: FineGrainedDataset,
    split: str,
    shorter_side_px: int,
    cache_dir: str,
    max_array_bytes: int = MAX_ARRAY_BYTES,
) -> ResizedImages:
    """Open the images of a split, decoding all of them on first use; safe from several processes at once.

    Args:
        dataset: whose images.
        split: one of the data set's.
        shorter_side_px: of the resized images.
        cache_dir: of this machine.
        max_array_bytes: a split that would take more, if its images were 4:3, is decoded anew each time.

    Raises:
        ValueError: every image that cannot be decoded, told at once.
        OSError: there is no room, with the path and the bytes needed.
    """
    names = dataset.splits[split].names
    key = dataset.split_fingerprints[split][:24]
    path = Path(cache_dir) / "images" / f"{split}-shorter{shorter_side_px}-{key}.npy"
    if len(names) * shorter_side_px**2 * 3 * 4 / 3 > max_array_bytes:
        _verify_once(dataset, names, path.with_suffix(".verified"))
        return _DecodedEachTime(dataset, names, shorter_side_px)
    sizes_N2 = _read_sizes(dataset, names, shorter_side_px, path)
    ends_N = np.cumsum(sizes_N2.prod(1) * 3)

    def fill(pixels: np.ndarray) -> None:
        def decode(place: int) -> None:
            image_HWC = _decode(dataset, names[place], shorter_side_px)
            pixels[ends_N[place] - image_HWC.size : ends_N[place]] = image_HWC.reshape(-1)

        refuse_unreadable(unreadable_of(names, decode, f"decoding {dataset.label} ({split})"))

    return _InMemoryMap(build_array_once(path, (int(ends_N[-1]),), fill), sizes_N2, ends_N)


def verify_and_resize(dataset: FineGrainedDataset, shorter_side_px: int, cache_dir: str) -> None:
    """Decode all images of all splits, so that nothing can be unreadable later.

    Raises:
        ValueError: every image of the data set that cannot be decoded, told at once.
        OSError: there is no room.
    """
    faults: list[str] = []
    for split in dataset.splits:
        try:
            open_resized(dataset, split, shorter_side_px, cache_dir)
        except ValueError as error:
            faults.append(str(error))
    if faults:
        raise ValueError("\n".join(faults))


def resized_size(height_px: int, width_px: int, shorter_side_px: int) -> tuple[int, int]:
    """Give height and width with the given shorter side; the longer one is rounded to whole pixels."""
    shorter, longer = min(height_px, width_px), max(height_px, width_px)
    longer_px = (longer * shorter_side_px + shorter // 2) // shorter
    return (shorter_side_px, longer_px) if height_px <= width_px else (longer_px, shorter_side_px)


class _InMemoryMap:
    """Images one behind the other in one array."""

    def __init__(self, pixels: np.ndarray, sizes_N2: np.ndarray, ends_N: np.ndarray) -> None:
        self._pixels, self._sizes_N2, self._ends_N = pixels, sizes_N2, ends_N

    def __len__(self) -> int:
        return len(self._sizes_N2)

    def crops(self, indices_B: np.ndarray, places_B2: np.ndarray, crop_px: int) -> np.ndarray:
        crops_BHWC = np.empty((len(indices_B), crop_px, crop_px, 3), np.uint8)
        for crop_HWC, index, place in zip(crops_BHWC, indices_B, places_B2, strict=True):
            height, width = self._sizes_N2[index].tolist()
            end = int(self._ends_N[index])
            image_HWC = self._pixels[end - height * width * 3 : end].reshape(height, width, 3)
            crop_HWC[:] = _cut(image_HWC, place, crop_px)
        return crops_BHWC


class _DecodedEachTime:
    """Images in their files."""

    def __init__(self, dataset: FineGrainedDataset, names: Sequence[str], shorter_side_px: int) -> None:
        self._dataset, self._names, self._shorter_side_px = dataset, names, shorter_side_px
        self._threads = ThreadPoolExecutor(num_cpus(), thread_name_prefix="decode")

    def __len__(self) -> int:
        return len(self._names)

    def crops(self, indices_B: np.ndarray, places_B2: np.ndarray, crop_px: int) -> np.ndarray:
        def crop(index: int, place: np.ndarray) -> np.ndarray:
            return _cut(_decode(self._dataset, self._names[index], self._shorter_side_px), place, crop_px)

        return np.stack(list(self._threads.map(crop, indices_B, places_B2)))


def _cut(image_HWC: np.ndarray, place: np.ndarray, crop_px: int) -> np.ndarray:
    top, left = (int(place[axis] * (image_HWC.shape[axis] - crop_px + 1)) for axis in (0, 1))
    return image_HWC[top : top + crop_px, left : left + crop_px]


def _decode(dataset: FineGrainedDataset, name: str, shorter_side_px: int) -> np.ndarray:
    with dataset.open_image(name) as image:
        height, width = resized_size(image.height, image.width, shorter_side_px)
        return np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.BICUBIC))


def _read_sizes(
    dataset: FineGrainedDataset, names: Sequence[str], shorter_side_px: int, path: Path
) -> np.ndarray:
    """Give height and width of each resized image, int64 (N, 2), from the files' heads on first use."""
    kept = path.with_suffix(".sizes.npy")
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        sizes_N2 = np.zeros((len(names), 2), np.int64)

        def read(place: int) -> None:
            with dataset.open_image(names[place]) as image:
                sizes_N2[place] = resized_size(image.height, image.width, shorter_side_px)

        what = f"{dataset.label} ({path.name.partition('-')[0]})"
        if any(unreadable_of(names, read, f"reading sizes of {what}")):
            # Images with a sound head may be damaged behind it: they are to be told as well.
            refuse_unreadable(
                unreadable_of(
                    names, lambda place: _decode(dataset, names[place], shorter_side_px), f"decoding {what}"
                )
            )
        aside = kept.with_suffix(f".{os.getpid()}-{threading.get_ident()}.part")
        with aside.open("wb") as file:
            np.save(file, sizes_N2)
        aside.replace(kept)  # whoever else read them read the same
    return np.load(kept)


def _verify_once(dataset: FineGrainedDataset, names: Sequence[str], marker: Path) -> None:
    """Decode every image, unless that was done on this machine before."""
    if not marker.exists():
        marker.parent.mkdir(parents=True, exist_ok=True)

        def decode(place: int) -> None:
            with dataset.open_image(names[place]) as image:
                image.load()

        with locked(marker.with_suffix(".lock")):
            if not marker.exists():
                refuse_unreadable(unreadable_of(names, decode, f"decoding {dataset.label}, to verify it"))
                marker.touch()
