"""MGN: one branch that sees the whole person, and others that see it whole and in two or three stripes.

Paper:
    Wang et al., Learning Discriminative Features with Multiple Granularities for Person Re-Identification,
    ACM MM 2018, arXiv:1804.01438.
Code:
    none by the authors is known. What the paper's text and figures leave open is read from the
    re-implementation github.com/Gavin666Github/reid-mgn, commit 34b9b58 (below: the code). fast-reid c9bc3ce
    and GNAYUOHZ/ReID-MGN differ from it; fields name their readings.
Read from the code because the paper is silent:
    the mean of all terms as the loss (the paper does not settle mean against sum; `losses.combination` has the
    readings); a ReLU behind each reduction; how layers start; no normalisation of the descriptor; that an epoch has
    every identity once (`data.sampling`): 47 steps on Market-1501, where its images would fill 202.
Not stated, our choice:
    the plain baselines: average pooling, softmax and triplet on the pooled map itself, stride 2; precision.
A consequence of the paper's losses:
    softmax acts on the pooled 2048 numbers of a whole map and triplets on their reduction, so that without
    triplets nothing trains these reductions: the 256 numbers at test are then a random projection.
    `losses.softmax.of_wholes` 'reduced' trains them by softmax.
A consequence of the mean of all terms:
    a term weighs 1 / their number, so that rows with other branches or without triplets differ in the weight of each
    softmax term too, which acts like another learning rate: 1/11 in MGN, 1/8 without triplets, 1/4 and 1/5 in Part-2
    and Part-3 alone, 1/2 in a baseline with triplets, 1 in one without. Under Adam a common factor all but cancels.
Deviations:
    pixels are standardised without changing the caller's images; images are resized by bicubic interpolation, the
    code's by bilinear; each reduction starts from numbers of its own, where the code copies one (so at least in
    github.com/levyfan/reid-mgn, commit 9f0daac, which has the same network and recipe); stripes share a row of the map
    where its height is no multiple of their number, as adaptive pooling has it; ranks run one after another in one
    process.

Legend: B images, C channels, H W height and width of a map, D embedding, I identities.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from tablewright.trainables.contract.method import Trainable
from tablewright.trainables.data.reid import Augmentation, DatasetName, ReidData
from tablewright.trainables.layers.backbone import (
    STRIDE_BEFORE_LAST_STAGE,
    Backbone,
    build_backbone,
)
from tablewright.trainables.layers.gem import GeM
from tablewright.trainables.layers.pixels import PixelStandardisation
from tablewright.trainables.layers.pretrained import StartingFile
from tablewright.trainables.layers.stages import Stages
from tablewright.trainables.losses.triplet import batch_hard_triplet_loss
from tablewright.trainables.reidentification.config import ReidConfig
from tablewright.trainables.training.from_backbone import FromBackbone, build_stages
from tablewright.trainables.training.optimisation import Optimisation
from tablewright.trainables.training.paired_parts import build_part
from tablewright.trainables.training.published_recipe import require_recipe
from tablewright.trainables.training.rank_by_rank import in_float32, terms_of_ranks
from tablewright.trainables.value.frozen_model import FrozenModel

POOLED = "pooled"
"""The one embedding of a plain baseline."""

Pooling = Literal["max", "avg", "gem"]

_BASIC_WIDTH, _BOTTLENECK_WIDTH = 512, 2048  # of the map behind layer4
_MOBILENET_WIDTHS = {"mobilenet_v2": 320, "mobilenet_v2_short": 96}  # likewise

# --------------------------------------------------------------------------------------------------------
# Configuration


class Branch(FrozenModel):
    """A copy of the end of layer3 and of layer4.

    Attributes:
        last_stride: of its layer4.
    """

    last_stride: Literal[1, 2] = 1


class MgnNetworkConfig(FrozenModel):
    """A shared trunk and a branch for each granularity; None is off, one alone is a single network.

    Attributes:
        backbone: its `last_stride` has no effect here; each branch has its own. The pool of its stem is
            torchvision's; fast-reid's is `unpadded`.
        global_branch: the whole map; stride 1 is fast-reid's reading.
        part2: the whole map and two stripes.
        part3: the whole map and three stripes.
        part4: the whole map and four stripes; not in the paper.
        pooling: of wholes and stripes; the paper's is the maximum, fast-reid's GeM with an exponent for each.
        reduction_size: width of each embedding.
        reduction_relu: fast-reid has no ReLU behind a reduction.
    """

    kind: Literal["mgn"] = "mgn"
    backbone: Backbone = Backbone(architecture="resnet50", stem_pool="padded")
    global_branch: Branch | None = Branch(last_stride=2)
    part2: Branch | None = Branch()
    part3: Branch | None = Branch()
    part4: Branch | None = None
    pooling: Pooling = "max"
    reduction_size: int = Field(default=256, ge=1)
    reduction_relu: bool = True

    def branches(self) -> dict[str, tuple[Branch, int]]:
        """Give each branch there is, by name, with the number of its stripes."""
        granularities = {
            "global": (self.global_branch, 0),
            "part2": (self.part2, 2),
            "part3": (self.part3, 3),
            "part4": (self.part4, 4),
        }
        return {
            name: (branch, num_stripes)
            for name, (branch, num_stripes) in granularities.items()
            if branch is not None
        }

    def embedding_widths(self) -> dict[str, int]:
        """Name the embeddings in joining order: wholes first, then stripes from the top down."""
        branches = self.branches()
        names = [whole_name(branch) for branch in branches]
        names += [name for branch, (_, num) in branches.items() for name in stripe_names(branch, num)]
        return dict.fromkeys(names, self.reduction_size)

    def embedding_groups(self) -> dict[str, tuple[str, ...]]:
        """Name `all` and each branch there is."""
        of_branch = {
            branch: (whole_name(branch), *stripe_names(branch, num))
            for branch, (_, num) in self.branches().items()
        }
        return {"all": tuple(self.embedding_widths()), **of_branch}

    def find_faults(self, height_px: int) -> list[str]:
        """Name what does not go together on images of a height, and what to set instead."""
        faults = self.backbone.find_faults()
        branches = self.branches()
        if not branches:
            faults.append("a network needs a branch; set network.global_branch, part2, part3 or part4")
        if self.backbone.last_stride != Backbone.model_fields["last_stride"].default:
            faults.append(
                "network.backbone.last_stride has no effect with branches; leave it at 1 and set last_stride of the "
                "branch, such as network.global_branch.last_stride"
            )
        for name, (branch, num_stripes) in branches.items():
            stride = STRIDE_BEFORE_LAST_STAGE * branch.last_stride
            if height_px < num_stripes * stride:
                faults.append(
                    f"{name} cuts its map into {num_stripes} stripes of a row or more, and a row is {stride} px of "
                    f"the image; got data.height_px {height_px}, set it to {num_stripes * stride} or more, "
                    f"or network.{name} to null"
                )
        return faults


class BaselineNetworkConfig(FrozenModel):
    """A plain backbone, pooled: the paper's ResNet-50 and ResNet-101 rows.

    Attributes:
        backbone: stride 2 in layer4 is our choice; not stated in the paper.
        pooling: over the whole map; not stated in the paper.
    """

    kind: Literal["baseline"] = "baseline"
    backbone: Backbone = Backbone(architecture="resnet50", last_stride=2, stem_pool="padded")
    pooling: Pooling = "avg"

    def embedding_widths(self) -> dict[str, int]:
        """Name the one embedding, the pooled map: 2048 wide on ResNet-50."""
        architecture = self.backbone.architecture
        if architecture in _MOBILENET_WIDTHS:
            return {POOLED: _MOBILENET_WIDTHS[architecture]}
        is_basic = architecture.startswith(("resnet18", "resnet34"))
        return {POOLED: _BASIC_WIDTH if is_basic else _BOTTLENECK_WIDTH}

    def embedding_groups(self) -> dict[str, tuple[str, ...]]:
        """Name `all`, which is the one embedding."""
        return {"all": (POOLED,)}

    def find_faults(self, height_px: int) -> list[str]:
        """Name what does not go together, on images of any height, and what to set instead."""
        return self.backbone.find_faults()


class Softmax(FrozenModel):
    """Cross-entropy over identities: one term for each whole and each stripe, each with its own classifier.

    Attributes:
        of_wholes: whether whole maps are classified by their pooled channels (paper), or by their reduction as
            in fast-reid. Stripes are classified by their reduction.
        weight: of each softmax term, before terms are combined.
    """

    of_wholes: Literal["pooled", "reduced"] = "pooled"
    weight: float = Field(default=1.0, gt=0)


class Triplet(FrozenModel):
    """Batch-hard triplets on the reduction of each whole map.

    Attributes:
        margin: in units of Euclidean distance.
        of_stripes: what else has triplets: nothing, since a stripe's content is not aligned (paper); each
            stripe; or the stripes of a branch joined, as in fast-reid.
        weight: of each triplet term, before terms are combined.
    """

    margin: float = Field(default=1.2, gt=0)
    of_stripes: Literal["none", "each", "joined"] = "none"
    weight: float = Field(default=1.0, gt=0)


class MgnLosses(FrozenModel):
    """The terms of the loss; a triplet of None is off.

    Attributes:
        combination: `mean` of all terms (the code), whose number differs between rows, and with it what a term weighs.
            `mean_by_kind` adds the mean of the softmax terms and that of
            the triplets (GNAYUOHZ/ReID-MGN, with a softmax weight of 2). `sum` (fast-reid, with a softmax weight of
            0.125 and a triplet weight of 0.2).
    """

    softmax: Softmax = Softmax()
    triplet: Triplet | None = Triplet()
    combination: Literal["mean", "mean_by_kind", "sum"] = "mean"


class MgnConfig(ReidConfig):
    """Everything that changes the weights of one training of MGN, or of a baseline it is compared with."""

    METHOD: ClassVar[str] = "mgn"
    VERSION: ClassVar[int] = 2

    network: Annotated[MgnNetworkConfig | BaselineNetworkConfig, Field(discriminator="kind")] = (
        MgnNetworkConfig()
    )
    losses: MgnLosses = MgnLosses()

    @model_validator(mode="after")
    def _check_parts_go_together(self) -> MgnConfig:
        network, losses, data = self.network, self.losses, self.data
        faults = network.find_faults(data.height_px)
        has_stripes = network.kind == "mgn" and any(num for _, num in network.branches().values())
        if network.kind == "baseline" and losses.softmax.of_wholes != "pooled":
            faults.append(
                "a baseline reduces nothing; leave losses.softmax.of_wholes at 'pooled', or set network to "
                "one of kind 'mgn'"
            )
        if losses.triplet is not None and data.sampling == "images":
            faults.append(
                f"triplets need several images of each identity in a batch, got data.sampling {data.sampling!r}; "
                "set it to 'identities_once' or 'identities', or losses.triplet to null"
            )
        if losses.triplet is not None and losses.triplet.of_stripes != "none" and not has_stripes:
            faults.append(
                f"losses.triplet.of_stripes is {losses.triplet.of_stripes!r} and there are no stripes; set it to "
                "'none', or network.part2 or part3"
            )
        if losses.triplet is None and losses.combination == "mean_by_kind":
            faults.append(
                "losses.combination 'mean_by_kind' is 'mean' where there is one kind; set it to 'mean', or "
                "losses.triplet"
            )
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def embedding_widths(self) -> dict[str, int]:
        """Name the parts of the descriptor in joining order: eight, 2048 wide in all, by default."""
        return self.network.embedding_widths()

    def embedding_groups(self) -> dict[str, tuple[str, ...]]:
        """Name `all`, and each branch there is: `global`, `part2`, `part3`, `part4`."""
        return self.network.embedding_groups()

    def make_trainable(self) -> Trainable:
        """Give MGN as a re-identification method."""
        # Here, not above: planning needs configs but neither loaders nor the training loop.
        from tablewright.trainables.reidentification.method import ReidTrainable

        return ReidTrainable(Mgn())


def whole_name(branch: str) -> str:
    """Name the embedding of a branch's whole map."""
    return f"{branch}_whole"


