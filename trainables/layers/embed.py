"""The 1x1 convolution that brings a map to the width of an embedding."""

from __future__ import annotations

from torch import nn

from tablewright.trainables.layers.initialisation import init_convolutions_and_norms


class Embed(nn.Sequential):
    """1x1 convolution without bias, batch norm, ReLU: (B, in, H, W) to (B, out, H, W)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )
        init_convolutions_and_norms(self)
