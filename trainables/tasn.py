"""TASN: attention maps resample a large image, once as a whole and once for a detail that teaches it.

Paper:
    Zheng et al., Looking for the Devil in the Details: Learning Trilinear Attention Sampling Network for
    Fine-grained Image Recognition, CVPR 2019, arXiv:1903.06150.
Authors' code:
    github.com/researchmm/tasn, commit 5dba8cc: `tasn-mxnet` (official) and `tasn-pytorch` (unfinished).
Read from the code because the paper is silent or differs:
    which strides ResNet-18 loses (stages 2 and 4); the two dilated groups and that their weights are shared between
    dilations; τ = 7 in the softmax over places (paper: 1); the balancing of the sampler (see
    `layers/attention_sampler.py`); the learning rate, and with it the scale of the losses, which the paper leaves
    open: 0.1 goes with 1 for the attention net, 0.5 for part-net and master-net each, and for distillation with λ times
    the master-net's, which is the code's 1 at the paper's λ = 2.
Our choices where the sources differ:
    one classifier for part-net and master-net (the PyTorch form; the official code has both, and adds either loss a
    second time through the other kind, so that more of them reaches its convolutions); the attention net's
    classifier has the official code's norm, without which its rate of 0.1 does not train it (`classifier`); the
    teacher has no gradient (`detach_teacher`); the structure map is the plain mean (the official code squares the
    sum of distinct channels: `structure` 'squared'); a detail's channel is drawn among all (the official code draws
    among distinct ones).
Inferred:
    "ranked" selection of parts takes the channel with the strongest response; the paper names it in a sentence.
Deviations:
    backbones are torchvision's ResNets where the official code has pre-activation ones; pixels are divided by
    ImageNet's deviation, as those ResNets expect, where the official code subtracts the mean alone and normalises in
    the network; images are resized with antialiasing; of equal channels `squared` leaves out all but one, where the
    official code finds them in the order of their responses and leaves out the channels that have those places; a
    step is one process's.

Legend: B images, C channels, H W height and width of the whole image, h w of a map, O side of a sampled image,
I classes.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from tablewright.trainables.classification.view import ClassificationView
from tablewright.trainables.contract.method import Trainable, TrainingConfig
from tablewright.trainables.contract.view import EvaluationView
from tablewright.trainables.data.fine_grained import DatasetName, FineGrainedAugmentation, FineGrainedData
from tablewright.trainables.layers.attention_sampler import (
    Marginal,
    crop_grid,
    marginal_grid,
    saliency_grid,
    sample,
)
from tablewright.trainables.layers.backbone import (
    ATTENTION_NET,
    BACKBONE,
    Backbone,
    StartsFromFile,
    build_backbone,
    find_weights_files,
)
from tablewright.trainables.layers.float32 import without_autocast
from tablewright.trainables.layers.pixels import PixelStandardisation
from tablewright.trainables.layers.pretrained import StartingFile, load_weights
from tablewright.trainables.layers.published_files import find_starting_file
from tablewright.trainables.layers.resnet import BasicBlock
from tablewright.trainables.layers.stages import STAGE_NAMES, Stages
from tablewright.trainables.layers.trilinear import FORMS_WITH_TAU, TrilinearForm, trilinear_attention
from tablewright.trainables.layers.vgg import Vgg19
from tablewright.trainables.pictures.panel import Panel
from tablewright.trainables.training.memory_layout import as_weights_lie
from tablewright.trainables.training.optimisation import Optimisation
from tablewright.trainables.training.paired_parts import build_part
from tablewright.trainables.training.published_recipe import require_recipe
from tablewright.trainables.training.rank_by_rank import in_float32, terms_of_ranks
from tablewright.trainables.value.frozen_model import FrozenModel

ATTENTION, PART, MASTER = "attention", "part", "master"
_DILATIONS = ((1, 2), (1, 2, 3))

# --------------------------------------------------------------------------------------------------------
# Configuration


class VggBackbone(FrozenModel):
    """VGG-19.

    Attributes:
        weights: `imagenet` is a file under `<data_root>/weights/`.
    """

    kind: Literal["vgg19"] = "vgg19"
    weights: Literal["random", "imagenet"] = "random"

    def find_file(self, data_root: str | None) -> StartingFile | None:
        """Find the file it starts from; None where it starts at random.

        Raises:
            ValueError: it is not where it is expected; says where that is.
        """
        return find_starting_file(self.weights, self.kind, data_root)


class AttentionNet(FrozenModel):
    """The small network that says where to look.

    Attributes:
        backbone: `resnet18` loses the strides of stages 2 and 4. Of `mobilenet_v2` the stages up to layer2 are
            used, which end at an eighth of the image as well; it is for small images and is ours.
        input_px: the image is resized to it.
        form: how attention is made from the last map.
        tau: factor of X inside N(X).
        classifier: what the net itself is trained by. `norm` is the official code's: batch norm and ReLU, then
            pooling and a linear layer; the maps are taken before the norm. `plain` has pooling and a linear layer
            alone, as the PyTorch form, whose rate is a twentieth: at the official code's 0.1 its loss goes from
            8 to hundreds in a few steps.
    """

    backbone: Backbone = Backbone(architecture="resnet18", stem_pool="padded")
    input_px: int = Field(default=224, ge=32)
    form: TrilinearForm = "N(N(X)X^T)X"
    tau: float = Field(default=7.0, gt=0)
    classifier: Literal["norm", "plain"] = "norm"


class TasnNetworkConfig(FrozenModel):
    """Which parts the network has.

    Attributes:
        backbone: of part-net and master-net, which share it.
        input_px: side of the sampled images, or of the resized image where nothing samples.
        attention: None is the plain backbone on the resized image.
        sampler: `marginal` is the paper's; `crop` its "uniformed" one, `saliency` that of SSN.
        marginal: how the sampler `marginal` reduces a map to an axis.
        structure: the map that samples the whole: the mean over channels, or, as the official code, the sum over
            distinct channels, squared at the image's size; for the sampler `marginal`.
        part_selection: which channel samples a detail in training: a random one, or the strongest.
        num_details: how many channels do so in a step; each is classified and teaches.
        master: whether the whole is classified.
        part: whether a detail is classified; in a test, the mean over channels takes its channel's place.
    """

    backbone: Backbone | VggBackbone = Backbone(architecture="resnet50", last_stride=2)
    input_px: int = Field(default=224, ge=32)
    attention: AttentionNet | None = AttentionNet()
    sampler: Literal["marginal", "crop", "saliency"] = "marginal"
    marginal: Marginal = "max"
    structure: Literal["mean", "squared"] = "mean"
    part_selection: Literal["random", "ranked"] = "random"
    num_details: int = Field(default=1, ge=1, le=8)
    master: bool = True
    part: bool = True


class Distillation(FrozenModel):
    """The part-net teaches the master-net (Eqs. 7 and 8).

    Attributes:
        temperature: T.
        weight: λ, by which it counts against the master-net's cross-entropy.
        detach_teacher: the official code lets the gradient reach the teacher too.
    """

    temperature: float = Field(default=10.0, gt=0)
    weight: float = Field(default=2.0, gt=0)
    detach_teacher: bool = True


class TasnLosses(FrozenModel):
    """Weights of the terms that are summed; a distillation of None is off.

    The defaults are the official code's, and belong to its learning rate: without momentum and weight decay, twice
    the weights are twice the rate.

    Attributes:
        attention_weight: of the attention net's cross-entropy.
        part_weight: of the part-net's.
        master_weight: of the master-net's whole loss, its cross-entropy and its distillation (Eq. 8).
    """

    attention_weight: float = Field(default=1.0, gt=0)
    part_weight: float = Field(default=0.5, gt=0)
    master_weight: float = Field(default=0.5, gt=0)
    distillation: Distillation | None = Distillation()


class TasnConfig(TrainingConfig):
    """Everything that changes the weights of one TASN training."""

    METHOD: ClassVar[str] = "tasn"
    VERSION: ClassVar[int] = 3

    data: FineGrainedData
    network: TasnNetworkConfig = TasnNetworkConfig()
    losses: TasnLosses = TasnLosses()
    optimisation: Optimisation

    @model_validator(mode="after")
    def _check_parts_go_together(self) -> TasnConfig:
        network, losses = self.network, self.losses
        faults = network.backbone.find_faults() if isinstance(network.backbone, Backbone) else []
        if not network.master and not network.part:
            faults.append("a network needs something to classify; set network.master or network.part")
        if losses.distillation is not None and not (network.master and network.part):
            faults.append(
                "the part-net teaches the master-net; set losses.distillation to null, or network.master and "
                "network.part"
            )
        if network.attention is None:
            if network.part:
                faults.append("details need attention; set network.part to false, or network.attention")
        else:
            faults += network.attention.backbone.find_faults("network.attention.backbone")
            if network.attention.backbone.architecture not in ("resnet18", "mobilenet_v2"):
                faults.append(
                    "the attention net is made of 'resnet18' or 'mobilenet_v2', got "
                    f"{network.attention.backbone.architecture!r}; set network.attention.backbone.architecture"
                )
        faults += _find_idle(network, losses)
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def dataset_name(self) -> str:
        """Name of the data set."""
        return self.data.dataset_name

    def as_trained(self) -> TasnConfig:
        """Give the config with what of its data set is trained on; see `FineGrainedData.as_trained`."""
        data = self.data.as_trained()
        return self if data == self.data else self.model_copy(update={"data": data})

    def planned_epochs(self) -> int:
        """Length of the whole training."""
        return self.optimisation.num_epochs

    def input_sizes(self) -> dict[str, int]:
        """Give the sides of the images that the networks see, by dotted path."""
        sizes = {"network.input_px": self.network.input_px}
        if self.network.attention is not None:
            sizes["network.attention.input_px"] = self.network.attention.input_px
        return sizes

    def heads(self) -> tuple[str, ...]:
        """Name the heads that classify under this configuration."""
        present = {
            ATTENTION: self.network.attention is not None,
            PART: self.network.part,
            MASTER: self.network.master,
        }
        return tuple(name for name, is_there in present.items() if is_there)

    def answering_heads(self) -> tuple[str, ...]:
        """Name the head that answers in a test: the master-net's, or the part-net's where it is alone (Table 2)."""
        return (MASTER,) if self.network.master else (PART,)

    def check_view(self, view: EvaluationView) -> None:
        """Refuse views of another kind, absent heads, and a validation on images that the training sees."""
        if not isinstance(view, ClassificationView):
            raise ValueError(f"tasn classifies images, got a {view.KIND} view; give a ClassificationView")
        absent = [name for name in view.logits if name not in self.heads()]
        if absent:
            raise ValueError(
                f"tasn has no head {', '.join(map(repr, absent))} under this configuration; it has "
                f"{', '.join(self.heads())}"
            )
        self.data.require_split(view.split)

    def make_trainable(self) -> Trainable:
        """Give TASN as a classification method."""
        # Here, not above: planning needs configs but neither loaders nor the training loop.
        from tablewright.trainables.classification.method import ClassificationTrainable

        return ClassificationTrainable(Tasn())


def _find_idle(network: TasnNetworkConfig, losses: TasnLosses) -> Iterator[str]:
    """Name the settings that change nothing: two ids would be one training."""
    attention, samples = network.attention, network.attention is not None
    by_marginals = samples and network.sampler == "marginal"
    settings: list[tuple[str, FrozenModel, str, bool]] = [
        ("network", network, "sampler", samples),
        ("network", network, "marginal", by_marginals),
        ("network", network, "structure", by_marginals and network.master),
        ("network", network, "part_selection", network.part),
        ("network", network, "num_details", network.part),
        ("losses", losses, "attention_weight", samples),
        ("losses", losses, "part_weight", network.part),
        ("losses", losses, "master_weight", network.master),
    ]
    if attention is not None:
        path = "network.attention"
        # Stages 2 and 4 lose their strides; MobileNetV2's layer4 is not used.
        settings += [
            (path, attention, "tau", attention.form in FORMS_WITH_TAU),
            (f"{path}.backbone", attention.backbone, "last_stride", False),
        ]
    for path, part, name, has_effect in settings:
        declared = type(part).model_fields[name].default
        if not has_effect and getattr(part, name) != declared:
            yield f"{path}.{name} has no effect here; leave it at {declared!r}"


_PUBLISHED = ("cub200", "cars196")


def paper_config(dataset: DatasetName) -> TasnConfig:
    """Give the published recipe: SGD without momentum and weight decay (paper), rates of the official code.

    The paper states optimiser and batch for all of its data sets, and neither rate nor length; the official code
    trains CUB-200-2011 alone. Our reading gives its schedule to Stanford Cars too, which has a third more images
    and about as many classes. iNaturalist-2017 has a hundred times as many: 300 epochs of it are nobody's recipe.

    Raises:
        ValueError: nothing is published for the data set.
    """
    require_recipe("TASN", dataset, _PUBLISHED)
    imagenet = Backbone(architecture="resnet50", weights="imagenet", last_stride=2, stem_pool="padded")
    of_attention = Backbone(architecture="resnet18", weights="imagenet", stem_pool="padded")
    return TasnConfig(
        data=FineGrainedData(dataset=dataset, shorter_side_px=512, crop_px=512, batch_size=96),
        network=TasnNetworkConfig(
            backbone=imagenet,
            attention=AttentionNet(backbone=of_attention),
        ),
        optimisation=Optimisation(
            num_epochs=300,
            base_lr=0.1,
            warmup_steps=0,
            schedule="steps",
            decay_epochs=(100, 200),
            optimizer="sgd",
            momentum=0.0,
            weight_decay=0.0,
            precision="fp32",
        ),
    )


def demo_config() -> TasnConfig:
    """Give the same method scaled to the generated details and to a quarter of a minute on one CPU core.

    Chosen on `val` (docs/demo.md): one epoch of small batches, as many steps teach more than many images. The
    networks see half of the stored resolution, as TASN's see 224 of 512 pixels; at that size the detail that
    tells classes apart is a few pixels wide.
    """
    small = Backbone(
        architecture="mobilenet_v2_short", weights="imagenet_mobilenet", last_stride=2, num_frozen_stages=2
    )
    # Its layer2 learns, as the last stage of it that is used: frozen, it keeps the attention net near chance.
    of_attention = Backbone(architecture="mobilenet_v2", weights="imagenet_mobilenet", num_frozen_stages=2)
    return TasnConfig(
        data=FineGrainedData(
            dataset="demo_details",
            shorter_side_px=128,
            crop_px=128,
            batch_size=16,
            augmentation=FineGrainedAugmentation(
                rotation_deg=None, brightness=None, contrast=None, saturation=None, pca_noise=None
            ),
        ),
        network=TasnNetworkConfig(
            backbone=small,
            input_px=64,
            attention=AttentionNet(backbone=of_attention, input_px=96),
        ),
        optimisation=Optimisation(
            num_epochs=1, base_lr=2e-3, warmup_steps=0, schedule="steps", precision="fp32"
        ),
    )


# --------------------------------------------------------------------------------------------------------
# Network


class DilatedGroup(nn.Module):
    """3x3 convolutions of several dilations that share their weights; what leaves them is summed.

    Args:
        channels: in and out.
        dilations: of each convolution.
    """

    def __init__(self, channels: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False)
            for dilation in dilations
        )
        first = cast("nn.Conv2d", self.convolutions[0])
        nn.init.kaiming_normal_(first.weight, mode="fan_out", nonlinearity="relu")
        for convolution in self.convolutions[1:]:
            cast("nn.Conv2d", convolution).weight = first.weight

    def forward(self, map_BChw: Tensor) -> Tensor:
        """Give the sum of the rectified maps, of the same shape."""
        rectified = [convolution(map_BChw).relu() for convolution in self.convolutions]
        # One added to the next: a stack would put channels first, wherever the weights have them. What a stack's sum
        # is in half precision is one in float32 too, rounded once.
        return functools.reduce(torch.add, map(in_float32, rectified)).to(rectified[0].dtype)


class AttentionTrunk(nn.Module):
    """The stages of a backbone up to an eighth of the image, and two dilated groups behind them."""

    def __init__(self, backbone: Backbone, stages: Stages) -> None:
        super().__init__()
        self.num_frozen_stages = backbone.num_frozen_stages
        names = STAGE_NAMES
        if backbone.architecture == "mobilenet_v2":
            names = STAGE_NAMES[:3]
        else:
            for stage in (stages.layer2, stages.layer4):
                _remove_stride(cast("BasicBlock", stage[0]))
        self.stages = nn.ModuleList(getattr(stages, name) for name in names)
        self.stages[: self.num_frozen_stages].requires_grad_(False)
        self.out_channels: int = getattr(stages, names[-1]).out_channels
        self.groups = nn.Sequential(*(DilatedGroup(self.out_channels, dilations) for dilations in _DILATIONS))

    def train(self, mode: bool = True) -> AttentionTrunk:
        """Switch modes; frozen stages stay in evaluation mode."""
        super().train(mode)
        self.stages[: self.num_frozen_stages].eval()
        return self

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Give X, (B, C, H / 8, W / 8), not negative."""
        map_BChw = as_weights_lie(images_BCHW, self.stages[0])
        for stage in self.stages:
            map_BChw = stage(map_BChw)
        return cast("Tensor", self.groups(map_BChw))


