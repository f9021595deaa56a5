"""Miniature copies of the published layouts of fine-grained data sets, named and formatted as the real ones."""

import gzip
import json
import struct
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image

BIRDS = {
    "001.Black_footed_Albatross": (
        ("Black_Footed_Albatross_0046_18.jpg", 0),
        ("Black_Footed_Albatross_0009_34.jpg", 1),
        ("Black_Footed_Albatross_0002_55.jpg", 1),
        ("Black_Footed_Albatross_0074_59.jpg", 1),
    ),
    "002.Laysan_Albatross": (
        ("Laysan_Albatross_0003_1033.jpg", 1),
        ("Laysan_Albatross_0002_1027.jpg", 1),
        ("Laysan_Albatross_0049_918.jpg", 0),
    ),
    "003.Sooty_Albatross": (
        ("Sooty_Albatross_0048_1130.jpg", 1),
        ("Sooty_Albatross_0040_796375.jpg", 1),
        ("Sooty_Albatross_0050_796352.jpg", 0),
    ),
}
CARS = ("AM General Hummer SUV 2000", "Acura RL Sedan 2012", "Acura TL Sedan 2012")
CAR_CLASSES = {"train": (3, 1, 2, 1, 3, 2), "test": (2, 1, 3)}
SPECIES = {
    0: ("Aythya americana", "Aves"),
    1: ("Anas discors", "Aves"),
    2: ("Amanita muscaria", "Fungi"),
}


def save_image(path, number, size=(24, 16)):
    """Write a JPEG of noise about a colour that tells its number; size is (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(number).integers(0, 40, (size[1], size[0], 3))
    colour = np.array([(37 * number) % 200, (91 * number) % 200, 100])
    Image.fromarray((noise + colour).astype(np.uint8)).save(path, quality=95)


def write_cub200(data_root):
    """Write `CUB_200_2011/` with 7 images to train on and 3 to test on."""
    root = Path(data_root) / "CUB_200_2011"
    images = [(f"{name}/{file}", name, flag) for name, files in BIRDS.items() for file, flag in files]
    for number, (file, _, _) in enumerate(images, 1):
        save_image(root / "images" / file, number, size=(16 + number, 16))
    classes = {name: number for number, name in enumerate(BIRDS, 1)}
    write_lines(root / "classes.txt", [f"{number} {name}" for name, number in classes.items()])
    write_lines(root / "images.txt", [f"{n} {file}" for n, (file, _, _) in enumerate(images, 1)])
    write_lines(
        root / "image_class_labels.txt", [f"{n} {classes[name]}" for n, (_, name, _) in enumerate(images, 1)]
    )
    write_lines(root / "train_test_split.txt", [f"{n} {flag}" for n, (_, _, flag) in enumerate(images, 1)])
    write_lines(root / "bounding_boxes.txt", [f"{n} 60.0 27.0 325.0 304.0" for n in range(1, 11)])
    (root / "images" / ".DS_Store").write_bytes(b"\0")
    return root


def write_lines(path, lines):
    path.write_text("".join(f"{line}\n" for line in lines))


def write_cars196(data_root, *, test_list="devkit"):
    """Write `stanford_cars/` with 6 images to train on and 3 to test on."""
    root = Path(data_root) / "stanford_cars"
    (root / "devkit").mkdir(parents=True, exist_ok=True)
    names = np.empty((1, len(CARS)), object)
    names[0, :] = CARS
    scipy.io.savemat(root / "devkit/cars_meta.mat", {"class_names": names})
    for split, classes in CAR_CLASSES.items():
        for number in range(1, len(classes) + 1):
            save_image(root / f"cars_{split}" / f"{number:05d}.jpg", number)
    save_car_list(root / "devkit/cars_train_annos.mat", CAR_CLASSES["train"])
    save_car_list(root / "devkit/cars_test_annos.mat", CAR_CLASSES["test"], with_classes=False)
    folder = root / "devkit" if test_list == "devkit" else root
    save_car_list(folder / "cars_test_annos_withlabels.mat", CAR_CLASSES["test"])
    return root


def save_car_list(path, classes, *, with_classes=True):
    """Write a 1 x N struct array with the published fields, of doubles and strings."""
    boxes = ["bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2"]
    fields = [*boxes, *(["class"] if with_classes else []), "fname"]
    annotations = np.empty((1, len(classes)), [(field, object) for field in fields])
    for place, number in enumerate(classes):
        values = [1.0, 2.0, 20.0, 12.0, *([float(number)] if with_classes else []), f"{place + 1:05d}.jpg"]
        annotations[0, place] = tuple(values)
    scipy.io.savemat(path, {"annotations": annotations})


def write_inat2017(data_root):
    """Write `inaturalist2017/` with 6 images to train on and 3 to test on."""
    root = Path(data_root) / "inaturalist2017"
    for file, ids in (("train2017.json", (10, 11, 12, 13, 14, 15)), ("val2017.json", (20, 21, 22))):
        images, annotations = [], []
        for image in ids:
            category = image % 3
            name, superclass = SPECIES[category]
            path = f"train_val_images/{superclass}/{name}/{image:032x}.jpg"
            save_image(root / path, image)
            images.append(
                {
                    "id": image,
                    "file_name": path,
                    "width": 24,
                    "height": 16,
                    "license": 3,
                    "rights_holder": "N.",
                }
            )
            annotations.append({"id": 100 + image, "image_id": image, "category_id": category})
        categories = [
            {"id": category, "name": name, "supercategory": superclass}
            for category, (name, superclass) in SPECIES.items()
        ]
        content = {
            "info": {"year": 2017},
            "licenses": [],
            "images": images,
            "annotations": annotations,
            "categories": categories,
        }
        (root / file).write_text(json.dumps(content))
    return root


def write_fashion_mnist(data_root, *, num_train=30, num_test=10):
    """Write `fashion-mnist/` with gzipped idx files."""
    root = Path(data_root) / "fashion-mnist"
    root.mkdir(parents=True, exist_ok=True)
    for name, count in (("train", num_train), ("t10k", num_test)):
        pixels = np.random.default_rng(count).integers(0, 256, (count, 28, 28), dtype=np.uint8)
        write_idx(root / f"{name}-images-idx3-ubyte.gz", pixels)
        write_idx(root / f"{name}-labels-idx1-ubyte.gz", np.arange(count, dtype=np.uint8) % 10)
    return root


def write_idx(path, values):
    """Write an array of bytes as an idx file."""
    head = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    path.write_bytes(gzip.compress(head + values.tobytes(), mtime=0))


WRITERS = {
    "cub200": write_cub200,
    "cars196": write_cars196,
    "inat2017": write_inat2017,
    "fashion_mnist": write_fashion_mnist,
}