def stripe_names(branch: str, num_stripes: int) -> tuple[str, ...]:
    """Name the embeddings of a branch's stripes, from the top down."""
    return tuple(f"{branch}_stripe_{number}" for number in range(1, num_stripes + 1))


_PUBLISHED = ("market1501", "dukemtmc", "cuhk03_labelled", "cuhk03_detected")


def paper_config(dataset: DatasetName) -> MgnConfig:
    """Give the published recipe, the same for every data set of the paper (its Sec. 4.1, and the code).

    Raises:
        ValueError: nothing is published for the data set; CUHK03 is split 767/700 there.
    """
    require_recipe("MGN", dataset, _PUBLISHED)
    return MgnConfig(
        data=ReidData(
            dataset=dataset,
            height_px=384,
            width_px=128,
            sampling="identities_once",
            num_identities=16,
            num_instances=4,
            augmentation=Augmentation(pad_crop_px=None, flip_probability=0.5, erasing=None, patch=None),
        ),
        network=MgnNetworkConfig(
            backbone=Backbone(architecture="resnet50", weights="imagenet", stem_pool="padded")
        ),
        optimisation=Optimisation(
            num_epochs=80,
            base_lr=1e-2,
            warmup_steps=0,
            schedule="steps",
            decay_epochs=(40, 60),
            optimizer="sgd",
            momentum=0.9,
            weight_decay=5e-4,
            precision="fp32",
        ),
    )


