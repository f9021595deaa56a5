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

from tablewright.trainables.data.reid import Augmentation, EnlargeCrop, RandomErasing, RandomPatch, ScaleCrop

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
        """Augment a batch without changing it.

        Args:
            images_BCHW: uint8, on any device.
            generator: on the CPU; the only source of chance.

        Returns:
            float32 in 0..255, the same shape and device.
        """
        augmentation = self._augmentation
        if augmentation.scale_crop is not None:
            boxes_B4 = _draw_scale_crops(images_BCHW, augmentation.scale_crop, generator)
            images_BCHW = _crop_and_resize(images_BCHW, boxes_B4)
        if augmentation.enlarge_crop is not None:
            boxes_B4 = _draw_enlarged_crops(images_BCHW, augmentation.enlarge_crop, generator)
            images_BCHW = _crop_and_resize(images_BCHW, boxes_B4)
        moved_BCHW = _crop_and_mirror(
            images_BCHW, augmentation.pad_crop_px or 0, augmentation.flip_probability or 0.0, generator
        )
        if augmentation.erasing is not None:
            _erase(moved_BCHW, augmentation.erasing, generator)
        if augmentation.patch is not None:
            self._patch(moved_BCHW, augmentation.patch, generator)
        return moved_BCHW

    def _patch(self, images_BCHW: Tensor, patch: RandomPatch, generator: torch.Generator) -> None:
        """Let each image donate a patch and, once the pool is filled, perhaps take one; in place."""
        batch, _, height, width = images_BCHW.shape
        heights, widths = _draw_patch_sizes(batch, height, width, patch, generator)
        chances = torch.rand(batch, 7, generator=generator).tolist()
        for image_CHW, patch_height, patch_width, chance in zip(
            images_BCHW, heights, widths, chances, strict=True
        ):
            if patch_height:
                top = int(chance[0] * (height - patch_height + 1))
                left = int(chance[1] * (width - patch_width + 1))
                donated = image_CHW[:, top : top + patch_height, left : left + patch_width]
                self._pool.append(donated.round().to(torch.uint8))
            if len(self._pool) < patch.min_pool_size or chance[2] >= patch.probability:
                continue
            pasted = self._pool[int(chance[3] * len(self._pool))]
            pasted = pasted.flip(2) if chance[4] < patch.flip_probability else pasted
            top = int(chance[5] * (height - pasted.shape[1] + 1))
            left = int(chance[6] * (width - pasted.shape[2] + 1))
            image_CHW[:, top : top + pasted.shape[1], left : left + pasted.shape[2]] = pasted

    def state_dict(self) -> dict[str, Any]:
        """Give the pool, oldest patch first, on the CPU."""
        return {"pool": [patch.cpu() for patch in self._pool]}

    def load_state_dict(self, state: dict[str, Any], device: torch.device | str = "cpu") -> None:
        """Take a pool back."""
        self._pool.clear()
        self._pool.extend(patch.to(device) for patch in state["pool"])


def _crop_and_mirror(
    images_BCHW: Tensor, pad_px: int, flip_probability: float, generator: torch.Generator
) -> Tensor:
    """Give float images, cropped and mirrored."""
    batch, _, height, width = images_BCHW.shape
    tops = torch.randint(0, 2 * pad_px + 1, (batch, 1), generator=generator).flatten().tolist()
    lefts = torch.randint(0, 2 * pad_px + 1, (batch, 1), generator=generator).flatten().tolist()
    is_mirrored = (torch.rand(batch, 1, generator=generator) < flip_probability).flatten().tolist()
    padded_BCHW = torch.nn.functional.pad(images_BCHW, (pad_px,) * 4) if pad_px else images_BCHW
    moved_BCHW = torch.empty(images_BCHW.shape, dtype=torch.float32, device=images_BCHW.device)
    for moved_CHW, padded_CHW, top, left, mirrored in zip(
        moved_BCHW, padded_BCHW, tops, lefts, is_mirrored, strict=True
    ):
        cropped_CHW = padded_CHW[:, top : top + height, left : left + width]
        moved_CHW.copy_(cropped_CHW.flip(2) if mirrored else cropped_CHW)
    return moved_BCHW


def _draw_scale_crops(images_BCHW: Tensor, crop: ScaleCrop, generator: torch.Generator) -> Tensor:
    """Draw boxes, (B, 4): top, left, height, width; the whole image where no try fits into it."""
    batch, _, height, width = images_BCHW.shape
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


def _draw_enlarged_crops(images_BCHW: Tensor, crop: EnlargeCrop, generator: torch.Generator) -> Tensor:
    """Draw boxes, (B, 4): top, left, height, width of the part that fills the enlarged image's window."""
    batch, _, height, width = images_BCHW.shape
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


def _crop_and_resize(images_BCHW: Tensor, boxes_B4: Tensor) -> Tensor:
    """Give float32 crops resized bilinearly to the images' own size; boxes are top, left, height, width in px."""
    _, _, height, width = images_BCHW.shape
    top_B, left_B, box_height_B, box_width_B = boxes_B4.to(images_BCHW.device).unbind(dim=1)
    theta_B23 = torch.zeros(len(images_BCHW), 2, 3, device=images_BCHW.device)
    theta_B23[:, 0, 0], theta_B23[:, 1, 1] = box_width_B / width, box_height_B / height
    theta_B23[:, 0, 2] = (2 * left_B + box_width_B) / width - 1
    theta_B23[:, 1, 2] = (2 * top_B + box_height_B) / height - 1
    grid_BHW2 = torch.nn.functional.affine_grid(theta_B23, list(images_BCHW.shape), align_corners=False)
    return torch.nn.functional.grid_sample(
        images_BCHW.float(), grid_BHW2, mode="bilinear", padding_mode="border", align_corners=False
    )


def _erase(images_BCHW: Tensor, erasing: RandomErasing, generator: torch.Generator) -> None:
    """Erase in place; an image that no try fits into stays whole, as in torchvision."""
    batch, _, height, width = images_BCHW.shape
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
    fill_C11 = torch.tensor(MEAN_LEVELS, device=images_BCHW.device).view(-1, 1, 1)
    boxes_B4 = torch.cat([top_B1, left_B1, top_B1 + box_height_B1, left_B1 + box_width_B1], 1).int().tolist()
    for image_CHW, (top, left, bottom, right), is_erased in zip(
        images_BCHW, boxes_B4, is_erased_B1.flatten().tolist(), strict=True
    ):
        if is_erased:
            image_CHW[:, top:bottom, left:right] = fill_C11


def _draw_patch_sizes(
    batch: int, height: int, width: int, patch: RandomPatch, generator: torch.Generator
) -> tuple[list[int], list[int]]:
    """Draw the size of each image's patch; 0 where no try was smaller than the image."""
    shape = (batch, PATCH_TRIES)
    area_BT = _uniform(shape, patch.min_area, patch.max_area, generator) * height * width
    aspect_BT = _uniform(shape, patch.min_aspect, patch.max_aspect, generator)
    heights_BT = (area_BT * aspect_BT).sqrt().round().int()
    widths_BT = (area_BT / aspect_BT).sqrt().round().int()
    fits_BT = (heights_BT < height) & (widths_BT < width) & (heights_BT > 0) & (widths_BT > 0)
    first_B1 = fits_BT.int().argmax(1, keepdim=True)
    does_fit_B1 = fits_BT.any(1, keepdim=True)
    sizes = [torch.where(does_fit_B1, sides.gather(1, first_B1), 0) for sides in (heights_BT, widths_BT)]
    return sizes[0].flatten().tolist(), sizes[1].flatten().tolist()


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator)
