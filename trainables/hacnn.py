"""HA-CNN: a small network from scratch whose soft and hard attention are learned with two branches.

Paper:
    Li, Zhu, Gong: Harmonious Attention Network for Person Re-Identification, CVPR 2018, arXiv:1802.08122.
Code:
    the authors published none; github.com/KaiyangZhou/deep-person-reid, commit f8cd150 (`models/hacnn.py`),
    which reaches the paper's Market-1501 numbers, is what is followed where the paper is silent.
Read from that code because the paper is silent or could not be read:
    widths 128, 256, 384 and reduction 16; a bias, a batch norm and a ReLU at every convolution, so that
    attention lies in [0.5, 1); the Inception units; the hard attention's linear layer starts at zero with
    biases that give four stripes; a region is sampled onto the whole grid, then resized; batch statistics
    are those of one region at a time; pixels are standardised by ImageNet's statistics; label smoothing.
Left open by the paper:
    how an attention is switched off (see `HacnnNetworkConfig` and `LocalBranch`), weight decay, the decay of
    the learning rate, and whether the two losses are summed or averaged (see `HacnnLosses`).
Deviations:
    a region is sampled by two small matrices instead of a gather: the same values and gradients, and equal
    bits on a GPU; maps of odd sides are resized to their own size instead of to twice their half; images are resized
    by bicubic interpolation, the published code's by bilinear.

Legend: B images, C channels, H W height and width of a map, T regions, h w height and width of a region's
map, D embedding, I identities.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from tablewright.trainables.contract.method import Trainable
from tablewright.trainables.data.reid import Augmentation, DatasetName, EnlargeCrop, ReidData
from tablewright.trainables.layers.float32 import without_autocast
from tablewright.trainables.layers.pixels import PixelStandardisation
from tablewright.trainables.layers.pretrained import StartingFile
from tablewright.trainables.pictures.panel import Panel
from tablewright.trainables.reidentification.config import ReidConfig
from tablewright.trainables.training.memory_layout import as_weights_lie
from tablewright.trainables.training.optimisation import Optimisation
from tablewright.trainables.training.paired_parts import build_part
from tablewright.trainables.training.published_recipe import require_recipe
from tablewright.trainables.training.rank_by_rank import in_float32, terms_of_ranks
from tablewright.trainables.value.frozen_model import FrozenModel

GLOBAL, LOCAL = "global", "local"
NUM_LEVELS = 3
STEM_WIDTH = 32
NUM_STREAMS = 4  # of an Inception unit; each makes a fourth of its channels

# --------------------------------------------------------------------------------------------------------
# Configuration


class SoftChannel(FrozenModel):
    """Soft channel attention: which channels matter, after Squeeze-and-Excitation.

    Attributes:
        reduction: r, by which the hidden layer is narrower than the map.
    """

    reduction: int = Field(default=16, ge=1)


class LocalBranch(FrozenModel):
    """The local branch: T regions of the global branch's maps, seen by one set of weights.

    Attributes:
        num_regions: T.
        region_height: s_h, of the map's height; fixed, only places are learned.
        region_width: s_w, of the map's width.
        learns_regions: hard regional attention. Without it regions stay where it starts, in T stripes; the
            paper does not say what it does then. The other reading, no local branch at all, is
            `network.local` None.
        interaction: cross-attention interaction: regions of the global branch's attended maps are added at
            levels 2 and 3. Without it those levels see level 1 alone.
        map_height: of a region's map at level 1; halved at each level.
        map_width: likewise.
        align_corners: coordinates -1 and 1 are the centres of the outermost pixels, as torch sampled when the
            published weights were trained, or their outer edges, as it does by default today. Resizing
            always aligns corners.
    """

    num_regions: int = Field(default=4, ge=1)
    region_height: float = Field(default=0.25, gt=0, le=1)
    region_width: float = Field(default=1.0, gt=0, le=1)
    learns_regions: bool = True
    interaction: bool = True
    map_height: int = Field(default=24, ge=8)
    map_width: int = Field(default=28, ge=8)
    align_corners: bool = True


class HacnnNetworkConfig(FrozenModel):
    """Which parts the network has.

    Attributes:
        widths: d1, d2, d3: channels of the three levels.
        embedding_size: of the global and of the local embedding.
        soft_spatial: soft spatial attention; without it the spatial map is 1 everywhere.
        soft_channel: None makes the channel vector 1. Without both, maps are not attended to at all, and
            the convolution that fuses both goes too.
        local: None trains the global branch alone.
    """

    widths: tuple[int, int, int] = (128, 256, 384)
    embedding_size: int = Field(default=512, ge=1)
    soft_spatial: bool = True
    soft_channel: SoftChannel | None = SoftChannel()
    local: LocalBranch | None = LocalBranch()

    def find_faults(self) -> list[str]:
        """Say what cannot be built, one sentence each."""
        faults: list[str] = []
        if any(width < NUM_STREAMS or width % NUM_STREAMS for width in self.widths):
            faults.append(
                f"each of network.widths must be a multiple of {NUM_STREAMS}, the streams of an Inception "
                f"unit, got {self.widths}; set network.widths"
            )
        if self.soft_channel is not None and any(
            width % self.soft_channel.reduction for width in self.widths
        ):
            faults.append(
                f"each of network.widths {self.widths} must be a multiple of the reduction, got "
                f"{self.soft_channel.reduction}; set network.soft_channel.reduction"
            )
        return faults


class HacnnLosses(FrozenModel):
    """Cross-entropy of each branch's own classifier.

    Attributes:
        combination: of the two branches' losses. The published code takes the mean; the paper seems to sum.
        label_smoothing: ε, spread over all classes, the right one too; the published code has 0.1, the paper
            has none.
    """

    combination: Literal["mean", "sum"] = "mean"
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)


class HacnnConfig(ReidConfig):
    """Everything that changes the weights of one HA-CNN training."""

    METHOD: ClassVar[str] = "hacnn"
    VERSION: ClassVar[int] = 2

    network: HacnnNetworkConfig = HacnnNetworkConfig()
    losses: HacnnLosses = HacnnLosses()

    @model_validator(mode="after")
    def _check_parts_go_together(self) -> HacnnConfig:
        faults = self.network.find_faults()
        if self.network.local is None and self.losses.combination == "sum":
            faults.append(
                "one branch has one loss, and there is nothing to sum; set losses.combination to 'mean'"
            )
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def embedding_widths(self) -> dict[str, int]:
        """Name the branches there are: `global`, then `local`."""
        names = (GLOBAL,) if self.network.local is None else (GLOBAL, LOCAL)
        return dict.fromkeys(names, self.network.embedding_size)

    def embedding_groups(self) -> dict[str, tuple[str, ...]]:
        """Name `all`, the branches joined."""
        return {"all": tuple(self.embedding_widths())}

    def make_trainable(self) -> Trainable:
        """Give HA-CNN as a re-identification method."""
        # Here, not above: planning needs configs but neither loaders nor the training loop.
        from tablewright.trainables.reidentification.method import ReidTrainable

        return ReidTrainable(Hacnn())


_PUBLISHED = ("market1501", "dukemtmc", "cuhk03_labelled", "cuhk03_detected")


def paper_config(dataset: DatasetName) -> HacnnConfig:
    """Give the published recipe, the same for every data set of the paper: from scratch, Adam, batches of 32 images.

    Not stated in the paper: weight decay, which is the published code's default, and any decay of the
    learning rate, which therefore is constant. `code_recipe` is how the published code reaches the numbers.

    Raises:
        ValueError: nothing is published for the data set; CUHK03 is split 767/700 there.
    """
    require_recipe("HA-CNN", dataset, _PUBLISHED)
    return _recipe_on(dataset)


def _recipe_on(dataset: DatasetName) -> HacnnConfig:
    return HacnnConfig(
        data=ReidData(
            dataset=dataset,
            height_px=160,
            width_px=64,
            sampling="images",
            num_identities=32,
            num_instances=1,
            augmentation=Augmentation(pad_crop_px=None, flip_probability=None, erasing=None, patch=None),
        ),
        optimisation=Optimisation(
            num_epochs=150,
            base_lr=5e-4,
            warmup_steps=0,
            schedule="steps",
            weight_decay=5e-4,
            precision="fp32",
        ),
    )


def code_recipe(config: HacnnConfig) -> HacnnConfig:
    """Give a config that is trained as the author of the published code says (its issue 27): by SGD, longer.

    Images are mirrored, and enlarged and cropped back; targets are smoothed, as is that code's default.
    """
    optimisation = Optimisation(
        num_epochs=300,
        base_lr=0.03,
        warmup_steps=0,
        schedule="steps",
        decay_epochs=(150, 225),
        optimizer="sgd",
        weight_decay=5e-4,
        precision="fp32",
    )
    augmentation = Augmentation(
        pad_crop_px=None, enlarge_crop=EnlargeCrop(), flip_probability=0.5, erasing=None, patch=None
    )
    return config.model_copy(
        update={
            "data": config.data.model_copy(update={"augmentation": augmentation}),
            "losses": config.losses.model_copy(update={"label_smoothing": 0.1}),
            "optimisation": optimisation,
        }
    )


def demo_config() -> HacnnConfig:
    """Give the same method scaled to the embedded data set and to a few seconds on one CPU core.

    Chosen on `val` (docs/demo.md). A fourth of the channels, regions' maps as small as they may be, and a larger rate
    that falls, so that 48 steps from scratch teach it something. An epoch is four steps, with every person once.
    """
    config = _recipe_on("demo_pedestrians")
    data = {
        "height_px": 64,
        "width_px": 32,
        "sampling": "identities_once",
        "num_identities": 16,
        "num_instances": 3,
    }
    return config.model_copy(
        update={
            "data": config.data.model_copy(update=data),
            "network": HacnnNetworkConfig(
                widths=(32, 64, 96),
                embedding_size=128,
                soft_channel=SoftChannel(reduction=8),
                local=LocalBranch(map_height=8, map_width=8),
            ),
            "optimisation": Optimisation(
                num_epochs=12, base_lr=4e-3, warmup_steps=4, final_lr=4e-4, precision="fp32"
            ),
        }
    )


# --------------------------------------------------------------------------------------------------------
# Network: convolutions


class ConvolutionBlock(nn.Sequential):
    """Convolution with a bias, batch norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, size: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, size, stride, padding=size // 2),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


