"""Images a second from the mapped cache to an augmented batch, against the gather alone, on one thread.

python benchmarks/bench_augment.py
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from tablewright.trainables.data.reid import Augmentation
from tablewright.trainables.data.reid_augment import TrainAugmenter

NUM_IMAGES, BATCH, STEPS, REPEATS = 2_000, 64, 20, 5
SIZES = ((128, 64), (256, 128), (384, 128), (384, 192))


def main() -> None:
    """Print one line a size."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        for height_px, width_px in SIZES:
            path = Path(folder) / "images.npy"
            shape = (NUM_IMAGES, height_px, width_px, 3)
            images = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
            images[:] = rng.integers(0, 256, shape, dtype=np.uint8)
            batches = rng.integers(0, NUM_IMAGES, (STEPS, BATCH))
            mapped = np.load(path, mmap_mode="r")
            augmenter, generator = TrainAugmenter(Augmentation()), torch.Generator().manual_seed(0)

            def gather(mapped: np.ndarray = mapped, batches: np.ndarray = batches) -> None:
                for indices in batches:
                    torch.from_numpy(mapped[indices]).movedim(-1, -3)

            def augment(
                mapped: np.ndarray = mapped,
                batches: np.ndarray = batches,
                augmenter: TrainAugmenter = augmenter,
                generator: torch.Generator = generator,
            ) -> None:
                for indices in batches:
                    augmenter(torch.from_numpy(mapped[indices]).movedim(-1, -3), generator)

            augment()  # fills the pool of patches
            alone, whole = (
                statistics.median(rate_of(call) for _ in range(REPEATS)) for call in (gather, augment)
            )
            print(f"{height_px} x {width_px}: {whole:6.0f} images/s augmented, {alone:6.0f} gathered alone")


def rate_of(call: Callable[[], None]) -> float:
    """Images a second of one call."""
    started_s = time.perf_counter()
    call()
    return STEPS * BATCH / (time.perf_counter() - started_s)


if __name__ == "__main__":
    main()
