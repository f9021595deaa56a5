"""Miniature copies of the published layouts, named as the real files are."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MARKET_NAMES = {
    "bounding_box_train": (
        "0002_c1s1_000451_03.jpg",
        "0002_c1s1_000551_01.jpg",
        "0002_c2s1_000301_01.jpg",
        "0007_c3s3_077419_03.jpg",
        "0007_c4s6_010519_01.jpg",
        "0010_c6s4_002427_02.jpg",
        "0010_c6s4_002452_02.jpg",
        "0011_c2s3_000201_01.jpg",
        "0012_c1s1_000301_01.jpg",
    ),
    "query": ("0001_c1s1_001051_00.jpg", "0001_c2s1_000301_00.jpg", "0003_c3s3_064744_00.jpg"),
    "bounding_box_test": (
        "-1_c1s1_000401_03.jpg",
        "-1_c6s4_015552_05.jpg",
        "0000_c1s1_000151_01.jpg",
        "0001_c1s1_001051_03.jpg",
        "0001_c3s1_000551_00.jpg",
        "0003_c1s6_015971_02.jpg",
    ),
}
HAND_DRAWN_NAMES = (
    "0001_c1s1_001051_00.jpg",
    "0001_c1s1_001076_00.jpg",
    "0001_c2s1_000301_00.jpg",
    "0001_c3s1_000551_00.jpg",
    "0003_c3s3_064744_00.jpg",
    "0011_c2s3_000201_00.jpg",
    "0012_c1s1_000301_00.jpg",
    "0012_c1s1_000326_00.jpg",
)
DUKE_NAMES = {
    "bounding_box_train": ("0001_c2_f0046182.jpg", "0001_c5_f0051341.jpg", "0008_c8_f0023912.jpg"),
    "query": ("0005_c2_f0046985.jpg",),
    "bounding_box_test": ("0005_c5_f0051781.jpg", "7139_c2_f0160815.jpg"),
}


def write_images(root: Path, names: dict[str, tuple[str, ...]]) -> Path:
    """Write one small JPEG under each name; its colour tells its place in the listing."""
    number = 0
    for folder, files in names.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for file in files:
            number += 1
            Image.new("RGB", (8, 16), (10 * number, 0, 0)).save(root / folder / file, quality=95)
    return root


@pytest.fixture
def data_root(tmp_path: Path) -> Path:
    """A data root with a miniature Market-1501 and DukeMTMC-reID, and the by-files of their archives."""
    root = tmp_path / "data"
    market = write_images(root / "Market-1501-v15.09.15", {**MARKET_NAMES, "gt_bbox": HAND_DRAWN_NAMES})
    (market / "bounding_box_train" / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    (market / "readme.txt").write_text("Market-1501")
    write_images(root / "DukeMTMC-reID", DUKE_NAMES)
    return root


@pytest.fixture
def add_images(data_root: Path) -> Callable[[str, str, bytes | None], Path]:
    """Add a file to Market-1501: its folder, its name, its bytes (a JPEG when None)."""

    def add(folder: str, name: str, content: bytes | None = None) -> Path:
        path = data_root / "Market-1501-v15.09.15" / folder / name
        path.write_bytes(jpeg_bytes() if content is None else content)
        return path

    return add


def jpeg_bytes() -> bytes:
    """Noise, so that half of the file does not hold the whole picture."""
    pixels = np.random.default_rng(0).integers(0, 256, (64, 32, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()
