"""Standardising pixels inside the network, so that images travel as plain 0..255 values.

Legend: B images, C channels, H W height and width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class PixelStandardisation(nn.Module):
    """(x - 255 · mean) / (255 · std) by ImageNet's statistics, never in place.

    The products are made in double precision and rounded once to float32: another order costs parity
    with networks trained that way.
    """

    mean_C11: Tensor
    std_C11: Tensor

    def __init__(self) -> None:
        super().__init__()
        mean_C11 = torch.tensor([255.0 * value for value in IMAGENET_MEAN]).view(3, 1, 1)
        std_C11 = torch.tensor([255.0 * value for value in IMAGENET_STD]).view(3, 1, 1)
        self.register_buffer("mean_C11", mean_C11, persistent=False)
        self.register_buffer("std_C11", std_C11, persistent=False)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Give standardised images; RGB, 0..255, float."""
        return (images_BCHW - self.mean_C11) / self.std_C11
