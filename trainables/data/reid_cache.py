"""Images decoded and resized once, kept as one memory-mapped array that all trainings of a node share.

Legend: N images, H W height and width.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from tablewright.trainables.data.cached_array import build_array_once
from tablewright.trainables.data.labelled_images import UNREADABLE, why_unreadable
from tablewright.trainables.data.reid import ReidDataset
from tablewright.trainables.data.reid_images import ImageRecord
from tablewright.trainables.value.cpus import num_cpus

_NAMES_SHOWN = 10


def open_cache(dataset: ReidDataset, split: str, height_px: int, width_px: int, cache_dir: str) -> np.ndarray:
    """Open the images of a split, building the array on first use; safe from several processes at once.

    Returns:
        uint8 (N, H, W, 3), memory-mapped and read-only, in the order of the split's records.

    Raises:
        ValueError: every image that cannot be decoded.
        OSError: there is no room for it, with the path and the bytes needed.
    """
    records = dataset.splits[split]

    def fill(images_NHWC: np.ndarray) -> None:
        _decode_all(images_NHWC, records, dataset.open_image)

    path = _path(dataset, split, height_px, width_px, cache_dir)
    return build_array_once(path, (len(records), height_px, width_px, 3), fill)


def verify_and_build(dataset: ReidDataset, height_px: int, width_px: int, cache_dir: str) -> None:
    """Build the arrays of all splits, so that nothing can be unreadable later.

    Raises:
        ValueError: every image of the data set that cannot be decoded, told at once.
        OSError: there is no room.
    """
    faults: list[str] = []
    for split in dataset.splits:
        try:
            open_cache(dataset, split, height_px, width_px, cache_dir)
        except ValueError as error:
            faults.append(str(error))
    if faults:
        raise ValueError("\n".join(dict.fromkeys(faults)))


def _path(dataset: ReidDataset, split: str, height_px: int, width_px: int, cache_dir: str) -> Path:
    key = dataset.split_fingerprints[split][:24]
    return Path(cache_dir) / "images" / f"{split}-{height_px}x{width_px}-{key}.npy"


def _decode_all(
    images_NHWC: np.ndarray, records: tuple[ImageRecord, ...], open_image: Callable[[str], Image.Image]
) -> None:
    with ThreadPoolExecutor(num_cpus()) as pool:
        faults = pool.map(lambda item: _decode_into(images_NHWC, *item, open_image), enumerate(records))
        unreadable = [fault for fault in faults if fault]
    if unreadable:
        shown = "; ".join(unreadable[:_NAMES_SHOWN])
        more = len(unreadable) - _NAMES_SHOWN
        raise ValueError(
            f"{len(unreadable)} images cannot be read: {shown}"
            f"{f'; and {more} more' if more > 0 else ''}. Get them again from the publisher"
        )


def _decode_into(
    images_NHWC: np.ndarray, index: int, record: ImageRecord, open_image: Callable[[str], Image.Image]
) -> str:
    """Decode one image; gives why it could not be, or an empty string."""
    _, height_px, width_px, _ = images_NHWC.shape
    try:
        with open_image(record.path) as image:
            resized = image.convert("RGB").resize((width_px, height_px), Image.Resampling.BICUBIC)
        images_NHWC[index] = np.asarray(resized)
    except UNREADABLE as error:
        return f"{record.path} ({why_unreadable(error)})"
    return ""
