"""Augmentation of whole batches: crop, mirror, erase, patch.

Source:
    MDPR's code (a fork of fast-reid 1.3) for the order, the ranges and the patch pool.
Deviations:
    all images share one pool of patches, where the code has one in each loading process, which fill more slowly.
    A donated patch is copied; the code's is a view of its image, and changes when that image is pasted over.
    Patches are kept as whole levels 0..255, which rounds the colour of erased parts in them by less than 0.5.
    A crop that is resized takes part of its outermost pixels from just outside of it.

Legend: B images, C channels, H W height and width, T tries.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any

import torch
from torch import Tensor

from tablewright.trainables.data.rectangles import Placement, Rectangle, cut, fill, paste, shift_and_mirror
from tablewright.trainables.data.reid import Augmentation, EnlargeCrop, RandomErasing, RandomPatch, ScaleCrop
from tablewright.trainables.training.pinned_copy import sent

# ImageNet's channel means, in levels 0..255; the colour of erased rectangles.
MEAN_LEVELS = (0.485 * 255, 0.456 * 255, 0.406 * 255)
ERASING_TRIES, PATCH_TRIES, CROP_TRIES = 10, 100, 10


class TrainAugmenter:
    """Augments batches; holds the pool of patches, which is state of the training."""

    def __init__(self, augmentation: Augmentation) -> None:
        """Start with an empty pool."""
        self._augmentation = augmentation
        size = 0 if augmentation.patch is None else augmentation.patch.pool_size
        self._pool: deque[Tensor] = deque(maxlen=size)

    def __call__(self, images_BCHW: Tensor, generator: torch.Generator) -> Tensor:
        """Augment a batch without changing it; a GPU is not waited for.

        Args:
            images_BCHW: uint8, on any device.
            generator: on the CPU; the only source of chance.

        Returns:
            float32 in 0..255, the same shape and device.
        """
        augmentation = self._augmentation
        size = (len(images_BCHW), *images_BCHW.shape[2:])
        boxes_B4 = None
        if augmentation.scale_crop is not None:
            boxes_B4 = _draw_scale_crops(size, augmentation.scale_crop, generator)
        if augmentation.enlarge_crop is not None:
            boxes_B4 = _draw_enlarged_crops(size, augmentation.enlarge_crop, generator)
        pad_px = augmentation.pad_crop_px or 0
        tops, lefts, mirrored = _draw_moves(
            len(images_BCHW), pad_px, augmentation.flip_probability or 0.0, generator
        )
        if boxes_B4 is not None:
            moved_BCHW = _crop_and_resize(images_BCHW, boxes_B4, mirrored)
        elif pad_px or augmentation.flip_probability:
            moved_BCHW = shift_and_mirror(images_BCHW, tops, lefts, mirrored, pad_px)
        else:
            moved_BCHW = images_BCHW.to(torch.float32, memory_format=torch.contiguous_format, copy=True)
        if augmentation.erasing is not None:
            moved_BCHW = fill(moved_BCHW, _draw_erased(size, augmentation.erasing, generator), MEAN_LEVELS)
        if augmentation.patch is not None:
            moved_BCHW = self._patch(moved_BCHW, augmentation.patch, generator)
        return moved_BCHW

    def _patch(self, images_BCHW: Tensor, patch: RandomPatch, generator: torch.Generator) -> Tensor:
        """Let each image donate a patch and, once the pool is filled, perhaps take one."""
        batch, _, height, width = images_BCHW.shape
        sizes = _draw_patch_sizes((batch, height, width), patch, generator)
        chances = torch.rand(batch, 7, generator=generator).tolist()
        donated = [
            Rectangle(
                image,
                int(chance[0] * (height - rows + 1)),
                int(chance[1] * (width - columns + 1)),
                rows,
                columns,
            )
            for image, (rows, columns), chance in zip(range(batch), sizes, chances, strict=True)
            if rows
        ]
        # All images donate before any is pasted over.
        patches = dict(zip((box.image for box in donated), cut(images_BCHW, donated), strict=True))
        placements: list[Placement] = []
        for image, chance in enumerate(chances):
            if image in patches:
                self._pool.append(patches[image])
            if len(self._pool) < patch.min_pool_size or chance[2] >= patch.probability:
                continue
            pasted = self._pool[int(chance[3] * len(self._pool))]
            top = int(chance[5] * (height - pasted.shape[1] + 1))
            left = int(chance[6] * (width - pasted.shape[2] + 1))
            placements.append(Placement(pasted, image, top, left, chance[4] < patch.flip_probability))
        return paste(images_BCHW, placements)

    def state_dict(self) -> dict[str, Any]:
        """Give the pool, oldest patch first, on the CPU."""
        return {"pool": [patch.cpu().contiguous() for patch in self._pool]}

    def load_state_dict(self, state: dict[str, Any], device: torch.device | str = "cpu") -> None:
        """Take a pool back."""
        self._pool.clear()
        self._pool.extend(patch.to(device) for patch in state["pool"])


def _draw_moves(
    batch: int, pad_px: int, flip_probability: float, generator: torch.Generator
) -> tuple[list[int], list[int], list[bool]]:
    """Draw the top and left of each image's window in its padded self, and whether it is mirrored."""
    tops = torch.randint(0, 2 * pad_px + 1, (batch, 1), generator=generator).flatten().tolist()
    lefts = torch.randint(0, 2 * pad_px + 1, (batch, 1), generator=generator).flatten().tolist()
    mirrored = (torch.rand(batch, 1, generator=generator) < flip_probability).flatten().tolist()
    return tops, lefts, mirrored


