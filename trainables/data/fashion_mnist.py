"""Reading Fashion-MNIST from its published idx files.

Xiao et al., Fashion-MNIST, arXiv:1708.07747; 28x28 grey pictures of clothes in ten classes, real, small, and in the
Debian package `dataset-fashion-mnist`. The four files of `FILES` are read from `fashion-mnist/` below the data root
where that folder is, else from where Debian installs them.

An idx file: two zero bytes, the type (8 is uint8), the number of dimensions, each dimension as a big-endian
32-bit number, then the values.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from tablewright.trainables.data.labelled_images import FoundImages, LabelledImage, find_root, some
from tablewright.trainables.data.unpacking import UnpacksToTooMuch, refuse_too_much

LABEL = "Fashion-MNIST"
FOLDER = "fashion-mnist"
DEBIAN_ROOT = Path("/usr/share/datasets")
DEBIAN_PACKAGE = "dataset-fashion-mnist"
FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_UINT8 = 8


def read_fashion_mnist(data_root: str | None, debian_root: Path = DEBIAN_ROOT) -> FoundImages:
    """Find the data set.

    Args:
        data_root: of the runtime; may be None where the Debian package is installed.
        debian_root: where that package puts its folder.

    Raises:
        ValueError: files are missing, or all that is wrong in them.
    """
    files = [file for pair in FILES.values() for file in pair]
    in_data_root = data_root is not None and (Path(data_root).expanduser() / FOLDER).is_dir()
    if in_data_root:
        root = find_root(data_root, LABEL, FOLDER, files)
    elif all((debian_root / FOLDER / file).is_file() for file in files):
        root = debian_root / FOLDER
    else:
        raise ValueError(
            f"{LABEL} is neither in {debian_root / FOLDER} nor in {FOLDER}/ below the data root "
            f"({data_root or 'none is given'}). Run: apt-get install {DEBIAN_PACKAGE}; or put "
            f"{', '.join(files)} there"
        )
    faults: list[str] = []
    digests: list[str] = []
    splits: dict[str, tuple[LabelledImage, ...]] = {}
    pixels: dict[str, np.ndarray] = {}
    for split, (images_file, labels_file) in FILES.items():
        images = _read_idx(root / images_file, 3, digests, faults)
        labels = _read_idx(root / labels_file, 1, digests, faults)
        if images is None or labels is None:
            continue
        if len(images) != len(labels):
            faults.append(f"{images_file} has {len(images)} images and {labels_file} {len(labels)} labels")
        unknown = np.flatnonzero(labels >= len(CLASS_NAMES)).tolist()
        if unknown:
            faults.append(
                f"{labels_file} has {len(unknown)} labels above {len(CLASS_NAMES) - 1}, of images "
                f"{some([*map(str, unknown)])}"
            )
        splits[split] = tuple(
            LabelledImage(f"{split}/{place:05d}", label) for place, label in enumerate(labels.tolist())
        )
        pixels[split] = images
    if faults:
        raise ValueError(f"{root} cannot be read: " + "; ".join(faults))
    earlier = hashlib.sha256("\n".join(digests).encode()).hexdigest()
    version_of_split = {split: digests[2 * place] for place, split in enumerate(FILES)}
    return FoundImages(
        CLASS_NAMES,
        splits,
        lambda name: version_of_split[name.partition("/")[0]],
        earlier,
        functools.partial(_open, pixels),
    )


def _open(pixels: dict[str, np.ndarray], name: str) -> Image.Image:
    split, _, place = name.partition("/")
    return Image.fromarray(pixels[split][int(place)])


def _read_idx(path: Path, num_dimensions: int, digests: list[str], faults: list[str]) -> np.ndarray | None:
    """Read one file; None, and a fault, where that cannot be done."""
    start, shape = 4 + 4 * num_dimensions, ()
    try:
        with gzip.open(path, "rb") as file:
            head = file.read(start)
            if len(head) == start:
                shape = struct.unpack(f">{num_dimensions}I", head[4:])
            num_values = math.prod(shape)
            refuse_too_much([num_values])
            content = head + file.read(num_values + 1)
    except UnpacksToTooMuch as error:
        faults.append(f"{path.name} announces {shape} values and {error}")
        return None
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or "it is not of gzip, or cut off"
        faults.append(f"{path.name} cannot be unpacked ({why})")
        return None
    digests.append(hashlib.sha256(content).hexdigest())
    if content[:4] != bytes([0, 0, _UINT8, num_dimensions]) or not shape:
        faults.append(f"{path.name} is no idx file of {num_dimensions} dimensions of bytes")
        return None
    if len(content) - start != num_values:
        held = "more" if len(content) - start > num_values else len(content) - start
        faults.append(f"{path.name} announces {shape} values and holds {held}")
        return None
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
