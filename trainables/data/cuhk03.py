"""Reading CUHK03 in both of its protocols and with both of its kinds of boxes.

Li et al., DeepReID, CVPR 2014 (1367/100, 20 splits); Zhong et al., Re-ranking Person Re-identification, CVPR 2017
(767/700). Below `cuhk03/`, as torchreid and fast-reid lay it out; `labeled` stands for `detected` as well:

    | file                                     | holds                                                             |
    |------------------------------------------|-------------------------------------------------------------------|
    | `cuhk03_release/cuhk-03.mat`             | all images and the 20 splits; MATLAB 7.3, which is HDF5           |
    | `images_labeled/`                        | the images of that file, extracted, as `1_001_1_01.png`           |
    | `cuhk03_new_protocol_config_labeled.mat` | 767/700: `filelist`, `labels`, `{train,query,gallery}_idx`        |
    | `splits_new_labeled.json`                | the same as torchreid writes it; read where the former is missing |
    | `splits_classic_labeled.json`            | 1367/100: the 20 splits as torchreid writes them                  |

Images and splits are read from `images_*/` and the JSON where these are there, else from `cuhk-03.mat`, for which
`h5py` has to be installed. The parts of a name are the camera pair (1 to 5), the person within the pair, the view
(1 or 2) and the image's number. People are told apart by the first two, since the lists number them in several ways:
a pid is 1,000 times the pair plus the person. The camera is the view.

In the classic protocol all images of the 100 people are queries and gallery; `RetrievalView.gallery` says which of
them a query is compared with.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np

from tablewright.trainables.data.cuhk03_release import RELEASE, open_release
from tablewright.trainables.data.files_read import Look
from tablewright.trainables.data.labelled_images import (
    ImageFiles,
    find_root,
    read_json,
    sizes_of_images,
    some,
)
from tablewright.trainables.data.matlab_file import read_matlab
from tablewright.trainables.data.reid_images import (
    FoundImages,
    ImageRecord,
    ListedImages,
    compare_with_files,
    faults_of_labels,
)

LABEL = "CUHK03"
FOLDER = "cuhk03"
NUM_FOLDS = 20
FILE_NAME = re.compile(r"(?P<person>(?P<pair>[1-5])_(?P<number>\d{3}))_(?P<view>[12])_(?P<image>\d{2})\.png")
SPLITS = ("train", "query", "gallery")

Boxes = Literal["labeled", "detected"]
Names = Mapping[str, list[tuple[str, int]]]
"""By split, the name of each image and the label that the list gives its person."""


def read_cuhk03(data_root: str | None, boxes: Boxes, fold: int | None) -> FoundImages:
    """Find the data set.

    Args:
        data_root: of the runtime.
        boxes: drawn by hand or by a detector.
        fold: of the classic protocol, from 0 on; None is the new protocol.

    Raises:
        ValueError: files are missing, or all that is wrong in them.
    """
    base = None if data_root is None else Path(data_root).expanduser() / FOLDER
    folder = f"images_{boxes}"

    def first_that_is_there(*candidates: str) -> str:
        return next(
            (name for name in candidates if base is not None and (base / name).exists()), candidates[0]
        )

    images_from = first_that_is_there(f"{folder}/", RELEASE)
    if fold is None:
        index_file = f"cuhk03_new_protocol_config_{boxes}.mat"
        split_file = first_that_is_there(index_file, f"splits_new_{boxes}.json")
    else:
        split_file = first_that_is_there(f"splits_classic_{boxes}.json", RELEASE)
    root = find_root(data_root, LABEL, FOLDER, list(dict.fromkeys([images_from, split_file])), HOW_TO_GET)
    release = open_release(root, boxes) if RELEASE in (images_from, split_file) else None
    lost: list[str] = []
    if images_from == RELEASE:
        assert release is not None
        sizes_bytes, open_image = release.sizes_bytes(), release.open_image
    else:
        (sizes_bytes, lost), open_image = sizes_of_images(Look(root, [folder])), ImageFiles(root)
    listed = ListedImages({split: [] for split in SPLITS})
    listed_names: Names = {}
    try:
        if split_file == RELEASE:
            assert release is not None
            assert fold is not None
            listed_names = _names_of_fold(release.test_people(fold), sizes_bytes)
        elif split_file.endswith(".mat"):
            listed_names = _read_index(root / split_file)
        else:
            listed_names = _read_json(root / split_file, fold or 0)
    except ValueError as error:
        listed.add_fault(f"{split_file} {error}")
    _add_records(listed, listed_names, split_file, folder)
    folders = [] if RELEASE in (images_from, split_file) else [folder]
    return compare_with_files(
        root, listed, sizes_bytes, _person_of, open_image, [split_file], lost=lost, folders=folders
    )


HOW_TO_GET = (
    "ask its authors for cuhk03_release/cuhk-03.mat and unpack it there, with "
    "cuhk03_new_protocol_config_labeled.mat and cuhk03_new_protocol_config_detected.mat of "
    "zhunzhong07/person-re-ranking beside it for the 767/700 protocol; for this protocol alone, CUHK03-NP can be "
    "unpacked to cuhk03-np/ in the data root instead"
)


def _add_records(listed: ListedImages, names: Names, split_file: str, folder: str) -> None:
    """Turn names into records and note those that cannot be."""
    for split, entries in names.items():
        misnamed = sorted({name for name, _ in entries if FILE_NAME.fullmatch(name) is None})
        if misnamed:
            listed.add_fault(
                f"{split_file} lists images in {split} not named as {FILE_NAME.pattern} ({some(misnamed)})"
            )
        named = [(match, label) for name, label in entries if (match := FILE_NAME.fullmatch(name))]
        listed.splits[split] = [
            ImageRecord(
                f"{folder}/{match.string}",
                1000 * int(match["pair"]) + int(match["number"]),
                int(match["view"]),
            )
            for match, _ in named
        ]
    for splits in (("train",), ("query", "gallery")):  # torchreid numbers the people of each anew
        labels = [
            (match["person"], label)
            for split in splits
            for name, label in names.get(split, ())
            if (match := FILE_NAME.fullmatch(name))
        ]
        listed.faults += faults_of_labels(f"{split_file} ({' and '.join(splits)})", labels)


def _read_index(path: Path) -> Names:
    """Read an index file of the new protocol; its indices begin with 1.

    Raises:
        ValueError: it cannot be read, lacks a variable, or an index is outside of its list.
    """
    content = read_matlab(path)
    wanted = ("filelist", "labels", *(f"{split}_idx" for split in SPLITS))
    missing = [name for name in wanted if name not in content]
    if missing:
        raise ValueError(f"has no variable {', '.join(missing)}")
    files = [str(name) for name in np.atleast_1d(content["filelist"])]
    labels = np.atleast_1d(content["labels"]).tolist()
    if len(files) != len(labels):
        raise ValueError(f"has {len(files)} names in filelist and {len(labels)} labels")
    names: dict[str, list[tuple[str, int]]] = {}
    for split in SPLITS:
        indices = np.atleast_1d(content[f"{split}_idx"]).tolist()
        outside = [index for index in indices if not 1 <= index <= len(files)]
        if outside:
            raise ValueError(
                f"has {split}_idx outside of 1 to {len(files)} ({some(list(map(str, outside)))})"
            )
        names[split] = [(files[int(index) - 1], int(labels[int(index) - 1])) for index in indices]
    return names


def _read_json(path: Path, place: int) -> Names:
    """Read one split of a list that torchreid writes: entries are path, person and camera.

    The path's folder is where the images lay when the list was written; its name alone counts.

    Raises:
        ValueError: it is no JSON of that form.
    """
    content = read_json(path)
    if not isinstance(content, list) or place >= len(content):
        found = f"{len(content)} splits" if isinstance(content, list) else type(content).__name__
        raise ValueError(f"has no split {place}: it must be a list of splits, got {found}")
    try:
        return {split: _entries(content[place][split]) for split in SPLITS}
    except (TypeError, KeyError, IndexError, ValueError, AttributeError) as error:
        raise ValueError(
            f"has a split {place} without train, query and gallery as lists of [path, person, camera]"
        ) from error


def _entries(content: Iterable[Any]) -> list[tuple[str, int]]:
    return [(entry[0].replace("\\", "/").rpartition("/")[2], int(entry[1])) for entry in content]


def _names_of_fold(test_people: set[tuple[int, int]], paths: Iterable[str]) -> Names:
    """Share the images out: all images of the test people are queries and gallery.

    Raises:
        ValueError: a test person has no image.
    """
    split_of: dict[bool, list[tuple[str, int]]] = {False: [], True: []}
    unseen = set(test_people)
    for path in paths:
        match = FILE_NAME.fullmatch(PurePosixPath(path).name)
        if match is None:
            continue  # it is in no list then, which is a fault
        person = int(match["pair"]), int(match["number"])
        unseen.discard(person)
        split_of[person in test_people].append((match.string, 1000 * person[0] + person[1]))
    if unseen:
        shown = some([f"{pair}_{number:03d}" for pair, number in sorted(unseen)])
        raise ValueError(f"has {len(unseen)} people to test on who have no image ({shown})")
    return {"train": split_of[False], "query": split_of[True], "gallery": split_of[True]}


def _person_of(path: str) -> str:
    match = FILE_NAME.fullmatch(PurePosixPath(path).name)
    return path if match is None else match["person"]