def _remove_stride(block: BasicBlock) -> None:
    block.conv1.stride = (1, 1)
    assert isinstance(block.downsample, nn.Sequential)
    cast("nn.Conv2d", block.downsample[0]).stride = (1, 1)


class AttentionClassifier(nn.Module):
    """Trains the attention net, which nothing else does (Sec. 3.2); it never changes the maps it is given.

    Args:
        channels: of the map.
        num_classes: I.
        has_norm: whether batch norm and ReLU stand before the pooling.
    """

    def __init__(self, channels: int, num_classes: int, *, has_norm: bool) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels) if has_norm else None
        self.linear = nn.Linear(channels, num_classes)

    def forward(self, map_BChw: Tensor) -> Tensor:
        """Give logits, (B, I)."""
        if self.norm is not None:
            map_BChw = functional.relu(self.norm(map_BChw))
        return cast("Tensor", self.linear(map_BChw.mean(dim=(2, 3))))


class SharedBackbone(nn.Module):
    """The backbone of part-net and master-net, pooled."""

    def __init__(self, backbone: nn.Module, out_channels: int, num_frozen_stages: int) -> None:
        super().__init__()
        self.backbone, self.out_channels = backbone, out_channels
        names = STAGE_NAMES[:num_frozen_stages]
        self._frozen = [cast("nn.Module", getattr(backbone, name)) for name in names]
        for stage in self._frozen:
            stage.requires_grad_(False)

    def train(self, mode: bool = True) -> SharedBackbone:
        """Switch modes; frozen stages stay in evaluation mode."""
        super().train(mode)
        for stage in self._frozen:
            stage.eval()
        return self

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Give (B, out_channels)."""
        images_BCHW = as_weights_lie(images_BCHW, self.backbone)
        return cast("Tensor", self.backbone(images_BCHW)).mean(dim=(2, 3))


@dataclass(frozen=True)
class TasnOutputs:
    """What losses and pictures are made from; a part that is off is None.

    Attributes:
        logits_BI: by head; in training those of `part` are of all images' first details, then of the second.
        attention_BChw: a map of each channel.
        structure_Bhw: the map that samples the whole, before it is squared.
        structure_images_BCOO: the whole, sampled; standardised.
        detail_images_BCOO: details, sampled; in the order of their logits.
    """

    logits_BI: dict[str, Tensor]
    attention_BChw: Tensor | None = None
    structure_Bhw: Tensor | None = None
    structure_images_BCOO: Tensor | None = None
    detail_images_BCOO: Tensor | None = None


class TasnNetwork(nn.Module):
    """TASN, or a part of it.

    Args:
        config: says which parts there are.
        num_classes: of each classifier.
        weights: files of `BACKBONE` and of `ATTENTION_NET`; a part without one starts at random.
    """

    def __init__(self, config: TasnConfig, num_classes: int, weights: Mapping[str, StartingFile]) -> None:
        super().__init__()
        network = config.network
        self.config = network
        self.pixels = PixelStandardisation()
        self.shared = build_part("shared", _build_shared, network.backbone, weights.get(BACKBONE))
        self.classifier = build_part("classifier", nn.Linear, self.shared.out_channels, num_classes)
        self.attention: AttentionTrunk | None = None
        self.attention_classifier: AttentionClassifier | None = None
        if network.attention is not None:
            self.attention = build_part(
                "attention", _build_trunk, network.attention.backbone, weights.get(ATTENTION_NET)
            )
            self.attention_classifier = build_part(
                "attention_classifier",
                AttentionClassifier,
                self.attention.out_channels,
                num_classes,
                has_norm=network.attention.classifier == "norm",
            )

    def forward(self, images_BCHW: Tensor) -> TasnOutputs:
        """Compute what the configuration's losses need.

        Args:
            images_BCHW: RGB, float, 0..255; not changed.
        """
        images_BCHW = self.pixels(images_BCHW)
        network = self.config
        if self.attention is None or self.attention_classifier is None or network.attention is None:
            logits_BI = self._classify(_resize(images_BCHW, network.input_px))
            return TasnOutputs({MASTER: logits_BI})
        features_BChw = self.attention(_resize(images_BCHW, network.attention.input_px))
        logits = {ATTENTION: cast("Tensor", self.attention_classifier(features_BChw))}
        with torch.no_grad(), without_autocast(images_BCHW.device):
            attention_BChw = trilinear_attention(
                features_BChw.float(), network.attention.form, tau=network.attention.tau
            )
            mean_Bhw = attention_BChw.mean(dim=1)
            is_squared = network.structure == "squared"
            structure_Bhw = _sum_of_distinct(attention_BChw) if is_squared else mean_Bhw
        sampled: dict[str, Tensor] = {}
        if network.part and self.training:
            sampled[PART] = self.sample_details(images_BCHW, attention_BChw)
        elif network.part and not network.master:
            sampled[PART] = self._sample(images_BCHW, mean_Bhw)
        if network.master:
            sampled[MASTER] = self._sample(images_BCHW, structure_Bhw, is_squared=is_squared)
        all_BI = self._classify(torch.cat(list(sampled.values())))
        sizes = [len(sampled_BCOO) for sampled_BCOO in sampled.values()]
        logits |= dict(zip(sampled, all_BI.split(sizes), strict=True))
        if network.part and PART not in logits:
            # One classifier and, unless one is squared, one map serve both in a test, so that both say the same.
            logits[PART] = (
                self._classify(self._sample(images_BCHW, mean_Bhw)) if is_squared else logits[MASTER]
            )
        return TasnOutputs(
            {head: logits[head] for head in (ATTENTION, PART, MASTER) if head in logits},
            attention_BChw,
            structure_Bhw,
            sampled.get(MASTER),
            sampled.get(PART),
        )

    def classify(self, images_BCHW: Tensor) -> dict[str, Tensor]:
        """Compute the logits (B, I) of each head.

        Args:
            images_BCHW: RGB, float, 0..255; not changed.
        """
        return self(images_BCHW).logits_BI

    def sample_details(self, images_BCHW: Tensor, attention_BChw: Tensor) -> Tensor:
        """Sample the details that selected channels mark: every image's first, then its second, (D B, C, O, O)."""
        batch, channels = attention_BChw.shape[:2]
        num_details, device = self.config.num_details, attention_BChw.device
        if self.config.part_selection == "ranked":
            chosen_DB = attention_BChw.sum(dim=(2, 3)).topk(num_details, dim=1).indices.T
        else:
            chosen_DB = self.draw_channels(batch, channels, device)
        maps_DBhw = attention_BChw[torch.arange(batch, device=device), chosen_DB]
        return self._sample(images_BCHW.repeat(num_details, 1, 1, 1), maps_DBhw.flatten(0, 1))

    def draw_channels(self, batch: int, channels: int, device: torch.device) -> Tensor:
        """Draw the channels that mark the details of a batch, (D, B), from torch's global generator."""
        return torch.randint(channels, (self.config.num_details, batch), device=device)

    def _sample(self, images_BCHW: Tensor, map_Bhw: Tensor, *, is_squared: bool = False) -> Tensor:
        network, size_px = self.config, (images_BCHW.shape[2], images_BCHW.shape[3])
        with without_autocast(images_BCHW.device):  # half precision moves a grid by pixels
            if network.sampler == "marginal":
                grid_BOO2 = marginal_grid(
                    map_Bhw, size_px, network.input_px, marginal=network.marginal, is_squared=is_squared
                )
            else:
                make_grid = crop_grid if network.sampler == "crop" else saliency_grid
                grid_BOO2 = make_grid(map_Bhw, size_px, network.input_px)
            return sample(images_BCHW, grid_BOO2)

    def _classify(self, images_BCOO: Tensor) -> Tensor:
        return cast("Tensor", self.classifier(self.shared(images_BCOO)))


