"""Miniature data sets of one's own, named as those that the built-in ones do not hold."""

import numpy as np
from PIL import Image

from tablewright.trainables.data.image_folder import ImageFolder
from tablewright.trainables.data.market_layout import DUKE_FILE_NAME
from tablewright.trainables.data.reid_folder import ReidFolder

OCCLUDED_DUKE = ReidFolder("Occluded-Duke", "Occluded_Duke", file_name=DUKE_FILE_NAME)
VERI = ReidFolder(
    "VeRi-776",
    "VeRi",
    file_name=r"(?P<pid>\d{4})_c(?P<camid>\d{3})_\d{8}_\d\.jpg",
    train="image_train",
    query="image_query",
    gallery="image_test",
)
SHOTS = 4


def save_jpeg(path, number):
    """Write noise about a colour that tells its number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = np.random.default_rng(number).integers(0, 200, 3)
    noise = np.random.default_rng(len(path.name)).integers(0, 56, (32, 16, 3))
    Image.fromarray((colour + noise).astype(np.uint8)).save(path, quality=95)


def write_reid(data_root, dataset, name_of):
    """Write six people to train on and three to test on, under four cameras.

    Args:
        data_root: holds the folder.
        dataset: says where images lie.
        name_of: gives a file's name from person, camera and shot.
    """
    for side, pids in (
        (dataset.train, range(1, 7)),
        (dataset.query, (7, 8, 9)),
        (dataset.gallery, (7, 8, 9)),
    ):
        for pid in pids:
            for shot in range(1 if side == dataset.query else SHOTS):
                camid = 17 + shot if dataset == VERI else 1 + shot
                save_jpeg(data_root / dataset.folder / side / name_of(pid, camid, shot), pid)


def write_occluded_duke(data_root):
    """Write it, with a distractor, which a gallery may hold."""
    write_reid(
        data_root, OCCLUDED_DUKE, lambda pid, camid, shot: f"{pid:04d}_c{camid}_f{46985 + shot:07d}.jpg"
    )
    save_jpeg(data_root / "Occluded_Duke/bounding_box_test/0000_c2_f0000001.jpg", 0)
    (data_root / "Occluded_Duke/README.md").write_text("Miao et al., ICCV 2019")


def write_veri(data_root):
    """Write it, with the lists that lie beside its folders."""
    write_reid(data_root, VERI, lambda pid, camid, shot: f"{pid:04d}_c{camid:03d}_{30600 + shot:08d}_0.jpg")
    (data_root / "VeRi/name_train.txt").write_text("0001_c017_00030600_0.jpg\n")


FLOWERS = ImageFolder("Flowers", "flowers")
CLASSES = ("daisy", "rose", "tulip")


def write_flowers(data_root, sides=("train", "test")):
    """Write four images of each class to train on, two for any other side, one of them in a folder further down."""
    for side in sides:
        for number, name in enumerate(CLASSES):
            folder = data_root / "flowers" / side / name
            for shot in range(4 if side == "train" else 2):
                save_jpeg(folder / ("more/" if shot == 1 else "") / f"{shot}.JPEG", number)
    (data_root / "flowers/train/.DS_Store").write_bytes(b"\0")
    (data_root / "flowers/train/daisy/notes.txt").write_text("white")
    return data_root / "flowers"
