import pytest

from tablewright.trainables.data.cars196 import read_cars196
from tests.trainables.tiny_fine_grained import (
    CAR_CLASSES,
    CARS,
    save_car_list,
    save_image,
    write_cars196,
)


def read(root):
    return read_cars196(str(root.parent))


@pytest.mark.parametrize("test_list", ["devkit", "beside"])
def test_the_published_files_say_class_and_split(tmp_path, test_list):
    """Classes count from 0; the list of the test images is found inside of devkit and beside it."""
    found = read(write_cars196(tmp_path, test_list=test_list))
    assert CARS == found.class_names
    for split, classes in CAR_CLASSES.items():
        assert [(f"cars_{split}/{place:05d}.jpg", number - 1) for place, number in enumerate(classes, 1)] == [
            (image.name, image.label) for image in found.splits[split]
        ]
    assert (24, 16) == found.open_image("cars_test/00001.jpg").size


def test_lists_of_one_image_are_lists(tmp_path):
    """MATLAB files do not tell one struct from an array of one."""
    root = write_cars196(tmp_path)
    save_car_list(root / "devkit/cars_test_annos_withlabels.mat", (2,))
    for number in (2, 3):
        (root / f"cars_test/{number:05d}.jpg").unlink()
    assert [("cars_test/00001.jpg", 1)] == [(i.name, i.label) for i in read(root).splits["test"]]


def test_a_missing_list_is_named(tmp_path):
    """The devkit's list without classes is no replacement for the one with them."""
    root = write_cars196(tmp_path)
    (root / "devkit/cars_test_annos_withlabels.mat").unlink()
    with pytest.raises(
        ValueError, match=r"missing stanford_cars/devkit/cars_test_annos_withlabels\.mat; .*holds cars_test/"
    ):
        read(root)


def test_corrupt_files_are_named_at_once(tmp_path):
    """A truncated MATLAB file and a text are told together."""
    root = write_cars196(tmp_path)
    train, test = (root / f"devkit/cars_{name}.mat" for name in ("train_annos", "test_annos_withlabels"))
    train.write_bytes(train.read_bytes()[:300])
    test.write_text("<html>404</html>")
    with pytest.raises(ValueError, match="stanford_cars cannot be read") as raised:
        read(root)
    for file in ("cars_train_annos.mat", "cars_test_annos_withlabels.mat"):
        assert f"devkit/{file} cannot be read as a MATLAB file" in str(raised.value)


def test_lists_without_classes_and_of_unknown_classes_are_told(tmp_path):
    """The list without classes under the other's name, a class beyond the 196, an image nobody lists."""
    root = write_cars196(tmp_path)
    save_car_list(root / "devkit/cars_test_annos_withlabels.mat", (2, 1, 3), with_classes=False)
    save_car_list(root / "devkit/cars_train_annos.mat", (3, 1, 2, 1, 3, 7))
    save_image(root / "cars_train/00007.jpg", 1)
    with pytest.raises(ValueError, match="stanford_cars cannot be read") as raised:
        read(root)
    message = str(raised.value)
    assert "has 3 entries without 'fname' or 'class' (entry 1, entry 2, entry 3)" in message
    assert "classes that devkit/cars_meta.mat does not list (cars_train/00006.jpg of class 7)" in message
    assert "cars_train/00007.jpg" in message