def _sum_of_distinct(attention_BChw: Tensor) -> Tensor:
    """Sum the channels of an image over those with different responses; of equal ones the first stays."""
    response_BC = attention_BChw.sum(dim=(2, 3))
    sorted_BC, order_BC = response_BC.sort(dim=1, stable=True)
    is_first_BC = torch.ones_like(sorted_BC, dtype=torch.bool)
    is_first_BC[:, 1:] = sorted_BC[:, 1:] != sorted_BC[:, :-1]
    is_kept_BC = torch.zeros_like(is_first_BC).scatter(1, order_BC, is_first_BC)
    return (attention_BChw * is_kept_BC[:, :, None, None]).sum(dim=1)


def _resize(images_BCHW: Tensor, side_px: int) -> Tensor:
    return functional.interpolate(
        images_BCHW, size=(side_px, side_px), mode="bilinear", align_corners=False, antialias=True
    )


def _build_trunk(backbone: Backbone, weights: StartingFile | None) -> AttentionTrunk:
    return AttentionTrunk(backbone, build_backbone(backbone, weights))


def _build_shared(backbone: Backbone | VggBackbone, weights: StartingFile | None) -> SharedBackbone:
    if isinstance(backbone, VggBackbone):
        vgg = Vgg19()
        if weights is not None:
            load_weights(vgg, weights)
        return SharedBackbone(vgg, vgg.out_channels, 0)
    stages = build_backbone(backbone, weights)
    return SharedBackbone(stages, stages.layer4.out_channels, backbone.num_frozen_stages)


