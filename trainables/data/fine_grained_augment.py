"""Augmentation of whole batches for fine-grained recognition: turn, mirror, change colours, add colour noise.

Source:
    TASN's official training code (github.com/researchmm/tasn, commit fa76ea6) for which and how much; the image
    iterator of MXNet, which it trains through, for the order and the formulas.
Deviations:
    the crop is turned about its own centre; the iterator turns the whole image before it is cropped. Values stay
    float between the steps, where the iterator rounds to whole levels; both stay within 0..255.

Legend: B images, C colours, H W height and width.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tablewright.trainables.data.fine_grained import FineGrainedAugmentation

WHITE = 255.0
GREY_WEIGHTS = (0.299, 0.587, 0.114)
# Principal axes of ImageNet's colours, RGB in levels 0..255 (Krizhevsky et al., NIPS 2012, Sec. 4.1).
PCA_STDS = (55.46, 4.794, 1.148)
PCA_AXES = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))


class FineGrainedAugmenter:
    """Augments batches. Stateless: every random number comes from the generator that is passed.

    Args:
        augmentation: what is done; the crop is not: it is cut when the image is read.
    """

    def __init__(self, augmentation: FineGrainedAugmentation) -> None:
        self._augmentation = augmentation

    def __call__(self, images_BCHW: Tensor, generator: torch.Generator) -> Tensor:
        """Augment a batch without changing it.

        Args:
            images_BCHW: uint8, on any device, square.
            generator: on the CPU.

        Returns:
            float32 in 0..255, the same shape and device.
        """
        augmentation = self._augmentation
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


def _turn(images_BCHW: Tensor, max_deg: float, generator: torch.Generator) -> Tensor:
    """Turn each image about its centre by an angle drawn uniformly, bilinearly."""
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
    """Change brightness, contrast and saturation of each image, in an order of its own."""
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
    """Add one colour to each whole image, drawn along the principal axes."""
    drawn_B3 = torch.randn(len(images_BCHW), 3, generator=generator) * std * torch.tensor(PCA_STDS)
    shift_BC = drawn_B3 @ torch.tensor(PCA_AXES).T
    return (images_BCHW + shift_BC.to(images_BCHW.device)[:, :, None, None]).clamp(0, 255)
