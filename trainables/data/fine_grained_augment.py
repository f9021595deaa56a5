"""Augmentation of whole batches for fine-grained recognition: turn, mirror, change colours, add colour noise.

Source:
    TASN's official training code (github.com/researchmm/tasn, commit fa76ea6) for which and how much; the image
    iterator of MXNet, which it trains through, for the order and the formulas.
Deviations:
    the crop is turned about its own centre; the iterator turns the whole image before it is cropped. Values stay
    float between the steps, where the iterator rounds to whole levels; both stay within 0..255.

Legend: B images, C colours, H W height and width, N changes of colour, F numbers of an image.
"""

from __future__ import annotations

import math
from collections.abc import Set
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from tablewright.trainables.data.fine_grained import FineGrainedAugmentation
from tablewright.trainables.training.pinned_copy import sent

WHITE = 255.0
GREY_WEIGHTS = (0.299, 0.587, 0.114)
# Principal axes of ImageNet's colours, RGB in levels 0..255 (Krizhevsky et al., NIPS 2012, Sec. 4.1).
PCA_STDS = (55.46, 4.794, 1.148)
PCA_AXES = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))

Change = Literal["brightness", "contrast", "saturation"]
CHANGES: tuple[Change, ...] = ("brightness", "contrast", "saturation")


class FineGrainedAugmenter:
    """Augments batches. Stateless: every random number comes from the generator that is passed.

    Args:
        augmentation: what is done; the crop is not: it is cut when the image is read.
    """

    def __init__(self, augmentation: FineGrainedAugmentation) -> None:
        self._augmentation = augmentation

    def __call__(self, images_BCHW: Tensor, generator: torch.Generator) -> Tensor:
        """Augment a batch without changing it; a GPU is not waited for.

        Args:
            images_BCHW: uint8, on any device, square.
            generator: on the CPU.

        Returns:
            float32 in 0..255, the same shape and device.
        """
        drawn = self._draw(len(images_BCHW), generator)
        if images_BCHW.device.type != "cpu":
            return drawn.sent(images_BCHW.device).apply(images_BCHW)
        # One image after another: it stays in the processor's caches, a batch does not. What is neither turned nor
        # changed in colour keeps its layout in memory, on which last digits of a network depend.
        layout = torch.contiguous_format if drawn.kinds or "angle" in drawn.parts else torch.preserve_format
        augmented_BCHW = torch.empty_like(images_BCHW, dtype=torch.float32, memory_format=layout)
        for image in range(len(images_BCHW)):
            augmented_BCHW[image, None] = drawn.part(image).apply(images_BCHW[image, None])
        return augmented_BCHW

    def _draw(self, batch: int, generator: torch.Generator) -> _Drawn:
        augmentation = self._augmentation
        parts: dict[str, Tensor] = {}
        if augmentation.rotation_deg is not None:
            max_rad = math.radians(augmentation.rotation_deg)
            parts["angle"] = ((2 * torch.rand(batch, generator=generator) - 1) * max_rad)[:, None]
        if augmentation.flip_probability is not None:
            is_mirrored_B = torch.rand(batch, generator=generator) < augmentation.flip_probability
            parts["mirrored"] = is_mirrored_B[:, None]
        ranges = {name: change for name in CHANGES if (change := getattr(augmentation, name)) is not None}
        kinds: tuple[tuple[Change, ...], ...] = ()
        if ranges:
            order_BN = torch.rand(batch, len(ranges), generator=generator).argsort(1)
            drawn_BN = 2 * torch.rand(batch, len(ranges), generator=generator) - 1
            factor_BN = 1 + drawn_BN * torch.tensor(list(ranges.values()))
            names = list(ranges)
            kinds = tuple(tuple(names[number] for number in order) for order in order_BN.tolist())
            parts["factors"] = factor_BN.gather(1, order_BN)
            parts["kinds"] = torch.tensor([[CHANGES.index(kind) for kind in order] for order in kinds])
        if augmentation.pca_noise is not None:
            drawn_B3 = (
                torch.randn(batch, 3, generator=generator) * augmentation.pca_noise * torch.tensor(PCA_STDS)
            )
            parts["shift"] = drawn_B3 @ torch.tensor(PCA_AXES).T
        return _Drawn(parts, kinds)


