"""MDPR: hard stripes and soft attention in two branches that teach each other and are fused.

Paper:
    the summary of MDPR that this project specifies its sections, tables and switches from.
Authors' code:
    github.com/KuilongCui/MDPR, commit 89d97370 (a fork of fast-reid 1.3).
Read from the code because the paper is silent or differs:
    circle softmax on class prototypes rather than pairs of samples; label smoothing 0.1 over the other
    classes; the extra embedding of stage 4; guidance by the raw scores before the softmax, with gradient;
    one GeM exponent for all maps of a stage; the formulas of diversity; input 384x192.
Deviations:
    pixels are standardised without changing the caller's images; nothing needs a GPU or a batch above one
    at test; guidance is resized to the stage-4 map instead of by a fixed factor; diversity is summed in the
    embeddings' own precision; at test the parts that only training uses are not computed. Ranks run one after
    another, or side by side in the same arithmetic: the running statistics of batch norm see all of them and move
    `data.num_ranks` times a step, where the code's are those of the first rank, which move once. Of augmentation
    see `data/reid_augment.py`.

Legend: B images, C channels, H W height and width of a map, A attention maps, D embedding, I identities.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from tablewright.trainables.contract.method import Trainable
from tablewright.trainables.data.reid import Augmentation, DatasetName, ReidData
from tablewright.trainables.layers.attention import (
    AttentionGuidance,
    AttentionMaker,
    AttentionPooling,
    foreground_attention,
)
from tablewright.trainables.layers.backbone import (
    STRIDE_BEFORE_LAST_STAGE,
    Backbone,
)
from tablewright.trainables.layers.embed import Embed
from tablewright.trainables.layers.fuse import FuseBlock
from tablewright.trainables.layers.neck import BatchNormNeck, EmbeddingHead
from tablewright.trainables.layers.pixels import PixelStandardisation
from tablewright.trainables.layers.pretrained import StartingFile
from tablewright.trainables.layers.stages import Stages
from tablewright.trainables.losses.circle import circle_logits, cosines_to_prototypes, pairwise_circle_loss
from tablewright.trainables.losses.distillation import mutual_distillation_loss
from tablewright.trainables.losses.diversity import attention_diversity_loss, foreground_mass
from tablewright.trainables.losses.label_smoothing import smoothed_cross_entropy
from tablewright.trainables.losses.triplet import batch_hard_triplet_loss
from tablewright.trainables.pictures.panel import Panel
from tablewright.trainables.reidentification.config import ReidConfig
from tablewright.trainables.training.from_backbone import FromBackbone, build_stages
from tablewright.trainables.training.optimisation import Optimisation
from tablewright.trainables.training.paired_parts import build_part
from tablewright.trainables.training.process_group import gather_ranks
from tablewright.trainables.training.published_recipe import require_recipe
from tablewright.trainables.training.rank_by_rank import in_float32, terms_of_ranks
from tablewright.trainables.value.frozen_model import FrozenModel

HARD_GLOBAL, SOFT_STAGE5, SOFT_STAGE4, FUSED = "hard_global", "soft_stage5", "soft_stage4", "fused"
PROTOTYPE_STD = 0.01

# --------------------------------------------------------------------------------------------------------
# Configuration


class HardBranch(FrozenModel):
    """Hard content: the whole map and horizontal stripes of it, each with its own embedding.

    Attributes:
        num_stripes: P, at least 1; the paper has 2.
    """

    num_stripes: int = Field(default=2, ge=1)


class Guidance(FrozenModel):
    """The stage-4 attention maker also sees the scores of stage 5.

    Attributes:
        detach: stop the gradient from stage 4 to the scores of stage 5; the code lets it flow.
    """

    detach: bool = False


class Attention(FrozenModel):
    """Attention maps of stages 4 and 5; they act through training only, the descriptor has no part of them.

    Attributes:
        num_attentions: M, maps a stage, without the background.
        guidance: None is off.
        bap_gem: one GeM exponent for all maps of a stage (code), or one for each (paper).
    """

    num_attentions: int = Field(default=2, ge=1)
    guidance: Guidance | None = Guidance()
    bap_gem: Literal["shared", "per_map"] = "shared"


class SoftBranch(FrozenModel):
    """Soft content: stages 4 and 5 under attention."""

    attention: Attention = Attention()


class MdprNetworkConfig(FrozenModel):
    """Which parts the network has.

    Attributes:
        embedding_size: E, of every embedding but the fused one, which has 4 E.
        hard: None trains the soft branch alone.
        soft: None trains the hard branch alone.
        fusion: join the embedded maps of both branches into one more embedding.
    """

    backbone: Backbone = Backbone()
    embedding_size: int = Field(default=512, ge=1)
    hard: HardBranch | None = HardBranch()
    soft: SoftBranch | None = SoftBranch()
    fusion: bool = True


class CircleSoftmax(FrozenModel):
    """Identity loss on class prototypes, as in the authors' code.

    Attributes:
        label_smoothing: ε, spread over the other classes; 0 is none.
        weight: of each identity term.
    """

    kind: Literal["circle_softmax"] = "circle_softmax"
    scale: float = Field(default=64.0, gt=0)
    margin: float = Field(default=0.35, ge=0, le=1)
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    weight: float = Field(default=1.0, ge=0)


class CirclePairwise(FrozenModel):
    """Identity loss on pairs of samples, as the paper words it; there are no prototypes then.

    Attributes:
        scale: 128 is Circle Loss's own for person re-identification (its Sec. 4.1); not stated by MDPR.
        margin: 0.25 likewise.
        weight: of each identity term.
    """

    kind: Literal["circle_pairwise"] = "circle_pairwise"
    scale: float = Field(default=128.0, gt=0)
    margin: float = Field(default=0.25, ge=0, le=1)
    weight: float = Field(default=1.0, ge=0)


class Triplet(FrozenModel):
    """Batch-hard triplet loss on every embedding but those pooled under attention.

    Attributes:
        margin: in units of Euclidean distance.
        weight: of each triplet term.
    """

    margin: float = Field(default=0.05, gt=0)
    weight: float = Field(default=1.0, ge=0)


class Diversity(FrozenModel):
    """Keeps the attention maps of a stage apart, and sparse.

    Attributes:
        regulariser_weight: λ, of the foreground mass alone.
        weight: of the cosine between maps alone.
    """

    regulariser_weight: float = Field(default=0.001, ge=0)
    weight: float = Field(default=1.0, ge=0)


class Distillation(FrozenModel):
    """Each branch predicts the other's embedding (hard_global and soft_stage5).

    Attributes:
        predictor_init: PyTorch's own, or N(0, 0.01) with zero bias as in the variant MDPREX.
        weight: of the term.
    """

    predictor_init: Literal["default", "normal"] = "default"
    weight: float = Field(default=1.0, ge=0)


class MdprLosses(FrozenModel):
    """The terms that are summed; None is off.

    Attributes:
        pair_scope: form triplets (and pairs of `circle_pairwise`) inside each rank's batch as the code
            does, or in the batches of all ranks joined.
    """

    identity: Annotated[CircleSoftmax | CirclePairwise, Field(discriminator="kind")] = CircleSoftmax()
    triplet: Triplet | None = Triplet()
    diversity: Diversity | None = Diversity()
    distillation: Distillation | None = Distillation()
    pair_scope: Literal["local", "gathered"] = "local"


class MdprConfig(ReidConfig):
    """Everything that changes the weights of one MDPR training."""

    METHOD: ClassVar[str] = "mdpr"
    VERSION: ClassVar[int] = 2

    network: MdprNetworkConfig = MdprNetworkConfig()
    losses: MdprLosses = MdprLosses()

    @model_validator(mode="after")
    def _check_parts_go_together(self) -> MdprConfig:
        network, losses, data = self.network, self.losses, self.data
        faults = network.backbone.find_faults()
        if network.hard is None and network.soft is None:
            faults.append("a network needs a branch; set network.hard or network.soft")
        one_branch = network.hard is None or network.soft is None
        if one_branch and network.fusion:
            faults.append("fusion joins two branches; set network.fusion to false, or both branches")
        if one_branch and losses.distillation is not None:
            faults.append(
                "distillation is between two branches; set losses.distillation to null, or both branches"
            )
        if network.soft is None and losses.diversity is not None:
            faults.append("diversity is of the soft branch's attention; set losses.diversity to null")
        if network.fusion and network.backbone.last_stride == 2:
            faults.append(
                "fusion needs the maps of stages 4 and 5 in one size; set network.backbone.last_stride to 1, "
                "or network.fusion to false"
            )
        stride = STRIDE_BEFORE_LAST_STAGE * network.backbone.last_stride
        if data.height_px % stride or data.width_px % stride:
            faults.append(
                f"the image's sides must be multiples of {stride} px, "
                f"got {data.height_px} x {data.width_px}; set data.height_px and data.width_px"
            )
        elif network.hard is not None and (data.height_px // stride) % network.hard.num_stripes:
            faults.append(
                f"the map's height must be a multiple of network.hard.num_stripes, which is "
                f"{network.hard.num_stripes}, got {data.height_px // stride}; "
                f"set data.height_px to a multiple of {stride * network.hard.num_stripes}"
            )
        if losses.pair_scope == "gathered" and data.num_ranks == 1:
            faults.append(
                "with one rank there is nothing to gather; set losses.pair_scope to 'local', "
                "or data.num_ranks above 1"
            )
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def embedding_widths(self) -> dict[str, int]:
        """Name the parts of the descriptor, in joining order: 9 E in all by default."""
        width = self.network.embedding_size
        widths: dict[str, int] = {}
        if self.network.hard is not None:
            widths[HARD_GLOBAL] = width
            widths |= dict.fromkeys(stripe_names(self.network.hard.num_stripes), width)
        if self.network.soft is not None:
            widths |= {SOFT_STAGE5: width, SOFT_STAGE4: width}
        if self.network.fusion:
            widths[FUSED] = 4 * width
        return widths

    def embedding_groups(self) -> dict[str, tuple[str, ...]]:
        """Name `all`, each branch there is, and `hard+soft` where there are both."""
        names = tuple(self.embedding_widths())
        hard = tuple(name for name in names if name.startswith("hard"))
        soft = tuple(name for name in names if name.startswith("soft"))
        groups = {"all": names, "hard": hard, "soft": soft, "hard+soft": hard + soft if hard and soft else ()}
        return {group: members for group, members in groups.items() if members}

    def make_trainable(self) -> Trainable:
        """Give MDPR as a re-identification method."""
        # Here, not above: planning needs configs but neither loaders nor the training loop.
        from tablewright.trainables.reidentification.method import ReidTrainable

        return ReidTrainable(Mdpr())


def stripe_names(num_stripes: int) -> tuple[str, ...]:
    """Name the embeddings of the stripes, from the top down."""
    return tuple(f"hard_stripe_{number}" for number in range(1, num_stripes + 1))


# Epochs, and steps of the warm-up, in the code's file of each data set.
_SCHEDULES: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"market1501": (60, 2000), "dukemtmc": (60, 2000), "synergyreid": (40, 200)}
)


def paper_config(dataset: DatasetName) -> MdprConfig:
    """Give the published recipe (Sec. IV and the code); SynergyReID's is shorter.

    Raises:
        ValueError: nothing is published for the data set.

    Deviation:
        the paper trains on four GPUs with 256 images, each GPU on its own 64; this is the code's default
        for one device, 64 images. `data.num_ranks` 4 is the paper's batch.
    """
    require_recipe("MDPR", dataset, _SCHEDULES, schedule="num_epochs and warmup_steps")
    num_epochs, warmup_steps = _SCHEDULES[dataset]
    return MdprConfig(
        seed=3407,
        data=ReidData(dataset=dataset, height_px=384, width_px=192, num_identities=4, num_instances=16),
        network=MdprNetworkConfig(backbone=Backbone(architecture="resnet101_ibn_a", weights="luperson_moco")),
        optimisation=Optimisation(
            num_epochs=num_epochs,
            base_lr=3.5e-4,
            warmup_steps=warmup_steps,
            warmup_start_factor=0.1,
            final_lr=1e-7,
            weight_decay=5e-4,
            precision="fp16",
        ),
    )


def demo_config() -> MdprConfig:
    """Give the same method scaled to the embedded data set and to a few seconds on one CPU core.

    Chosen on `val` (docs/demo.md). In 32 steps nothing is over-fitted: erasing and patches are off, the crop is small,
    the shared stages keep their ImageNet weights, and the circle loss is less steep, so that early steps are not all
    alike. An epoch is four steps, so that the rate can fall within them.
    """
    return MdprConfig(
        seed=3407,
        data=ReidData(
            dataset="demo_pedestrians",
            height_px=64,
            width_px=32,
            sampling="identities_once",
            num_identities=16,
            num_instances=4,
            augmentation=Augmentation(pad_crop_px=2, erasing=None, patch=None),
        ),
        network=MdprNetworkConfig(
            backbone=Backbone(
                architecture="mobilenet_v2_short", weights="imagenet_mobilenet", num_frozen_stages=3
            ),
            embedding_size=32,
        ),
        losses=MdprLosses(identity=CircleSoftmax(scale=16.0)),
        optimisation=Optimisation(
            num_epochs=8, base_lr=1.2e-2, warmup_steps=8, final_lr=1.2e-3, precision="fp32"
        ),
    )


# --------------------------------------------------------------------------------------------------------
# Network


class HardContent(nn.Module):
    """The hard copy of layer3 and layer4 with the embedded maps of the whole and of its stripes."""

    def __init__(self, stages: Stages, embedding_size: int, num_stripes: int) -> None:
        super().__init__()
        self.layer3, self.layer4 = copy.deepcopy(stages.layer3), copy.deepcopy(stages.layer4)
        width = stages.layer4.out_channels
        self.embed_global = build_part("embed_global", Embed, width, embedding_size)
        self.embed_stripes = nn.ModuleList(
            build_part(f"embed_stripes.{index}", Embed, width, embedding_size) for index in range(num_stripes)
        )

    def forward(self, map_BCHW: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Give the whole, (B, D, H, W), and the stripes, P times (B, D, H / P, W)."""
        stage5_BCHW = self.layer4(self.layer3(map_BCHW))
        stripes = stage5_BCHW.chunk(len(self.embed_stripes), dim=2)
        return self.embed_global(stage5_BCHW), [
            embed(stripe_BCHW) for embed, stripe_BCHW in zip(self.embed_stripes, stripes, strict=True)
        ]