def _draw_scale_crops(size: tuple[int, ...], crop: ScaleCrop, generator: torch.Generator) -> Tensor:
    """Draw boxes, (B, 4): top, left, height, width; the whole image where no try fits into it."""
    batch, height, width = size
    shape = (batch, CROP_TRIES)
    area_BT = _uniform(shape, crop.min_area, crop.max_area, generator) * height * width
    log_aspects = math.log(crop.min_aspect), math.log(crop.max_aspect)
    aspect_BT = _uniform(shape, *log_aspects, generator).exp()
    heights_BT, widths_BT = (area_BT * aspect_BT).sqrt().round(), (area_BT / aspect_BT).sqrt().round()
    fits_BT = (heights_BT <= height) & (widths_BT <= width) & (heights_BT > 0) & (widths_BT > 0)
    first_B1, does_fit_B1 = fits_BT.int().argmax(1, keepdim=True), fits_BT.any(1, keepdim=True)
    box_height_B1 = torch.where(does_fit_B1, heights_BT.gather(1, first_B1), height)
    box_width_B1 = torch.where(does_fit_B1, widths_BT.gather(1, first_B1), width)
    top_B1 = (torch.rand(batch, 1, generator=generator) * (height - box_height_B1 + 1)).floor()
    left_B1 = (torch.rand(batch, 1, generator=generator) * (width - box_width_B1 + 1)).floor()
    return torch.cat([top_B1, left_B1, box_height_B1, box_width_B1], dim=1)


def _draw_enlarged_crops(size: tuple[int, ...], crop: EnlargeCrop, generator: torch.Generator) -> Tensor:
    """Draw boxes, (B, 4): top, left, height, width of the part that fills the enlarged image's window."""
    batch, height, width = size
    large_height, large_width = round(height * crop.factor), round(width * crop.factor)
    is_enlarged_B = torch.rand(batch, generator=generator) < crop.probability
    # Places are whole pixels of the enlarged image, as if it had been made.
    top_B = torch.randint(large_height - height + 1, (batch,), generator=generator) * height / large_height
    left_B = torch.randint(large_width - width + 1, (batch,), generator=generator) * width / large_width
    part_height, part_width = height * height / large_height, width * width / large_width
    box_B4 = torch.stack(
        [top_B, left_B, *torch.tensor([[part_height], [part_width]]).expand(2, batch)], dim=1
    )
    whole_4 = torch.tensor([0.0, 0.0, height, width])
    return torch.where(is_enlarged_B[:, None], box_B4, whole_4)


