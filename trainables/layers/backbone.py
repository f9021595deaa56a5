"""The backbone that a method starts from: which architecture, with which published weights."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, cast

from pydantic import Field

from trainables.layers.mobilenet import build_mobilenet_stages
from trainables.layers.pretrained import IbnInit, find_mobilenet_weights, load_published, read_state_dict
from trainables.layers.resnet import ResnetDepth, StemPool, build_resnet_stages
from trainables.layers.stages import Stages
from trainables.value.frozen_model import FrozenModel

_logger = logging.getLogger(__name__)

# Parts of a network that start from weight files of their own. Always spelt by these names: a part without a file
# starts at random, and so would one whose key is mistyped.
BACKBONE: Final = "backbone"
ATTENTION_NET: Final = "attention_net"

STRIDE_BEFORE_LAST_STAGE = 16  # of every backbone offered, at the end of layer3

Architecture = Literal[
    "resnet18", "resnet34", "resnet50", "resnet101",
    "resnet18_ibn_a", "resnet34_ibn_a", "resnet50_ibn_a", "resnet101_ibn_a",
    "mobilenet_v2",
]  # fmt: skip
Weights = Literal["random", "imagenet", "luperson_moco", "imagenet_mobilenet"]

# Under <data_root>/weights/, as their publishers name them: torchvision, IBN-Net, LUPerson.
_WEIGHT_FILES: dict[tuple[str, str], str] = {
    ("imagenet", "resnet18"): "resnet18-f37072fd.pth",
    ("imagenet", "resnet34"): "resnet34-b627a593.pth",
    ("imagenet", "resnet50"): "resnet50-0676ba61.pth",
    ("imagenet", "resnet101"): "resnet101-63fe2227.pth",
    ("imagenet", "resnet18_ibn_a"): "resnet18_ibn_a-2f571257.pth",
    ("imagenet", "resnet34_ibn_a"): "resnet34_ibn_a-94bc1577.pth",
    ("imagenet", "resnet50_ibn_a"): "resnet50_ibn_a-d9d0bb7b.pth",
    ("imagenet", "resnet101_ibn_a"): "resnet101_ibn_a-59ea0ac6.pth",
    ("luperson_moco", "resnet50"): "lup_moco_r50.pth",
    ("luperson_moco", "resnet50_ibn_a"): "lup_moco_r50.pth",
    ("luperson_moco", "resnet101"): "lup_moco_r101.pth",
    ("luperson_moco", "resnet101_ibn_a"): "lup_moco_r101.pth",
}


class Backbone(FrozenModel):
    """The convolutional network that a method starts from, cut into five stages.

    Attributes:
        architecture: `_ibn_a` splits the first norm of each block of layer1 .. layer3.
        weights: `random`; `imagenet` and `luperson_moco` are files under `<data_root>/weights/`;
            `imagenet_mobilenet` comes with an installed package and belongs to `mobilenet_v2`.
        ibn_init: whether split norms take half of a plain file's norm, or stay fresh as the code leaves them.
        last_stride: stride of layer4.
        stem_pool: of a ResNet: `unpadded` is MDPR's and fast-reid's, `padded` torchvision's.
        num_frozen_stages: stages, counted from the stem, that keep their weights and running statistics;
            only stages that no method copies for its branches (0 to 3). No paper freezes any.
    """

    architecture: Architecture = "resnet101_ibn_a"
    weights: Weights = "random"
    ibn_init: IbnInit = "fresh"
    last_stride: Literal[1, 2] = 1
    stem_pool: StemPool = "unpadded"
    num_frozen_stages: int = Field(default=0, ge=0, le=3)

    @property
    def is_ibn(self) -> bool:
        """Whether it has split norms."""
        return self.architecture.endswith("_ibn_a")

    def find_faults(self, path: str = "network.backbone") -> list[str]:
        """Name what does not go together, and what to set instead.

        Args:
            path: of this backbone in its config.
        """
        faults: list[str] = []
        if self.weights == "imagenet_mobilenet" and self.architecture != "mobilenet_v2":
            faults.append(
                f"weights 'imagenet_mobilenet' fit architecture 'mobilenet_v2' only, got "
                f"{self.architecture!r}; set {path}.weights to 'imagenet' or 'random'"
            )
        if (
            self.weights in ("imagenet", "luperson_moco")
            and (self.weights, self.architecture) not in _WEIGHT_FILES
        ):
            fitting = [arch for weights, arch in _WEIGHT_FILES if weights == self.weights]
            faults.append(
                f"no {self.weights!r} weights are published for {self.architecture!r}; set "
                f"{path}.architecture to one of {', '.join(fitting)}, or other weights"
            )
        if self.ibn_init == "from_plain_bn" and (not self.is_ibn or self.weights != "luperson_moco"):
            faults.append(
                "ibn_init 'from_plain_bn' needs an IBN-a architecture and the weights of a plain one "
                f"('luperson_moco'), got {self.architecture!r} with {self.weights!r}; "
                f"set {path}.ibn_init to 'fresh'"
            )
        if self.architecture == "mobilenet_v2" and self.stem_pool != "unpadded":
            faults.append(
                "stem_pool has no effect on 'mobilenet_v2', whose stem has no pool; leave "
                "network.backbone.stem_pool at 'unpadded', or set network.backbone.architecture to a ResNet"
            )
        return faults


def backbone_weights_file(backbone: Backbone, data_root: str | None) -> Path | None:
    """Find the published weights that a backbone starts from; None for random ones.

    Raises:
        ValueError: they are not where they are expected; says where that is.
    """
    if backbone.weights == "random":
        return None
    if backbone.weights == "imagenet_mobilenet":
        return find_mobilenet_weights()
    return find_weights_file(
        backbone.weights, _WEIGHT_FILES[backbone.weights, backbone.architecture], data_root
    )


def backbone_weights_files(data_root: str | None, backbones: Mapping[str, Backbone]) -> dict[str, Path]:
    """Find the published weights of several parts; those that start at random have no key.

    Args:
        data_root: of this machine.
        backbones: by the part of the network that each one is.

    Raises:
        ValueError: a file is not where it is expected; says where that is.
    """
    files = {part: backbone_weights_file(backbone, data_root) for part, backbone in backbones.items()}
    return {part: path for part, path in files.items() if path is not None}


def find_weights_file(weights: str, file_name: str, data_root: str | None) -> Path:
    """Find a file of published weights under the data root.

    Raises:
        ValueError: it is not there; says where it is expected.
    """
    if data_root is None:
        raise ValueError(
            f"weights {weights!r} are read from <data root>/weights/{file_name}, "
            "and no data root is given; name one"
        )
    path = Path(data_root).expanduser() / "weights" / file_name
    if not path.is_file():
        raise ValueError(
            f"weights {weights!r} are expected at {path}, which is no file; put it there, "
            f"from {_publisher_of(weights, file_name)}"
        )
    return path


def _publisher_of(weights: str, file_name: str) -> str:
    if weights == "luperson_moco":
        return "the list of models in github.com/DengpanFu/LUPerson"
    if "_ibn_" in file_name:
        return f"https://github.com/XingangPan/IBN-Net/releases/download/v1.0/{file_name}"
    return f"https://download.pytorch.org/models/{file_name}"


def build_backbone(backbone: Backbone, weights_path: Path | None) -> Stages:
    """Build the five stages with their starting weights; random ones come from torch's global generator.

    Args:
        backbone: which.
        weights_path: what `backbone_weights_file` gave, or None to load nothing, as when a checkpoint
            follows or when a network on the meta device is only counted.
    """
    if backbone.architecture == "mobilenet_v2":
        stages = build_mobilenet_stages(last_stride=backbone.last_stride)
    else:
        depth = cast("ResnetDepth", int(backbone.architecture.removeprefix("resnet").removesuffix("_ibn_a")))
        stages = build_resnet_stages(
            depth, ibn=backbone.is_ibn, last_stride=backbone.last_stride, stem_pool=backbone.stem_pool
        )
    if weights_path is not None:
        report = load_published(stages, read_state_dict(weights_path), ibn_init=backbone.ibn_init)
        level = logging.WARNING if report.missing else logging.INFO
        _logger.log(level, "%s: %s", weights_path, report.describe())
    return stages