def demo_config() -> MgnConfig:
    """Give the same method scaled to the embedded data set and to a few seconds on one CPU core.

    Chosen on `val` (docs/demo.md). Adam instead of SGD: in 40 steps SGD hardly moves classifiers that start near zero.
    The shared stages keep their ImageNet weights. An epoch is four steps, so that the rate can fall within them.
    """
    return MgnConfig(
        data=ReidData(
            dataset="demo_pedestrians",
            height_px=64,
            width_px=32,
            sampling="identities_once",
            num_identities=16,
            num_instances=4,
            augmentation=Augmentation(pad_crop_px=None, flip_probability=0.5, erasing=None, patch=None),
        ),
        network=MgnNetworkConfig(
            backbone=Backbone(
                architecture="mobilenet_v2_short", weights="imagenet_mobilenet", num_frozen_stages=3
            ),
        ),
        optimisation=Optimisation(
            num_epochs=10, base_lr=8e-3, warmup_steps=8, final_lr=8e-4, precision="fp32"
        ),
    )


# --------------------------------------------------------------------------------------------------------
# Network


@dataclass(frozen=True)
class MgnOutputs:
    """What losses are made from.

    Attributes:
        wholes_BD: embeddings of whole maps, by name.
        stripes_BD: embeddings of stripes, from the top down, by branch; empty lists where there are none.
        logits_BI: of each classifier, by the embedding it belongs to; empty once training parts are dropped.
    """

    wholes_BD: dict[str, Tensor]
    stripes_BD: dict[str, list[Tensor]]
    logits_BI: dict[str, Tensor]

    def embeddings_BD(self) -> dict[str, Tensor]:
        """Name all embeddings in joining order."""
        stripes_BD: dict[str, Tensor] = {}
        for branch, parts_BD in self.stripes_BD.items():
            stripes_BD |= zip(stripe_names(branch, len(parts_BD)), parts_BD, strict=True)
        return self.wholes_BD | stripes_BD


