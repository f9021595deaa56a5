"""Reading iNaturalist-2017 from its published COCO-style JSON files.

Van Horn et al., The iNaturalist Species Classification and Detection Dataset, CVPR 2018; the data of the 2017
competition. Below `inaturalist2017/`:

    | file                | holds                                                                           |
    |---------------------|---------------------------------------------------------------------------------|
    | `train2017.json`    | `images` (`id`, `file_name`), `annotations` (`image_id`, `category_id`),         |
    |                     | `categories` (`id`, `name`, `supercategory`)                                    |
    | `val2017.json`      | the same of the validation images; results are published on them, so that they  |
    |                     | are our `test`. The competition's own test images have no published classes.    |
    | `train_val_images/` | `Superclass/Species/hash.jpg`; `file_name` begins with this folder's name       |
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tablewright.trainables.data.labelled_images import (
    FoundImages,
    LabelledImage,
    find_root,
    read_json,
    read_listed_images,
    some,
)

LABEL = "iNaturalist-2017"
FOLDER = "inaturalist2017"
IMAGES = "train_val_images"
FILE_OF_SPLIT = {"train": "train2017.json", "test": "val2017.json"}


def read_inat2017(data_root: str | None) -> FoundImages:
    """Find the data set.

    Raises:
        ValueError: files are missing, or all that is wrong in them.
    """
    files = tuple(FILE_OF_SPLIT.values())
    root = find_root(data_root, LABEL, FOLDER, (*files, f"{IMAGES}/"))
    faults: list[str] = []
    contents = {split: _read(root, file, faults) for split, file in FILE_OF_SPLIT.items()}
    names: dict[int, str] = {}
    for split, content in contents.items():
        for category in content["categories"]:
            if names.setdefault(category["id"], category["name"]) != category["name"]:
                faults.append(
                    f"{FILE_OF_SPLIT[split]} calls category {category['id']} {category['name']!r}, "
                    f"and {files[0]} {names[category['id']]!r}"
                )
    label_of = {category: label for label, category in enumerate(sorted(names))}
    splits = {
        split: _label(FILE_OF_SPLIT[split], content, label_of, faults) for split, content in contents.items()
    }
    tables = [content["images"] for content in contents.values()]
    mentioned = [str(image["file_name"]) for table in tables for image in table] if all(tables) else None
    return read_listed_images(
        root,
        tuple(names[category] for category in sorted(names)),
        splits,
        folders=(IMAGES,),
        lists=[root / file for file in files],
        mentioned=mentioned,
        faults=faults,
    )


def _read(root: Path, file: str, faults: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Read the three tables; empty ones, and a fault, where that cannot be done."""
    needed = {
        "images": ("id", "file_name"),
        "annotations": ("image_id", "category_id"),
        "categories": ("id", "name"),
    }
    tables: dict[str, list[dict[str, Any]]] = {table: [] for table in needed}
    try:
        content = read_json(root / file, {*needed, *(key for keys in needed.values() for key in keys)})
    except ValueError as error:
        faults.append(f"{file} {error}")
        return tables
    for table, keys in needed.items():
        entries = content.get(table) if isinstance(content, dict) else None
        if not isinstance(entries, list):
            faults.append(f"{file} has no list {table!r}")
            continue
        wrong = [
            f"entry {place}"
            for place, entry in enumerate(entries, 1)
            if not (isinstance(entry, dict) and all(_is_usable(key, entry.get(key)) for key in keys))
        ]
        numbers = [entry["id"] for entry in entries if "id" in keys] if not wrong else []
        if wrong:
            faults.append(
                f"{file} has {table} without {' or '.join(keys)} ({some(wrong)}); ids are whole numbers, names texts"
            )
        elif len(set(numbers)) < len(numbers):
            seen: set[int] = set()
            twice = [str(number) for number in numbers if number in seen or seen.add(number)]
            faults.append(f"{file} gives {len(twice)} of its {table} an id that others have ({some(twice)})")
        else:
            tables[table] = entries
    return tables


def _is_usable(key: str, value: Any) -> bool:
    return isinstance(value, str) if key in ("file_name", "name") else type(value) is int


def _label(
    file: str,
    content: dict[str, list[dict[str, Any]]],
    label_of: dict[int, int],
    faults: list[str],
) -> list[LabelledImage]:
    name_of = {image["id"]: str(image["file_name"]) for image in content["images"]}
    category_of: dict[int, int] = {}
    strange: list[str] = []
    twice: list[str] = []
    unknown: list[str] = []
    for annotation in content["annotations"]:
        image, category = annotation["image_id"], annotation["category_id"]
        if image not in name_of:
            strange.append(str(image))
        elif image in category_of:
            twice.append(name_of[image])
        elif category not in label_of:
            unknown.append(f"{name_of[image]} of category {category}")
        category_of[image] = category
    without = [name for image, name in name_of.items() if image not in category_of]
    for names, fault in (
        (strange, "annotations of images that it does not list"),
        (twice, "images with more than one annotation"),
        (unknown, "images of categories that no file lists"),
        (without, "images without an annotation"),
    ):
        if names:
            faults.append(f"{file} has {len(names)} {fault} ({some(names)})")
    return [
        LabelledImage(name, label_of[category_of[image]])
        for image, name in name_of.items()
        if category_of.get(image) in label_of
    ]
