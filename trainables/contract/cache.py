"""What a machine keeps of a data set, so that its trainings read it faster: how, how much, and how long it takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

ImageCache = Literal["auto", "decoded", "encoded", "files"]
"""How images are kept: decoded and resized; as they are published, packed; not at all; or as the disc has room.
No number depends on it."""

IMAGE_CACHES: tuple[ImageCache, ...] = get_args(ImageCache)


@dataclass(frozen=True)
class CacheNeed:
    """What is still to be made ready of one split.

    Attributes:
        what: it is, such as `Market-1501 (train)`.
        shape: in which it is kept, such as `384x192`; parts of one shape share what is equal.
        items: tell the images apart, as far as is known before they are read: uint64 (N,).
        item_bytes: what each takes decoded, int64 (N,).
        encoded_item_bytes: what each takes as it is published, int64 (N,).
        item_s: what it takes one core to make one ready, an estimate from a few of them.
        is_exact: whether `item_bytes` is.
        image_cache: how they are to be kept.
    """

    what: str
    shape: str
    items: np.ndarray = field(repr=False)
    item_bytes: np.ndarray = field(repr=False)
    encoded_item_bytes: np.ndarray = field(repr=False)
    item_s: float
    is_exact: bool = True
    image_cache: ImageCache = "auto"
