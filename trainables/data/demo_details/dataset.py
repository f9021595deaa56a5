"""The demo set as a whole: drawn at first use, kept as one array a machine.

Twenty classes of birds that are told apart by nothing but the glyph on a badge of 14 to 17 px in a picture of
128 x 128: so that a network which finds the detail and enlarges it has something to win.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from tablewright.trainables.data.cached_array import build_array_once
from tablewright.trainables.data.demo_details.drawing import SIDE_PX, draw_picture
from tablewright.trainables.data.demo_details.glyphs import GLYPH_NAMES
from tablewright.trainables.data.labelled_images import FoundImages, LabelledImage

IMAGES_PER_CLASS = {"train": 60, "val": 10, "test": 20}
SEED = 2019
_VERSION = 1  # raise it when the drawing changes: old arrays and trainings are then left alone


def read_demo_details(cache_dir: Path) -> FoundImages:
    """Give the demo set, drawing it where that has not been done.

    Args:
        cache_dir: gets one array of all pictures.
    """
    images = [
        (f"{split}/{name}/{number:03d}", split, label, number)
        for split, count in IMAGES_PER_CLASS.items()
        for label, name in enumerate(GLYPH_NAMES)
        for number in range(count)
    ]
    digest = _digest()

    def draw(pictures_NHWC: np.ndarray) -> None:
        for place, (_, split, label, number) in enumerate(images):
            key = [SEED, list(IMAGES_PER_CLASS).index(split), label, number]
            pictures_NHWC[place] = draw_picture(label, np.random.Generator(np.random.PCG64(key)))

    path = cache_dir / "images" / f"demo_details-{digest[:24]}.npy"
    pictures_NHWC = build_array_once(path, (len(images), SIDE_PX, SIDE_PX, 3), draw)
    place_of = {name: place for place, (name, *_) in enumerate(images)}
    splits = {
        wanted: tuple(LabelledImage(name, label) for name, split, label, _ in images if split == wanted)
        for wanted in IMAGES_PER_CLASS
    }
    return FoundImages(
        GLYPH_NAMES,
        splits,
        lambda name: digest,  # what draws one of them draws all
        digest,
        functools.partial(_open, pictures_NHWC, place_of),
    )


def _open(pictures_NHWC: np.ndarray, place_of: dict[str, int], name: str) -> Image.Image:
    return Image.fromarray(np.array(pictures_NHWC[place_of[name]]))


def _digest() -> str:
    """Tell pictures apart that were drawn by other code."""
    content = [_VERSION, SEED, IMAGES_PER_CLASS]
    return hashlib.sha256(repr(content).encode()).hexdigest()
