"""The images of a split with one shorter side and their own aspect ratios, and square crops of them.

They are made ready once and mapped, as `prepared_images` says: at 512 px CUB-200-2011 takes 12 GB, Stanford Cars
17 GB. A split that would take more than `MAX_ARRAY_BYTES`, as iNaturalist-2017 with its 700 GB, is by itself decoded
out of its own files each time an image is needed.

Legend: N images of a split, B of a batch, H W height and width of an image, C colours.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from tablewright.trainables.contract.cache import ImageCache
from tablewright.trainables.data.fine_grained import FineGrainedDataset
from tablewright.trainables.data.image_contents import ImageList
from tablewright.trainables.data.image_shape import ShorterSide
from tablewright.trainables.data.prepared_images import MappedImages, PreparedImages, open_prepared, prepare
from tablewright.trainables.value.cpus import num_cpus

MAX_ARRAY_BYTES = 64 * 2**30
CENTRE = 0.5
"""Place of a crop in the middle; see `ResizedImages.crops`."""


class ResizedImages:
    """The images of a split, in the order of its records."""

    def __init__(self, images: PreparedImages) -> None:
        """Read nothing yet."""
        self._images = images
        self._threads: ThreadPoolExecutor | None = None

    def __len__(self) -> int:
        """Count them."""
        return len(self._images)

    def crops(self, indices_B: np.ndarray, places_B2: np.ndarray, crop_px: int) -> np.ndarray:
        """Cut a square out of each of some images.

        Args:
            indices_B: which.
            places_B2: where, down and to the right: 0 is the first possible place, `CENTRE` the middle, below 1.
            crop_px: side of the square.

        Returns:
            uint8 (B, crop_px, crop_px, C).
        """
        crops_BHWC = np.empty((len(indices_B), crop_px, crop_px, 3), np.uint8)

        def crop(number: int) -> None:
            image_HWC = self._images.image(int(indices_B[number]))
            crops_BHWC[number] = _cut(image_HWC, places_B2[number], crop_px)

        if isinstance(self._images, MappedImages):  # a copy is over before another thread has begun it
            for number in range(len(indices_B)):
                crop(number)
            return crops_BHWC
        if self._threads is None:
            self._threads = ThreadPoolExecutor(num_cpus(), thread_name_prefix="decode")
        list(self._threads.map(crop, range(len(indices_B))))
        return crops_BHWC


def open_resized(
    dataset: FineGrainedDataset,
    split: str,
    shorter_side_px: int,
    cache_dir: str,
    max_array_bytes: int = MAX_ARRAY_BYTES,
    image_cache: ImageCache = "auto",
) -> ResizedImages:
    """Open the images of a split, making them ready on first use; safe from several processes at once.

    Args:
        dataset: whose images.
        split: one of the data set's.
        shorter_side_px: of the resized images.
        cache_dir: of this machine.
        max_array_bytes: a split that would take more, if its images were 4:3, is by itself kept in its files alone.
        image_cache: how they are kept.

    Raises:
        ValueError: every image that cannot be decoded, told at once.
        OSError: there is no room, with the folder and the bytes needed.
    """
    images = images_of(dataset, split)
    kept = how_kept(images, shorter_side_px, image_cache, max_array_bytes)
    return ResizedImages(open_prepared(images, ShorterSide(shorter_side_px), cache_dir, kept))


def images_of(dataset: FineGrainedDataset, split: str) -> ImageList:
    """Say which images a split has."""
    return ImageList(
        f"{dataset.label} ({split})",
        dataset.splits[split].names,
        dataset.split_fingerprints[split],
        dataset.open_image,
    )


def how_kept(
    images: ImageList, shorter_side_px: int, image_cache: ImageCache, max_array_bytes: int = MAX_ARRAY_BYTES
) -> ImageCache:
    """Say how a split is kept: one that is too large in its files alone, where nothing else was asked for."""
    is_too_large = len(images) * shorter_side_px**2 * 3 * 4 / 3 > max_array_bytes
    return "files" if image_cache == "auto" and is_too_large else image_cache


def verify_and_resize(
    dataset: FineGrainedDataset, shorter_side_px: int, cache_dir: str, image_cache: ImageCache = "auto"
) -> None:
    """Decode all images of all splits, so that nothing can be unreadable later.

    Raises:
        ValueError: every image of the data set that cannot be decoded, told at once.
        OSError: there is no room.
    """
    by_kind: dict[ImageCache, list[ImageList]] = {}
    for split in dataset.splits:
        images = images_of(dataset, split)
        by_kind.setdefault(how_kept(images, shorter_side_px, image_cache), []).append(images)
    faults: list[str] = []
    for kind, splits in by_kind.items():
        try:
            prepare(splits, ShorterSide(shorter_side_px), cache_dir, kind)
        except ValueError as error:
            faults.append(str(error))
    if faults:
        raise ValueError("\n".join(faults))


def resized_size(height_px: int, width_px: int, shorter_side_px: int) -> tuple[int, int]:
    """Give height and width with the given shorter side; the longer one is rounded to whole pixels."""
    ((height, width),) = ShorterSide(shorter_side_px).sizes(np.array([[height_px, width_px]])).tolist()
    return height, width


def _cut(image_HWC: np.ndarray, place: np.ndarray, crop_px: int) -> np.ndarray:
    top, left = (int(place[axis] * (image_HWC.shape[axis] - crop_px + 1)) for axis in (0, 1))
    return image_HWC[top : top + crop_px, left : left + crop_px]
