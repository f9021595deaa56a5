"""What the images of a split are by their contents: by this the machine knows an image under whatever name it lies.

Read off the files once, then kept in the cache beside what is made of them. Legend: N images.
"""

from __future__ import annotations

import hashlib
import io
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tablewright.trainables.data.cached_array import DAMAGED, mark_used
from tablewright.trainables.data.image_reading import refuse_unreadable, unreadable_of
from tablewright.trainables.data.labelled_images import ImageFiles
from tablewright.trainables.data.name_table import NameTable

FOLDER = "contents"
DIGEST_BYTES = 16


@dataclass(frozen=True)
class ImageList:
    """The images of a split, and where they are read.

    Attributes:
        what: they are, for people, such as `Market-1501 (train)`.
        names: of the images.
        fingerprint: of names and sizes.
        open_image: gives the image of a name, not decoded yet.
    """

    what: str
    names: NameTable
    fingerprint: str
    open_image: Callable[[str], Image.Image]

    def __len__(self) -> int:
        """Count them."""
        return len(self.names)

    def content(self, place: int) -> bytes:
        """Give the bytes of an image's file; of an image that is none of its own, its pixels as a PPM file."""
        name = self.names[place]
        if isinstance(self.open_image, ImageFiles):
            return self.open_image.content(name)
        with self.open_image(name) as image, io.BytesIO() as file:
            (image if image.mode in ("L", "RGB") else image.convert("RGB")).save(file, "PPM")
            return file.getvalue()

    def verify(self, place: int) -> None:
        """Decode an image for nothing; Pillow raises what is wrong with it."""
        with self.open_image(self.names[place]) as image:
            image.load()

    @property
    def root(self) -> str:
        """Say where the files lie; nothing of images that are none of their own."""
        return str(self.open_image.root) if isinstance(self.open_image, ImageFiles) else ""

    def contents_path(self, cache_dir: str) -> Path:
        """Say where the contents are kept: by what a plan knows of the images, and by where they lie."""
        key = f"{self.fingerprint[:24]}-{hashlib.sha256(self.root.encode()).hexdigest()[:8]}"
        return Path(cache_dir) / FOLDER / f"{key}.npz"


@dataclass(frozen=True)
class Contents:
    """What images are.

    Attributes:
        digests: of the images' contents, uint8 (N, 16).
        num_bytes_N: of the contents, int64.
        sizes_N2: height and width in pixels, int64.
    """

    digests: np.ndarray
    num_bytes_N: np.ndarray
    sizes_N2: np.ndarray


def joined(several: Sequence[Contents]) -> Contents:
    """Put contents behind each other."""
    return Contents(
        np.concatenate([one.digests for one in several]),
        np.concatenate([one.num_bytes_N for one in several]),
        np.concatenate([one.sizes_N2 for one in several]),
    )


def kept_contents(images: ImageList, cache_dir: str) -> Contents | None:
    """Give the contents that were read before; None where they were not."""
    path = images.contents_path(cache_dir)
    if (kept := read_contents(path)) is not None:
        mark_used(path)
    return kept


def read_contents(path: Path) -> Contents | None:
    """Read kept contents; None where they are not there, or damaged."""
    try:
        with np.load(path) as kept:
            return Contents(kept["digests"], kept["num_bytes"], kept["sizes"])
    except DAMAGED:
        return None


def contents_of(images: ImageList, cache_dir: str) -> Contents:
    """Give the contents, reading every file where they are not kept yet.

    Raises:
        ValueError: every image that cannot be decoded, where the head of one cannot be read.
    """
    if (kept := kept_contents(images, cache_dir)) is not None:
        return kept
    digests = np.zeros((len(images), DIGEST_BYTES), np.uint8)
    num_bytes_N = np.zeros(len(images), np.int64)
    sizes_N2 = np.zeros((len(images), 2), np.int64)

    def read(place: int) -> None:
        content = images.content(place)
        digest = hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()
        digests[place], num_bytes_N[place] = np.frombuffer(digest, np.uint8), len(content)
        with Image.open(io.BytesIO(content)) as image:
            sizes_N2[place] = image.height, image.width

    if faults := list(unreadable_of(images.names, read, f"reading {images.what}")):
        # Images with a sound head may be damaged behind it: they are to be told as well.
        refuse_unreadable(unreadable_of(images.names, images.verify, f"decoding {images.what}"))
        refuse_unreadable(faults)
    path = images.contents_path(cache_dir)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")
    with aside.open("wb") as file:
        np.savez(file, digests=digests, num_bytes=num_bytes_N, sizes=sizes_N2)
    aside.replace(path)
    return Contents(digests, num_bytes_N, sizes_N2)
