import json

import pytest

from tablewright.trainables.data.inat2017 import read_inat2017
from tests.trainables.tiny_fine_grained import save_image, write_inat2017


@pytest.fixture
def root(tmp_path):
    return write_inat2017(tmp_path)


def read(root):
    return read_inat2017(str(root.parent))


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_the_published_files_say_class_and_split(root):
    """Categories count from 0 in the order of their ids; the validation images are the test split."""
    found = read(root)
    assert ("Aythya americana", "Anas discors", "Amanita muscaria") == found.class_names
    assert {
        f"train_val_images/Fungi/Amanita muscaria/{20:032x}.jpg": 2,
        f"train_val_images/Aves/Aythya americana/{21:032x}.jpg": 0,
        f"train_val_images/Aves/Anas discors/{22:032x}.jpg": 1,
    } == {image.name: image.label for image in found.splits["test"]}
    assert 6 == len(found.splits["train"])
    assert (24, 16) == found.open_image(found.splits["test"][0].name).size


def test_corrupt_json_and_missing_tables_are_told_at_once(root):
    """A truncated file is named with the place, beside a file that lacks a table."""
    train = root / "train2017.json"
    train.write_text(train.read_text()[:-40])
    edit(root / "val2017.json", lambda content: content.pop("annotations"))
    with pytest.raises(ValueError, match=r"train2017\.json cannot be read as JSON \(.*column \d+") as raised:
        read(root)
    assert "val2017.json has no list 'annotations'" in str(raised.value)


def test_lists_that_contradict_themselves_are_told_at_once(root):
    """Unknown images and categories, images annotated twice or never, keys and files missing."""

    def spoil(content):
        first, second, third, fourth, *_ = content["annotations"]
        second["category_id"] = 77
        third["image_id"] = 999
        fourth["image_id"] = first["image_id"]

    edit(root / "train2017.json", spoil)
    edit(root / "val2017.json", lambda content: content["images"][0].pop("file_name"))
    with pytest.raises(ValueError, match="inaturalist2017 cannot be read") as raised:
        read(root)
    message = str(raised.value)
    assert "1 annotations of images that it does not list (999)" in message
    assert "1 images with more than one annotation" in message
    assert "1 images of categories that no file lists" in message
    assert f"{11:032x}.jpg of category 77" in message
    assert "2 images without an annotation" in message
    assert "val2017.json has images without id or file_name (entry 1)" in message


def test_a_species_that_no_list_has_is_named(root):
    """Images of a class that the split does not list are not passed over."""
    save_image(root / "train_val_images/Aves/Anas crecca" / f"{1:032x}.jpg", 1)
    with pytest.raises(
        ValueError, match=r"1 images are there and in no list \(train_val_images/Aves/Anas crecca/"
    ):
        read(root)


@pytest.mark.parametrize(
    ("table", "changes", "fault"),
    [
        (
            "images",
            {"id": [1]},
            "val2017.json has images without id or file_name (entry 1); ids are whole numbers",
        ),
        (
            "images",
            {"file_name": 3},
            "val2017.json has images without id or file_name (entry 1); ids are whole",
        ),
        (
            "categories",
            {"id": "a"},
            "val2017.json has categories without id or name (entry 1); ids are whole numbers",
        ),
        (
            "annotations",
            {"image_id": None},
            "val2017.json has annotations without image_id or category_id (entry 1)",
        ),
        ("images", {"id": 21}, "val2017.json gives 1 of its images an id that others have (21)"),
    ],
)
def test_entries_of_other_kinds_are_told(root, table, changes, fault):
    """An id that is no whole number, or two images of one id, are faults of the list, in words."""
    edit(root / "val2017.json", lambda content: content[table][0].update(changes))
    with pytest.raises(ValueError, match="inaturalist2017 cannot be read") as raised:
        read(root)
    assert fault in str(raised.value)


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "", "nonsense"])
def test_no_words_of_the_json_module_reach_a_person(root, text):
    """What is no JSON is told by its place."""
    (root / "train2017.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"train2017\.json cannot be read as JSON \(") as raised:
        read(root)
    assert not any(word in str(raised.value) for word in ("Expecting", "char ", "recursion"))
