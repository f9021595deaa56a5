"""Augmentation as it is written most plainly, image by image: what the product's gives to the last bit.

It draws in the product's order, and is slower on a CPU and much slower on a GPU.
"""

from __future__ import annotations

import math
from collections import deque

import torch
from torch import Tensor

from tablewright.trainables.data.fine_grained import FineGrainedAugmentation
from tablewright.trainables.data.fine_grained_augment import GREY_WEIGHTS, PCA_AXES, PCA_STDS, WHITE
from tablewright.trainables.data.reid import Augmentation, EnlargeCrop, RandomErasing, RandomPatch, ScaleCrop
from tablewright.trainables.data.reid_augment import CROP_TRIES, ERASING_TRIES, MEAN_LEVELS, PATCH_TRIES


def augment_people(
    images_BCHW: Tensor, augmentation: Augmentation, pool: deque[Tensor], generator: torch.Generator
) -> Tensor:
    """Augment a batch of re-identification; the pool takes the patches of its images."""
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
        _patch(moved_BCHW, augmentation.patch, pool, generator)
    return moved_BCHW


def augment_fine_grained(
    images_BCHW: Tensor, augmentation: FineGrainedAugmentation, generator: torch.Generator
) -> Tensor:
    """Augment a batch of fine-grained recognition."""
    images_BCHW = images_BCHW.float()
    if augmentation.rotation_deg is not None:
        images_BCHW = _turn(images_BCHW, augmentation.rotation_deg, generator)
    if augmentation.flip_probability is not None:
        is_mirrored_B = torch.rand(len(images_BCHW), generator=generator) < augmentation.flip_probability
        is_mirrored_B111 = is_mirrored_B.to(images_BCHW.device)[:, None, None, None]
        images_BCHW = torch.where(is_mirrored_B111, images_BCHW.flip(-1), images_BCHW)
    changes = {
        name: change
        for name in ("brightness", "contrast", "saturation")
        if (change := getattr(augmentation, name)) is not None
    }
    if changes:
        images_BCHW = _jitter(images_BCHW, changes, generator)
    if augmentation.pca_noise is not None:
        images_BCHW = _add_pca_noise(images_BCHW, augmentation.pca_noise, generator)
    return images_BCHW


def _patch(images_BCHW: Tensor, patch: RandomPatch, pool: deque[Tensor], generator: torch.Generator) -> None:
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
            pool.append(donated.round().to(torch.uint8))
        if len(pool) < patch.min_pool_size or chance[2] >= patch.probability:
            continue
        pasted = pool[int(chance[3] * len(pool))]
        pasted = pasted.flip(2) if chance[4] < patch.flip_probability else pasted
        top = int(chance[5] * (height - pasted.shape[1] + 1))
        left = int(chance[6] * (width - pasted.shape[2] + 1))
        image_CHW[:, top : top + pasted.shape[1], left : left + pasted.shape[2]] = pasted


def _crop_and_mirror(
    images_BCHW: Tensor, pad_px: int, flip_probability: float, generator: torch.Generator
) -> Tensor:
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


def _turn(images_BCHW: Tensor, max_deg: float, generator: torch.Generator) -> Tensor:
    angle_B = (2 * torch.rand(len(images_BCHW), generator=generator) - 1) * math.radians(max_deg)
    cos_B, sin_B, zero_B = angle_B.cos(), angle_B.sin(), torch.zeros_like(angle_B)
    turn_B23 = torch.stack(
        [torch.stack([cos_B, -sin_B, zero_B], 1), torch.stack([sin_B, cos_B, zero_B], 1)], 1
    ).to(images_BCHW.device)
    grid_BHW2 = torch.nn.functional.affine_grid(turn_B23, list(images_BCHW.shape), align_corners=False)
    # Outside is 0 to the sampler, so it samples how far each level is from white.
    turned_BCHW = torch.nn.functional.grid_sample(images_BCHW - WHITE, grid_BHW2, align_corners=False)
    return turned_BCHW + WHITE


def _jitter(images_BCHW: Tensor, changes: dict[str, float], generator: torch.Generator) -> Tensor:
    num_changes = len(changes)
    order_BN = torch.rand(len(images_BCHW), num_changes, generator=generator).argsort(1).tolist()
    drawn_BN = 2 * torch.rand(len(images_BCHW), num_changes, generator=generator) - 1
    factors_BN = (1 + drawn_BN * torch.tensor(list(changes.values()))).tolist()
    names = list(changes)
    jittered = []
    for image_CHW, order, factors in zip(images_BCHW, order_BN, factors_BN, strict=True):
        for place in order:
            name, factor = names[place], factors[place]
            if name == "brightness":
                image_CHW = image_CHW * factor
            else:
                grey_HW = torch.stack(
                    [w * c_HW for w, c_HW in zip(GREY_WEIGHTS, image_CHW, strict=True)]
                ).sum(0)
                anchor = grey_HW.mean() if name == "contrast" else grey_HW
                image_CHW = anchor + (image_CHW - anchor) * factor
            image_CHW = image_CHW.clamp(0, 255)
        jittered.append(image_CHW)
    return torch.stack(jittered)


def _add_pca_noise(images_BCHW: Tensor, std: float, generator: torch.Generator) -> Tensor:
    drawn_B3 = torch.randn(len(images_BCHW), 3, generator=generator) * std * torch.tensor(PCA_STDS)
    shift_BC = drawn_B3 @ torch.tensor(PCA_AXES).T
    return (images_BCHW + shift_BC.to(images_BCHW.device)[:, :, None, None]).clamp(0, 255)
