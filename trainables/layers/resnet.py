"""ResNet-18, 34, 50 and 101, plain and IBN-a, as five stages.

Papers:
    He et al., Deep Residual Learning for Image Recognition, CVPR 2016, arXiv:1512.03385.
    Pan et al., Two at Once: Enhancing Learning and Generalization Capacities via IBN-Net, ECCV 2018,
    arXiv:1807.09441 (IBN-a, Fig. 3a).
Names of parameters are those of torchvision's files (`conv1`, `bn1`, `layer1.0.conv1`,
`layer1.0.downsample.0`), and inside a split norm those of IBN-Net's files (`bn1.IN`, `bn1.BN`).
Deviations from torchvision, as person re-identification code has them, where they are asked for:
    the max-pool of the stem is not padded and rounds its size up; the last stage keeps stride 1.

Legend: B images, C channels, H W height and width of a map.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from tablewright.trainables.layers.initialisation import init_convolutions_and_norms
from tablewright.trainables.layers.stages import Stage, Stages

ResnetDepth = Literal[18, 34, 50, 101]
StemPool = Literal["unpadded", "padded"]

_NUM_BLOCKS: dict[int, tuple[int, int, int, int]] = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
}
_STEM_CHANNELS = 64
# What stands behind the last stage in files as people have them: torchvision's and IBN-Net's classifier, MoCo's
# projection under the same name, SwAV's projection and prototypes, necks and classifiers of re-identification.
_HEADS = ("fc", "projection_head", "prototypes", "classifier", "bottleneck", "head", "heads")


class InstanceBatchNorm(nn.Module):
    """IBN-a: instance norm on the first half of the channels, batch norm on the second.

    The instance norm has an affine map and no running statistics. `num_channels` is even.
    """

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.num_instance_channels = num_channels // 2
        self.IN = nn.InstanceNorm2d(self.num_instance_channels, affine=True)
        self.BN = nn.BatchNorm2d(num_channels - self.num_instance_channels)

    def forward(self, map_BCHW: Tensor) -> Tensor:
        """Normalise both halves; shape and memory format stay."""
        sizes = self.num_instance_channels, map_BCHW.shape[1] - self.num_instance_channels
        if not map_BCHW.is_contiguous(memory_format=torch.channels_last):
            instance_BCHW, batch_BCHW = map_BCHW.split(sizes, dim=1)
            return torch.cat((self.IN(instance_BCHW), self.BN(batch_BCHW)), dim=1)
        # Instance norm gives its half, and that half's gradient, channels first. Cut as the map lies, the gradient of
        # the whole lies so too; put back, so do the other half and every convolution behind it.
        instance_BCHW, batch_BCHW = (
            half.movedim(-1, 1) for half in map_BCHW.movedim(1, -1).split(sizes, dim=-1)
        )
        instance_BCHW = self.IN(instance_BCHW).contiguous(memory_format=torch.channels_last)
        return torch.cat((instance_BCHW, self.BN(batch_BCHW)), dim=1)


def _make_first_norm(num_channels: int, ibn: bool) -> nn.Module:
    return InstanceBatchNorm(num_channels) if ibn else nn.BatchNorm2d(num_channels)


def _make_shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module | None:
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
    )


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut: the block of ResNet-18 and 34."""

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int, ibn: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride, padding=1, bias=False)
        self.bn1 = _make_first_norm(width, ibn)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.relu_out = nn.ReLU(inplace=True)
        self.downsample = _make_shortcut(in_channels, width, stride)

    def forward(self, map_BCHW: Tensor) -> Tensor:
        """Give (B, width, H / stride, W / stride)."""
        shortcut_BCHW = map_BCHW if self.downsample is None else self.downsample(map_BCHW)
        map_BCHW = self.relu(self.bn1(self.conv1(map_BCHW)))
        map_BCHW = self.bn2(self.conv2(map_BCHW))
        return self.relu_out(map_BCHW + shortcut_BCHW)


class BottleneckBlock(nn.Module):
    """1x1, 3x3 (which carries the stride), 1x1 and a shortcut: the block of ResNet-50 and 101."""

    expansion = 4

    def __init__(self, in_channels: int, width: int, stride: int, ibn: bool) -> None:
        super().__init__()
        out_channels = width * self.expansion
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = _make_first_norm(width, ibn)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.relu_out = nn.ReLU(inplace=True)
        self.downsample = _make_shortcut(in_channels, out_channels, stride)

    def forward(self, map_BCHW: Tensor) -> Tensor:
        """Give (B, 4 · width, H / stride, W / stride)."""
        shortcut_BCHW = map_BCHW if self.downsample is None else self.downsample(map_BCHW)
        map_BCHW = self.relu(self.bn1(self.conv1(map_BCHW)))
        map_BCHW = self.relu(self.bn2(self.conv2(map_BCHW)))
        map_BCHW = self.bn3(self.conv3(map_BCHW))
        return self.relu_out(map_BCHW + shortcut_BCHW)


def _published_name(key: str) -> str:
    return key.removeprefix("stem.")


def build_resnet_stages(
    depth: ResnetDepth, *, ibn: bool, last_stride: Literal[1, 2], stem_pool: StemPool = "unpadded"
) -> Stages:
    """Build a freshly initialised ResNet without its classifier.

    Args:
        depth: which of the four.
        ibn: split the norm after the first convolution of every block of layer1 .. layer3 (IBN-a);
            layer4 has none, and the number of parameters stays.
        last_stride: stride of layer4; 1 leaves the output at 1/16 of the image's size, 2 at 1/32.
        stem_pool: of the 3x3 max-pool with stride 2: `padded` by one pixel on each side as in torchvision, which
            is what published weights were trained with; or `unpadded` with its size rounded up, as in fast-reid.
            Sizes that 4 divides come out alike; windows lie a pixel apart.

    Returns:
        Stages at 1/4, 1/4, 1/8, 1/16 and 1/16 (or 1/32) of the image's size.
    """
    block = BasicBlock if depth in (18, 34) else BottleneckBlock
    stem = Stage(
        {
            "conv1": nn.Conv2d(3, _STEM_CHANNELS, 7, 2, padding=3, bias=False),
            "bn1": nn.BatchNorm2d(_STEM_CHANNELS),
            "relu": nn.ReLU(inplace=True),
            "maxpool": nn.MaxPool2d(3, 2, padding=1)
            if stem_pool == "padded"
            else nn.MaxPool2d(3, 2, ceil_mode=True),
        },
        _STEM_CHANNELS,
    )
    in_channels = _STEM_CHANNELS
    layers: list[Stage] = []
    for index, (num_blocks, stride) in enumerate(
        zip(_NUM_BLOCKS[depth], (1, 2, 2, last_stride), strict=True)
    ):
        width = _STEM_CHANNELS * 2**index
        blocks: dict[str, nn.Module] = {}
        for position in range(num_blocks):
            blocks[str(position)] = block(
                in_channels, width, stride if position == 0 else 1, ibn and index < 3
            )
            in_channels = width * block.expansion
        layers.append(Stage(blocks, in_channels))
    stages = Stages(stem, *layers, published_name=_published_name, heads=_HEADS)
    init_convolutions_and_norms(stages)
    return stages
