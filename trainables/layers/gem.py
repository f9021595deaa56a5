"""Generalised-mean pooling with a learnable exponent.

Source: Radenović et al., Fine-tuning CNN Image Retrieval with No Human Annotation, TPAMI 2019,
arXiv:1711.02512, Eq. 3; one exponent for all channels.

Legend: B images, C channels, H W height and width of a map.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_SMALLEST_ACTIVATION = 1e-6


class GeM(nn.Module):
    """(mean over space of max(x, 1e-6)^p)^(1/p); p = 1 is the average, p = ∞ the maximum."""

    def __init__(self, exponent: float = 3.0) -> None:
        super().__init__()
        self.exponent = nn.Parameter(torch.full((1,), exponent))

    def forward(self, map_BCHW: Tensor) -> Tensor:
        """Pool (B, C, H, W) to (B, C)."""
        powers_BCHW = map_BCHW.clamp(min=_SMALLEST_ACTIVATION).pow(self.exponent)
        return powers_BCHW.mean(dim=(2, 3)).pow(1.0 / self.exponent)
