"""Reading MSMT17 from its published lists.

Wei et al., Person Transfer GAN, CVPR 2018. Below `MSMT17_V1/`, or `MSMT17_V2/` where faces are blurred:

    | V1                 | V2                 | holds                                                       |
    |--------------------|--------------------|-------------------------------------------------------------|
    | `list_train.txt`   | the same           | lines `0000/0000_000_01_0303morning_0015_0.jpg 0`            |
    | `list_val.txt`     | the same           | further images of the same people                           |
    | `list_query.txt`   | the same           | images to search with                                       |
    | `list_gallery.txt` | the same           | images to search in                                         |
    | `train/`           | `mask_train_v2/`   | a folder a person, of the first two lists                   |
    | `test/`            | `mask_test_v2/`    | a folder a person, of the other two                         |

The third part of an image's name is its camera, 1 to 15. `train` is the first two lists together, the 32,621 images
that the paper trains on; some codes (torchreid) leave the second out. Both numberings of people begin with 0: a pid
here is that number plus 1 for `train/`, plus 10,001 for `test/`.
"""

from __future__ import annotations

import re
from pathlib import Path

from tablewright.trainables.data.files_read import Look
from tablewright.trainables.data.labelled_images import (
    ImageFiles,
    find_root,
    read_list,
    sizes_of_images,
    some,
)
from tablewright.trainables.data.reid_images import (
    FoundImages,
    ImageRecord,
    ListedImages,
    compare_with_files,
    faults_of_labels,
)
from tablewright.trainables.data.synergyreid import folder_of

LABEL = "MSMT17"
FOLDERS_OF_VERSION = {"MSMT17_V1": ("train", "test"), "MSMT17_V2": ("mask_train_v2", "mask_test_v2")}
LISTS = {
    "train": ("list_train.txt", "list_val.txt"),
    "query": ("list_query.txt",),
    "gallery": ("list_gallery.txt",),
}
LINE = re.compile(r"(?P<path>\d+/\d+_\d+_(?P<camid>\d+)_[^/ ]+\.jpe?g) (?P<label>\d+)")
FIRST_TRAIN_PID, FIRST_TEST_PID = 1, 10_001


def read_msmt17(data_root: str | None) -> FoundImages:
    """Find the data set.

    Raises:
        ValueError: files are missing, or all that is wrong in the lists.
    """
    version = folder_of(data_root, LABEL, tuple(FOLDERS_OF_VERSION))
    folders = FOLDERS_OF_VERSION[version]
    files = [file for of_split in LISTS.values() for file in of_split]
    root = find_root(data_root, LABEL, version, (*files, *(f"{folder}/" for folder in folders)))
    listed = ListedImages({})
    for split, lists in LISTS.items():
        folder, first_pid = (
            (folders[0], FIRST_TRAIN_PID) if split == "train" else (folders[1], FIRST_TEST_PID)
        )
        listed.splits[split] = [
            record for file in lists for record in _read_list(root / file, folder, first_pid, listed)
        ]
    for first_pid, splits in ((FIRST_TRAIN_PID, ("train",)), (FIRST_TEST_PID, ("query", "gallery"))):
        records = [record for split in splits for record in listed.splits[split]]
        labels = [(_person_of(record.path), record.pid - first_pid) for record in records]
        names = " and ".join(file for split in splits for file in LISTS[split])
        listed.faults += faults_of_labels(names, labels)
    sizes_bytes, lost = sizes_of_images(Look(root, folders))
    warnings = ["MSMT17_V2 has blurred faces; numbers are published for both versions"]
    return compare_with_files(
        root,
        listed,
        sizes_bytes,
        _person_of,
        ImageFiles(root),
        files,
        warnings=warnings if version == "MSMT17_V2" else (),
        lost=lost,
        folders=folders,
    )


def _read_list(path: Path, folder: str, first_pid: int, listed: ListedImages) -> list[ImageRecord]:
    """Give the images of a list; notes the lines that are none."""
    try:
        lines = read_list(path).splitlines()
    except ValueError as error:
        listed.add_fault(f"{path.name} {error}")
        return []
    records: list[ImageRecord] = []
    wrong: list[str] = []
    for number, line in enumerate(lines, 1):
        match = LINE.fullmatch(line.strip())
        if match is not None:
            pid = first_pid + int(match["label"])
            records.append(ImageRecord(f"{folder}/{match['path']}", pid, int(match["camid"])))
        elif line.strip():
            wrong.append(f"line {number}: {line.strip()[:60]!r}")
    if wrong:
        listed.add_fault(
            f"{path.name} has {len(wrong)} lines that are not an image and its person, such as "
            f"'0000/0000_000_01_0303morning_0015_0.jpg 0' ({some(wrong)})"
        )
    return records


def _person_of(path: str) -> str:
    """Give the person's folder."""
    return path.rpartition("/")[0]