class InceptionA(nn.Module):
    """Four streams of an equal number of channels at the map's own size, three of them alike."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        middle = out_channels // NUM_STREAMS
        self.streams = nn.ModuleList(
            nn.Sequential(ConvolutionBlock(in_channels, middle, 1), ConvolutionBlock(middle, middle, 3))
            for _ in range(NUM_STREAMS - 1)
        )
        self.streams.append(
            nn.Sequential(nn.AvgPool2d(3, stride=1, padding=1), ConvolutionBlock(in_channels, middle, 1))
        )

    def forward(self, map_BCHW: Tensor) -> Tensor:
        """Give (B, out_channels, H, W)."""
        return torch.cat([stream(map_BCHW) for stream in self.streams], dim=1)


class InceptionB(nn.Module):
    """Three streams at half the map's size; the pooled one makes half of the channels."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        middle = out_channels // NUM_STREAMS
        self.streams = nn.ModuleList(
            (
                nn.Sequential(
                    ConvolutionBlock(in_channels, middle, 1), ConvolutionBlock(middle, middle, 3, stride=2)
                ),
                nn.Sequential(
                    ConvolutionBlock(in_channels, middle, 1),
                    ConvolutionBlock(middle, middle, 3),
                    ConvolutionBlock(middle, middle, 3, stride=2),
                ),
                nn.Sequential(
                    nn.MaxPool2d(3, stride=2, padding=1), ConvolutionBlock(in_channels, 2 * middle, 1)
                ),
            )
        )

    def forward(self, map_BCHW: Tensor) -> Tensor:
        """Give (B, out_channels, ⌈H/2⌉, ⌈W/2⌉)."""
        return torch.cat([stream(map_BCHW) for stream in self.streams], dim=1)


