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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from tablewright.trainables.contract.cache import ImageCache
from tablewright.trainables.data.cached_array import SPARE_BYTES, locked
from tablewright.trainables.data.image_contents import Contents, ImageList, contents_of, joined, kept_contents
from tablewright.trainables.data.image_pool import ENCODED, ImagePool, Places
from tablewright.trainables.data.image_reading import refuse_unreadable, unreadable_of
from tablewright.trainables.data.image_shape import ImageShape
from tablewright.trainables.data.name_table import NameTable
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
) -> PreparedImages:
    """Open the images of a split, making them ready on first use; safe from several processes at once.

    Args:
        images: of a split.
        shape: that they are given.
        cache_dir: of this machine.
        image_cache: how they are kept.

    Raises:
        ValueError: every image that cannot be decoded.
        OSError: there is no room, with the folder, the bytes needed, and what to do.
    """
    if (opened := _opened(images, shape, cache_dir, image_cache)) is None:
        prepare([images], shape, cache_dir, image_cache)
        opened = _opened(images, shape, cache_dir, image_cache)
    if opened is None:
        raise OSError(f"the prepared images of {images.what} in {cache_dir} were removed meanwhile")
    return opened


def prepare(
    splits: Sequence[ImageList], shape: ImageShape, cache_dir: str, image_cache: ImageCache = "auto"
) -> None:
    """Make the images of splits ready at once, so that nothing can be unreadable, or without room, later.

    Args:
        splits: of one data set.
        shape: that images are given.
        cache_dir: of this machine.
        image_cache: how they are kept.

    Raises:
        ValueError: every image that cannot be decoded, told at once.
        OSError: there is no room for all of them, with the folder, the bytes needed, and what to do.
    """
    unready = [split for split in splits if not is_ready(split, shape, cache_dir, image_cache)]
    faults: list[str] = []
    for split in unready:
        try:
            if image_cache == "files":
                _verify_once(split, cache_dir)
            else:
                contents_of(split, cache_dir)
        except ValueError as error:
            faults.append(str(error))
    if not faults and image_cache != "files":
        unready = [split for split in unready if not _is_taken_over(split, shape, cache_dir, image_cache)]
    elif faults:  # what has a sound head may be damaged behind it
        for split in unready:
            try:
                refuse_unreadable(unreadable_of(split.names, split.verify, f"decoding {split.what}"))
            except ValueError as error:
                faults.append(str(error))
        raise ValueError("\n".join(dict.fromkeys(faults)))
    if unready and image_cache != "files":
        _add(unready, shape, cache_dir, image_cache)


def is_ready(images: ImageList, shape: ImageShape, cache_dir: str, image_cache: ImageCache) -> bool:
    """Say whether nothing is to be made any more."""
    return _opened(images, shape, cache_dir, image_cache) is not None


def _opened(
    images: ImageList, shape: ImageShape, cache_dir: str, image_cache: ImageCache
) -> PreparedImages | None:
    """Open images that are ready: decoded ones before others."""
    if image_cache == "files":
        is_verified = _marker(images, cache_dir).exists()
        open_image = images.open_image
        names = images.names
        return (
            DecodedEachTime(len(images), lambda place: open_image(names[place]), shape)
            if is_verified
            else None
        )
    if (contents := kept_contents(images, cache_dir)) is None:
        return None
    mapped = None if image_cache == "encoded" else _mapped(ImagePool(cache_dir, shape.name), contents, shape)
    if mapped is not None or image_cache == "decoded":
        return mapped
    return _packed(ImagePool(cache_dir, ENCODED), contents, shape)


def former_file(images: ImageList, shape: ImageShape) -> str:
    """Name the file in which an earlier version kept them decoded."""
    split = images.what.rpartition("(")[2].rstrip(")")
    return f"{split}-{shape.name}-{images.fingerprint[:24]}.npy"