@dataclass(frozen=True)
class SoftMaps:
    """Maps of the soft branch.

    Attributes:
        stage4_BCHW: out of layer3.
        stage5_BCHW: out of layer4.
        wide_stage4_BCHW: stage 4 embedded to its own width, an embedding absent from the paper.
        embedded_stage4_BDHW: that, embedded to E.
        embedded_stage5_BDHW: stage 5 embedded to E.
    """

    stage4_BCHW: Tensor
    stage5_BCHW: Tensor
    wide_stage4_BCHW: Tensor
    embedded_stage4_BDHW: Tensor
    embedded_stage5_BDHW: Tensor


class SoftContent(nn.Module):
    """The soft copy of layer3 and layer4 with their embedded maps; attention is apart from it."""

    def __init__(self, stages: Stages, embedding_size: int) -> None:
        super().__init__()
        self.layer3, self.layer4 = copy.deepcopy(stages.layer3), copy.deepcopy(stages.layer4)
        stage4_channels = stages.layer3.out_channels
        self.embed_stage5 = build_part("embed_stage5", Embed, stages.layer4.out_channels, embedding_size)
        self.widen_stage4 = build_part("widen_stage4", Embed, stage4_channels, stage4_channels)
        self.embed_stage4 = build_part("embed_stage4", Embed, stage4_channels, embedding_size)

    def forward(self, map_BCHW: Tensor) -> SoftMaps:
        """Give the maps of both stages."""
        stage4_BCHW = self.layer3(map_BCHW)
        stage5_BCHW = self.layer4(stage4_BCHW)
        wide_stage4_BCHW = self.widen_stage4(stage4_BCHW)
        return SoftMaps(
            stage4_BCHW,
            stage5_BCHW,
            wide_stage4_BCHW,
            self.embed_stage4(wide_stage4_BCHW),
            self.embed_stage5(stage5_BCHW),
        )


