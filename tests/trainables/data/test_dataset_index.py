import os
import time

import numpy as np
import pytest

from tablewright.trainables.data import dataset_index, fine_grained, reid
from tablewright.trainables.data.fine_grained import load_fine_grained
from tablewright.trainables.data.image_folder import ImageFolder
from tablewright.trainables.data.name_table import NameTable
from tablewright.trainables.data.reid import load_dataset
from tests.trainables.tiny_fine_grained import save_image, write_inat2017


@pytest.fixture(autouse=True)
def _index_small_ones(monkeypatch):
    """As if they were large."""
    for module in (fine_grained, reid):
        monkeypatch.setattr(module, "MIN_IMAGES", 1)


def age(folder):
    """Date everything back, as data sets are that lay there before a plan was made."""
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (time.time() - 100, time.time() - 100))


@pytest.fixture
def inat(tmp_path):
    root = write_inat2017(tmp_path / "data")
    age(root)

    def load(*, train_split="train", looks_at_folders_alone=False):
        return load_fine_grained(
            "inat2017",
            str(root.parent),
            str(tmp_path / "cache"),
            train_split=train_split,
            looks_at_folders_alone=looks_at_folders_alone,
        )

    return root, load


def facts_and_images(dataset):
    return dataset.facts(), {split: list(images) for split, images in dataset.splits.items()}


@pytest.mark.parametrize("train_split", ["train", "train_without_val"])
@pytest.mark.parametrize("alone", [False, True])
def test_a_data_set_of_an_index_is_the_one_that_was_read(inat, monkeypatch, train_split, alone):
    """Facts, fingerprints, images and their pixels, without a list being read; its names are mapped."""
    _, load = inat
    if train_split == "train_without_val":
        monkeypatch.setattr(fine_grained, "VAL_FRACTION", 0.3)
    read = load(train_split=train_split)
    monkeypatch.setattr(fine_grained, "read_inat2017", lambda data_root: pytest.fail("read again"))
    kept = load(train_split=train_split, looks_at_folders_alone=alone)
    assert facts_and_images(read) == facts_and_images(kept)
    assert isinstance(kept.splits["train"].names.letters, np.memmap)
    name = kept.splits["train"].names[0]
    assert read.open_image(name).tobytes() == kept.open_image(name).tobytes()


def test_people_of_an_index_are_those_that_were_read(data_root, tmp_path, monkeypatch):
    """All splits of Market-1501, multiple queries among them."""
    age(data_root)
    arguments = ("market1501", str(data_root), str(tmp_path / "cache"))
    read = load_dataset(*arguments)
    monkeypatch.setattr(reid, "read_layout", lambda *_: pytest.fail("read again"))
    for alone in (False, True):
        kept = load_dataset(*arguments, looks_at_folders_alone=alone)
        assert facts_and_images(read) == facts_and_images(kept)
        assert read.train_label_of == kept.train_label_of


@pytest.mark.parametrize("alone", [False, True])
def test_an_added_image_is_seen_by_either_look(inat, alone):
    """A file that no list names is told, though all was kept."""
    root, load = inat
    load()
    save_image(root / "train_val_images/Aves/Anas discors" / f"{99:032x}.jpg", 1)
    with pytest.raises(ValueError, match="1 images are there and in no list"):
        load(looks_at_folders_alone=alone)


@pytest.mark.parametrize("alone", [False, True])
def test_a_changed_list_is_read_anew(inat, alone):
    """Whatever it says now."""
    root, load = inat
    load()
    (root / "val2017.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match="cannot be read as JSON"):
        load(looks_at_folders_alone=alone)


def test_an_image_that_was_written_over_is_seen_by_the_plan(inat):
    """Its folder's time tells nothing of it, and its size is another: the fingerprint is too."""
    root, load = inat
    before = load()
    image = next(root.rglob("*.jpg"))
    was_changed = image.parent.stat().st_mtime_ns
    with image.open("ab") as file:
        file.write(b"more")
    assert was_changed == image.parent.stat().st_mtime_ns
    after = load()
    assert before.split_fingerprints != after.split_fingerprints
    assert after.split_fingerprints == load(looks_at_folders_alone=True).split_fingerprints


def test_a_touched_folder_costs_one_look(inat, monkeypatch):
    """After a plan that has found every file as it was, folders alone are enough again."""
    root, load = inat
    load()
    os.utime(root / "train_val_images", None)
    monkeypatch.setattr(fine_grained, "read_inat2017", lambda data_root: pytest.fail("read again"))
    load()
    monkeypatch.setattr(dataset_index.FilesRead, "state", lambda self: pytest.fail("looked at files"))
    load(looks_at_folders_alone=True)


def test_what_changes_while_it_is_read_is_not_kept(inat, tmp_path):
    """An index would say of the new files what the old ones said."""
    root, load = inat
    os.utime(root / "train_val_images/Aves", (time.time() + 60, time.time() + 60))
    load()
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"root": 1}'])
def test_a_damaged_index_is_made_anew(inat, tmp_path, content):
    """Nothing is believed that cannot be read."""
    _, load = inat
    read = load()
    (index,) = (tmp_path / "cache/indexes").glob("*.json")
    index.write_text(content, encoding="utf-8")
    assert facts_and_images(read) == facts_and_images(load())


def test_a_lost_array_is_made_anew(inat, tmp_path):
    """An index is whole or none."""
    _, load = inat
    read = load()
    next((tmp_path / "cache/indexes").rglob("test.ends.npy")).unlink()
    assert facts_and_images(read) == facts_and_images(load())
    (_, folder) = sorted((tmp_path / "cache/indexes").iterdir(), key=lambda path: path.is_dir())
    assert 6 == len([*folder.iterdir()])


def test_a_folder_of_ones_own_is_kept_by_its_declaration(tmp_path):
    """Another label or another folder for a split is another index."""
    for place, split in enumerate(("train", "test", "val")):
        for label in ("a", "b"):
            save_image(tmp_path / "data/own" / split / label / "1.jpg", place)
    age(tmp_path / "data")

    def load(**fields):
        folder = ImageFolder("Own", "own", **fields)
        return load_fine_grained(folder, str(tmp_path / "data"), str(tmp_path / "cache"))

    for _ in range(2):
        assert {"train", "test"} == load().splits.keys()
        assert {"train", "test", "val"} == load(val="val").splits.keys()


def test_a_table_of_names_gives_them_back():
    """By place, from behind, by slices, in letters of any length."""
    names = ["a.jpg", "", "Käfer/ü.png", "日本.jpg"]
    table = NameTable.of(names)
    assert names == list(table) == [table[place] for place in range(4)] == table[:]
    assert ("日本.jpg", "a.jpg") == (table[-1], table[-4])
    assert ["日本.jpg", ""] == list(table.chosen(np.array([3, 1])))
    assert (NameTable.of(names), True) == (table, table != NameTable.of(names[1:]))
    for place in (4, -5):
        with pytest.raises(IndexError):
            table[place]