# --------------------------------------------------------------------------------------------------------
# Losses


def distillation_loss(student_BI: Tensor, teacher_BI: Tensor, *, temperature: float) -> Tensor:
    """Take -Σ q_teacher log q_student, where q is the softmax of logits / T (Eq. 7); mean over the batch."""
    target_BI = (teacher_BI / temperature).softmax(dim=1)
    return -(target_BI * (student_BI / temperature).log_softmax(dim=1)).sum(dim=1).mean()


def make_loss_terms(config: TasnConfig, logits_BI: dict[str, Tensor], labels_B: Tensor) -> dict[str, Tensor]:
    """Make every weighted loss term of a batch; their plain sum is what is differentiated."""
    losses = config.losses
    weights = {ATTENTION: losses.attention_weight, PART: losses.part_weight, MASTER: losses.master_weight}
    terms = {
        f"class/{head}": weights[head] * functional.cross_entropy(logits, _repeat(labels_B, logits))
        for head, logits in logits_BI.items()
    }
    if losses.distillation is not None:
        teacher_BI = logits_BI[PART]
        if losses.distillation.detach_teacher:
            teacher_BI = teacher_BI.detach()
        terms["distillation"] = (
            losses.master_weight
            * losses.distillation.weight
            * distillation_loss(
                _repeat(logits_BI[MASTER], teacher_BI),
                teacher_BI,
                temperature=losses.distillation.temperature,
            )
        )
    return terms