def _is_taken_over(images: ImageList, shape: ImageShape, cache_dir: str, image_cache: ImageCache) -> bool:
    """Take over what an earlier version has decoded, where it is there and wanted."""
    pool = ImagePool(cache_dir, shape.name)
    path = pool.folder / former_file(images, shape)
    if image_cache == "encoded" or not path.exists():
        return False
    contents = contents_of(images, cache_dir)
    with pool.locked():
        pool.adopt(path, contents.digests, decoded_bytes(contents, shape))
    return is_ready(images, shape, cache_dir, image_cache)


def _add(splits: Sequence[ImageList], shape: ImageShape, cache_dir: str, image_cache: ImageCache) -> None:
    """Add to a pool what is missing of all splits."""
    contents = joined([contents_of(split, cache_dir) for split in splits])
    decoded, encoded = ImagePool(cache_dir, shape.name), ImagePool(cache_dir, ENCODED)
    first_of = np.cumsum([0, *map(len, splits)])
    what = splits[0].what if len(splits) == 1 else splits[0].what.rpartition(" (")[0]

    def split_and_place(place: int) -> tuple[ImageList, int]:
        number = int(np.searchsorted(first_of, place, side="right")) - 1
        return splits[number], place - int(first_of[number])

    def name_of(place: int) -> str:
        split, inner = split_and_place(place)
        return split.names[inner]

    def decode(place: int) -> np.ndarray:
        split, inner = split_and_place(place)
        with split.open_image(split.names[inner]) as image:
            return shape.make(image)

    def pack(place: int) -> np.ndarray:
        split, inner = split_and_place(place)
        content = split.content(inner)
        with Image.open(io.BytesIO(content)) as image:
            image.load()  # so that none is unreadable later
        return np.frombuffer(content, np.uint8)

    is_decoded = _choose(what, contents, shape, decoded, encoded, image_cache) == "decoded"
    pool, make, doing = (
        (decoded, decode, f"decoding {what}")
        if is_decoded
        else (encoded, pack, f"packing {what}, each decoded to verify it")
    )
    num_bytes_N = decoded_bytes(contents, shape) if is_decoded else contents.num_bytes_N
    with pool.locked():
        missing = pool.missing(contents.digests)

        def fill(kept: np.ndarray, ends: np.ndarray) -> None:
            def write(number: int) -> None:
                made = make(int(missing[number])).reshape(-1)
                kept[ends[number] - made.size : ends[number]] = made

            names = NameTable.of(name_of(place) for place in missing.tolist())
            refuse_unreadable(unreadable_of(names, write, doing))

        if len(missing):
            pool.add(contents.digests[missing], num_bytes_N[missing], fill)


def decoded_bytes(contents: Contents, shape: ImageShape) -> np.ndarray:
    """Say what each image takes decoded, int64 (N,)."""
    return shape.sizes(contents.sizes_N2).prod(1) * 3


def _choose(
    what: str,
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
                f"{what}: decoded images would take {needed_bytes:,} bytes of {decoded.folder}, which has "
                f"{free_bytes:,} left; they are kept encoded, {packed_bytes:,} bytes, and decoded anew each "
                "time (--image-cache)"
            )
        return "encoded"
    needs = {"decoded": f"{needed_bytes:,} bytes", "encoded": f"{packed_bytes:,} bytes encoded"}
    needs["auto"] = f"{needs['decoded']}, or {needs['encoded']},"
    raise OSError(
        f"{decoded.folder}/{shape.name} of {what} needs {needs[image_cache]} and {decoded.folder} has "
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


def _verify_once(images: ImageList, cache_dir: str) -> None:
    """Decode every image, unless that was done on this machine before."""
    marker = _marker(images, cache_dir)
    if not marker.exists():
        marker.parent.mkdir(parents=True, exist_ok=True)
        with locked(marker.with_suffix(".lock")):
            if not marker.exists():
                what = f"decoding {images.what}, to verify it"
                refuse_unreadable(unreadable_of(images.names, images.verify, what))
                marker.touch()


def _marker(images: ImageList, cache_dir: str) -> Path:
    return images.contents_path(cache_dir).with_suffix(".verified")