# --------------------------------------------------------------------------------------------------------
# Network: attention


class SpatialAttention(nn.Module):
    """Where to look: one map for all channels, of ten weights."""

    def __init__(self) -> None:
        super().__init__()
        self.reduce = ConvolutionBlock(1, 1, 3, stride=2)
        self.scale = ConvolutionBlock(1, 1, 1)

    def forward(self, map_BCHW: Tensor) -> Tensor:
        """Give (B, 1, H, W), not negative."""
        reduced_B1HW = self.reduce(map_BCHW.mean(dim=1, keepdim=True))
        size = map_BCHW.shape[2:]
        return self.scale(
            functional.interpolate(reduced_B1HW, size=size, mode="bilinear", align_corners=True)
        )


class ChannelAttention(nn.Module):
    """Which channels to look at."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.squeeze = ConvolutionBlock(channels, channels // reduction, 1)
        self.excite = ConvolutionBlock(channels // reduction, channels, 1)

    def forward(self, map_BCHW: Tensor) -> Tensor:
        """Give (B, C, 1, 1), not negative."""
        return self.excite(self.squeeze(map_BCHW.mean(dim=(2, 3), keepdim=True)))


class SoftAttention(nn.Module):
    """The product of both soft attentions, mixed over channels and squashed into [0.5, 1).

    Args:
        channels: of the map.
        spatial: whether there is spatial attention.
        channel: None is off; not both can be off.
    """

    def __init__(self, channels: int, *, spatial: bool, channel: SoftChannel | None) -> None:
        super().__init__()
        self.spatial = build_part("spatial", SpatialAttention) if spatial else None
        self.channel = (
            None if channel is None else build_part("channel", ChannelAttention, channels, channel.reduction)
        )
        self.fuse = build_part("fuse", ConvolutionBlock, channels, channels, 1)

    def forward(self, map_BCHW: Tensor) -> Tensor:
        """Give the attention of every value of the map, (B, C, H, W)."""
        factors = [part(map_BCHW) for part in (self.spatial, self.channel) if part is not None]
        product_BCHW = functools.reduce(torch.mul, factors)
        return self.fuse(product_BCHW.expand_as(map_BCHW)).sigmoid()


def stripe_biases(num_regions: int) -> Tensor:
    """Give t_x and t_y, before the tanh, that centre the regions in T horizontal stripes, from the top, (T, 2)."""
    numbers_T = torch.arange(num_regions, dtype=torch.float32)
    centres_T = (2 * numbers_T + 1) / num_regions - 1
    return torch.stack((torch.zeros(num_regions), centres_T), dim=1)


class HardAttention(nn.Module):
    """Where the regions lie, read from the mean of the map."""

    def __init__(self, channels: int, num_regions: int) -> None:
        super().__init__()
        self.locate = nn.Linear(channels, 2 * num_regions)
        self._start_in_stripes(num_regions)

    def _start_in_stripes(self, num_regions: int) -> None:
        with torch.no_grad():
            self.locate.weight.zero_()
            self.locate.bias.copy_(stripe_biases(num_regions).flatten())

    def forward(self, map_BCHW: Tensor) -> Tensor:
        """Give the centres (t_x, t_y) of the regions, (B, T, 2), in (-1, 1) from left and top."""
        with without_autocast(map_BCHW.device):
            mean_BC = map_BCHW.mean(dim=(2, 3), dtype=self.locate.weight.dtype)
            return self.locate(mean_BC).tanh().unflatten(1, (-1, 2))


class FixedStripes(nn.Module):
    """The regions that `HardAttention` starts with, for every image."""

    def __init__(self, num_regions: int) -> None:
        super().__init__()
        self.register_buffer("centres_T2", stripe_biases(num_regions).tanh(), persistent=False)

    centres_T2: Tensor

    def forward(self, map_BCHW: Tensor) -> Tensor:
        """Give the centres (t_x, t_y) of the regions, (B, T, 2)."""
        return self.centres_T2.expand(len(map_BCHW), -1, -1)


# --------------------------------------------------------------------------------------------------------
# Network: regions


def crop_regions(
    map_BCHW: Tensor, centres_BT2: Tensor, local: LocalBranch, height: int, width: int
) -> Tensor:
    """Cut T regions out of a map in the two steps of the published code, with gradient to their centres.

    A region is first sampled bilinearly onto a grid of the map's own size, zero outside of the map, then
    resized bilinearly with aligned corners. Both steps treat rows and columns apart, so that both together
    are one matrix for the rows and one for the columns.

    Args:
        map_BCHW: of the global branch.
        centres_BT2: (t_x, t_y); the map reaches from -1 to 1.
        local: sizes of the regions, and what coordinate -1 means.
        height: h of the result.
        width: w of the result.

    Returns:
        (B, T, C, h, w), in the precision of the centres.
    """
    # Not in half precision, which would round what a pixel is given of its neighbours: the published code's
    # sampling is not autocast either.
    with without_autocast(map_BCHW.device):
        rows_BThH = _sampling_matrix(
            centres_BT2[..., 1], local.region_height, map_BCHW.shape[2], height, local.align_corners
        )
        columns_BTwW = _sampling_matrix(
            centres_BT2[..., 0], local.region_width, map_BCHW.shape[3], width, local.align_corners
        )
        cut_BTChW = torch.einsum("bthy,bcyx->btchx", rows_BThH, map_BCHW.to(centres_BT2.dtype))
        return torch.einsum("btwx,btchx->btchw", columns_BTwW, cut_BTChW)


def _sampling_matrix(
    centres_BT: Tensor, scale: float, size: int, out_size: int, align_corners: bool
) -> Tensor:
    """Give what each of the region's rows takes of the map's rows, (B, T, out_size, size)."""
    pixels = torch.arange(size, dtype=centres_BT.dtype, device=centres_BT.device)
    last = size - 1
    grid = 2 * pixels / max(last, 1) - 1 if align_corners else (2 * pixels + 1) / size - 1
    coordinates = scale * grid + centres_BT[..., None]
    positions = (coordinates + 1) * last / 2 if align_corners else ((coordinates + 1) * size - 1) / 2
    resized = torch.linspace(0, last, out_size, dtype=pixels.dtype, device=pixels.device)
    return _bilinear_weights(resized, size) @ _bilinear_weights(positions, size)


def _bilinear_weights(positions: Tensor, size: int) -> Tensor:
    """Give what a position (...) takes of each of `size` pixels, (..., size); nothing from outside of them."""
    lower = positions.detach().floor()
    of_upper = (positions - lower)[..., None]
    pixels = torch.arange(size, dtype=positions.dtype, device=positions.device)
    is_lower, is_upper = pixels == lower[..., None], pixels == lower[..., None] + 1
    return is_lower * (1 - of_upper) + is_upper * of_upper


# --------------------------------------------------------------------------------------------------------
# Network: branches


@dataclass(frozen=True)
class HacnnOutputs:
    """What the losses, and those who look into the network, need.

    Attributes:
        embeddings_BD: behind their ReLU, not normalised, by branch.
        logits_BI: of the identities, by branch.
        attention_BCHW: soft attention of each level; empty where there is none.
        centres_BT2: (t_x, t_y) of the regions that each level is given; empty where no region is taken.
    """

    embeddings_BD: dict[str, Tensor]
    logits_BI: dict[str, Tensor]
    attention_BCHW: list[Tensor]
    centres_BT2: list[Tensor]


@dataclass(frozen=True)
class GlobalMaps:
    """Maps of the global branch.

    Attributes:
        sources_BCHW: the stem, then each level's attended map: what the level after it takes regions of.
        attention_BCHW: soft attention of each level; empty where there is none.
        centres_BT2: of the regions for each level; empty where there is no local branch.
    """

    sources_BCHW: list[Tensor]
    attention_BCHW: list[Tensor]
    centres_BT2: list[Tensor]


def _make_embed(in_features: int, embedding_size: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(in_features, embedding_size), nn.BatchNorm1d(embedding_size), nn.ReLU(inplace=True)
    )


class GlobalBranch(nn.Module):
    """Three levels of Inception units, each attended to, over the whole image."""

    def __init__(self, network: HacnnNetworkConfig) -> None:
        super().__init__()
        self.stem = build_part("stem", ConvolutionBlock, 3, STEM_WIDTH, 3, stride=2)
        inputs = (STEM_WIDTH, *network.widths[:-1])
        self.levels = nn.ModuleList(
            build_part(f"levels.{number}", _make_global_level, before, width)
            for number, (before, width) in enumerate(zip(inputs, network.widths, strict=True))
        )
        self.soft = nn.ModuleList(
            build_part(
                f"soft.{number}",
                SoftAttention,
                width,
                spatial=network.soft_spatial,
                channel=network.soft_channel,
            )
            for number, width in enumerate(network.widths)
            if network.soft_spatial or network.soft_channel is not None
        )
        self.hard = build_part("hard", _make_regional_attention, network)
        self.embed = build_part("embed", _make_embed, network.widths[-1], network.embedding_size)

    def forward(self, images_BCHW: Tensor) -> GlobalMaps:
        """Give the maps of all levels."""
        map_BCHW = self.stem(images_BCHW)
        maps = GlobalMaps([map_BCHW], [], [])
        for number, level in enumerate(self.levels):
            map_BCHW = level(map_BCHW)
            if number < len(self.hard):
                maps.centres_BT2.append(self.hard[number](map_BCHW))
            if self.soft:
                attention_BCHW = self.soft[number](map_BCHW)
                maps.attention_BCHW.append(attention_BCHW)
                map_BCHW = map_BCHW * attention_BCHW
            maps.sources_BCHW.append(map_BCHW)
        return maps


def _make_global_level(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(InceptionA(in_channels, out_channels), InceptionB(out_channels, out_channels))


def _make_regional_attention(network: HacnnNetworkConfig) -> nn.ModuleList:
    """Make one for each level that is given regions: all of them, or the first alone without interaction."""
    local = network.local
    if local is None:
        return nn.ModuleList()
    return nn.ModuleList(
        HardAttention(width, local.num_regions) if local.learns_regions else FixedStripes(local.num_regions)
        for width in network.widths[: NUM_LEVELS if local.interaction else 1]
    )


class LocalNetwork(nn.Module):
    """Three Inception units over each region, with one set of weights for all regions."""

    def __init__(self, network: HacnnNetworkConfig, local: LocalBranch) -> None:
        super().__init__()
        self._local = local
        inputs = (STEM_WIDTH, *network.widths[:-1])
        self.levels = nn.ModuleList(
            build_part(f"levels.{number}", InceptionB, before, width)
            for number, (before, width) in enumerate(zip(inputs, network.widths, strict=True))
        )
        self.embed = build_part(
            "embed", _make_embed, local.num_regions * network.widths[-1], network.embedding_size
        )

    def forward(self, maps: GlobalMaps) -> Tensor:
        """Give the local embedding, (B, D)."""
        height, width = self._local.map_height, self._local.map_width
        local_TBCHW: list[Tensor] = []
        for number, level in enumerate(self.levels):
            if number < len(maps.centres_BT2):
                regions_BTCHW = crop_regions(
                    maps.sources_BCHW[number], maps.centres_BT2[number], self._local, height, width
                )
                regions_TBCHW = [
                    as_weights_lie(region_BCHW, level) for region_BCHW in regions_BTCHW.unbind(dim=1)
                ]
                local_TBCHW = (
                    [own + taken for own, taken in zip(local_TBCHW, regions_TBCHW, strict=True)]
                    if local_TBCHW
                    else regions_TBCHW
                )
            # One region after the other: each is standardised by its own batch statistics.
            local_TBCHW = [level(region_BCHW) for region_BCHW in local_TBCHW]
            height, width = (height + 1) // 2, (width + 1) // 2
        pooled_BD = torch.cat([region_BCHW.mean(dim=(2, 3)) for region_BCHW in local_TBCHW], dim=1)
        return self.embed(pooled_BD)


class HacnnNetwork(nn.Module):
    """Both branches and their classifiers.

    Args:
        config: its `network` says which parts there are.
        num_classes: identities to tell apart in training.
    """

    def __init__(self, config: HacnnConfig, num_classes: int) -> None:
        super().__init__()
        network = config.network
        self.pixels = PixelStandardisation()
        self.whole = build_part("whole", GlobalBranch, network)
        self.local = (
            None if network.local is None else build_part("local", LocalNetwork, network, network.local)
        )
        # What only training uses.
        self.classifiers = nn.ModuleDict(
            {
                name: build_part(f"classifiers.{name}", nn.Linear, width, num_classes)
                for name, width in config.embedding_widths().items()
            }
        )

    def forward(self, images_BCHW: Tensor) -> HacnnOutputs:
        """Compute everything that the losses need.

        Args:
            images_BCHW: RGB, float, 0..255; not changed.
        """
        maps, embeddings_BD = self._describe(images_BCHW)
        logits_BI = {name: classifier(embeddings_BD[name]) for name, classifier in self.classifiers.items()}
        return HacnnOutputs(embeddings_BD, logits_BI, maps.attention_BCHW, maps.centres_BT2)

    def embed(self, images_BCHW: Tensor) -> dict[str, Tensor]:
        """Embed images, (B, D) a branch, each normalised to length one.

        The published code normalises each branch, so that both weigh the same. A view normalises the joined
        embedding at most, and that of the cosine distance alone.

        Args:
            images_BCHW: RGB, float, 0..255; not changed.
        """
        _, embeddings_BD = self._describe(images_BCHW)
        return {
            name: functional.normalize(embedding_BD.float()) for name, embedding_BD in embeddings_BD.items()
        }

    def _describe(self, images_BCHW: Tensor) -> tuple[GlobalMaps, dict[str, Tensor]]:
        # Channels last in memory: what CPU and half-precision GPU kernels are fastest with.
        maps = self.whole(self.pixels(images_BCHW).contiguous(memory_format=torch.channels_last))
        embeddings_BD = {GLOBAL: self.whole.embed(maps.sources_BCHW[-1].mean(dim=(2, 3)))}
        if self.local is not None:
            embeddings_BD[LOCAL] = self.local(maps)
        return maps, embeddings_BD


# --------------------------------------------------------------------------------------------------------
# Losses


def make_loss_terms(
    losses: HacnnLosses, logits_BI: Mapping[str, Tensor], labels_B: Tensor
) -> dict[str, Tensor]:
    """Make the weighted cross-entropy of each branch; their plain sum is what is differentiated."""
    weight = 1.0 if losses.combination == "sum" else 1.0 / len(logits_BI)
    return {
        f"identity/{name}": weight
        * functional.cross_entropy(branch_BI, labels_B, label_smoothing=losses.label_smoothing)
        for name, branch_BI in logits_BI.items()
    }


# --------------------------------------------------------------------------------------------------------
# Method


class Hacnn:
    """HA-CNN as the training loop of re-identification sees it. Stateless."""

    def weights_files(self, config: HacnnConfig, data_root: str | None) -> Mapping[str, StartingFile]:
        """Give none: it is trained from scratch."""
        return {}

    def build_network(
        self, config: HacnnConfig, num_classes: int, weights: Mapping[str, StartingFile]
    ) -> HacnnNetwork:
        """Build the network with torch's default random weights; they follow from the seed of its generator."""
        assert not weights
        return HacnnNetwork(config, num_classes)

    def loss_terms(
        self,
        config: HacnnConfig,
        network: HacnnNetwork,
        images_per_rank: Sequence[Tensor],
        labels_per_rank: Sequence[Tensor],
        epoch: int,
    ) -> Iterator[dict[str, Tensor]]:
        """Yield each rank's cross-entropies, weighted."""
        return terms_of_ranks(
            network,
            images_per_rank,
            labels_per_rank,
            lambda outputs, labels_B: make_loss_terms(config.losses, in_float32(outputs.logits_BI), labels_B),
        )

    def panels(self, config: HacnnConfig, network: HacnnNetwork, images_BCHW: Tensor) -> list[Panel]:
        """Show each level's soft attention, the mean over its channels, and the regions given to each level.

        Args:
            config: of the training.
            network: in inference mode.
            images_BCHW: RGB, float, 0..255.

        Returns:
            Six panels with every attention on; fewer where the configuration has no such part.
        """
        outputs = network(images_BCHW)
        panels = [
            Panel(f"soft\nlevel {level}", heat_BHW=attention_BCHW.mean(dim=1))
            for level, attention_BCHW in enumerate(outputs.attention_BCHW, start=1)
        ]
        local = config.network.local
        if local is not None:
            half_2 = outputs.centres_BT2[0].new_tensor((local.region_width, local.region_height))
            for level, centres_BT2 in enumerate(outputs.centres_BT2, start=1):
                boxes_BT4 = torch.cat((centres_BT2 - half_2, centres_BT2 + half_2), dim=-1)
                panels.append(Panel(f"regions\nlevel {level}", boxes_BN4=((boxes_BT4 + 1) / 2).clamp(0, 1)))
        return panels
