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

import itertools
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tablewright.trainables.data.json_lists import read_lists
from tablewright.trainables.data.labelled_images import (
    FoundImages,
    LabelledImages,
    find_root,
    read_listed_images,
    some,
)
from tablewright.trainables.data.name_table import GrowingNames, NameTable

LABEL = "iNaturalist-2017"
FOLDER = "inaturalist2017"
IMAGES = "train_val_images"
FILE_OF_SPLIT = {"train": "train2017.json", "test": "val2017.json"}


_NEEDED: Mapping[str, tuple[str, ...]] = {
    "images": ("id", "file_name"),
    "annotations": ("image_id", "category_id"),
    "categories": ("id", "name"),
}
"""Keys of the entries of each table."""


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
        categories = content["categories"]
        for category, name in zip(categories.numbers("id").tolist(), categories.texts("name"), strict=True):
            if names.setdefault(category, name) != name:
                faults.append(
                    f"{FILE_OF_SPLIT[split]} calls category {category} {name!r}, "
                    f"and {files[0]} {names[category]!r}"
                )
    categories_C = np.array(sorted(names), np.int64)
    splits: dict[str, LabelledImages] = {}
    mentioned: list[NameTable] = []
    for split, file in FILE_OF_SPLIT.items():
        content = contents.pop(split)  # so that what the next one needs has its room
        mentioned.append(content["images"].texts("file_name"))
        splits[split] = _label(file, content, mentioned[-1], categories_C, faults)
        del content
    return read_listed_images(
        root,
        tuple(names[category] for category in sorted(names)),
        splits,
        folders=(IMAGES,),
        lists=[root / file for file in files],
        mentioned=itertools.chain.from_iterable(mentioned) if all(map(len, mentioned)) else None,
        faults=faults,
    )


class _Table:
    """The needed columns of a table, filled some entries at a time.

    Attributes:
        keys: of the columns; `file_name` and `name` are texts, the others whole numbers.
        wrong: entries, counted from 1 on, that lack one.
    """

    def __init__(self, keys: tuple[str, ...]) -> None:
        """Begin empty."""
        self.keys, self.wrong = keys, list[str]()
        self._num_entries = 0
        self._numbers = {key: array("q") for key in keys if key not in _TEXTS}
        self._texts = {key: GrowingNames() for key in keys if key in _TEXTS}

    def add(self, entries: list[Any]) -> None:
        """Put entries behind those that are there."""
        try:
            self._extend(entries)
        except _UNUSABLE:
            self.wrong += [
                f"entry {place}"
                for place, entry in enumerate(entries, self._num_entries + 1)
                if not _Table(self.keys).takes(entry)
            ]
        self._num_entries += len(entries)

    def takes(self, entry: Any) -> bool:
        """Say whether an entry has what is needed; it is added then."""
        try:
            self._extend([entry])
        except _UNUSABLE:
            return False
        return True

    def _extend(self, entries: list[Any]) -> None:
        for key in self.keys:
            values = [entry[key] for entry in entries]
            if not set(map(type, values)) <= {str if key in _TEXTS else int}:
                raise TypeError
            (self._texts[key] if key in _TEXTS else self._numbers[key]).extend(values)

    def numbers(self, key: str) -> np.ndarray:
        """Give a column of whole numbers, int64; nothing can be added then."""
        return np.frombuffer(self._numbers[key], np.int64)

    def texts(self, key: str) -> NameTable:
        """Give a column of texts; nothing can be added then."""
        return self._texts[key].table()


_UNUSABLE = (KeyError, TypeError, ValueError, OverflowError)
"""Raised of entries without a key, of other kinds, of half a sign in a text, and of numbers beyond 64 bits."""

_TEXTS = ("file_name", "name")


def _read(root: Path, file: str, faults: list[str]) -> dict[str, _Table]:
    """Read the three tables; empty ones, and a fault, where that cannot be done."""
    try:
        found = read_lists(
            root / file, {table: lambda keys=keys: _Table(keys) for table, keys in _NEEDED.items()}
        )
    except ValueError as error:
        faults.append(f"{file} {error}")
        return {table: _Table(keys) for table, keys in _NEEDED.items()}
    for table, keys in _NEEDED.items():
        if table not in found:
            faults.append(f"{file} has no list {table!r}")
        elif wrong := found[table].wrong:
            faults.append(
                f"{file} has {table} without {' or '.join(keys)} ({some(wrong)}); ids are whole numbers, names texts"
            )
        elif twice := _given_twice(found[table]):
            faults.append(f"{file} gives {len(twice)} of its {table} an id that others have ({some(twice)})")
        else:
            continue
        found[table] = _Table(keys)
    return found


def _given_twice(table: _Table) -> list[str]:
    """Name the ids of a table that stand in it before, as often as they do."""
    if "id" not in table.keys:
        return []
    ids = table.numbers("id")
    _, first = np.unique(ids, return_index=True)
    return [str(one) for one in np.delete(ids, first).tolist()]


def _label(
    file: str, content: Mapping[str, _Table], names: NameTable, categories_C: np.ndarray, faults: list[str]
) -> LabelledImages:
    """Give images their classes, and note what annotations lack or have too much of."""
    ids_I = content["images"].numbers("id")
    annotated_A, category_A = (content["annotations"].numbers(key) for key in _NEEDED["annotations"])
    image_A, label_A = _places(ids_I, annotated_A), _places(categories_C, category_A)
    is_first_A = np.zeros(len(image_A), bool)
    is_first_A[np.unique(image_A, return_index=True)[1]] = True
    is_listed_A = image_A >= 0
    labels_I, is_annotated_I = np.full(len(ids_I), -1), np.zeros(len(ids_I), bool)
    labels_I[image_A[is_listed_A]] = label_A[is_listed_A]
    is_annotated_I[image_A[is_listed_A]] = True

    def images_of(is_meant_A: np.ndarray) -> list[str]:
        return [names[image] for image in image_A[is_meant_A].tolist()]

    is_unknown_A = is_listed_A & is_first_A & (label_A < 0)
    unknown = zip(images_of(is_unknown_A), category_A[is_unknown_A].tolist(), strict=True)
    for found, fault in (
        (
            [str(one) for one in annotated_A[~is_listed_A].tolist()],
            "annotations of images that it does not list",
        ),
        (images_of(is_listed_A & ~is_first_A), "images with more than one annotation"),
        (
            [f"{name} of category {category}" for name, category in unknown],
            "images of categories that no file lists",
        ),
        (
            [names[image] for image in np.flatnonzero(~is_annotated_I).tolist()],
            "images without an annotation",
        ),
    ):
        if found:
            faults.append(f"{file} has {len(found)} {fault} ({some(found)})")
    images = LabelledImages(names, labels_I)
    return images if (labels_I >= 0).all() else images.chosen(np.flatnonzero(labels_I >= 0))


def _places(values_N: np.ndarray, wanted_M: np.ndarray) -> np.ndarray:
    """Say where each wanted value stands among values that differ, -1 where it does not, int64 (M,)."""
    if not len(values_N):
        return np.full(len(wanted_M), -1)
    order_N = np.argsort(values_N)
    spot_M = np.searchsorted(values_N, wanted_M, sorter=order_N)
    place_M = order_N[np.minimum(spot_M, len(order_N) - 1)]
    return np.where(values_N[place_M] == wanted_M, place_M, -1)
