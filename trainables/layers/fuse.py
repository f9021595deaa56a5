"""The convolutions that merge feature maps which were joined along their channels.

Source: MDPR, Sec. III (fusion); that the two convolutions stand in series is read from the authors' code.
"""

from __future__ import annotations

from torch import nn

from tablewright.trainables.layers.initialisation import init_convolutions_and_norms


class FuseBlock(nn.Sequential):
    """1x1 then 3x3 convolution, nothing between, batch norm, ReLU; width and size stay."""

    def __init__(self, num_channels: int) -> None:
        super().__init__(
            nn.Conv2d(num_channels, num_channels, 1, bias=False),
            nn.Conv2d(num_channels, num_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(num_channels),
            nn.ReLU(inplace=True),
        )
        init_convolutions_and_norms(self)