class Pool(nn.Module):
    """Pools a map to its channels: (B, C, H, W) to (B, C)."""

    def __init__(self, pooling: Pooling) -> None:
        super().__init__()
        self.pooling: Pooling = pooling
        self.gem = GeM() if pooling == "gem" else None

    def forward(self, map_BCHW: Tensor) -> Tensor:
        """Give the maximum, the mean or the generalised mean over places."""
        if self.gem is not None:
            return self.gem(map_BCHW)
        return map_BCHW.amax(dim=(2, 3)) if self.pooling == "max" else map_BCHW.mean(dim=(2, 3))


class ReductionHead(nn.Module):
    """Pools a map, and reduces its channels by a 1x1 convolution, a norm and a ReLU.

    Args:
        channels: C, of the map.
        network: how it pools, and D.
    """

    def __init__(self, channels: int, network: MgnNetworkConfig) -> None:
        super().__init__()
        self.pool = Pool(network.pooling)
        self.reduce = nn.Conv2d(channels, network.reduction_size, 1, bias=False)
        self.norm = nn.BatchNorm2d(network.reduction_size)
        self.relu = nn.ReLU(inplace=True) if network.reduction_relu else nn.Identity()
        nn.init.kaiming_normal_(self.reduce.weight, mode="fan_in")
        nn.init.normal_(self.norm.weight, 1.0, 0.02)
        nn.init.zeros_(self.norm.bias)

    def forward(self, map_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Give the pooled channels, (B, C), and the embedding, (B, D)."""
        pooled_BC = self.pool(map_BCHW)
        embeddings_BD = self.relu(self.norm(self.reduce(pooled_BC[:, :, None, None]))).flatten(1)
        return pooled_BC, embeddings_BD


class Trunk(nn.Module):
    """The first stages of a backbone, from raw pixels on; the frozen ones stay in evaluation mode.

    Args:
        stages: run one after another.
        num_frozen: of them, counted from the first.
    """

    def __init__(self, stages: Sequence[nn.Module], num_frozen: int) -> None:
        super().__init__()
        self.pixels = PixelStandardisation()
        self.stages = nn.ModuleList(stages)
        self.num_frozen = num_frozen
        self.stages[:num_frozen].requires_grad_(False)

    def train(self, mode: bool = True) -> Trunk:
        """Switch modes of the stages that are not frozen."""
        super().train(mode)
        self.stages[: self.num_frozen].eval()
        return self

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Give the map behind the last stage; images are RGB, float, 0..255 and not changed."""
        # Channels last in memory: faster on a CPU, and what half-precision GPU kernels want.
        map_BCHW = self.pixels(images_BCHW).contiguous(memory_format=torch.channels_last)
        for stage in self.stages:
            map_BCHW = stage(map_BCHW)
        return map_BCHW


def cut_stripes(map_BCHW: Tensor, num_stripes: int) -> list[Tensor]:
    """Cut a map into stripes of equal height, from the top down.

    Where the height is no multiple of their number, neighbours share a row, as in adaptive pooling.
    """
    height = map_BCHW.shape[2]
    return [
        map_BCHW[:, :, index * height // num_stripes : -(-(index + 1) * height // num_stripes)]
        for index in range(num_stripes)
    ]


class GranularityBranch(nn.Module):
    """The end of layer3 and layer4, copied, with a head for the whole map and one for each stripe.

    Args:
        stages: the backbone with its starting weights, layer4 with the branch's stride.
        network: how heads pool and reduce.
        num_stripes: 0 for the global branch.
    """

    def __init__(self, stages: Stages, network: MgnNetworkConfig, num_stripes: int) -> None:
        super().__init__()
        channels = stages.layer4.out_channels
        self.layer3 = copy.deepcopy(nn.Sequential(*list(stages.layer3)[1:]))
        self.layer4 = copy.deepcopy(stages.layer4)
        self.whole = build_part("whole", ReductionHead, channels, network)
        self.stripes = nn.ModuleList(
            build_part(f"stripes.{index}", ReductionHead, channels, network) for index in range(num_stripes)
        )

    def forward(self, map_BCHW: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Give the pooled whole (B, C), its embedding (B, D) and those of the stripes."""
        map_BCHW = self.layer4(self.layer3(map_BCHW))
        pooled_BC, whole_BD = self.whole(map_BCHW)
        parts_BCHW = cut_stripes(map_BCHW, len(self.stripes))
        stripes_BD = [head(part_BCHW)[1] for head, part_BCHW in zip(self.stripes, parts_BCHW, strict=True)]
        return pooled_BC, whole_BD, stripes_BD


def _make_classifier(width: int, num_train_pids: int) -> nn.Linear:
    classifier = nn.Linear(width, num_train_pids)
    nn.init.normal_(classifier.weight, 0.0, 0.001)
    nn.init.zeros_(classifier.bias)
    return classifier


class MgnNetwork(nn.Module):
    """MGN, or a single network of one of its branches.

    Args:
        config: its `network` is of kind `mgn`.
        stages: by the stride of layer4, the backbone with equal starting weights; stem to the first block of
            layer3 become the trunk, the rest is copied for each branch.
        num_train_pids: classes of the softmax.
    """

    def __init__(self, config: MgnConfig, stages: Mapping[int, Stages], num_train_pids: int) -> None:
        super().__init__()
        network = config.network
        assert network.kind == "mgn"
        any_stages = next(iter(stages.values()))
        self.trunk = Trunk(
            [any_stages.stem, any_stages.layer1, any_stages.layer2, next(iter(any_stages.layer3))],
            network.backbone.num_frozen_stages,
        )
        self.branches = nn.ModuleDict(
            {
                name: build_part(
                    f"branches.{name}", GranularityBranch, stages[branch.last_stride], network, num_stripes
                )
                for name, (branch, num_stripes) in network.branches().items()
            }
        )
        # From here on: what only training uses.
        self.classifies_pooled_wholes = config.losses.softmax.of_wholes == "pooled"
        wholes = {whole_name(name) for name in self.branches}
        self.classifiers = nn.ModuleDict()
        for name, width in config.embedding_widths().items():
            is_pooled = name in wholes and self.classifies_pooled_wholes
            self.classifiers[name] = build_part(
                f"classifiers.{name}",
                _make_classifier,
                any_stages.layer4.out_channels if is_pooled else width,
                num_train_pids,
            )

    def forward(self, images_BCHW: Tensor) -> MgnOutputs:
        """Compute everything that the losses need.

        Args:
            images_BCHW: RGB, float, 0..255; not changed.
        """
        map_BCHW = self.trunk(images_BCHW)
        pooled_BC: dict[str, Tensor] = {}
        wholes_BD: dict[str, Tensor] = {}
        stripes_BD: dict[str, list[Tensor]] = {}
        for branch, module in self.branches.items():
            whole = whole_name(branch)
            pooled_BC[whole], wholes_BD[whole], stripes_BD[branch] = module(map_BCHW)
        outputs = MgnOutputs(wholes_BD, stripes_BD, {})
        classified = outputs.embeddings_BD() | (pooled_BC if self.classifies_pooled_wholes else {})
        for name, classifier in self.classifiers.items():
            outputs.logits_BI[name] = classifier(classified[name])
        return outputs

    def embed(self, images_BCHW: Tensor) -> dict[str, Tensor]:
        """Compute the descriptor's parts alone, (B, D) each, in joining order; not normalised.

        Args:
            images_BCHW: RGB, float, 0..255; not changed.
        """
        map_BCHW = self.trunk(images_BCHW)
        described = {branch: module(map_BCHW)[1:] for branch, module in self.branches.items()}
        wholes_BD = {whole_name(branch): whole_BD for branch, (whole_BD, _) in described.items()}
        stripes_BD = {branch: parts_BD for branch, (_, parts_BD) in described.items()}
        return MgnOutputs(wholes_BD, stripes_BD, {}).embeddings_BD()

    def drop_training_parts(self) -> None:
        """Remove, for deployment, what `embed` has no use for."""
        self.classifiers = nn.ModuleDict()


class BaselineNetwork(nn.Module):
    """A plain backbone with pooling and one classifier.

    Args:
        network: which.
        stages: the backbone with its starting weights.
        num_train_pids: classes of the softmax.
    """

    def __init__(self, network: BaselineNetworkConfig, stages: Stages, num_train_pids: int) -> None:
        super().__init__()
        self.trunk = Trunk(
            [stages.stem, stages.layer1, stages.layer2, stages.layer3, stages.layer4],
            network.backbone.num_frozen_stages,
        )
        self.pool = Pool(network.pooling)
        # From here on: what only training uses.
        classifier = build_part(
            f"classifiers.{POOLED}", _make_classifier, stages.layer4.out_channels, num_train_pids
        )
        self.classifiers = nn.ModuleDict({POOLED: classifier})

    def forward(self, images_BCHW: Tensor) -> MgnOutputs:
        """Compute everything that the losses need.

        Args:
            images_BCHW: RGB, float, 0..255; not changed.
        """
        embeddings_BD = self.embed(images_BCHW)
        logits_BI = {name: classifier(embeddings_BD[name]) for name, classifier in self.classifiers.items()}
        return MgnOutputs(embeddings_BD, {}, logits_BI)

    def embed(self, images_BCHW: Tensor) -> dict[str, Tensor]:
        """Compute the pooled map, (B, C); not normalised.

        Args:
            images_BCHW: RGB, float, 0..255; not changed.
        """
        return {POOLED: self.pool(self.trunk(images_BCHW))}

    def drop_training_parts(self) -> None:
        """Remove, for deployment, what `embed` has no use for."""
        self.classifiers = nn.ModuleDict()


# --------------------------------------------------------------------------------------------------------
# Losses


def make_loss_terms(losses: MgnLosses, outputs: MgnOutputs, labels_B: Tensor) -> dict[str, Tensor]:
    """Make the weighted loss terms of a batch, combined so that their plain sum is what is differentiated.

    11 terms by default: softmax for three wholes and five stripes, triplets for the wholes.

    Args:
        losses: which terms, and how they are combined.
        outputs: of the network, in float32.
        labels_B: int64 in [0, I).
    """
    softmax = {
        f"softmax/{name}": losses.softmax.weight * functional.cross_entropy(logits_BI, labels_B)
        for name, logits_BI in outputs.logits_BI.items()
    }
    triplets: dict[str, Tensor] = {}
    if losses.triplet is not None:
        for name, embeddings_BD in _with_triplets(losses.triplet, outputs).items():
            triplets[f"triplet/{name}"] = losses.triplet.weight * batch_hard_triplet_loss(
                embeddings_BD, labels_B, margin=losses.triplet.margin
            )
    if losses.combination == "sum":
        return softmax | triplets
    if losses.combination == "mean_by_kind":
        return _divide(softmax, len(softmax)) | _divide(triplets, len(triplets))
    return _divide(softmax | triplets, len(softmax) + len(triplets))


def _with_triplets(triplet: Triplet, outputs: MgnOutputs) -> dict[str, Tensor]:
    """Name the embeddings that triplets are formed from."""
    if triplet.of_stripes == "each":
        return outputs.embeddings_BD()
    if triplet.of_stripes == "joined":
        joined_BD = {
            f"{branch}_stripes": torch.cat(parts_BD, dim=1)
            for branch, parts_BD in outputs.stripes_BD.items()
            if parts_BD
        }
        return outputs.wholes_BD | joined_BD
    return outputs.wholes_BD


def _divide(terms: Mapping[str, Tensor], number: int) -> dict[str, Tensor]:
    return {name: term / number for name, term in terms.items()}


# --------------------------------------------------------------------------------------------------------
# Method


class Mgn(FromBackbone):
    """MGN and its baselines as the training loop of re-identification sees them. Stateless."""

    def build_network(
        self, config: MgnConfig, num_classes: int, weights: Mapping[str, StartingFile]
    ) -> MgnNetwork | BaselineNetwork:
        """Build the network, whose branches all start from one backbone's weights, or a baseline."""
        network = config.network
        if network.kind == "baseline":
            stages = build_stages(network.backbone, weights)
            return BaselineNetwork(network, stages, num_classes)
        stages_of: dict[int, Stages] = {}
        for branch, _ in network.branches().values():
            if branch.last_stride in stages_of:
                continue
            backbone = network.backbone.model_copy(update={"last_stride": branch.last_stride})
            if stages_of:  # strides have no weights: every branch starts from the same ones
                stages = build_backbone(backbone, None)
                stages.load_state_dict(next(iter(stages_of.values())).state_dict())
            else:
                stages = build_stages(backbone, weights)
            stages_of[branch.last_stride] = stages
        return MgnNetwork(config, stages_of, num_classes)

    def loss_terms(
        self,
        config: MgnConfig,
        network: MgnNetwork | BaselineNetwork,
        images_per_rank: Sequence[Tensor],
        labels_per_rank: Sequence[Tensor],
        epoch: int,
    ) -> Iterator[dict[str, Tensor]]:
        """Yield the terms that `make_loss_terms` makes of each rank."""
        return terms_of_ranks(
            network,
            images_per_rank,
            labels_per_rank,
            lambda outputs, labels_B: make_loss_terms(config.losses, in_float32(outputs), labels_B),
        )
