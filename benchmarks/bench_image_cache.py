"""Images a second out of a machine's cache, decoded, packed and in their own files, in one run on one thread.

python benchmarks/bench_image_cache.py

JPEGs of noise that is smoothed to the size in bytes of published ones (Market-1501: 128 x 64, 3 kB; CUB-200-2011: 500 x
375, 60 kB) are read as trainings read them: in batches drawn at random, resized to the sizes of the papers.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter

from tablewright.trainables.contract.cache import ImageCache
from tablewright.trainables.data.image_contents import ImageList
from tablewright.trainables.data.image_shape import FixedSize, ImageShape, ShorterSide
from tablewright.trainables.data.labelled_images import ImageFiles
from tablewright.trainables.data.name_table import NameTable
from tablewright.trainables.data.prepared_images import PreparedImages, open_prepared, prepare
from tablewright.trainables.value.cpus import use_cpus

NUM_IMAGES, BATCH, REPEATS = 512, 64, 5
CASES: tuple[tuple[str, tuple[int, int], float, ImageShape], ...] = (
    ("Market-1501", (128, 64), 0.6, FixedSize(384, 192)),
    ("Market-1501", (128, 64), 0.6, FixedSize(256, 128)),
    ("CUB-200-2011", (375, 500), 1.5, ShorterSide(512)),
)
KINDS: tuple[ImageCache, ...] = ("decoded", "encoded", "files")


def main() -> None:
    """Print one line a size."""
    use_cpus(1)
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    for label, size, blur, shape in CASES:
        with tempfile.TemporaryDirectory() as folder:
            images = draw(Path(folder) / label, label, size, blur, rng)
            opened = {kind: open_as(kind, images, shape, Path(folder)) for kind in KINDS}
            bytes_of = {
                kind: sum(path.stat().st_size for path in (Path(folder) / kind).rglob("*.npy"))
                for kind in KINDS
            }
            rates: dict[ImageCache, list[float]] = {kind: [] for kind in KINDS}
            for _ in range(REPEATS):
                batches = rng.integers(0, NUM_IMAGES, (4, BATCH))
                for kind, prepared in opened.items():
                    rates[kind].append(rate_of(prepared, batches))
            told = ", ".join(
                f"{kind} {statistics.median(rates[kind]):,.0f} images/s a core, "
                f"{bytes_of[kind] / NUM_IMAGES:,.0f} bytes"
                for kind in KINDS
            )
            print(f"{label} at {shape.name}: {told} (medians of {REPEATS})", flush=True)


def draw(root: Path, label: str, size: tuple[int, int], blur: float, rng: np.random.Generator) -> ImageList:
    """Write the JPEGs."""
    root.mkdir()
    names = [f"{number:04d}.jpg" for number in range(NUM_IMAGES)]
    for name in names:
        noise = Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8))
        noise.filter(ImageFilter.GaussianBlur(blur)).save(root / name, quality=85)
    return ImageList(f"{label} (train)", NameTable.of(names), label, ImageFiles(root))


def open_as(kind: ImageCache, images: ImageList, shape: ImageShape, folder: Path) -> PreparedImages:
    """Open the images as one kind of cache keeps them; all give the same pixels."""
    cache_dir = str(folder / kind)
    prepare([images], shape, cache_dir, kind)
    return open_prepared(images, shape, cache_dir, kind)


def rate_of(prepared: PreparedImages, batches: np.ndarray) -> float:
    """Images a second of processor time, each copied out as a batch would."""
    begun_s = time.process_time()
    for batch in batches:
        for place in batch.tolist():
            np.array(prepared.image(place))
    return batches.size / (time.process_time() - begun_s)


if __name__ == "__main__":
    main()
