"""How an image of a data set is made into what a training reads: decoded and resized.

Legend: H W height and width of an image, C colours, N images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from PIL import Image


class ImageShape(Protocol):
    """What images are resized to. Equal ones have equal names."""

    @property
    def name(self) -> str:
        """Name it in the names of files."""
        ...

    def sizes(self, sizes_N2: np.ndarray) -> np.ndarray:
        """Give height and width (N, 2) of resized images, from those of the files."""
        ...

    def make(self, image: Image.Image) -> np.ndarray:
        """Decode and resize an image: uint8 (H, W, C)."""
        ...


@dataclass(frozen=True)
class FixedSize:
    """Of one height and width, whatever the aspect ratio of the file."""

    height_px: int
    width_px: int

    @property
    def name(self) -> str:
        """Name it in the names of files."""
        return f"{self.height_px}x{self.width_px}"

    def sizes(self, sizes_N2: np.ndarray) -> np.ndarray:
        """Give the size, for each image."""
        return np.tile(np.array([self.height_px, self.width_px], np.int64), (len(sizes_N2), 1))

    def make(self, image: Image.Image) -> np.ndarray:
        """Decode and resize an image."""
        return _resized(image, self.height_px, self.width_px)


@dataclass(frozen=True)
class ShorterSide:
    """Of one shorter side, the aspect ratio kept."""

    shorter_side_px: int

    @property
    def name(self) -> str:
        """Name it in the names of files."""
        return f"shorter{self.shorter_side_px}"

    def sizes(self, sizes_N2: np.ndarray) -> np.ndarray:
        """Give the size of each image; the longer side is rounded to whole pixels."""
        shorter_N, longer_N = sizes_N2.min(1), sizes_N2.max(1)
        longer_px_N = (longer_N * self.shorter_side_px + shorter_N // 2) // shorter_N
        is_upright_N = sizes_N2[:, 0] > sizes_N2[:, 1]
        height_px_N = np.where(is_upright_N, longer_px_N, self.shorter_side_px)
        width_px_N = np.where(is_upright_N, self.shorter_side_px, longer_px_N)
        return np.stack([height_px_N, width_px_N], 1).astype(np.int64)

    def make(self, image: Image.Image) -> np.ndarray:
        """Decode and resize an image."""
        ((height_px, width_px),) = self.sizes(np.array([[image.height, image.width]])).tolist()
        return _resized(image, height_px, width_px)


def _resized(image: Image.Image, height_px: int, width_px: int) -> np.ndarray:
    return np.asarray(image.convert("RGB").resize((width_px, height_px), Image.Resampling.BICUBIC))
