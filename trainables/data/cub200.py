"""Reading Caltech-UCSD Birds-200-2011 from its published text files.

Wah et al., The Caltech-UCSD Birds-200-2011 Dataset, CNS-TR-2011-001, 2011. Below `CUB_200_2011/`:

    | file                     | a line                                                                 |
    |--------------------------|------------------------------------------------------------------------|
    | `classes.txt`            | `1 001.Black_footed_Albatross`: class, counted from 1, and its name    |
    | `images.txt`             | `1 001.Black_footed_Albatross/Black_Footed_Albatross_0046_18.jpg`      |
    | `image_class_labels.txt` | `1 1`: image and class                                                 |
    | `train_test_split.txt`   | `1 0`: image, and whether it is for training                           |
    | `images/`                | the images, in one folder a class                                      |

Boxes, parts and attributes are not read.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tablewright.trainables.data.labelled_images import (
    FoundImages,
    LabelledImage,
    LabelledImages,
    find_root,
    read_list,
    read_listed_images,
    some,
)

LABEL = "CUB-200-2011"
FOLDER = "CUB_200_2011"
LISTS = ("classes.txt", "images.txt", "image_class_labels.txt", "train_test_split.txt")

Value = TypeVar("Value")


def read_cub200(data_root: str | None) -> FoundImages:
    """Find the data set.

    Raises:
        ValueError: files are missing, or all that is wrong in them.
    """
    root = find_root(data_root, LABEL, FOLDER, (*LISTS, "images/"))
    faults: list[str] = []
    classes = _read(root / "classes.txt", str, faults)
    names = _read(root / "images.txt", str, faults)
    class_of = _read(root / "image_class_labels.txt", int, faults)
    is_train_of = _read(root / "train_test_split.txt", _read_flag, faults)
    for file, told in (("image_class_labels.txt", class_of), ("train_test_split.txt", is_train_of)):
        faults += _compare("images.txt", set(names), file, set(told))
    unknown = sorted({number for number in class_of.values() if number not in classes})
    if unknown:
        faults.append(
            f"image_class_labels.txt names classes that classes.txt does not list ({some([*map(str, unknown)])})"
        )
    label_of = {number: label for label, number in enumerate(sorted(classes))}
    splits: dict[str, list[LabelledImage]] = {"train": [], "test": []}
    for image, name in names.items():
        label = label_of.get(class_of.get(image, -1))
        if label is not None and image in is_train_of:
            splits["train" if is_train_of[image] else "test"].append(LabelledImage(f"images/{name}", label))
    return read_listed_images(
        root,
        tuple(classes[number] for number in sorted(classes)),
        {split: LabelledImages.of(images) for split, images in splits.items()},
        folders=("images",),
        lists=[root / file for file in LISTS],
        mentioned=[f"images/{name}" for name in names.values()],
        faults=faults,
    )


def _read(path: Path, parse: Callable[[str], Value], faults: list[str]) -> dict[int, Value]:
    """Read lines of a number and a value."""
    values: dict[int, Value] = {}
    wrong: list[str] = []
    try:
        lines = read_list(path).splitlines()
    except ValueError as error:
        faults.append(f"{path.name} {error}")
        return values
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        key, _, value = line.strip().partition(" ")
        try:
            if int(key) in values:
                raise ValueError
            values[int(key)] = parse(value)
        except ValueError:
            wrong.append(f"line {number}: {line.strip()!r}")
    if wrong:
        faults.append(f"{path.name} has lines that are no new number and value ({some(wrong)})")
    return values


def _read_flag(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError(text)
    return text == "1"


def _compare(one: str, numbers: set[int], other: str, other_numbers: set[int]) -> list[str]:
    faults: list[str] = []
    for has, lacks, only in (
        (one, other, numbers - other_numbers),
        (other, one, other_numbers - numbers),
    ):
        if only:
            faults.append(f"{lacks} lacks images that {has} has ({some([*map(str, sorted(only))])})")
    return faults
