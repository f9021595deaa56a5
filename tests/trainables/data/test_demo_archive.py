"""The embedded demo pedestrians are a small, complete data set in Market-1501's layout."""

from __future__ import annotations

import io
import re
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tablewright.trainables import data
from tablewright.trainables.data.reid import load_dataset

ARCHIVE = Path(data.__file__).parent / "demo_pedestrians.tar.xz"
MAX_ARCHIVE_BYTES = 8_000_000
NAME = re.compile(r"^(-1|\d{4})_c([1-6])s1_(\d{6})_(\d{2,3})\.jpg$")
CAMIDS = {1, 2, 3, 4, 5, 6}
NUM_IMAGES = {
    "bounding_box_train": 60 * 6 * 4,
    "val_query": 10 * 6,
    "val_gallery": 10 * 6 * 3,
    "query": 30 * 6,
    "bounding_box_test": 30 * 6 * 3 + 36 + 72,  # and junk, and distractors
}


@pytest.fixture(scope="module")
def contents() -> dict[str, dict[str, bytes]]:
    """Read the files of each folder by name."""
    folders: dict[str, dict[str, bytes]] = {}
    with tarfile.open(ARCHIVE) as archive:
        for entry in archive:
            stream = archive.extractfile(entry)
            if stream is not None:
                folder, name = entry.name.split("/")
                folders.setdefault(folder, {})[name] = stream.read()
    return folders


def pids_of(names: dict[str, bytes]) -> set[int]:
    return {int(name.split("_")[0]) for name in names} - {-1, 0}


def test_archive_is_small():
    """The archive stays small enough to be embedded in the repository."""
    assert ARCHIVE.stat().st_size < MAX_ARCHIVE_BYTES


@pytest.mark.slow
def test_each_folder_holds_its_images(contents):
    """Every split has the number of images that its identities, cameras and shots make."""
    assert {folder: len(names) for folder, names in contents.items()} == NUM_IMAGES


@pytest.mark.slow
def test_names_follow_market1501(contents):
    """A name tells identity and camera as in Market-1501, and no name occurs twice in a folder."""
    strange = [name for names in contents.values() for name in names if not NAME.match(name)]
    assert strange == []


def test_identities_are_disjoint_between_splits(contents):
    """No person of one split occurs in another."""
    train = pids_of(contents["bounding_box_train"])
    val = pids_of(contents["val_query"]) | pids_of(contents["val_gallery"])
    test = pids_of(contents["query"]) | pids_of(contents["bounding_box_test"])
    assert (60, 10, 30) == (len(train), len(val), len(test))
    assert len(train | val | test) == 100


@pytest.mark.parametrize(("query", "gallery"), [("val_query", "val_gallery"), ("query", "bounding_box_test")])
def test_every_query_has_matches_under_other_cameras(contents, query, gallery):
    """One query for each identity and camera, each found again under all six cameras of the gallery."""
    seen_by = {}
    for name in contents[gallery]:
        pid, camid = int(name.split("_")[0]), int(NAME.match(name)[2])
        seen_by.setdefault(pid, set()).add(camid)
    queries = Counter((int(name.split("_")[0]), int(NAME.match(name)[2])) for name in contents[query])
    assert set(queries.values()) == {1}
    assert all(seen_by[pid] == CAMIDS for pid, _ in queries)


def test_gallery_holds_junk_and_distractors(contents):
    """The gallery exercises the rules for pid -1 and pid 0, and no other folder holds such images."""
    unlabelled = {
        folder: Counter(name.split("_")[0] for name in names if name.startswith(("-1_", "0000_")))
        for folder, names in contents.items()
    }
    assert unlabelled.pop("bounding_box_test") == {"-1": 36, "0000": 72}
    assert not any(unlabelled.values())


@pytest.mark.slow
def test_every_image_decodes(contents):
    """Each file is an RGB picture 64 wide and 128 high that shows something."""
    for folder, names in contents.items():
        for name, content in names.items():
            pixels = np.asarray(Image.open(io.BytesIO(content)))
            assert pixels.shape == (128, 64, 3), f"{folder}/{name}"
            assert pixels.std() > 2, f"{folder}/{name}"


@pytest.mark.slow
def test_records_of_earlier_versions_are_found_by_what_they_took_for_the_data(tmp_path):
    """The digest of every file of the demo set, which stands in records of version 1, never moves."""
    facts = load_dataset("demo_pedestrians", None, str(tmp_path)).facts()
    (earlier,) = facts.earlier_fingerprints
    assert "207044af96769b58d7ea444b38d637a3aab420a758e027cfe8cf9bac71789245" == earlier
    assert set(facts.split_fingerprints) == set(facts.earlier_fingerprints[earlier])