@dataclass(frozen=True)
class Attended:
    """What attention made, keyed by `stage5` and `stage4`.

    Attributes:
        scores_BAHW: before the softmax, the background last: A + 1 channels.
        attention_BAHW: behind it, without the background.
        pooled_BAD: one vector under each map.
        embeddings_BD: those of a stage joined, behind the neck; A · E wide.
    """

    scores_BAHW: dict[str, Tensor]
    attention_BAHW: dict[str, Tensor]
    pooled_BAD: dict[str, Tensor]
    embeddings_BD: dict[str, Tensor]


class AttentionContent(nn.Module):
    """Attention of stages 5 and 4 and the embeddings pooled under it, which only training uses."""

    def __init__(self, stages: Stages, embedding_size: int, attention: Attention) -> None:
        super().__init__()
        num_maps = attention.num_attentions + 1
        stage4_channels, stage5_channels = stages.layer3.out_channels, stages.layer4.out_channels
        self.maker_stage5 = build_part("maker_stage5", AttentionMaker, stage5_channels, num_maps)
        self.guidance = (
            None
            if attention.guidance is None
            else build_part("guidance", AttentionGuidance, num_maps, detach=attention.guidance.detach)
        )
        guided_channels = stage4_channels + (0 if self.guidance is None else num_maps)
        self.maker_stage4 = build_part("maker_stage4", AttentionMaker, guided_channels, num_maps)
        pooling = (embedding_size, attention.num_attentions, attention.bap_gem)
        self.pooling_stage5 = build_part("pooling_stage5", AttentionPooling, stage5_channels, *pooling)
        self.pooling_stage4 = build_part("pooling_stage4", AttentionPooling, stage4_channels, *pooling)
        self.neck_stage5 = BatchNormNeck(attention.num_attentions * embedding_size)
        self.neck_stage4 = BatchNormNeck(attention.num_attentions * embedding_size)

    def forward(self, maps: SoftMaps) -> Attended:
        """Make the maps and pool under them."""
        scores5_BAHW = self.maker_stage5(maps.stage5_BCHW)
        stage4_BCHW = maps.stage4_BCHW
        if self.guidance is not None:
            stage4_BCHW = self.guidance(scores5_BAHW, stage4_BCHW)
        scores4_BAHW = self.maker_stage4(stage4_BCHW)
        attention5_BAHW, attention4_BAHW = (
            foreground_attention(scores5_BAHW),
            foreground_attention(scores4_BAHW),
        )
        pooled5_BAD = self.pooling_stage5(maps.stage5_BCHW, attention5_BAHW)
        pooled4_BAD = self.pooling_stage4(maps.wide_stage4_BCHW, attention4_BAHW)
        # The code puts a ReLU between pooling and neck; GeM is positive, so that it would never act.
        return Attended(
            scores_BAHW={"stage5": scores5_BAHW, "stage4": scores4_BAHW},
            attention_BAHW={"stage5": attention5_BAHW, "stage4": attention4_BAHW},
            pooled_BAD={"stage5": pooled5_BAD, "stage4": pooled4_BAD},
            embeddings_BD={
                "stage5": self.neck_stage5(pooled5_BAD.flatten(1)),
                "stage4": self.neck_stage4(pooled4_BAD.flatten(1)),
            },
        )