@dataclass(frozen=True)
class _Drawn:
    """What is done to each image of a batch.

    Attributes:
        parts: numbers by what they are for, one row an image; what is switched off has none.
        kinds: each image's changes of colour in their order, known on the CPU.
    """

    parts: dict[str, Tensor]
    kinds: tuple[tuple[Change, ...], ...]

    def part(self, image: int) -> _Drawn:
        """Give what is done to one image."""
        rows = {name: numbers[image, None] for name, numbers in self.parts.items()}
        return _Drawn(rows, self.kinds[image : image + 1])

    def sent(self, device: torch.device) -> _Drawn:
        """Give the same on a GPU, in one copy."""
        if not self.parts:
            return self
        widths = [numbers.shape[1] for numbers in self.parts.values()]
        table_BF = sent(torch.cat([numbers.float() for numbers in self.parts.values()], 1), device)
        return _Drawn(dict(zip(self.parts, table_BF.split(widths, dim=1), strict=True)), self.kinds)

    def apply(self, images_BCHW: Tensor) -> Tensor:
        """Give the images as they are augmented."""
        images_BCHW = images_BCHW.float()
        if "angle" in self.parts:
            images_BCHW = _turn(images_BCHW, self.parts["angle"])
        if "mirrored" in self.parts:
            is_mirrored_B111 = self.parts["mirrored"][:, :, None, None] > 0
            images_BCHW = torch.where(is_mirrored_B111, images_BCHW.flip(-1), images_BCHW)
        for place, kinds in enumerate(zip(*self.kinds, strict=True)):
            factor_B111 = self.parts["factors"][:, place, None, None, None]
            kind_B111 = self.parts["kinds"][:, place, None, None, None]
            images_BCHW = _change_colours(images_BCHW, set(kinds), kind_B111, factor_B111)
        if "shift" in self.parts:  # one colour for each whole image
            images_BCHW = (images_BCHW + self.parts["shift"][:, :, None, None]).clamp(0, 255)
        return images_BCHW


def _turn(images_BCHW: Tensor, angle_B1: Tensor) -> Tensor:
    """Turn each image about its centre by an angle in radians, bilinearly; what comes from outside is white."""
    cos_B1, sin_B1, zero_B1 = angle_B1.cos(), angle_B1.sin(), torch.zeros_like(angle_B1)
    turn_B23 = torch.cat([cos_B1, -sin_B1, zero_B1, sin_B1, cos_B1, zero_B1], 1).view(-1, 2, 3)
    grid_BHW2 = torch.nn.functional.affine_grid(turn_B23, list(images_BCHW.shape), align_corners=False)
    # Outside is 0 to the sampler, so it samples how far each level is from white.
    turned_BCHW = torch.nn.functional.grid_sample(images_BCHW - WHITE, grid_BHW2, align_corners=False)
    return turned_BCHW + WHITE


def _change_colours(
    images_BCHW: Tensor, kinds: Set[Change], kind_B111: Tensor, factor_B111: Tensor
) -> Tensor:
    """Move the colours of each image away from an anchor by a factor, or towards it.

    The anchor is black for the brightness, the image's mean grey for the contrast, each pixel's grey for the
    saturation.

    Args:
        images_BCHW: float, 0..255.
        kinds: which changes are among those of the images.
        kind_B111: number of each image's change in `CHANGES`.
        factor_B111: above 1 is away from the anchor.
    """
    if kinds == {"brightness"}:
        return (images_BCHW * factor_B111).clamp(0, 255)
    red_B1HW, green_B1HW, blue_B1HW = (
        images_BCHW[:, c, None] * weight for c, weight in enumerate(GREY_WEIGHTS)
    )
    grey_B1HW = red_B1HW + green_B1HW + blue_B1HW
    if kinds == {"saturation"}:
        anchor = grey_B1HW
    elif kinds == {"contrast"}:
        anchor = grey_B1HW.mean((2, 3), keepdim=True)
    else:
        mean_B111 = grey_B1HW.mean((2, 3), keepdim=True) * (kind_B111 == CHANGES.index("contrast"))
        anchor = torch.where(kind_B111 == CHANGES.index("saturation"), grey_B1HW, mean_B111)
    return (anchor + (images_BCHW - anchor) * factor_B111).clamp(0, 255)
