"""Miniatures of every data set that is read, with a small training on each: what is done harm to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import save_file

from tablewright.trainables.data.fine_grained import FineGrainedData
from tablewright.trainables.layers.backbone import BACKBONE
from tablewright.trainables.layers.pretrained import StartingFile
from tablewright.trainables.layers.published_part import part_of
from tablewright.trainables.reidentification.method import ReidTrainable
from tests.trainables import tiny_reid
from tests.trainables.data import test_msmt17, test_synergyreid, tiny_cuhk03
from tests.trainables.tiny_classification import TinyClassifierConfig
from tests.trainables.tiny_fine_grained import WRITERS
from tests.trainables.tiny_folders import FLOWERS, OCCLUDED_DUKE, write_flowers, write_occluded_duke


@dataclass(frozen=True)
class TinyData:
    """One data set.

    Attributes:
        write: lays it below a data root.
        make_config: gives a training on it below that root.
    """

    write: Callable[[Path], object]
    make_config: Callable[[Path], Any]


def _reid(dataset: Any, **changes: Any) -> Callable[[Path], Any]:
    base = tiny_reid.TinyConfig()
    data = base.data.model_copy(update={"dataset": dataset, **changes})
    return lambda data_root: base.model_copy(update={"data": data})


def _classes(dataset: Any) -> Callable[[Path], Any]:
    base = TinyClassifierConfig()
    data = FineGrainedData(dataset=dataset, shorter_side_px=20, crop_px=16, batch_size=2)
    return lambda data_root: base.model_copy(update={"data": data})


def _write_cuhk03(data_root: Path) -> None:
    tiny_cuhk03.write_images(data_root / "cuhk03")
    tiny_cuhk03.write_index(data_root / "cuhk03")


def _write_classic(data_root: Path) -> None:
    tiny_cuhk03.write_images(data_root / "cuhk03")
    tiny_cuhk03.write_splits(data_root / "cuhk03")


def _write_synergyreid(data_root: Path) -> None:
    for folder, names in test_synergyreid.NAMES.items():
        (data_root / "data_reid" / folder).mkdir(parents=True)
        for name in names:
            Image.new("RGB", (4, 8)).save(data_root / "data_reid" / folder / name)


def _write_weights(data_root: Path, ending: str) -> None:
    tiny_reid.write_tiny_market(data_root)
    path = data_root / f"weights/stem.{ending}"
    path.parent.mkdir()
    if ending == "safetensors":
        torch.manual_seed(1)
        save_file(tiny_reid.TinyNetwork(2).stem.state_dict(), path)
    else:
        tiny_reid.save_tiny_stem(path, 1)


class _Started(tiny_reid.TinyConfig):
    """Starts from a file of weights."""

    METHOD = "tiny_started"
    file: str = ""

    def make_trainable(self) -> Any:
        part = part_of("tiny", tiny_reid.TinyNetwork(2).stem)
        return ReidTrainable(tiny_reid.TinyMethod({BACKBONE: StartingFile(Path(self.file), part)}))


def _with_weights(ending: str) -> TinyData:
    return TinyData(
        lambda data_root: _write_weights(data_root, ending),
        lambda data_root: _Started(file=str(data_root / f"weights/stem.{ending}")),
    )


DATA: Mapping[str, TinyData] = {
    "market1501": TinyData(tiny_reid.write_tiny_market, _reid("market1501")),
    "a folder of people": TinyData(write_occluded_duke, _reid(OCCLUDED_DUKE)),
    "cuhk03": TinyData(_write_cuhk03, _reid("cuhk03_labelled")),
    "cuhk03, classic": TinyData(_write_classic, _reid("cuhk03_classic_labelled", fold=0)),
    "msmt17": TinyData(lambda data_root: test_msmt17.write(data_root / "MSMT17_V1"), _reid("msmt17")),
    "synergyreid": TinyData(_write_synergyreid, _reid("synergyreid")),
    **{name: TinyData(write, _classes(name)) for name, write in WRITERS.items()},
    "a folder of classes": TinyData(write_flowers, _classes(FLOWERS)),
    "weights of torch": _with_weights("pt"),
    "weights as safetensors": _with_weights("safetensors"),
}