class Fusion(nn.Module):
    """Joins the embedded maps of both branches, with gradient to both."""

    def __init__(self, embedding_size: int) -> None:
        super().__init__()
        self.stripes = FuseBlock(embedding_size)
        self.hard = FuseBlock(2 * embedding_size)
        self.soft = FuseBlock(2 * embedding_size)
        self.out = FuseBlock(4 * embedding_size)

    def forward(self, global_BDHW: Tensor, stripes_BDHW: Sequence[Tensor], soft: SoftMaps) -> Tensor:
        """Give (B, 4 E, H, W)."""
        rejoined_BDHW = self.stripes(torch.cat(list(stripes_BDHW), dim=2))
        hard_BDHW = self.hard(torch.cat((rejoined_BDHW, global_BDHW), dim=1))
        soft_BDHW = self.soft(torch.cat((soft.embedded_stage5_BDHW, soft.embedded_stage4_BDHW), dim=1))
        return self.out(torch.cat((hard_BDHW, soft_BDHW), dim=1))


class Predictors(nn.Module):
    """Two MLPs by which each branch guesses the other's embedding."""

    def __init__(self, embedding_size: int, init: Literal["default", "normal"]) -> None:
        super().__init__()
        self.from_hard = self._make_predictor(embedding_size, init)
        self.from_soft = self._make_predictor(embedding_size, init)

    @staticmethod
    def _make_predictor(width: int, init: Literal["default", "normal"]) -> nn.Sequential:
        hidden, out = nn.Linear(width, width, bias=False), nn.Linear(width, width)
        if init == "normal":
            nn.init.normal_(hidden.weight, 0.0, 0.01)
            nn.init.normal_(out.weight, 0.0, 0.01)
            nn.init.zeros_(out.bias)
        return nn.Sequential(hidden, nn.BatchNorm1d(width), nn.ReLU(inplace=True), out)

    def forward(self, embeddings_BD: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Give what each branch predicts, keyed by the embedding it is made from."""
        return {
            HARD_GLOBAL: self.from_hard(embeddings_BD[HARD_GLOBAL]),
            SOFT_STAGE5: self.from_soft(embeddings_BD[SOFT_STAGE5]),
        }


@dataclass(frozen=True)
class MdprOutputs:
    """What losses are made from.

    Attributes:
        embeddings_BD: the descriptor's parts, behind their necks, by name.
        attended: None without a soft branch.
        predictions_BD: of the other branch's embedding, by what they are made from; empty without
            distillation and in evaluation mode.
    """

    embeddings_BD: dict[str, Tensor]
    attended: Attended | None
    predictions_BD: dict[str, Tensor]

    def identified_BD(self) -> dict[str, Tensor]:
        """Name everything that an identity loss acts on: the descriptor's parts and what attention pooled."""
        attended_BD = {} if self.attended is None else self.attended.embeddings_BD
        return self.embeddings_BD | {f"attention_{stage}": value for stage, value in attended_BD.items()}


def _make_prototypes(num_train_pids: int, width: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(num_train_pids, width) * PROTOTYPE_STD)


class MdprNetwork(nn.Module):
    """MDPR on a backbone of five stages.

    Args:
        config: its `network` says which parts there are, its `losses` whether there are prototypes and
            predictors.
        stages: the backbone with its starting weights; stem, layer1 and layer2 become the shared part,
            layer3 and layer4 are copied for each branch.
        num_train_pids: classes of the identity loss.
    """

    def __init__(self, config: MdprConfig, stages: Stages, num_train_pids: int) -> None:
        super().__init__()
        network, losses, size = config.network, config.losses, config.network.embedding_size
        self.num_frozen_stages = network.backbone.num_frozen_stages
        self.pixels = PixelStandardisation()
        self.shared = nn.ModuleList((stages.stem, stages.layer1, stages.layer2))
        self.shared[: self.num_frozen_stages].requires_grad_(False)
        self.hard = (
            None
            if network.hard is None
            else build_part("hard", HardContent, stages, size, network.hard.num_stripes)
        )
        self.soft = None if network.soft is None else build_part("soft", SoftContent, stages, size)
        self.fusion = build_part("fusion", Fusion, size) if network.fusion else None
        widths = config.embedding_widths()
        self.heads = nn.ModuleDict({name: EmbeddingHead(width) for name, width in widths.items()})
        # From here on: what only training uses.
        self.attention = (
            None
            if network.soft is None
            else build_part("attention", AttentionContent, stages, size, network.soft.attention)
        )
        self.predictors = (
            None
            if losses.distillation is None
            else build_part("predictors", Predictors, size, losses.distillation.predictor_init)
        )
        self.prototypes = nn.ParameterDict()
        if losses.identity.kind == "circle_softmax":
            if network.soft is not None:
                attended_width = network.soft.attention.num_attentions * size
                widths |= {"attention_stage5": attended_width, "attention_stage4": attended_width}
            for name, width in widths.items():
                self.prototypes[name] = build_part(
                    f"prototypes.{name}", _make_prototypes, num_train_pids, width
                )

    def train(self, mode: bool = True) -> MdprNetwork:
        """Switch modes; frozen stages stay in evaluation mode."""
        super().train(mode)
        self.shared[: self.num_frozen_stages].eval()
        return self

    def forward(self, images_BCHW: Tensor) -> MdprOutputs:
        """Compute everything that the losses need; the predictors run in training mode only.

        Args:
            images_BCHW: RGB, float, 0..255; not changed.
        """
        embeddings_BD, soft_maps = self._describe(images_BCHW)
        attended = None
        if self.attention is not None:
            assert soft_maps is not None
            attended = self.attention(soft_maps)
        predictions_BD: dict[str, Tensor] = {}
        if self.predictors is not None and self.training:
            predictions_BD = self.predictors(embeddings_BD)
        return MdprOutputs(embeddings_BD, attended, predictions_BD)

    def embed(self, images_BCHW: Tensor) -> dict[str, Tensor]:
        """Compute the descriptor's parts alone, (B, D) each, in joining order; not normalised.

        Args:
            images_BCHW: RGB, float, 0..255; not changed.
        """
        embeddings_BD, _ = self._describe(images_BCHW)
        return embeddings_BD

    def drop_training_parts(self) -> None:
        """Remove, for deployment, what `embed` has no use for; `forward` gives no outputs for losses then."""
        self.attention, self.predictors, self.prototypes = None, None, nn.ParameterDict()

    def _describe(self, images_BCHW: Tensor) -> tuple[dict[str, Tensor], SoftMaps | None]:
        # Channels last in memory: a quarter faster on a CPU, and what half-precision GPU kernels want.
        map_BCHW = self.pixels(images_BCHW).contiguous(memory_format=torch.channels_last)
        for index, stage in enumerate(self.shared):
            with torch.set_grad_enabled(torch.is_grad_enabled() and index >= self.num_frozen_stages):
                map_BCHW = stage(map_BCHW)
        to_embed: dict[str, Tensor] = {}
        hard_maps, soft_maps = None, None
        if self.hard is not None:
            hard_maps = self.hard(map_BCHW)
            global_BDHW, stripes_BDHW = hard_maps
            to_embed[HARD_GLOBAL] = global_BDHW
            to_embed |= zip(stripe_names(len(stripes_BDHW)), stripes_BDHW, strict=True)
        if self.soft is not None:
            soft_maps = cast("SoftMaps", self.soft(map_BCHW))
            to_embed[SOFT_STAGE5] = soft_maps.embedded_stage5_BDHW
            to_embed[SOFT_STAGE4] = soft_maps.embedded_stage4_BDHW
        if self.fusion is not None:
            assert hard_maps is not None
            to_embed[FUSED] = self.fusion(*hard_maps, soft_maps)
        return {name: head(to_embed[name]) for name, head in self.heads.items()}, soft_maps


# --------------------------------------------------------------------------------------------------------
# Losses


def make_loss_terms(
    config: MdprConfig, outputs: MdprOutputs, prototypes_ID: Mapping[str, Tensor], labels_B: Tensor
) -> dict[str, Tensor]:
    """Make every weighted loss term of a batch; their plain sum is what is differentiated.

    19 terms by default: identity and triplet on each of the six embeddings, identity on the two pooled
    under attention, diversity and foreground of two stages, distillation.
    """
    losses = config.losses
    identity = losses.identity
    terms: dict[str, Tensor] = {}
    for name, embeddings_BD in outputs.identified_BD().items():
        if identity.kind == "circle_pairwise":
            loss = pairwise_circle_loss(embeddings_BD, labels_B, scale=identity.scale, margin=identity.margin)
        else:
            cosines_BI = cosines_to_prototypes(embeddings_BD, prototypes_ID[name])
            logits_BI = circle_logits(cosines_BI, labels_B, scale=identity.scale, margin=identity.margin)
            loss = smoothed_cross_entropy(logits_BI, labels_B, smoothing=identity.label_smoothing)
        terms[f"identity/{name}"] = identity.weight * loss
    if losses.triplet is not None:
        for name, embeddings_BD in outputs.embeddings_BD.items():
            terms[f"triplet/{name}"] = losses.triplet.weight * batch_hard_triplet_loss(
                embeddings_BD, labels_B, margin=losses.triplet.margin
            )
    if losses.diversity is not None:
        assert outputs.attended is not None
        for stage, pooled_BAD in outputs.attended.pooled_BAD.items():
            terms[f"diversity/{stage}"] = losses.diversity.weight * attention_diversity_loss(pooled_BAD)
            mass = foreground_mass(outputs.attended.attention_BAHW[stage])
            terms[f"foreground/{stage}"] = losses.diversity.regulariser_weight * mass
    if losses.distillation is not None:
        terms["distillation"] = losses.distillation.weight * mutual_distillation_loss(
            outputs.predictions_BD[HARD_GLOBAL],
            outputs.embeddings_BD[SOFT_STAGE5],
            outputs.predictions_BD[SOFT_STAGE5],
            outputs.embeddings_BD[HARD_GLOBAL],
        )
    return terms


def _gather(outputs: Sequence[MdprOutputs]) -> MdprOutputs:
    """Join the batches of all ranks, those of other processes too, in float32 at least.

    Args:
        outputs: of this process's ranks.
    """

    def join(parts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        return {
            name: gather_ranks(torch.cat([in_float32(part[name]) for part in parts])) for name in parts[0]
        }

    attended = [output.attended for output in outputs if output.attended is not None]
    return MdprOutputs(
        embeddings_BD=join([output.embeddings_BD for output in outputs]),
        attended=Attended(
            scores_BAHW=join([part.scores_BAHW for part in attended]),
            attention_BAHW=join([part.attention_BAHW for part in attended]),
            pooled_BAD=join([part.pooled_BAD for part in attended]),
            embeddings_BD=join([part.embeddings_BD for part in attended]),
        )
        if attended
        else None,
        predictions_BD=join([output.predictions_BD for output in outputs]),
    )


# --------------------------------------------------------------------------------------------------------
# Method


class Mdpr(FromBackbone):
    """MDPR as the training loop of re-identification sees it. Stateless."""

    def build_network(
        self, config: MdprConfig, num_classes: int, weights: Mapping[str, StartingFile]
    ) -> MdprNetwork:
        """Build the network on a backbone with its starting weights."""
        stages = build_stages(config.network.backbone, weights)
        return MdprNetwork(config, stages, num_classes)

    def loss_terms(
        self,
        config: MdprConfig,
        network: MdprNetwork,
        images_per_rank: Sequence[Tensor],
        labels_per_rank: Sequence[Tensor],
        epoch: int,
    ) -> Iterator[dict[str, Tensor]]:
        """Yield weighted terms, rank by rank where triplets and pairs are formed inside of each (`pair_scope`).

        With `gathered` all are yielded at once, as one triplet may span ranks.
        """
        prototypes_ID = dict(network.prototypes.items())
        if config.losses.pair_scope == "gathered":
            outputs = [network(images_BCHW) for images_BCHW in images_per_rank]
            labels_B = gather_ranks(torch.cat(list(labels_per_rank)))
            with torch.autocast(labels_B.device.type, enabled=False):
                terms = make_loss_terms(config, _gather(outputs), prototypes_ID, labels_B)
            yield terms
            return
        yield from terms_of_ranks(
            network,
            images_per_rank,
            labels_per_rank,
            lambda outputs, labels_B: make_loss_terms(config, in_float32(outputs), prototypes_ID, labels_B),
        )

    def panels(self, config: MdprConfig, network: MdprNetwork, images_BCHW: Tensor) -> list[Panel]:
        """Show each attention map of stages 5 and 4, squared as the authors do, and their mean (Figs. 9, 10).

        Args:
            config: of the training.
            network: in inference mode.
            images_BCHW: RGB, float, 0..255.

        Returns:
            M + 1 panels a stage; none without a soft branch.
        """
        attended = network(images_BCHW).attended
        if attended is None:
            return []
        panels: list[Panel] = []
        for stage, attention_BAHW in attended.attention_BAHW.items():
            maps = dict(enumerate(attention_BAHW.square().unbind(1), start=1))
            panels += [Panel(f"{stage}\nmap {number}", heat_BHW=heat) for number, heat in maps.items()]
            panels.append(Panel(f"{stage}\nmean", heat_BHW=attention_BAHW.mean(1).square()))
        return panels
