"""Images decoded and resized once, kept as one memory-mapped array that all trainings of a node share.

Legend: N images, H W height and width.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from tablewright.trainables.data.cached_array import build_array_once
from tablewright.trainables.data.image_reading import refuse_unreadable, unreadable_of
from tablewright.trainables.data.reid import ReidDataset


def open_cache(dataset: ReidDataset, split: str, height_px: int, width_px: int, cache_dir: str) -> np.ndarray:
    """Open the images of a split, building the array on first use; safe from several processes at once.

    Returns:
        uint8 (N, H, W, 3), memory-mapped and read-only, in the order of the split's records.

    Raises:
        ValueError: every image that cannot be decoded.
        OSError: there is no room for it, with the path and the bytes needed.
    """
    names = dataset.splits[split].names

    def fill(images_NHWC: np.ndarray) -> None:
        def decode(place: int) -> None:
            with dataset.open_image(names[place]) as image:
                resized = image.convert("RGB").resize((width_px, height_px), Image.Resampling.BICUBIC)
            images_NHWC[place] = np.asarray(resized)

        refuse_unreadable(unreadable_of(names, decode, f"decoding {dataset.label} ({split})"))

    path = _path(dataset, split, height_px, width_px, cache_dir)
    return build_array_once(path, (len(names), height_px, width_px, 3), fill)


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
