"""VGG-19 without its classifier, with torchvision's names (`features.0.weight`).

Paper: Simonyan and Zisserman, Very Deep Convolutional Networks, ICLR 2015, arXiv:1409.1556, configuration E.

Legend: B images, C channels, H W height and width of a map.
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from tablewright.trainables.layers.initialisation import init_convolutions_and_norms

_WIDTHS_OF_BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))


class Vgg19(nn.Module):
    """Sixteen convolutions in five blocks, each followed by a max-pool."""

    out_channels = 512
    heads = ("classifier",)  # of torchvision's file

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        in_channels = 3
        for width, num_convolutions in _WIDTHS_OF_BLOCKS:
            for _ in range(num_convolutions):
                layers += [nn.Conv2d(in_channels, width, 3, padding=1), nn.ReLU(inplace=True)]
                in_channels = width
            layers.append(nn.MaxPool2d(2, 2))
        self.features = nn.Sequential(*layers)
        init_convolutions_and_norms(self)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Give (B, 512, H / 32, W / 32)."""
        return cast("Tensor", self.features(images_BCHW))

    def published_name(self, key: str) -> str:
        """Give torchvision's name of a key, which is ours."""
        return key
