"""Images as trainings read them: made ready once on a machine and mapped, or decoded anew each time one is read.

| `ImageCache` | is kept | a read is |
|---|---|---|
| `decoded` | each image decoded and resized | a copy out of mapped memory |
| `encoded` | each image's file, packed into one | decoded by as many threads as the training has cores |
| `files` | nothing | the same, out of the data set's own files |
| `auto` | decoded where the disc has room for it, else encoded, which is said; else it is refused | |

All give the same pixels to the bit, so that nothing of this is in a config. Legend: N images, H W height and width.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from tablewright.trainables.contract.cache import ImageCache
from tablewright.trainables.data.cached_array import SPARE_BYTES, locked
from tablewright.trainables.data.image_contents import Contents, ImageList, contents_of
from tablewright.trainables.data.image_pool import ENCODED, ImagePool, Places
from tablewright.trainables.data.image_reading import refuse_unreadable, unreadable_of
from tablewright.trainables.data.image_shape import ImageShape
from tablewright.trainables.value.long_work import tell


class PreparedImages(Protocol):
    """The images of a split in one shape, in the order of its records."""

    def __len__(self) -> int:
        """Count them."""
        ...

    def image(self, place: int) -> np.ndarray:
        """Give an image, uint8 (H, W, 3)."""
        ...


@dataclass(frozen=True)
class MappedImages:
    """Decoded ones.

    Attributes:
        places: where each stands in the pool.
        sizes_N2: their heights and widths.
    """

    places: Places
    sizes_N2: np.ndarray

    def __len__(self) -> int:
        """Count them."""
        return len(self.sizes_N2)

    def image(self, place: int) -> np.ndarray:
        """Give an image as it lies in mapped memory."""
        return self.places.image(place).reshape(*self.sizes_N2[place].tolist(), 3)


@dataclass(frozen=True)
class DecodedEachTime:
    """Images that are decoded when they are read.

    Attributes:
        num_images: N.
        open_image: gives one by its place, not decoded yet.
        shape: that they are given.
    """

    num_images: int
    open_image: Callable[[int], Image.Image]
    shape: ImageShape

    def __len__(self) -> int:
        """Count them."""
        return self.num_images

    def image(self, place: int) -> np.ndarray:
        """Decode an image."""
        with self.open_image(place) as image:
            return self.shape.make(image)


def open_prepared(
    images: ImageList,
    shape: ImageShape,
    cache_dir: str,
    image_cache: ImageCache = "auto",
    former: str | None = None,
) -> PreparedImages:
    """Open images, making them ready on first use; safe from several processes at once.

    Args:
        images: of a split.
        shape: that they are given.
        cache_dir: of this machine.
        image_cache: how they are kept.
        former: name of the file that an earlier version kept them decoded in, which is taken over.

    Raises:
        ValueError: every image that cannot be decoded.
        OSError: there is no room, with the folder, the bytes needed, and what to do.
    """
    if image_cache == "files":
        _verify_once(images, cache_dir)
        return DecodedEachTime(len(images), lambda place: images.open_image(images.names[place]), shape)
    contents = contents_of(images, cache_dir)
    decoded, encoded = ImagePool(cache_dir, shape.name), ImagePool(cache_dir, ENCODED)
    if image_cache != "encoded":
        if former is not None:
            _adopt(decoded, former, images, contents, shape)
        if (mapped := _mapped(decoded, contents, shape)) is not None:
            return mapped
    if image_cache != "decoded" and (packed := _packed(encoded, contents, shape)) is not None:
        return packed
    kind = _choose(images, contents, shape, decoded, encoded, image_cache)
    if kind == "decoded":
        _add_decoded(decoded, images, contents, shape)
        opened = _mapped(decoded, contents, shape)
    else:
        _add_encoded(encoded, images, contents)
        opened = _packed(encoded, contents, shape)
    if opened is None:
        raise OSError(f"the prepared images of {images.what} in {decoded.folder} were removed meanwhile")
    return opened


def decoded_bytes(contents: Contents, shape: ImageShape) -> np.ndarray:
    """Say what each image takes decoded, int64 (N,)."""
    return shape.sizes(contents.sizes_N2).prod(1) * 3


def _choose(
    images: ImageList,
    contents: Contents,
    shape: ImageShape,
    decoded: ImagePool,
    encoded: ImagePool,
    image_cache: ImageCache,
) -> ImageCache:
    """Say how what is not there is to be kept.

    Raises:
        OSError: there is no room for it.
    """
    free_bytes = decoded.free_bytes()
    missing = decoded.missing(contents.digests)
    needed_bytes = int(decoded_bytes(contents, shape)[missing].sum())
    if image_cache != "encoded" and needed_bytes + SPARE_BYTES <= free_bytes:
        return "decoded"
    packed_bytes = int(contents.num_bytes_N[encoded.missing(contents.digests)].sum())
    if image_cache != "decoded" and packed_bytes + SPARE_BYTES <= free_bytes:
        if image_cache == "auto":
            tell(
                f"{images.what}: decoded images would take {needed_bytes:,} bytes of {decoded.folder}, which has "
                f"{free_bytes:,} left; they are kept encoded, {packed_bytes:,} bytes, and decoded anew each "
                "time (--image-cache)"
            )
        return "encoded"
    needs = {"decoded": f"{needed_bytes:,} bytes", "encoded": f"{packed_bytes:,} bytes encoded"}
    needs["auto"] = f"{needs['decoded']}, or {needs['encoded']},"
    raise OSError(
        f"{decoded.folder}/{shape.name} of {images.what} needs {needs[image_cache]} and {decoded.folder} has "
        f"{free_bytes:,} left; free space (--gc says which prepared images no study needs), name another "
        "folder with --cache-dir, or give --image-cache files, which keeps none and decodes the data set's own files "
        "each time"
    )


def _mapped(pool: ImagePool, contents: Contents, shape: ImageShape) -> MappedImages | None:
    places = pool.find(contents.digests)
    return None if len(places.missing_N) else MappedImages(places, shape.sizes(contents.sizes_N2))


def _packed(pool: ImagePool, contents: Contents, shape: ImageShape) -> DecodedEachTime | None:
    places = pool.find(contents.digests)
    if len(places.missing_N):
        return None

    def open_image(place: int) -> Image.Image:
        return Image.open(io.BytesIO(places.image(place).tobytes()))

    return DecodedEachTime(len(contents.digests), open_image, shape)


def _adopt(pool: ImagePool, former: str, images: ImageList, contents: Contents, shape: ImageShape) -> None:
    if (path := pool.folder / former).exists():
        with pool.locked():
            pool.adopt(path, contents.digests, decoded_bytes(contents, shape))


def _add_decoded(pool: ImagePool, images: ImageList, contents: Contents, shape: ImageShape) -> None:
    with pool.locked():
        missing = pool.missing(contents.digests)

        def fill(pixels: np.ndarray, ends: np.ndarray) -> None:
            def decode(number: int) -> None:
                with images.open_image(images.names[int(missing[number])]) as image:
                    image_HWC = shape.make(image)
                pixels[ends[number] - image_HWC.size : ends[number]] = image_HWC.reshape(-1)

            names = images.names.chosen(missing)
            refuse_unreadable(unreadable_of(names, decode, f"decoding {images.what}"))

        if len(missing):
            pool.add(contents.digests[missing], decoded_bytes(contents, shape)[missing], fill)


def _add_encoded(pool: ImagePool, images: ImageList, contents: Contents) -> None:
    with pool.locked():
        missing = pool.missing(contents.digests)

        def fill(packed: np.ndarray, ends: np.ndarray) -> None:
            def copy(number: int) -> None:
                content = images.content(int(missing[number]))
                with Image.open(io.BytesIO(content)) as image:
                    image.load()  # so that none is unreadable later
                packed[ends[number] - len(content) : ends[number]] = np.frombuffer(content, np.uint8)

            names = images.names.chosen(missing)
            refuse_unreadable(unreadable_of(names, copy, f"packing {images.what}, each decoded to verify it"))

        if len(missing):
            pool.add(contents.digests[missing], contents.num_bytes_N[missing], fill)


def _verify_once(images: ImageList, cache_dir: str) -> None:
    """Decode every image, unless that was done on this machine before."""
    marker: Path = images.contents_path(cache_dir).with_suffix(".verified")
    if not marker.exists():
        marker.parent.mkdir(parents=True, exist_ok=True)
        with locked(marker.with_suffix(".lock")):
            if not marker.exists():
                what = f"decoding {images.what}, to verify it"
                refuse_unreadable(unreadable_of(images.names, images.verify, what))
                marker.touch()