def _repeat(of_images_B: Tensor, logits_BI: Tensor) -> Tensor:
    """Give what is of each image once for each of its details."""
    num_details = len(logits_BI) // len(of_images_B)
    return of_images_B.repeat(num_details, *[1] * (of_images_B.dim() - 1))


# --------------------------------------------------------------------------------------------------------
# Method


class Tasn:
    """TASN as the training loop sees it. Stateless."""

    def weights_files(self, config: TasnConfig, data_root: str | None) -> Mapping[str, StartingFile]:
        """Find the published weights that the backbone and the attention net start from; none for random ones.

        Raises:
            ValueError: they are not where they are expected.
        """
        backbone, attention = config.network.backbone, config.network.attention
        parts: dict[str, StartsFromFile] = {BACKBONE: backbone}
        if attention is not None:
            parts[ATTENTION_NET] = attention.backbone
        return find_weights_files(data_root, parts)

    def build_network(
        self, config: TasnConfig, num_classes: int, weights: Mapping[str, StartingFile]
    ) -> TasnNetwork:
        """Build both networks with their starting weights."""
        return TasnNetwork(config, num_classes, weights)

    def loss_terms(
        self,
        config: TasnConfig,
        network: TasnNetwork,
        images_per_rank: Sequence[Tensor],
        labels_per_rank: Sequence[Tensor],
        epoch: int,
    ) -> Iterator[dict[str, Tensor]]:
        """Yield the weighted terms of each head that there is."""
        return terms_of_ranks(
            network,
            images_per_rank,
            labels_per_rank,
            lambda outputs, labels_B: make_loss_terms(config, in_float32(outputs.logits_BI), labels_B),
        )

    def pass_over(self, config: TasnConfig, network: TasnNetwork, labels_B: Tensor) -> None:
        """Draw the channels of a rank's details.

        Args:
            config: of the training.
            network: from `build_network`.
            labels_B: of the rank.
        """
        if config.network.part and config.network.part_selection != "ranked":
            assert network.attention is not None
            network.draw_channels(len(labels_B), network.attention.out_channels, labels_B.device)

    def panels(self, config: TasnConfig, network: TasnNetwork, images_BCHW: Tensor) -> list[Panel]:
        """Show where the network looks, what it is given of the whole, and a detail that a channel marks."""
        outputs: TasnOutputs = network(images_BCHW)
        if outputs.attention_BChw is None or outputs.structure_Bhw is None:
            return []
        pixels = network.pixels

        def to_levels(images_BCOO: Tensor) -> Tensor:
            return (images_BCOO * pixels.std_C11 + pixels.mean_C11).clamp(0, 255)

        shown = [Panel("attention", heat_BHW=outputs.structure_Bhw)]
        if outputs.structure_images_BCOO is not None:
            shown.append(Panel("structure", images_BCHW=to_levels(outputs.structure_images_BCOO)))
        if config.network.part:
            detail_BCOO = network.sample_details(pixels(images_BCHW), outputs.attention_BChw)[
                : len(images_BCHW)
            ]
            shown.append(Panel("a detail", images_BCHW=to_levels(detail_BCOO)))
        return shown
