"""Soft attention maps made from feature maps, and pooling one embedding under each of them.

Source: MDPR, Sec. III (soft content branch); read from the authors' code: the two convolutions of the
maker are parallel, the last of its channels is background and is dropped behind the softmax, guidance
takes the raw map with its background channel.

Legend: B images, C channels, H W height and width of a map, A attention maps, D embedding.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from tablewright.trainables.layers.embed import Embed
from tablewright.trainables.layers.gem import GeM
from tablewright.trainables.layers.initialisation import init_convolutions_and_norms


class AttentionMaker(nn.Module):
    """ReLU(BN(conv1x1(x) + conv3x3(x))): one non-negative score a map and position, before the softmax.

    Args:
        in_channels: of the feature map.
        num_maps: the attention maps and the background, A + 1.
    """

    def __init__(self, in_channels: int, num_maps: int) -> None:
        super().__init__()
        self.pointwise = nn.Conv2d(in_channels, num_maps, 1, bias=False)
        self.window = nn.Conv2d(in_channels, num_maps, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(num_maps)
        init_convolutions_and_norms(self)

    def forward(self, map_BCHW: Tensor) -> Tensor:
        """Give raw scores, (B, A + 1, H, W)."""
        return functional.relu(self.norm(self.pointwise(map_BCHW) + self.window(map_BCHW)))


class AttentionGuidance(nn.Module):
    """Turns the raw scores of a later stage into channels that an earlier stage's maker sees besides its own.

    Args:
        num_maps: A + 1; the background channel guides too.
        detach: keep the earlier stage's losses from changing the later stage's maker.
    """

    def __init__(self, num_maps: int, *, detach: bool) -> None:
        super().__init__()
        self.mix = nn.Conv2d(num_maps, num_maps, 1, bias=False)
        self.detach = detach
        init_convolutions_and_norms(self)

    def forward(self, scores_BAHW: Tensor, map_BCHW: Tensor) -> Tensor:
        """Join the guidance to the earlier map: (B, C + A + 1, H, W) in the size of the earlier map.

        Deviation:
            the authors resize by a fixed factor of 1; we resize to the earlier map's size, which is the
            same wherever theirs runs.
        """
        if self.detach:
            scores_BAHW = scores_BAHW.detach()
        if scores_BAHW.shape[2:] != map_BCHW.shape[2:]:
            scores_BAHW = functional.interpolate(
                scores_BAHW, map_BCHW.shape[2:], mode="bilinear", align_corners=True
            )
        return torch.cat((map_BCHW, functional.relu(self.mix(scores_BAHW))), dim=1)


def foreground_attention(scores_BAHW: Tensor) -> Tensor:
    """Softmax over all A + 1 channels at each position, then drop the last, the background: (B, A, H, W)."""
    return scores_BAHW.softmax(dim=1)[:, :-1]


class AttentionPooling(nn.Module):
    """Bilinear attention pooling: one embedding of the map under each attention map.

    Args:
        in_channels: of the feature map.
        embedding_size: width of each pooled embedding.
        num_attentions: attention maps, without the background; each has its own `Embed`.
        exponents: `shared` gives all maps one GeM exponent, as the code has it; `per_map` each its own,
            as the paper says.
    """

    def __init__(
        self,
        in_channels: int,
        embedding_size: int,
        num_attentions: int,
        exponents: Literal["shared", "per_map"],
    ) -> None:
        super().__init__()
        self.embeds = nn.ModuleList(Embed(in_channels, embedding_size) for _ in range(num_attentions))
        num_pools = 1 if exponents == "shared" else num_attentions
        self.pools = nn.ModuleList(GeM() for _ in range(num_pools))

    def forward(self, map_BCHW: Tensor, attention_BAHW: Tensor) -> Tensor:
        """Give (B, A, D); every value is positive, as GeM's are."""
        pooled = [
            self.pools[index % len(self.pools)](embed(map_BCHW * attention_BAHW[:, index : index + 1]))
            for index, embed in enumerate(self.embeds)
        ]
        return torch.stack(pooled, dim=1)
