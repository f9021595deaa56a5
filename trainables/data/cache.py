"""Images decoded and resized once, kept as one memory-mapped array that all trainings of a node share.

Legend: N images, H W height and width.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from trainables.data.market_layout import ImageRecord
from trainables.data.reid import ReidDataset

_NAMES_SHOWN = 10
_SPARE_BYTES = 64 * 2**20


def open_cache(dataset: ReidDataset, split: str, height_px: int, width_px: int, cache_dir: str) -> np.ndarray:
    """Open the images of a split, building the array on first use; safe from several processes at once.

    Returns:
        uint8 (N, H, W, 3), memory-mapped and read-only, in the order of the split's records.

    Raises:
        ValueError: every image that cannot be decoded.
        OSError: there is no room for it, with the path and the bytes needed.
    """
    path = _path(dataset, split, height_px, width_px, cache_dir)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path.with_suffix(".lock")):
            if not path.exists():
                _build(dataset, split, height_px, width_px, path)
    return np.load(path, mmap_mode="r")


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
    # The names of the split are in the key: two splits of one data set may be cut differently one day.
    names = "\n".join(record.path for record in dataset.splits[split])
    key = hashlib.sha256(f"{dataset.fingerprint}\n{names}".encode()).hexdigest()[:24]
    return Path(cache_dir) / "images" / f"{dataset.name}-{split}-{height_px}x{width_px}-{key}.npy"


@contextmanager
def _locked(path: Path) -> Generator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(dataset: ReidDataset, split: str, height_px: int, width_px: int, path: Path) -> None:
    records = dataset.splits[split]
    needed_bytes = len(records) * height_px * width_px * 3
    free_bytes = shutil.disk_usage(path.parent).free
    if free_bytes < needed_bytes + _SPARE_BYTES:
        raise OSError(
            f"{path} needs {needed_bytes:,} bytes and {path.parent} has {free_bytes:,} left; free space, or "
            "name another folder with --cache-dir"
        )
    descriptor, aside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(descriptor)
    try:
        shape = (len(records), height_px, width_px, 3)
        images = np.lib.format.open_memmap(aside, mode="w+", dtype=np.uint8, shape=shape)
        _reserve(Path(aside), path)
        with ThreadPoolExecutor(max(1, os.cpu_count() or 1)) as pool:
            faults = pool.map(
                lambda item: _decode_into(images, *item, dataset.root, height_px, width_px),
                enumerate(records),
            )
            unreadable = [fault for fault in faults if fault]
        if unreadable:
            shown = "; ".join(unreadable[:_NAMES_SHOWN])
            more = len(unreadable) - _NAMES_SHOWN
            raise ValueError(
                f"{len(unreadable)} images cannot be read: {shown}"
                f"{f'; and {more} more' if more > 0 else ''}. Get them again from the publisher"
            )
        images.flush()
        Path(aside).replace(path)
    finally:
        Path(aside).unlink(missing_ok=True)


def _reserve(aside: Path, path: Path) -> None:
    """Claim the room now: a full disk met while writing mapped memory would kill the process."""
    size_bytes = aside.stat().st_size
    with aside.open("r+b") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size_bytes)
        except OSError as error:
            raise OSError(error.errno, f"{path} needs {size_bytes:,} bytes: {error.strerror}") from error


def _decode_into(
    images_NHWC: np.ndarray, index: int, record: ImageRecord, root: Path, height_px: int, width_px: int
) -> str:
    """Decode one image; gives why it could not be, or an empty string."""
    try:
        with Image.open(root / record.path) as image:
            resized = image.convert("RGB").resize((width_px, height_px), Image.Resampling.BICUBIC)
        images_NHWC[index] = np.asarray(resized)
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises each of them on damaged files
        return f"{record.path} ({error})"
    return ""
