"""Reading Stanford Cars from its published MATLAB files.

Krause et al., 3D Object Representations for Fine-Grained Categorization, 3dRR 2013. Below `stanford_cars/`:

    | file                                     | holds                                                   |
    |------------------------------------------|---------------------------------------------------------|
    | `devkit/cars_meta.mat`                   | `class_names`, cell array, 1 x 196                      |
    | `devkit/cars_train_annos.mat`            | `annotations`, struct array: `fname`, `class` from 1 on |
    | `devkit/cars_test_annos_withlabels.mat`  | the same of the test images; published on its own       |
    | `cars_train/`, `cars_test/`              | the images, `00001.jpg` and on                          |

The boxes in `annotations` are not read. The published `devkit/cars_test_annos.mat` has no classes, and the file
that has them is often left beside `devkit/`: it is found in either place.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tablewright.trainables.data.labelled_images import (
    FoundImages,
    LabelledImage,
    LabelledImages,
    find_root,
    read_listed_images,
    some,
)
from tablewright.trainables.data.matlab_file import read_matlab

LABEL = "Stanford Cars"
FOLDER = "stanford_cars"
META, TRAIN = "devkit/cars_meta.mat", "devkit/cars_train_annos.mat"
TEST = "cars_test_annos_withlabels.mat"


def read_cars196(data_root: str | None) -> FoundImages:
    """Find the data set.

    Raises:
        ValueError: files are missing, or all that is wrong in them.
    """
    beside = data_root is not None and (Path(data_root).expanduser() / FOLDER / TEST).is_file()
    test = TEST if beside else f"devkit/{TEST}"
    root = find_root(data_root, LABEL, FOLDER, (META, TRAIN, test, "cars_train/", "cars_test/"))
    faults: list[str] = []
    class_names = tuple(str(name) for name in _read(root, META, "class_names", faults))
    splits: dict[str, list[LabelledImage]] = {}
    mentioned: list[str] = []
    is_whole = True
    for split, file in (("train", TRAIN), ("test", test)):
        folder = f"cars_{split}"
        names, splits[split] = _read_annotations(root, file, folder, len(class_names), faults)
        mentioned += names
        is_whole = is_whole and bool(names)
    return read_listed_images(
        root,
        class_names,
        {split: LabelledImages.of(images) for split, images in splits.items()},
        folders=("cars_train", "cars_test"),
        lists=[root / file for file in (META, TRAIN, test)],
        mentioned=mentioned if is_whole else None,
        faults=faults,
    )


def _read(root: Path, file: str, variable: str, faults: list[str]) -> list[Any]:
    """Read an array of cells or structs; nothing, and a fault, where that cannot be done."""
    try:
        content = read_matlab(root / file)
    except ValueError as error:
        faults.append(f"{file} {error}")
        return []
    if variable not in content:
        faults.append(f"{file} has no variable {variable!r}")
        return []
    return list(np.atleast_1d(content[variable]))


def _read_annotations(
    root: Path, file: str, folder: str, num_classes: int, faults: list[str]
) -> tuple[list[str], list[LabelledImage]]:
    """Give the names of all images of a list, and those of them that have a class."""
    names: list[str] = []
    images: list[LabelledImage] = []
    wrong: list[str] = []
    unknown: list[str] = []
    for place, entry in enumerate(_read(root, file, "annotations", faults), 1):
        try:
            names.append(f"{folder}/{entry['fname']}")
            number = int(entry["class"])
        except (TypeError, KeyError, ValueError, IndexError):
            wrong.append(f"entry {place}")
            continue
        if 1 <= number <= num_classes:
            images.append(LabelledImage(names[-1], number - 1))
        else:
            unknown.append(f"{names[-1]} of class {number}")
    if wrong:
        faults.append(
            f"{file} has {len(wrong)} entries without 'fname' or 'class' ({some(wrong)}); the classes of the test "
            f"images are in the file published as {TEST}"
        )
    if unknown:
        faults.append(f"{file} has images of classes that {META} does not list ({some(unknown)})")
    return names, images
