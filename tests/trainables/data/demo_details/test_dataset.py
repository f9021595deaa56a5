import numpy as np
import pytest

from tablewright.trainables.data.demo_details import dataset
from tablewright.trainables.data.demo_details.dataset import IMAGES_PER_CLASS, read_demo_details


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(dataset, "IMAGES_PER_CLASS", {"train": 2, "val": 1, "test": 1})


def test_the_whole_set_has_sixty_ten_and_twenty_of_a_class():
    """What the docs and the captions count."""
    assert {"train": 60, "val": 10, "test": 20} == IMAGES_PER_CLASS


@pytest.mark.slow
def test_pictures_are_drawn_once_and_all_different(tmp_path):
    """The second call opens the first one's array; no picture is there twice."""
    found = read_demo_details(tmp_path)
    again = read_demo_details(tmp_path)
    assert 1 == len(list(tmp_path.rglob("*.npy")))
    assert found.earlier_fingerprint == again.earlier_fingerprint
    assert found.splits == again.splits
    pictures = [
        np.asarray(found.open_image(image.name)) for images in found.splits.values() for image in images
    ]
    assert 80 == len({picture.tobytes() for picture in pictures})
    assert {(128, 128, 3)} == {picture.shape for picture in pictures}


@pytest.mark.slow
def test_every_class_is_in_every_split(tmp_path):
    """Names tell split and class."""
    found = read_demo_details(tmp_path)
    for split, images in found.splits.items():
        assert set(range(20)) == {image.label for image in images}
        assert all(image.name.startswith(f"{split}/{found.class_names[image.label]}/") for image in images)


def test_records_of_earlier_versions_are_found_by_what_they_took_for_the_data(monkeypatch):
    """What stands in records of version 1 never moves."""
    monkeypatch.setattr(dataset, "IMAGES_PER_CLASS", IMAGES_PER_CLASS)
    assert "b0e9c886b0d2b5f201bb5b560db8834d1396474ef9574d69765cb0b01f6d64d0" == dataset._digest()
