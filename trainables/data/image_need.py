"""What making the images of a split ready on this machine takes, before it is done."""

from __future__ import annotations

import io
import time

import numpy as np
from PIL import Image

from tablewright.trainables.contract.cache import CacheNeed, ImageCache
from tablewright.trainables.data.image_contents import ImageList, kept_contents
from tablewright.trainables.data.image_pool import ENCODED, ImagePool
from tablewright.trainables.data.image_shape import FixedSize, ImageShape
from tablewright.trainables.data.labelled_images import UNREADABLE
from tablewright.trainables.data.prepared_images import decoded_bytes, former_file, is_ready

SAMPLE_IMAGES, SAMPLE_S = 16, 0.3
"""Decoded to see how long it takes: so many, or for so long."""


def need_of(
    images: ImageList, shape: ImageShape, cache_dir: str, image_cache: ImageCache
) -> CacheNeed | None:
    """Say what is to be made of a split; None where nothing is.

    Sizes are exact where every image is given one size, or its contents are known; else they are those of a few images.
    """
    pool = ImagePool(cache_dir, shape.name)
    is_former = image_cache != "encoded" and (pool.folder / former_file(images, shape)).exists()
    if is_former or is_ready(images, shape, cache_dir, image_cache):
        return None
    size_N2, num_bytes_N, item_s = _sampled(images, shape)
    if (contents := kept_contents(images, cache_dir)) is not None and image_cache != "files":
        place = pool if image_cache != "encoded" else ImagePool(cache_dir, ENCODED)
        missing = place.missing(contents.digests)
        items = np.ascontiguousarray(contents.digests[missing]).view(np.uint64)[::2]
        item_bytes, is_exact = decoded_bytes(contents, shape)[missing], True
        encoded_item_bytes = contents.num_bytes_N[missing]
    else:
        known = np.fromiter((hash((images.root, name)) for name in images.names), np.int64, len(images))
        items, is_exact = known.view(np.uint64), isinstance(shape, FixedSize)
        item_bytes = np.full(len(images), round(float(size_N2.prod(1).mean() * 3)))
        encoded_item_bytes = np.full(len(images), round(float(num_bytes_N.mean())))
    if image_cache == "files":
        item_bytes = encoded_item_bytes = np.zeros_like(item_bytes)
    return CacheNeed(
        images.what, shape.name, items, item_bytes, encoded_item_bytes, item_s, is_exact, image_cache
    )


def _sampled(images: ImageList, shape: ImageShape) -> tuple[np.ndarray, np.ndarray, float]:
    """Give sizes of resized images, bytes of files, and the processor's time an image, of a few that can be read."""
    sizes: list[tuple[int, int]] = []
    num_bytes: list[int] = []
    begun_s = time.thread_time()
    for place in (
        np.linspace(0, len(images) - 1, min(len(images), SAMPLE_IMAGES)).round().astype(int).tolist()
    ):
        try:
            content = images.content(place)
            with Image.open(io.BytesIO(content)) as image:
                height, width, _ = shape.make(image).shape
        except UNREADABLE:  # it is named when all are read
            continue
        sizes.append((height, width))
        num_bytes.append(len(content))
        if time.thread_time() - begun_s > SAMPLE_S:
            break
    item_s = (time.thread_time() - begun_s) / max(1, len(sizes))
    return np.array(sizes or [(0, 0)]), np.array(num_bytes or [0]), item_s
