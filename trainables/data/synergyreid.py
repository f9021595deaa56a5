"""Reading SynergyReID, the basketball players of the DeepSportRadar challenges.

Van Zandycke et al., DeepSportradar-v1, MMSports 2022, arXiv:2208.08190. Below `data_reid/`, as the published archive
names it (or `synergyreid_data/`, as MDPR's code does):

    | folder                     | holds                                                                       |
    |----------------------------|-----------------------------------------------------------------------------|
    | `reid_training/`           | to train on, 436 people                                                     |
    | `reid_test/query/`         | one image of each of 50 people, from the first frame of a sequence of 20    |
    | `reid_test/gallery/`       | the same people in the later frames                                         |
    | `reid_challenge/`          | not read: its people are not published                                      |

A name, such as `12_3_0.jpeg`, is person, sequence and frame. One camera saw all; as the challenge's code does, queries
stand for camera 1 and the gallery for camera 2, so that no image is left out of a ranking. The people held out for
`val` are searched in the same way: with their first frame. A pid is the number in the name plus 1, since 0 would be
a distractor.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from tablewright.trainables.data.files_read import Look
from tablewright.trainables.data.labelled_images import (
    ImageFiles,
    faults_of_links,
    faults_of_names,
    find_root,
    sizes_of_images,
    some,
)
from tablewright.trainables.data.reid_images import FoundImages, ImageRecord, in_order

LABEL = "SynergyReID"
FOLDERS = ("data_reid", "synergyreid_data")
FOLDER_OF_SPLIT = {"train": "reid_training", "query": "reid_test/query", "gallery": "reid_test/gallery"}
FILE_NAME = re.compile(r"(?P<person>\d+)_(?P<sequence>\d+)_(?P<frame>\d+)\.jpe?g")
QUERY_CAMID, GALLERY_CAMID = 1, 2


def read_synergyreid(data_root: str | None) -> FoundImages:
    """Find the data set.

    Raises:
        ValueError: folders are missing, or all that is wrong in them.
    """
    expected = [f"{folder}/" for folder in FOLDER_OF_SPLIT.values()]
    root = find_root(data_root, LABEL, folder_of(data_root, LABEL, FOLDERS), expected)
    faults: list[str] = []
    digest = hashlib.sha256()
    frames: dict[str, dict[str, tuple[int, int]]] = {}
    sizes_bytes: dict[str, int] = {}
    for split, folder in FOLDER_OF_SPLIT.items():
        frames[split] = {}
        misnamed: list[str] = []
        found, lost = sizes_of_images(Look(root, [folder]))
        faults += faults_of_links(lost)
        if unreadable := [*faults_of_names(found)]:
            faults += unreadable
            continue
        sizes_bytes |= found
        for path, size_bytes in sorted(found.items()):
            digest.update(f"{path}\0{size_bytes}\n".encode())
            match = FILE_NAME.fullmatch(path.removeprefix(f"{folder}/"))
            if match is None:
                misnamed.append(path)
            else:
                frames[split][path] = (int(match["person"]), int(match["frame"]))
        if misnamed:
            faults.append(
                f"{len(misnamed)} images not named person_sequence_frame.jpeg ({some(sorted(misnamed))})"
            )
        elif not frames[split]:
            faults.append(f"{folder}/ holds no image")
    if not faults:
        faults += _faults_of_people({split: {who for who, _ in of.values()} for split, of in frames.items()})
    if faults:
        raise ValueError(f"{root} cannot be read: " + "; ".join(faults))
    first_frames = _first_frames(frames["train"])
    camid_of = {"query": QUERY_CAMID, "gallery": GALLERY_CAMID}
    splits = {
        split: in_order(
            ImageRecord(
                path,
                person + 1,
                camid_of.get(split, QUERY_CAMID if path in first_frames else GALLERY_CAMID),
            )
            for path, (person, _) in images.items()
        )
        for split, images in frames.items()
    }
    return FoundImages(
        splits,
        sizes_bytes,
        {digest.hexdigest(): tuple(splits)},
        ImageFiles(root),
        val_query_camid=QUERY_CAMID,
    )


def folder_of(data_root: str | None, label: str, folders: tuple[str, ...]) -> str:
    """Give the one folder of a data root that is there, or the first one's name.

    Raises:
        ValueError: several are there, which may hold different versions of the data set.
    """
    base = Path(data_root or "").expanduser()
    found = [folder for folder in folders if data_root and (base / folder).is_dir()]
    if len(found) > 1:
        raise ValueError(
            f"{label} is in the data root {base} more than once ({', '.join(f'{name}/' for name in found)}), and "
            "which of them a table is made from would be a guess. Move all but one away, or give each a data "
            "root of its own"
        )
    return found[0] if found else folders[0]


def _first_frames(frames: dict[str, tuple[int, int]]) -> set[str]:
    """Name the earliest image of each person."""
    earliest: dict[int, tuple[int, str]] = {}
    for path, (person, frame) in frames.items():
        earliest[person] = min(earliest.get(person, (frame, path)), (frame, path))
    return {path for _, path in earliest.values()}


def _faults_of_people(people: dict[str, set[int]]) -> Iterator[str]:
    lost = [str(person) for person in sorted(people["query"] - people["gallery"])]
    if lost:
        yield f"{len(lost)} people are in the query and not in the gallery ({some(lost)})"
    both = [str(person) for person in sorted(people["train"] & people["query"])]
    if both:
        yield f"{len(both)} people are both in reid_training and in reid_test ({some(both)})"
