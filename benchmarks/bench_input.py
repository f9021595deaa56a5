"""Images a second from disc to augmented batch, ours against the loaders of torchreid and fast-reid, in one run.

python benchmarks/bench_input.py [rounds]

Neither is a package that installs beside ours, so that both are written again here, in our words, from
KaiyangZhou/deep-person-reid (08bb2cc, `torchreid/data/transforms.py`) and JDAI-CV/fast-reid (04fe9fb,
`fastreid/data/transforms/build.py`): JPEG files decoded by Pillow, resized and augmented one by one, in the two worker
processes of a `DataLoader`. Ours reads the cache that all trainings of a machine share, and does the same augmentation
as the peer beside it, in one process.

All run in turns. A processor that others want too gives fewer images a second and as many a processor-second; of
workers, both count all processes. What a GPU waits for is an estimate by the kernels that augmentation launches there.
"""

from __future__ import annotations

import dataclasses
import math
import random
import resource
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.counted_kernels import counted, on_gpu
from benchmarks.papers_at_full_size import PAPERS
from tablewright.trainables.data.reid import Augmentation, EnlargeCrop, RandomErasing
from tablewright.trainables.data.reid_augment import TrainAugmenter

NUM_IMAGES, BATCH, STEPS, WORKERS = 1_600, 64, 25, 2
SIZES = ((256, 128), (384, 128))
STORED = (128, 64)  # of Market-1501's files, height and width in px
LAUNCH_S = 10e-6  # of one operation from Python; between 5 and 20 by whom one asks
BYTES_PER_S = 2.3e12  # of an H100's 3.35e12, what elementwise kernels usually reach
# Of a training step on an H100, counted and estimated before any could be had.
STEP_S = {"mdpr": 0.046, "mgn": 0.138, "hacnn": 0.020, "mancs": 0.126, "tasn": 0.080}
AS_TORCHREID = Augmentation(
    pad_crop_px=None, enlarge_crop=EnlargeCrop(), flip_probability=0.5, erasing=RandomErasing(), patch=None
)
AS_FASTREID = Augmentation()  # padded and cropped, mirrored, erased, patched


def main() -> None:
    """Print one line a size and loader, then one a paper."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        paths = write_images(Path(folder))
        for height_px, width_px in SIZES:
            compare(paths, height_px, width_px, rounds)
    print()
    estimate_waits()


def compare(paths: list[Path], height_px: int, width_px: int, rounds: int) -> None:
    """Time all loaders in turns, and print their medians."""
    cache_NHWC = build_cache(paths, height_px, width_px)
    loaders: dict[str, Callable[[], Iterator[Tensor]]] = {
        "ours, augmented as torchreid does": lambda: from_cache(cache_NHWC, AS_TORCHREID),
        "torchreid's": lambda: from_files(LikeTorchreid(paths, height_px, width_px)),
        "ours, augmented as fast-reid does": lambda: from_cache(cache_NHWC, AS_FASTREID),
        "fast-reid's": lambda: from_files(LikeFastreid(paths, height_px, width_px)),
    }
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in loaders}
    for _ in range(rounds):
        for name, make in loaders.items():
            figures[name].append(rates(make, (BATCH, 3, height_px, width_px)))
    print(f"{height_px} x {width_px}: images a second, and a processor-second")
    for name, found in figures.items():
        wall, processor = (statistics.median(each) for each in zip(*found, strict=True))
        print(f"  {name:34} {wall:7,.0f} {processor:7,.0f}")


def rates(make: Callable[[], Iterator[Tensor]], shape: tuple[int, ...]) -> tuple[float, float]:
    """Give the images a second of wall time and of all processes' processor time."""
    began_s, began_processor_s = time.perf_counter(), processor_s()
    num_images = 0
    for batch_BCHW in make():
        assert (shape, torch.float32) == (tuple(batch_BCHW.shape), batch_BCHW.dtype)
        num_images += len(batch_BCHW)
    assert num_images == STEPS * BATCH
    return num_images / (time.perf_counter() - began_s), num_images / (processor_s() - began_processor_s)