def _crop_and_resize(images_BCHW: Tensor, boxes_B4: Tensor, mirrored: list[bool]) -> Tensor:
    """Give float32 crops, resized bilinearly to the images' own size, some of them mirrored.

    Boxes stand upright, so that a grid of samples is its columns and its rows, which cost less than `affine_grid` and
    are the same numbers.

    Args:
        images_BCHW: any type.
        boxes_B4: top, left, height, width in px, on the CPU.
        mirrored: whether a crop is mirrored left and right.
    """
    batch, _, height, width = images_BCHW.shape
    top_B1, left_B1, box_height_B1, box_width_B1 = boxes_B4.split(1, dim=1)
    x_BW = _centres(width) * (box_width_B1 / width) + ((2 * left_B1 + box_width_B1) / width - 1)
    y_BH = _centres(height) * (box_height_B1 / height) + ((2 * top_B1 + box_height_B1) / height - 1)
    x_BW = torch.where(torch.tensor(mirrored)[:, None], x_BW.flip(1), x_BW)
    if images_BCHW.device.type == "cpu":  # one image stays in the processor's caches, a batch does not
        resized_BCHW = torch.empty(images_BCHW.shape, dtype=torch.float32)
        for image in range(batch):
            resized_BCHW[image, None] = _sample(
                images_BCHW[image, None], x_BW[image, None], y_BH[image, None]
            )
        return resized_BCHW
    x_BW, y_BH = sent(torch.cat([x_BW, y_BH], 1), images_BCHW.device).split([width, height], dim=1)
    return _sample(images_BCHW, x_BW, y_BH)


def _sample(images_BCHW: Tensor, x_BW: Tensor, y_BH: Tensor) -> Tensor:
    """Read images bilinearly where columns and rows cross, which are from -1 to 1."""
    shape = (len(images_BCHW), y_BH.shape[1], x_BW.shape[1])
    grid_BHW2 = torch.stack([x_BW[:, None, :].expand(shape), y_BH[:, :, None].expand(shape)], dim=3)
    return torch.nn.functional.grid_sample(
        images_BCHW.float(), grid_BHW2, mode="bilinear", padding_mode="border", align_corners=False
    )


def _centres(size: int) -> Tensor:
    """Give the centres of an axis' pixels where its borders are at -1 and 1, as `affine_grid` rounds them."""
    return torch.linspace(-1, 1, size) * (size - 1) / size


def _draw_erased(
    size: tuple[int, ...], erasing: RandomErasing, generator: torch.Generator
) -> list[Rectangle]:
    """Draw what is erased; an image that no try fits into stays whole, as in torchvision."""
    batch, height, width = size
    shape = (batch, ERASING_TRIES)
    area_BT = _uniform(shape, erasing.min_area, erasing.max_area, generator) * height * width
    log_aspects = math.log(erasing.min_aspect), math.log(erasing.max_aspect)
    aspect_BT = _uniform(shape, *log_aspects, generator).exp()
    heights_BT, widths_BT = (area_BT * aspect_BT).sqrt().round(), (area_BT / aspect_BT).sqrt().round()
    fits_BT = (heights_BT < height) & (widths_BT < width)
    first_B1 = fits_BT.int().argmax(1, keepdim=True)
    box_height_B1, box_width_B1 = heights_BT.gather(1, first_B1), widths_BT.gather(1, first_B1)
    top_B1 = (torch.rand(batch, 1, generator=generator) * (height - box_height_B1 + 1)).floor()
    left_B1 = (torch.rand(batch, 1, generator=generator) * (width - box_width_B1 + 1)).floor()
    is_erased_B1 = (torch.rand(batch, 1, generator=generator) < erasing.probability) & fits_BT.any(
        1, keepdim=True
    )
    boxes = torch.cat([top_B1, left_B1, box_height_B1, box_width_B1], 1).int().tolist()
    return [Rectangle(image, *boxes[image]) for image in is_erased_B1.flatten().nonzero().flatten().tolist()]


def _draw_patch_sizes(
    size: tuple[int, ...], patch: RandomPatch, generator: torch.Generator
) -> list[list[int]]:
    """Draw height and width of each image's patch; 0 where no try was smaller than the image."""
    batch, height, width = size
    shape = (batch, PATCH_TRIES)
    area_BT = _uniform(shape, patch.min_area, patch.max_area, generator) * height * width
    aspect_BT = _uniform(shape, patch.min_aspect, patch.max_aspect, generator)
    heights_BT = (area_BT * aspect_BT).sqrt().round().int()
    widths_BT = (area_BT / aspect_BT).sqrt().round().int()
    fits_BT = (heights_BT < height) & (widths_BT < width) & (heights_BT > 0) & (widths_BT > 0)
    first_B1 = fits_BT.int().argmax(1, keepdim=True)
    does_fit_B1 = fits_BT.any(1, keepdim=True)
    sizes = [torch.where(does_fit_B1, sides.gather(1, first_B1), 0) for sides in (heights_BT, widths_BT)]
    return torch.cat(sizes, 1).tolist()


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator)
