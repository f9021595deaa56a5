"""The architectures that published weights are known of, by the names that configs give them."""

from __future__ import annotations

import functools
from typing import Literal, cast, get_args

import torch
from torch import nn

from tablewright.trainables.layers.mobilenet import build_mobilenet_stages
from tablewright.trainables.layers.published_part import PublishedPart, part_of
from tablewright.trainables.layers.resnet import ResnetDepth, StemPool, build_resnet_stages
from tablewright.trainables.layers.stages import Stages
from tablewright.trainables.layers.vgg import Vgg19

StagedArchitecture = Literal[
    "resnet18", "resnet34", "resnet50", "resnet101",
    "resnet18_ibn_a", "resnet34_ibn_a", "resnet50_ibn_a", "resnet101_ibn_a",
    "mobilenet_v2", "mobilenet_v2_short",
]  # fmt: skip
KnownArchitecture = StagedArchitecture | Literal["vgg19"]
SHORT_MOBILENET: StagedArchitecture = "mobilenet_v2_short"
# Of which whole files are published: the short MobileNetV2 starts from the beginning of one.
KNOWN_ARCHITECTURES: tuple[KnownArchitecture, ...] = (
    *(one for one in get_args(StagedArchitecture) if one != SHORT_MOBILENET),
    "vgg19",
)


def is_ibn(architecture: StagedArchitecture) -> bool:
    """Whether it has split norms."""
    return architecture.endswith("_ibn_a")


def is_mobilenet(architecture: KnownArchitecture) -> bool:
    """Whether it is MobileNetV2, whole or short."""
    return architecture in ("mobilenet_v2", SHORT_MOBILENET)


def build_stages(
    architecture: StagedArchitecture, *, last_stride: Literal[1, 2], stem_pool: StemPool = "unpadded"
) -> Stages:
    """Build one that is cut into five stages; it starts at random."""
    if is_mobilenet(architecture):
        is_short = architecture == SHORT_MOBILENET
        return build_mobilenet_stages(last_stride=last_stride, is_short=is_short)
    depth = cast("ResnetDepth", int(architecture.removeprefix("resnet").removesuffix("_ibn_a")))
    return build_resnet_stages(depth, ibn=is_ibn(architecture), last_stride=last_stride, stem_pool=stem_pool)


@functools.cache
def published_part(architecture: KnownArchitecture) -> PublishedPart:
    """Describe what a weight file of an architecture must hold; strides and pools have no weights."""
    with torch.device("meta"):
        network: nn.Module = Vgg19() if architecture == "vgg19" else build_stages(architecture, last_stride=1)
    return part_of(architecture, network)
