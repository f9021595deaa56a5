"""Data sets at their published counts: what reading them, and embedding them, takes.

python benchmarks/bench_data.py [inat market distractors]

`inat`: 675,170 files in 5,089 folders, links to a few JPEGs, with lists as published. `market`: 36,036 JPEGs of
128 x 64, read and made ready at 384 x 192. `distractors`: 515,913 images are embedded by a network of one product, to
see what memory that takes above the embeddings. Each part runs in processes of its own; processor-seconds and peaks are
theirs.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import resource
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

INAT_CLASSES, INAT_IMAGES, INAT_TEST = 5_089, 675_170, 95_986
MARKET = {"bounding_box_train": 12_936, "query": 3_368, "bounding_box_test": 19_732}
NUM_DISTRACTORS, WIDTH = 515_913, 2_048
EMBEDDED_AT_ONCE = 64


def main() -> None:
    """Run the parts that are named, or all."""
    parts: dict[str, Callable[[Path], None]] = {"inat": inat, "market": market, "distractors": distractors}
    for name in sys.argv[1:] or parts:
        with tempfile.TemporaryDirectory() as folder:
            parts[name](Path(folder))


def inat(folder: Path) -> None:
    """Read iNaturalist-2017 first, then as a plan does that finds it as it was, then as a worker does."""
    write_inat(folder / "data" / "inaturalist2017")
    for what, looks_at_folders_alone in (("first read", False), ("plan", False), ("worker", True)):
        in_process(f"iNaturalist-2017, {what}", read_inat, folder, looks_at_folders_alone)


def read_inat(folder: Path, looks_at_folders_alone: bool) -> None:
    """Read the data set."""
    from tablewright.trainables.data.fine_grained import load_fine_grained

    load_fine_grained(
        "inat2017",
        str(folder / "data"),
        str(folder / "cache"),
        looks_at_folders_alone=looks_at_folders_alone,
    )


def write_inat(root: Path) -> None:
    """Write the lists and the files, hard links to an image a class."""
    rng = np.random.default_rng(0)
    label_N = np.sort(
        np.concatenate([np.arange(INAT_CLASSES), rng.integers(0, INAT_CLASSES, INAT_IMAGES - INAT_CLASSES)])
    )
    is_first_N = np.diff(label_N, prepend=-1) > 0
    is_test_N = (rng.random(INAT_IMAGES) < INAT_TEST / INAT_IMAGES) & ~is_first_N
    names: list[str] = []
    source = ""
    for number, label in enumerate(label_N.tolist()):
        folder = f"train_val_images/Super{label % 13}/Genus species {label:04d}"
        names.append(f"{folder}/{number:032x}.jpg")
        if is_first_N[number]:
            (root / folder).mkdir(parents=True)
            source = f"{root}/{names[-1]}"
            Path(source).write_bytes(jpeg_bytes(rng, (16, 16)))
        else:
            os.link(source, f"{root}/{names[-1]}")
    categories = [{"id": number, "name": f"Genus species {number:04d}"} for number in range(INAT_CLASSES)]
    for file, is_in_N in (("train2017.json", ~is_test_N), ("val2017.json", is_test_N)):
        numbers = np.flatnonzero(is_in_N).tolist()
        images = [
            {
                "id": one,
                "file_name": names[one],
                "width": 800,
                "height": 600,
                "license": 3,
                "rights_holder": f"P. {one}",
            }
            for one in numbers
        ]
        annotations = [{"id": one, "image_id": one, "category_id": int(label_N[one])} for one in numbers]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (root / file).write_text(json.dumps(content), encoding="utf-8")


def market(folder: Path) -> None:
    """Read Market-1501's count of images, make them ready, and open them."""
    write_market(folder / "data" / "Market-1501-v15.09.15")
    for what in ("read", "made ready at 384 x 192", "opened"):
        in_process(f"Market-1501's 36,036 images, {what}", use_market, folder, what == "read")


def write_market(root: Path) -> None:
    """Write JPEGs of 128 x 64 in the published counts: 751 people to train on, 750 to search for, under six cameras."""
    rng = np.random.default_rng(0)
    contents = [jpeg_bytes(rng, (128, 64)) for _ in range(500)]
    for split, num_images in MARKET.items():
        (root / split).mkdir(parents=True)
        first_pid, num_people = (1, 751) if split == "bounding_box_train" else (2_000, 750)
        for number in range(num_images):
            pid, camid = first_pid + number % num_people, 1 + number // num_people % 6
            # Behind its end a JPEG may hold anything: so each file is another.
            (root / split / f"{pid:04d}_c{camid}s1_{number:06d}_00.jpg").write_bytes(
                contents[number % 500] + f"{split}{number}".encode()
            )


def use_market(folder: Path, only_reads: bool) -> None:
    """Read the data set, and its images where asked."""
    from tablewright.trainables.data.reid import load_dataset
    from tablewright.trainables.data.reid_cache import open_cache, verify_and_build

    cache_dir = str(folder / "cache")
    dataset = load_dataset("market1501", str(folder / "data"), cache_dir)
    if not only_reads:
        verify_and_build(dataset, 384, 192, cache_dir)
        for split in dataset.splits:
            open_cache(dataset, split, 384, 192, cache_dir)


def distractors(folder: Path) -> None:
    """Embed Market-1501's gallery with 500,000 distractors."""
    in_process(f"{NUM_DISTRACTORS:,} images embedded, {WIDTH} wide", embed, folder)


def embed(folder: Path) -> None:
    """Embed images that are all one page of memory."""
    import torch

    from tablewright.trainables.reidentification.extraction import embed_images

    class Network:
        """Embeds by one product."""

        training = False

        def train(self, mode: bool = True) -> None:
            """Nothing differs."""

        def embed(self, images_BCHW: torch.Tensor) -> Mapping[str, torch.Tensor]:
            """Repeat the means of the colours."""
            return {"global": images_BCHW.mean((2, 3)).repeat(1, WIDTH // 3 + 1)[:, :WIDTH]}

    images_NHWC = np.broadcast_to(np.zeros((1, 32, 16, 3), np.uint8), (NUM_DISTRACTORS, 32, 16, 3))
    embed_images(Network(), images_NHWC, torch.device("cpu"), flip=False)


def in_process(what: str, call: Callable[..., None], *arguments: object) -> None:
    """Make a call in a process of its own; prints its processor-seconds and its peak."""
    process = multiprocessing.get_context("spawn").Process(target=measured, args=(what, call, arguments))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(process.exitcode)


def measured(what: str, call: Callable[..., None], arguments: tuple[object, ...]) -> None:
    """Make the call and print."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    call(*arguments)
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    above_mb = (after.ru_maxrss - before.ru_maxrss) * 1024 / 1e6
    features_mb = NUM_DISTRACTORS * WIDTH * 4 / 1e6 if call is embed else 0.0
    of_it = f", {above_mb - features_mb:,.0f} MB above its embeddings" if features_mb else ""
    print(f"{what}: {cpu_s:.2f} CPU-s, {above_mb:,.0f} MB{of_it}", flush=True)


def jpeg_bytes(rng: np.random.Generator, size: tuple[int, int]) -> bytes:
    """Give a JPEG of smoothed noise."""
    with io.BytesIO() as file:
        small = Image.fromarray(rng.integers(0, 256, (size[0] // 4, size[1] // 4, 3), dtype=np.uint8))
        small.resize((size[1], size[0]), Image.Resampling.BICUBIC).save(file, "JPEG", quality=85)
        return file.getvalue()


if __name__ == "__main__":
    main()
