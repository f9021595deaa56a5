"""A convolutional backbone as five stages, so that a method can cut it where its paper does.

Legend: B images, C channels, H W height and width of a map.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from torch import Tensor, nn

STAGE_NAMES = ("stem", "layer1", "layer2", "layer3", "layer4")


class Stage(nn.Sequential):
    """Blocks run one after another; `out_channels` is the width of the map that leaves the last one."""

    def __init__(self, blocks: dict[str, nn.Module], out_channels: int) -> None:
        super().__init__()
        for name, block in blocks.items():
            self.add_module(name, block)
        self.out_channels = out_channels


class Stages(nn.Module):
    """Five stages `stem, layer1 .. layer4`, run in that order.

    Args:
        stem: up to and including the first reduction; the four others follow it.
        published_name: turns a key of our state dict into the name published weight files use.
        heads: what such files may hold behind the last stage, by the beginning of their names.
    """

    def __init__(
        self,
        stem: Stage,
        layer1: Stage,
        layer2: Stage,
        layer3: Stage,
        layer4: Stage,
        *,
        published_name: Callable[[str], str],
        heads: tuple[str, ...],
    ) -> None:
        super().__init__()
        self.stem, self.layer1, self.layer2, self.layer3, self.layer4 = stem, layer1, layer2, layer3, layer4
        self.published_name, self.heads = published_name, heads

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Give the map behind the last stage, (B, layer4.out_channels, H', W')."""
        map_BCHW = images_BCHW
        for name in STAGE_NAMES:
            map_BCHW = cast("Stage", getattr(self, name))(map_BCHW)
        return map_BCHW