def processor_s() -> float:
    """Processor time of this process and of those that it has seen the end of."""
    both = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def write_images(folder: Path) -> list[Path]:
    """Write JPEG files of the size, in pixels and about in bytes, of Market-1501's."""
    rng = np.random.default_rng(0)
    paths = [folder / f"{number:06}.jpg" for number in range(NUM_IMAGES)]
    for path in paths:
        coarse = Image.fromarray(rng.integers(0, 256, (16, 8, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize(STORED[::-1], Image.Resampling.BICUBIC)).astype(np.int16)
        noisy = (smooth + rng.integers(-8, 9, smooth.shape)).clip(0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(path, quality=75)
    return paths


def build_cache(paths: list[Path], height_px: int, width_px: int) -> np.ndarray:
    """Map images, decoded and resized once."""
    path = paths[0].parent / f"{height_px}x{width_px}.npy"
    shape = (len(paths), height_px, width_px, 3)
    images_NHWC = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    for place, file in enumerate(paths):
        with Image.open(file) as image:
            images_NHWC[place] = image.convert("RGB").resize((width_px, height_px), Image.Resampling.BICUBIC)
    images_NHWC.flush()
    return np.load(path, mmap_mode="r")


def from_cache(cache_NHWC: np.ndarray, augmentation: Augmentation) -> Iterator[Tensor]:
    """Yield batches as `TrainingImages` makes them."""
    augment, generator = TrainAugmenter(augmentation), torch.Generator().manual_seed(0)
    order = np.random.default_rng(0).permutation(len(cache_NHWC))
    for indices_B in order[: STEPS * BATCH].reshape(STEPS, BATCH):
        yield augment(torch.from_numpy(cache_NHWC[indices_B]).movedim(-1, -3), generator)


def from_files(dataset: Dataset[Tensor]) -> Iterator[Tensor]:
    """Yield batches as a `DataLoader` of two workers makes them."""
    sampler = torch.randperm(NUM_IMAGES, generator=torch.Generator().manual_seed(0)).tolist()
    return iter(DataLoader(dataset, BATCH, sampler=sampler[: STEPS * BATCH], num_workers=WORKERS))


class LikeTorchreid(Dataset[Tensor]):
    """Resized, mirrored, half of them enlarged and cropped back, standardised, half of them erased."""

    def __init__(self, paths: list[Path], height_px: int, width_px: int) -> None:
        self._paths, self._height_px, self._width_px = paths, height_px, width_px
        self._mean_C11 = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
        self._std_C11 = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)

    def __len__(self) -> int:
        """Count the images."""
        return len(self._paths)

    def __getitem__(self, place: int) -> Tensor:
        """Give one image."""
        size, bilinear = (self._width_px, self._height_px), Image.Resampling.BILINEAR
        image = Image.open(self._paths[place]).convert("RGB").resize(size, bilinear)
        if random.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if random.random() < 0.5:
            large = round(self._width_px * 1.125), round(self._height_px * 1.125)
            left, top = (random.randint(0, whole - part) for whole, part in zip(large, size, strict=True))
            image = image.resize(large, bilinear).crop((left, top, left + size[0], top + size[1]))
        else:
            image = image.resize(size, bilinear)
        image_CHW = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float().div(255)
        image_CHW = image_CHW.sub_(self._mean_C11).div_(self._std_C11)
        if random.random() < 0.5:
            height, width = drawn_size(image_CHW, 0.02, 0.4, 0.3)
            top = random.randint(0, image_CHW.shape[1] - height)
            left = random.randint(0, image_CHW.shape[2] - width)
            image_CHW[:, top : top + height, left : left + width] = self._mean_C11
        return image_CHW


class LikeFastreid(Dataset[Tensor]):
    """Resized, mirrored, padded and cropped, half of them erased, half of them patched from a worker's own pool."""

    def __init__(self, paths: list[Path], height_px: int, width_px: int) -> None:
        self._paths, self._height_px, self._width_px = paths, height_px, width_px
        self._fill_C11 = torch.tensor([0.485, 0.456, 0.406]).mul(255).view(3, 1, 1)
        self._pool: deque[Tensor] = deque(maxlen=1_000)

    def __len__(self) -> int:
        """Count the images."""
        return len(self._paths)

    def __getitem__(self, place: int) -> Tensor:
        """Give one image."""
        size = (self._width_px, self._height_px)
        image = ImageOps.exif_transpose(Image.open(self._paths[place])).convert("RGB")
        image = Image.fromarray(np.asarray(image)).resize(size, Image.Resampling.BICUBIC)
        if random.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        left, top = random.randint(0, 20), random.randint(0, 20)
        image = ImageOps.expand(image, 10).crop((left, top, left + size[0], top + size[1]))
        image_CHW = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float()
        if random.random() < 0.5:
            height, width = drawn_size(image_CHW, 0.02, 0.33, 0.3)
            top = random.randint(0, image_CHW.shape[1] - height)
            left = random.randint(0, image_CHW.shape[2] - width)
            image_CHW[:, top : top + height, left : left + width] = self._fill_C11
        height, width = drawn_size(image_CHW, 0.01, 0.5, 0.1)
        top = random.randint(0, image_CHW.shape[1] - height)
        left = random.randint(0, image_CHW.shape[2] - width)
        self._pool.append(image_CHW[:, top : top + height, left : left + width].clone())
        if len(self._pool) >= 100 and random.random() < 0.5:
            patch_CHW = random.choice(self._pool)
            patch_CHW = patch_CHW.flip(2) if random.random() < 0.5 else patch_CHW
            _, height, width = patch_CHW.shape
            top = random.randint(0, image_CHW.shape[1] - height)
            left = random.randint(0, image_CHW.shape[2] - width)
            image_CHW[:, top : top + height, left : left + width] = patch_CHW
        return image_CHW


def drawn_size(image_CHW: Tensor, min_area: float, max_area: float, min_aspect: float) -> tuple[int, int]:
    """Draw height and width of a rectangle until one is smaller than the image."""
    _, height, width = image_CHW.shape
    while True:
        area = random.uniform(min_area, max_area) * height * width
        aspect = random.uniform(min_aspect, 1 / min_aspect)
        rows, columns = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < rows < height and 0 < columns < width:
            return rows, columns


def estimate_waits() -> None:
    """Print what augmentation launches on a GPU in each paper's step, and how long that takes about."""
    print("Augmentation of a step on an H100; times are estimates by what is counted")
    for name, paper in PAPERS.items():
        augment = paper.make_augmenter()
        num_images, *size = paper.shape[0] * getattr(paper.config.data, "num_ranks", 1), *paper.shape[1:]
        generator = torch.Generator().manual_seed(0)
        with counted() as count:
            images_BCHW = on_gpu(torch.zeros(num_images, *size, dtype=torch.uint8))
            for _ in range(3 if paper.is_reidentification else 1):  # a pool of patches fills
                before = dataclasses.replace(
                    count, waits=[*count.waits], by_operation=count.by_operation.copy()
                )
                augment(images_BCHW, generator)
            kernels, copies = count.kernels - before.kernels, count.copies - before.copies
            syncs, num_bytes = count.syncs - before.syncs, count.bytes - before.bytes
        launch_s, gpu_s = (kernels + copies) * LAUNCH_S, num_bytes / BYTES_PER_S
        print(
            f"  {name:7} {kernels:3} kernels, {copies} copies, {syncs} waits: {launch_s * 1e3:5.2f} ms of the CPU's, "
            f"{gpu_s * 1e3:5.2f} ms of the GPU's, of a step of about {STEP_S[name] * 1e3:.0f} ms"
        )


if __name__ == "__main__":
    main()
