"""What trainings will have a machine keep of their data: how much, how, and whether there is room."""

import shutil
from collections import namedtuple

import numpy as np
import pytest

from tablewright.orchestrator.plans.cache_room import SPARE_BYTES, cache_room, refuse_small_disc
from tablewright.trainables.contract.cache import CacheNeed
from tablewright.trainables.contract.run import Runtime
from tests.toy_method import ToyConfig, ToyTrainable

IMAGE_BYTES, FILE_BYTES = 1_000_000, 10_000


class Keeps(ToyTrainable):
    """Keeps the images that a test names by their numbers."""

    def __init__(self, splits, shape="8x8", image_cache="auto"):
        super().__init__()
        self.splits, self.shape, self.image_cache = splits, shape, image_cache

    def cache_needs(self, config, runtime):
        return [
            CacheNeed(
                what,
                self.shape,
                np.array(images, np.uint64),
                np.full(len(images), IMAGE_BYTES),
                np.full(len(images), FILE_BYTES),
                item_s=0.5,
                image_cache=self.image_cache,
            )
            for what, images in self.splits.items()
        ]

    def cache_shape(self, config):
        return self.shape


def config_of(trainable, **fields):
    class Config(ToyConfig):
        def make_trainable(self):
            return trainable

    return Config(**fields)


@pytest.fixture
def disc(monkeypatch):
    def has(free_bytes):
        usage = namedtuple("usage", "total used free")(10**12, 0, free_bytes + SPARE_BYTES)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)

    return has


@pytest.fixture
def runtime(tmp_path):
    return Runtime(None, str(tmp_path / "cache"))


def test_equal_images_are_counted_once(disc, runtime):
    """Of splits that overlap, of configs that differ in a seed; another size is kept beside."""
    disc(10**9)
    keeps = Keeps({"Market (train)": [1, 2, 3], "Market (val)": [3, 4]})
    other = Keeps({"Market (train)": [1, 2, 3]}, shape="16x16")
    configs = [config_of(keeps, seed=0), config_of(keeps, seed=1), config_of(other)]
    room = cache_room(configs, runtime)
    assert [("8x8", 4, 4 * IMAGE_BYTES), ("16x16", 3, 3 * IMAGE_BYTES)] == [
        (shape.shape, shape.num_items, shape.num_bytes) for shape in room.shapes
    ]
    assert (7 * IMAGE_BYTES, 2.0, False) == (room.num_bytes, room.shapes[0].core_s, room.is_too_little)
    said = str(room)
    assert "Market (train, val) at 8x8: 4 images, 4.0 MB; about" in said
    assert "7.0 MB in all" in said


def test_what_has_no_room_decoded_is_kept_encoded_and_said_to_be(disc, runtime):
    """With what it would take, and how many images a second are read."""
    disc(2 * IMAGE_BYTES)
    room = cache_room([config_of(Keeps({"Market (train)": [1, 2, 3]}))], runtime)
    assert (3 * FILE_BYTES, "encoded") == (room.num_bytes, room.shapes[0].image_cache)
    said = str(room)
    assert "kept encoded in about 30 kB (decoded they would take 3.0 MB) and decoded anew each time" in said
    assert "about 2 a second a core" in said
    assert "" == room.why_too_little()


@pytest.mark.parametrize(
    ("image_cache", "free_bytes", "is_refused"),
    [
        ("auto", 29_999, True),
        ("auto", 30_000, False),
        ("decoded", 2_999_999, True),
        ("decoded", 3_000_000, False),
        ("encoded", 29_999, True),
        ("encoded", 30_000, False),
        ("files", -SPARE_BYTES, False),
    ],
)
def test_a_disc_without_room_is_refused(disc, runtime, image_cache, free_bytes, is_refused):
    """With sizes and what to do; `files` needs none."""
    disc(free_bytes)
    takes_none = image_cache == "files"
    keeps = Keeps({"Market (train)": [1, 2, 3]}, image_cache=image_cache)
    if takes_none:
        keeps.cache_needs = lambda config, runtime: [
            CacheNeed(
                "Market", "8x8", np.zeros(3, np.uint64), np.zeros(3), np.zeros(3), 0.1, image_cache="files"
            )
        ]
    config = config_of(keeps)
    if not is_refused:
        refuse_small_disc([config], runtime)
        return
    with pytest.raises(
        ValueError, match=r"has .* free, and the images that are to be made ready take"
    ) as raised:
        refuse_small_disc([config], runtime)
    for word in ("3.0 MB decoded, 30 kB encoded", "--cache-dir", "--gc", "--image-cache files"):
        assert word in str(raised.value)


def test_a_method_that_keeps_no_images_needs_none(disc, runtime):
    """Whatever the disc has."""
    disc(-SPARE_BYTES)
    refuse_small_disc([ToyConfig()], runtime)
    assert () == cache_room([ToyConfig()], runtime).shapes
