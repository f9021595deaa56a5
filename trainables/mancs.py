"""Mancs: full attention in the trunk, ranking under a curriculum of negatives, and focal classification.

Paper:
    Wang et al., Mancs: A Multi-task Attentional Network with Curriculum Sampling for Person
    Re-identification, ECCV 2018.
Authors' code:
    none is known.
What was read:
    figures 1, 2 and 4 and second-hand notes; never the full text. What a field below calls "not stated" could
    not be found in them.
Printed damaged, and repaired here:
    the deviation of the curriculum and the hinge of the ranking loss (see `losses/curriculum_triplet.py`);
    the sign of the attention loss; the map of conv4, which Fig. 1 prints twice as large as conv5 allows.
Our choices where notes and figures differ or are silent:
    the ranking branch has no linear layer (figures; `rank_fc_width` adds the one of the notes); p of the focal loss
    is a softmax (`probability` has both readings of the notes' sigmoid); nothing stands between the two linear
    layers of a head (`head_activation`); one slope for all channels of the PReLU (`last_activation`); constant
    learning rate, gradients clipped at 5, weight decay 5e-4, no flip averaging at test.
Deviations:
    pixels are standardised without changing the caller's images; ranks run one after another in one process.
Additions:
    squeeze-and-excitation in place of full attention. It stands in the same frame, F + F . mask with
    deep supervision of F . mask, so that only the mask differs.

Legend: B images, C channels, H W height and width of a map, D embedding, I identities.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from tablewright.trainables.contract.method import Trainable
from tablewright.trainables.data.reid import Augmentation, DatasetName, RandomErasing, ReidData, ScaleCrop
from tablewright.trainables.layers.backbone import Backbone
from tablewright.trainables.layers.pixels import PixelStandardisation
from tablewright.trainables.layers.pretrained import StartingFile
from tablewright.trainables.layers.stages import Stages
from tablewright.trainables.losses.curriculum_triplet import curriculum_triplet_loss, draw_uniform
from tablewright.trainables.losses.focal import (
    sigmoid_focal_loss,
    softmax_focal_loss,
    true_class_sigmoid_focal_loss,
)
from tablewright.trainables.losses.label_mask import is_label
from tablewright.trainables.losses.triplet import batch_hard_triplet_loss
from tablewright.trainables.pictures.panel import Panel
from tablewright.trainables.reidentification.config import ReidConfig
from tablewright.trainables.training.from_backbone import FromBackbone, build_stages
from tablewright.trainables.training.optimisation import Optimisation
from tablewright.trainables.training.paired_parts import build_part
from tablewright.trainables.training.published_recipe import require_recipe
from tablewright.trainables.training.rank_by_rank import in_float32, terms_of_ranks
from tablewright.trainables.value.frozen_model import FrozenModel

RANK = "rank"
ATTENDED_STAGES = ("layer1", "layer2", "layer3")
"""conv2_x, conv3_x and conv4_x of the paper: the maps that carry attention."""

# Width of the map behind (layer1, layer2, layer3, layer4).
_WIDTHS = {
    "resnet18": (64, 128, 256, 512),
    "resnet34": (64, 128, 256, 512),
    "resnet50": (256, 512, 1024, 2048),
    "resnet101": (256, 512, 1024, 2048),
    "mobilenet_v2": (24, 32, 96, 320),
    "mobilenet_v2_short": (24, 32, 64, 96),
}

# --------------------------------------------------------------------------------------------------------
# Configuration


class Attention(FrozenModel):
    """A mask on the maps of stages 2, 3 and 4: each becomes F + F . mask.

    Attributes:
        mask: `full` has a value for every channel and place (FAB, Fig. 2), `channel` one for every channel
            (squeeze-and-excitation).
        reduction: r, how many times narrower the layer between the two that make the mask is.
    """

    mask: Literal["full", "channel"] = "full"
    reduction: int = Field(default=16, ge=1)


class MancsNetworkConfig(FrozenModel):
    """Which parts the network has.

    Attributes:
        backbone: its last stride is 2 in the paper; the pool of its stem is torchvision's.
        attention: None is a plain trunk.
        last_activation: behind the last convolution: PReLU with one slope or with one for each channel
            (not stated which), or the backbone's ReLU. MobileNetV2 has none there; it gets what is said here.
        rank_fc_width: of a linear layer between pooling and the ranking loss; None has none.
        head_activation: what stands between the two linear layers of the classification and attention heads.
    """

    backbone: Backbone = Backbone(architecture="resnet50", last_stride=2, stem_pool="padded")
    attention: Attention | None = Attention()
    last_activation: Literal["prelu", "prelu_per_channel", "relu"] = "prelu"
    rank_fc_width: int | None = Field(default=None, ge=1)
    head_activation: Literal["nothing", "bn_relu"] = "nothing"

    @property
    def stage_widths(self) -> tuple[int, int, int, int]:
        """Channels behind layer1, layer2, layer3 and layer4."""
        return _WIDTHS[self.backbone.architecture.removesuffix("_ibn_a")]


class Curriculum(FrozenModel):
    """Negatives are drawn by their rank of hardness, from easy to hard; see `losses/curriculum_triplet.py`.

    Attributes:
        t0: epochs until the draw is centred on the hardest negative.
        t1: epochs until it has narrowed to a b ranks; after t0.
        a: its deviation until t0, in ranks. 15 is for 240 negatives of an anchor; of fewer, as a share of them, it
            would be a wider draw.
        b: by which the deviation falls between t0 and t1.
    """

    t0: float = Field(default=30.0, gt=0)
    t1: float = Field(default=60.0, gt=0)
    a: float = Field(default=15.0, gt=0)
    b: float = Field(default=1e-3, gt=0, lt=1)

    @model_validator(mode="after")
    def _order_times(self) -> Curriculum:
        if self.t0 >= self.t1:
            raise ValueError(
                f"the curriculum narrows between t0 and t1, so t0 comes first, got t0 {self.t0:g} and "
                f"t1 {self.t1:g}; set losses.rank.curriculum.t0 below losses.rank.curriculum.t1"
            )
        return self


class RankLoss(FrozenModel):
    """Triplets on the embedding.

    Attributes:
        margin: m, in units of Euclidean distance.
        curriculum: how negatives are chosen; None is batch-hard (the paper's baseline, OHEM).
        weight: λ of the term.
    """

    margin: float = Field(default=0.5, gt=0)
    curriculum: Curriculum | None = Curriculum()
    weight: float = Field(default=1.0, gt=0)


class ClassificationLoss(FrozenModel):
    """Identities by a head of their own on the pooled map.

    Attributes:
        probability: what p is made by: a softmax over identities; a sigmoid of every identity, each with
            its own term; or a sigmoid of the true identity alone.
        gamma: focus of the focal loss; 0 is plain cross-entropy, and the only way to switch it off.
        weight: λ of the term.
    """

    probability: Literal["softmax", "sigmoid_full", "sigmoid_literal"] = "softmax"
    gamma: float = Field(default=2.0, ge=0)
    weight: float = Field(default=1.0, gt=0)


class AttentionLoss(FrozenModel):
    """Deep supervision: identities by the masked maps alone.

    Attributes:
        weight: λ of the term.
    """

    weight: float = Field(default=0.2, gt=0)


class MancsLosses(FrozenModel):
    """The terms that are summed; None is off."""

    rank: RankLoss | None = RankLoss()
    classification: ClassificationLoss | None = ClassificationLoss()
    attention: AttentionLoss | None = AttentionLoss()


class MancsConfig(ReidConfig):
    """Everything that changes the weights of one Mancs training."""

    METHOD: ClassVar[str] = "mancs"
    VERSION: ClassVar[int] = 2

    network: MancsNetworkConfig = MancsNetworkConfig()
    losses: MancsLosses = MancsLosses()

    @model_validator(mode="after")
    def _check_parts_go_together(self) -> MancsConfig:
        network, losses, data = self.network, self.losses, self.data
        faults = network.backbone.find_faults()
        if losses.rank is None and losses.classification is None:
            faults.append(
                "nothing trains the embedding; set losses.rank or losses.classification (attention alone reaches "
                "the early stages only)"
            )
        if losses.rank is None and network.rank_fc_width is not None:
            faults.append(
                "the ranking branch's layer is trained by the ranking loss alone; set network.rank_fc_width to null, "
                "or losses.rank"
            )
        if losses.rank is not None and data.sampling == "images":
            faults.append(
                f"triplets need several images of each identity in a batch, got data.sampling {data.sampling!r}; "
                "set it to 'identities', or losses.rank to null"
            )
        if network.attention is None and losses.attention is not None:
            faults.append(
                "deep supervision is of the masked maps; set losses.attention to null, or network.attention"
            )
        if network.attention is not None and network.attention.reduction > min(network.stage_widths[:3]):
            faults.append(
                f"network.attention.reduction {network.attention.reduction} leaves no channel of a map of "
                f"{min(network.stage_widths[:3])}; set it to that or less"
            )
        has_heads = losses.classification is not None or losses.attention is not None
        if not has_heads and network.head_activation != "nothing":
            faults.append(
                "network.head_activation is of the classification and attention heads, and there are none; leave it "
                "at 'nothing'"
            )
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def embedding_widths(self) -> dict[str, int]:
        """Name the one embedding, f_rank: 2048 wide on ResNet-50."""
        return {RANK: self.network.rank_fc_width or self.network.stage_widths[3]}

    def embedding_groups(self) -> dict[str, tuple[str, ...]]:
        """Name `all`, which is the one embedding."""
        return {"all": (RANK,)}

    def make_trainable(self) -> Trainable:
        """Give Mancs as a re-identification method."""
        # Here, not above: planning needs configs but neither loaders nor the training loop.
        from tablewright.trainables.reidentification.method import ReidTrainable

        return ReidTrainable(Mancs())


_CUHK03 = ("cuhk03_labelled", "cuhk03_detected", "cuhk03_classic_labelled", "cuhk03_classic_detected")
_PUBLISHED = ("market1501", "dukemtmc", *_CUHK03)


def paper_config(dataset: DatasetName) -> MancsConfig:
    """Give the published recipe; batches are 16 x 16 images, on CUHK03 32 x 8.

    Not stated: weight decay, precision, the form of the schedule, the clipping norm and random erasing's ranges.
    The learning rate is printed as 3x10e-4 and read as 3e-4.

    Raises:
        ValueError: nothing is published for the data set.
    """
    require_recipe("Mancs", dataset, _PUBLISHED)
    num_identities, num_instances = (32, 8) if dataset in _CUHK03 else (16, 16)
    return MancsConfig(
        data=ReidData(
            dataset=dataset,
            height_px=256,
            width_px=128,
            num_identities=num_identities,
            num_instances=num_instances,
            augmentation=_augmentation(),
        ),
        network=MancsNetworkConfig(
            backbone=Backbone(architecture="resnet50", weights="imagenet", last_stride=2, stem_pool="padded")
        ),
        optimisation=Optimisation(
            num_epochs=160,
            base_lr=3e-4,
            warmup_steps=0,
            schedule="steps",
            weight_decay=5e-4,
            max_grad_norm=5.0,
            precision="fp32",
        ),
    )


def _augmentation() -> Augmentation:
    return Augmentation(
        pad_crop_px=None,
        scale_crop=ScaleCrop(),
        flip_probability=0.5,
        erasing=RandomErasing(max_area=0.4, max_aspect=3.33),
        patch=None,
    )


def demo_config() -> MancsConfig:
    """Give the same method scaled to the embedded data set and to a few seconds on one CPU core.

    Chosen on `val` (docs/demo.md). The curriculum runs through all of its phases in the few epochs there are, and its
    deviation keeps the paper's share of an anchor's negatives, a sixteenth. Narrow maps have a milder reduction. An
    epoch is four steps.
    """
    return MancsConfig(
        data=ReidData(
            dataset="demo_pedestrians",
            height_px=64,
            width_px=32,
            sampling="identities_once",
            num_identities=16,
            num_instances=4,
            augmentation=_augmentation(),
        ),
        network=MancsNetworkConfig(
            backbone=Backbone(
                architecture="mobilenet_v2_short",
                weights="imagenet_mobilenet",
                last_stride=2,
                num_frozen_stages=2,
            ),
            attention=Attention(reduction=4),
        ),
        losses=MancsLosses(rank=RankLoss(curriculum=Curriculum(t0=3, t1=9, a=3.75))),
        optimisation=Optimisation(
            num_epochs=12,
            base_lr=4e-3,
            warmup_steps=0,
            schedule="steps",
            decay_epochs=(9,),
            decay_factor=0.2,
            max_grad_norm=5.0,
            precision="fp32",
        ),
    )


# --------------------------------------------------------------------------------------------------------
# Network


class AttentionBlock(nn.Module):
    """Makes a mask from a map by two 1x1 convolutions (Fig. 2).

    Args:
        channels: C, of the map.
        attention: which mask. Where the reduction does not divide C, the narrow layer is rounded down.
    """

    def __init__(self, channels: int, attention: Attention) -> None:
        super().__init__()
        narrow = channels // attention.reduction
        self.pools = attention.mask == "channel"
        self.reduce = nn.Conv2d(channels, narrow, 1)
        self.expand = nn.Conv2d(narrow, channels, 1)

    def forward(self, map_BCHW: Tensor) -> Tensor:
        """Give the mask, in (0, 1): (B, C, H, W), or (B, C, 1, 1) of a `channel` mask."""
        seen_BCHW = map_BCHW.mean(dim=(2, 3), keepdim=True) if self.pools else map_BCHW
        return self.expand(self.reduce(seen_BCHW).relu()).sigmoid()


class ClassificationHead(nn.Module):
    """Two linear layers, the first as wide as its input."""

    def __init__(self, width: int, num_classes: int, activation: Literal["nothing", "bn_relu"]) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, width)
        self.between = (
            nn.Sequential(nn.BatchNorm1d(width), nn.ReLU(inplace=True)) if activation == "bn_relu" else None
        )
        self.classify = nn.Linear(width, num_classes)

    def forward(self, features_BC: Tensor) -> Tensor:
        """Give logits (B, I)."""
        hidden_BC = self.hidden(features_BC)
        return self.classify(hidden_BC if self.between is None else self.between(hidden_BC))


@dataclass(frozen=True)
class MancsOutputs:
    """What losses are made from.

    Attributes:
        embeddings_BD: f_rank.
        logits_BI: of the classification branch; None without its loss.
        attention_logits_BI: of the attention branch; None without its loss.
    """

    embeddings_BD: Tensor
    logits_BI: Tensor | None
    attention_logits_BI: Tensor | None


@dataclass(frozen=True)
class _Described:
    """What the trunk makes of images.

    Attributes:
        pooled_BC: of the last map.
        masked_BCHW: F . mask of each attended stage.
        masks_BCHW: of each attended stage.
    """

    pooled_BC: Tensor
    masked_BCHW: dict[str, Tensor]
    masks_BCHW: dict[str, Tensor]


class MancsNetwork(nn.Module):
    """Mancs on a backbone of five stages.

    Args:
        config: its `network` says which parts there are, its `losses` which heads.
        stages: the backbone with its starting weights.
        num_train_pids: classes of the heads.
    """

    def __init__(self, config: MancsConfig, stages: Stages, num_train_pids: int) -> None:
        super().__init__()
        network, losses = config.network, config.losses
        widths = dict(zip(("layer1", "layer2", "layer3", "layer4"), network.stage_widths, strict=True))
        self.num_frozen_stages = network.backbone.num_frozen_stages
        self.pixels = PixelStandardisation()
        self.trunk = nn.ModuleDict(
            {
                "stem": stages.stem,
                "layer1": stages.layer1,
                "layer2": stages.layer2,
                "layer3": stages.layer3,
                "layer4": stages.layer4,
            }
        )
        for stage in self._frozen_stages():
            stage.requires_grad_(False)
        last_block = stages.layer4[-1]
        if hasattr(last_block, "relu_out"):  # a residual block of ResNet; MobileNetV2 ends linearly
            last_block.relu_out = nn.Identity()
        self.last_activation = _make_activation(network.last_activation, widths["layer4"])
        self.attention = nn.ModuleDict()
        if network.attention is not None:
            for name in ATTENDED_STAGES:
                self.attention[name] = build_part(
                    f"attention.{name}", AttentionBlock, widths[name], network.attention
                )
        self.rank_fc = (
            None
            if network.rank_fc_width is None
            else build_part("rank_fc", nn.Linear, widths["layer4"], network.rank_fc_width)
        )
        # From here on: what only training uses.
        self.classification_head = (
            None
            if losses.classification is None
            else build_part(
                "classification_head",
                ClassificationHead,
                widths["layer4"],
                num_train_pids,
                network.head_activation,
            )
        )
        self.attention_head = (
            None
            if losses.attention is None
            else build_part(
                "attention_head",
                ClassificationHead,
                sum(widths[name] for name in ATTENDED_STAGES),
                num_train_pids,
                network.head_activation,
            )
        )

    def _frozen_stages(self) -> list[nn.Module]:
        return list(self.trunk.values())[: self.num_frozen_stages]

    def train(self, mode: bool = True) -> MancsNetwork:
        """Switch modes; frozen stages stay in evaluation mode."""
        super().train(mode)
        for stage in self._frozen_stages():
            stage.eval()
        return self

    def forward(self, images_BCHW: Tensor) -> MancsOutputs:
        """Compute everything that the losses need.

        Args:
            images_BCHW: RGB, float, 0..255; not changed.
        """
        described = self._describe(images_BCHW)
        logits_BI, attention_logits_BI = None, None
        if self.classification_head is not None:
            logits_BI = self.classification_head(described.pooled_BC)
        if self.attention_head is not None:
            masked_BC = [masked_BCHW.mean(dim=(2, 3)) for masked_BCHW in described.masked_BCHW.values()]
            attention_logits_BI = self.attention_head(torch.cat(masked_BC, dim=1))
        return MancsOutputs(self._embed(described.pooled_BC), logits_BI, attention_logits_BI)

    def embed(self, images_BCHW: Tensor) -> dict[str, Tensor]:
        """Compute f_rank alone, (B, D); not normalised.

        Args:
            images_BCHW: RGB, float, 0..255; not changed.
        """
        return {RANK: self._embed(self._describe(images_BCHW).pooled_BC)}

    def masks(self, images_BCHW: Tensor) -> dict[str, Tensor]:
        """Give the mask of each attended stage, (B, C, H, W) in (0, 1); none without attention."""
        return self._describe(images_BCHW).masks_BCHW

    def drop_training_parts(self) -> None:
        """Remove, for deployment, what `embed` has no use for."""
        self.classification_head, self.attention_head = None, None

    def _embed(self, pooled_BC: Tensor) -> Tensor:
        return pooled_BC if self.rank_fc is None else self.rank_fc(pooled_BC)

    def _describe(self, images_BCHW: Tensor) -> _Described:
        map_BCHW = self.pixels(images_BCHW).contiguous(memory_format=torch.channels_last)
        masked_BCHW: dict[str, Tensor] = {}
        masks_BCHW: dict[str, Tensor] = {}
        for name, stage in self.trunk.items():
            map_BCHW = stage(map_BCHW)
            if name in self.attention:
                masks_BCHW[name] = self.attention[name](map_BCHW)
                masked_BCHW[name] = map_BCHW * masks_BCHW[name]
                map_BCHW = masked_BCHW[name] + map_BCHW
        return _Described(self.last_activation(map_BCHW).mean(dim=(2, 3)), masked_BCHW, masks_BCHW)


def _make_activation(name: Literal["prelu", "prelu_per_channel", "relu"], channels: int) -> nn.Module:
    # Slopes start at 0.25 (He et al., ICCV 2015, Sec. 2.1); the start is not stated by Mancs.
    return nn.ReLU() if name == "relu" else nn.PReLU(channels if name == "prelu_per_channel" else 1)


# --------------------------------------------------------------------------------------------------------
# Losses


def make_loss_terms(
    losses: MancsLosses, outputs: MancsOutputs, labels_B: Tensor, epoch: int
) -> dict[str, Tensor]:
    """Make the weighted loss terms of a batch; their plain sum is what is differentiated.

    Args:
        losses: which terms, and how.
        outputs: of the network, in float32.
        labels_B: int64 in [0, I).
        epoch: epochs completed, which the curriculum follows.
    """
    terms: dict[str, Tensor] = {}
    if losses.rank is not None:
        terms["rank"] = losses.rank.weight * _rank_loss(losses.rank, outputs.embeddings_BD, labels_B, epoch)
    if losses.classification is not None:
        assert outputs.logits_BI is not None
        focal_loss = {
            "softmax": softmax_focal_loss,
            "sigmoid_full": sigmoid_focal_loss,
            "sigmoid_literal": true_class_sigmoid_focal_loss,
        }[losses.classification.probability]
        loss = focal_loss(outputs.logits_BI, labels_B, gamma=losses.classification.gamma)
        terms["classification"] = losses.classification.weight * loss
    if losses.attention is not None:
        assert outputs.attention_logits_BI is not None
        logits_BI = outputs.attention_logits_BI
        is_label_BI = is_label(labels_B, logits_BI.shape[1]).to(logits_BI.dtype)
        loss = functional.binary_cross_entropy_with_logits(logits_BI, is_label_BI)  # mean over B and I
        terms["attention"] = losses.attention.weight * loss
    return terms


def _rank_loss(rank: RankLoss, embeddings_BD: Tensor, labels_B: Tensor, epoch: int) -> Tensor:
    curriculum = rank.curriculum
    if curriculum is None:
        return batch_hard_triplet_loss(embeddings_BD, labels_B, margin=rank.margin)
    return curriculum_triplet_loss(
        embeddings_BD,
        labels_B,
        epoch,
        t0=curriculum.t0,
        t1=curriculum.t1,
        a=curriculum.a,
        b=curriculum.b,
        margin=rank.margin,
    )


# --------------------------------------------------------------------------------------------------------
# Method


class Mancs(FromBackbone):
    """Mancs as the training loop of re-identification sees it. Stateless."""

    def build_network(
        self, config: MancsConfig, num_classes: int, weights: Mapping[str, StartingFile]
    ) -> MancsNetwork:
        """Build the network on a backbone with its starting weights."""
        stages = build_stages(config.network.backbone, weights)
        return MancsNetwork(config, stages, num_classes)

    def loss_terms(
        self,
        config: MancsConfig,
        network: MancsNetwork,
        images_per_rank: Sequence[Tensor],
        labels_per_rank: Sequence[Tensor],
        epoch: int,
    ) -> Iterator[dict[str, Tensor]]:
        """Yield weighted terms of one rank after the other, each with equally many images of each identity.

        The curriculum draws harder negatives as epochs grow.
        """
        return terms_of_ranks(
            network,
            images_per_rank,
            labels_per_rank,
            lambda outputs, labels_B: make_loss_terms(config.losses, in_float32(outputs), labels_B, epoch),
        )

    def pass_over(self, config: MancsConfig, network: MancsNetwork, labels_B: Tensor) -> None:
        """Draw what the curriculum draws for a rank.

        Args:
            config: of the training.
            network: not used.
            labels_B: of the rank.
        """
        rank = config.losses.rank
        if rank is not None and rank.curriculum is not None:
            draw_uniform(labels_B)

    def panels(self, config: MancsConfig, network: MancsNetwork, images_BCHW: Tensor) -> list[Panel]:
        """Show the mean over channels of each stage's mask.

        Args:
            config: of the training.
            network: in inference mode.
            images_BCHW: RGB, float, 0..255.

        Returns:
            Three panels; none without attention, or where a mask has no place in the image.
        """
        if config.network.attention is None or config.network.attention.mask == "channel":
            return []
        masks_BCHW = network.masks(images_BCHW)
        return [
            Panel(f"stage {number}\nmask", heat_BHW=masks_BCHW[name].mean(dim=1))
            for number, name in enumerate(ATTENDED_STAGES, start=2)
        ]
