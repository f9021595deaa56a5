"""The images of a re-identification data set as trainings read them: of one height and width.

Legend: N images, H W height and width.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from tablewright.trainables.contract.cache import ImageCache
from tablewright.trainables.data.image_contents import ImageList
from tablewright.trainables.data.image_shape import FixedSize
from tablewright.trainables.data.prepared_images import MappedImages, PreparedImages, open_prepared, prepare
from tablewright.trainables.data.reid import ReidDataset
from tablewright.trainables.value.cpus import num_cpus


class GatheredImages:
    """Images that lie in no one array, read as from one: by a place, a slice, or an array of places of any shape.

    Attributes:
        shape: (N, H, W, 3).
        dtype: uint8.
    """

    def __init__(self, images: PreparedImages, height_px: int, width_px: int) -> None:
        """Read nothing yet."""
        self.shape = (len(images), height_px, width_px, 3)
        self.dtype = np.dtype(np.uint8)
        self._images = images
        self._all_N = np.arange(len(images))
        self._threads: ThreadPoolExecutor | None = None

    def __len__(self) -> int:
        """Count them."""
        return self.shape[0]

    def __getitem__(self, index: int | slice | Sequence[int] | np.ndarray) -> np.ndarray:
        """Give images, (..., H, W, 3)."""
        places = self._all_N[index]
        images = np.empty((places.size, *self.shape[1:]), np.uint8)
        if isinstance(self._images, MappedImages):
            self._copy(self._images, places.reshape(-1), images)
        else:
            self._decode(places.reshape(-1), images)
        return images.reshape(*places.shape, *self.shape[1:])

    def __array__(self, dtype: object = None, copy: bool | None = None) -> np.ndarray:
        """Give all of them."""
        return self[:]

    def _copy(self, mapped: MappedImages, places_B: np.ndarray, images_BHWC: np.ndarray) -> None:
        part_B, row_B = mapped.places.part_N[places_B], mapped.places.row_N[places_B]
        for number in np.unique(part_B).tolist():
            is_there_B = part_B == number
            pixels_MHWC = mapped.places.parts[number].pixels.reshape(-1, *self.shape[1:])
            images_BHWC[is_there_B] = pixels_MHWC[row_B[is_there_B]]

    def _decode(self, places_B: np.ndarray, images_BHWC: np.ndarray) -> None:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(num_cpus(), thread_name_prefix="decode")

        def decode(number: int) -> None:
            images_BHWC[number] = self._images.image(int(places_B[number]))

        list(self._threads.map(decode, range(len(places_B))))


def open_cache(
    dataset: ReidDataset,
    split: str,
    height_px: int,
    width_px: int,
    cache_dir: str,
    image_cache: ImageCache = "auto",
) -> np.ndarray | GatheredImages:
    """Open the images of a split, making them ready on first use; see `prepared_images`.

    Returns:
        uint8 (N, H, W, 3), read-only, in the order of the split's records: as one mapped array where they lie in one.

    Raises:
        ValueError: every image that cannot be decoded.
        OSError: there is no room for it, with the folder and the bytes needed.
    """
    shape, images = FixedSize(height_px, width_px), images_of(dataset, split)
    prepared = open_prepared(images, shape, cache_dir, image_cache)
    if isinstance(prepared, MappedImages) and (rows := _rows_of_one(prepared)) is not None:
        (number,) = set(prepared.places.part_N.tolist())
        return prepared.places.parts[number].pixels.reshape(-1, height_px, width_px, 3)[rows]
    return GatheredImages(prepared, height_px, width_px)


def images_of(dataset: ReidDataset, split: str) -> ImageList:
    """Say which images a split has."""
    return ImageList(
        f"{dataset.label} ({split})",
        dataset.splits[split].names,
        dataset.split_fingerprints[split],
        dataset.open_image,
    )


def verify_and_build(
    dataset: ReidDataset, height_px: int, width_px: int, cache_dir: str, image_cache: ImageCache = "auto"
) -> None:
    """Make the images of all splits ready, so that nothing can be unreadable later.

    Raises:
        ValueError: every image of the data set that cannot be decoded, told at once.
        OSError: there is no room.
    """
    splits = [images_of(dataset, split) for split in dataset.splits]
    prepare(splits, FixedSize(height_px, width_px), cache_dir, image_cache)


def _rows_of_one(mapped: MappedImages) -> slice | None:
    """Say where the images stand in order in one part; None where they do not."""
    part_N, row_N = mapped.places.part_N, mapped.places.row_N
    if not len(row_N) or (part_N != part_N[0]).any() or (np.diff(row_N) != 1).any():
        return None
    return slice(int(row_N[0]), int(row_N[0]) + len(row_N))
