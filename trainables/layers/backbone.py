"""The backbone that a method starts from: which architecture, with which published weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, Protocol, get_args

from pydantic import Field

from tablewright.trainables.layers.architectures import StagedArchitecture, build_stages, is_ibn, is_mobilenet
from tablewright.trainables.layers.pretrained import StartingFile, load_weights
from tablewright.trainables.layers.published_files import Weights, architectures_with, find_starting_file
from tablewright.trainables.layers.published_part import IbnInit
from tablewright.trainables.layers.resnet import StemPool
from tablewright.trainables.layers.stages import Stages
from tablewright.trainables.value.frozen_model import FrozenModel

# Parts of a network that start from weight files of their own. Always spelt by these names: a part without a file
# starts at random, and so would one whose key is mistyped.
BACKBONE: Final = "backbone"
ATTENTION_NET: Final = "attention_net"

STRIDE_BEFORE_LAST_STAGE = 16  # of every backbone offered, at the end of layer3


class Backbone(FrozenModel):
    """The convolutional network that a method starts from, cut into five stages.

    Attributes:
        architecture: `_ibn_a` splits the first norm of each block of layer1 .. layer3.
        weights: `random`; `imagenet` and `luperson_moco` are files under `<data_root>/weights/`;
            `imagenet_mobilenet` comes with an installed package and belongs to `mobilenet_v2`, whole or short.
        ibn_init: whether split norms take half of a plain file's norm, or stay fresh as the code leaves them.
        last_stride: stride of layer4.
        stem_pool: of a ResNet: `unpadded` is MDPR's and fast-reid's, `padded` torchvision's.
        num_frozen_stages: stages, counted from the stem, that keep their weights and running statistics;
            only stages that no method copies for its branches (0 to 3). No paper freezes any.
    """

    architecture: StagedArchitecture = "resnet101_ibn_a"
    weights: Weights = "random"
    ibn_init: IbnInit = "fresh"
    last_stride: Literal[1, 2] = 1
    stem_pool: StemPool = "unpadded"
    num_frozen_stages: int = Field(default=0, ge=0, le=3)

    @property
    def is_ibn(self) -> bool:
        """Whether it has split norms."""
        return is_ibn(self.architecture)

    def find_faults(self, path: str = "network.backbone") -> list[str]:
        """Name what does not go together, and what to set instead.

        Args:
            path: of this backbone in its config.
        """
        faults: list[str] = []
        if self.weights == "imagenet_mobilenet" and not is_mobilenet(self.architecture):
            faults.append(
                f"weights 'imagenet_mobilenet' fit architecture 'mobilenet_v2' and 'mobilenet_v2_short' only, "
                f"got {self.architecture!r}; set {path}.weights to 'imagenet' or 'random'"
            )
        published = architectures_with(self.weights)
        if published and self.architecture not in published:
            fitting = [one for one in published if one in get_args(StagedArchitecture)]
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
        if is_mobilenet(self.architecture) and self.stem_pool != "unpadded":
            faults.append(
                f"stem_pool has no effect on {self.architecture!r}, whose stem has no pool; leave "
                "network.backbone.stem_pool at 'unpadded', or set network.backbone.architecture to a ResNet"
            )
        return faults

    def find_file(self, data_root: str | None) -> StartingFile | None:
        """Find the file it starts from; None where it starts at random.

        Raises:
            ValueError: it is not where it is expected; says where that is.
        """
        return find_starting_file(self.weights, self.architecture, data_root, ibn_init=self.ibn_init)


class StartsFromFile(Protocol):
    """The configuration of a part that may start from a weight file."""

    def find_file(self, data_root: str | None) -> StartingFile | None:
        """Find the file; None where the part starts at random. Raises ValueError where it is absent."""
        ...


def find_weights_files(data_root: str | None, parts: Mapping[str, StartsFromFile]) -> dict[str, StartingFile]:
    """Find the published weights of several parts; those that start at random have no key.

    Args:
        data_root: of this machine.
        parts: by the name of each.

    Raises:
        ValueError: files are not where they are expected; names each, and says where that is.
    """
    files, faults = dict[str, StartingFile](), list[str]()
    for name, part in parts.items():
        try:
            file = part.find_file(data_root)
        except ValueError as error:
            faults.append(str(error))
        else:
            if file is not None:
                files[name] = file
    if faults:
        raise ValueError("\n".join(dict.fromkeys(faults)))
    return files


def build_backbone(backbone: Backbone, weights: StartingFile | None) -> Stages:
    """Build the five stages with their starting weights; random ones come from torch's global generator.

    Args:
        backbone: which.
        weights: what `find_weights_files` gave, or None to load nothing, as when a checkpoint follows or when a
            network on the meta device is only counted.

    Raises:
        ValueError: the file does not fill it.
    """
    stages = build_stages(
        backbone.architecture, last_stride=backbone.last_stride, stem_pool=backbone.stem_pool
    )
    if weights is not None:
        load_weights(stages, weights)
    return stages
