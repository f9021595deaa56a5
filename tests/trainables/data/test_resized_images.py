import shutil

import numpy as np
import pytest
from PIL import Image

from tablewright.trainables.data.fine_grained import load_fine_grained
from tablewright.trainables.data.resized_images import CENTRE, open_resized, resized_size, verify_and_resize
from tests.trainables.tiny_fine_grained import write_cub200

FIRST, LAST = 0.0, 0.999


@pytest.fixture
def root(tmp_path):
    return write_cub200(tmp_path / "data")


@pytest.fixture
def birds(root, tmp_path):
    return load_fine_grained("cub200", str(root.parent), str(tmp_path / "cache"))


def open_twice(birds, tmp_path, split="train", shorter_side_px=20):
    """Once from the array, once decoded anew each time."""
    cache_dir = str(tmp_path / "cache")
    return [
        open_resized(birds, split, shorter_side_px, cache_dir),
        open_resized(birds, split, shorter_side_px, cache_dir, max_array_bytes=0),
    ]


def test_the_shorter_side_is_exact_and_the_aspect_ratio_kept():
    """Upright, lying, square; the longer side is rounded to the nearest pixel."""
    assert (512, 683) == resized_size(375, 500, 512)
    assert (683, 512) == resized_size(500, 375, 512)
    assert (512, 512) == resized_size(28, 28, 512)
    assert (100, 167) == resized_size(300, 500, 100)


def test_crops_are_cut_from_the_resized_images(birds, root, tmp_path):
    """Each crop is a part of its record's image, resized bicubically with its aspect ratio, from both stores."""
    for images in open_twice(birds, tmp_path):
        assert 7 == len(images)
        for index, record in enumerate(birds.splits["train"]):
            with Image.open(root / record.name) as image:
                height, width = resized_size(image.height, image.width, 20)
                whole_HWC = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))
            for place in (FIRST, CENTRE, LAST):
                crop_HWC = images.crops(np.array([index]), np.array([[place, place]]), 18)[0]
                top, left = (int(place * (side - 17)) for side in (height, width))
                np.testing.assert_array_equal(whole_HWC[top : top + 18, left : left + 18], crop_HWC)
            np.testing.assert_array_equal(whole_HWC[-18:, -18:], crop_HWC)


def test_both_stores_give_the_same_pixels(birds, tmp_path):
    """Whether a split fits into the cache changes nothing that a training sees."""
    rng = np.random.default_rng(0)
    indices, places = rng.integers(0, 3, 8), rng.random((8, 2))
    in_array, anew = open_twice(birds, tmp_path, "test")
    np.testing.assert_array_equal(in_array.crops(indices, places, 16), anew.crops(indices, places, 16))


def test_second_use_reads_no_image(birds, root, tmp_path):
    """A built array serves later trainings even when the images are gone."""
    indices, places = np.arange(7), np.full((7, 2), CENTRE)
    first = open_twice(birds, tmp_path)[0].crops(indices, places, 20)
    shutil.rmtree(root)
    images = open_resized(birds, "train", 20, str(tmp_path / "cache"))
    np.testing.assert_array_equal(first, images.crops(indices, places, 20))


def test_sizes_and_splits_have_arrays_of_their_own(birds, root, tmp_path):
    """Another size or held-out val never meets an old array."""
    cache_dir = str(tmp_path / "cache")
    lengths = [len(open_resized(birds, "train", side, cache_dir)) for side in (16, 24)]
    apart = load_fine_grained("cub200", str(root.parent), cache_dir, train_split="train_without_val")
    lengths += [len(open_resized(apart, split, 16, cache_dir)) for split in ("train", "val")]
    assert [7, 7, 4, 3] == lengths


@pytest.mark.parametrize("max_array_bytes", [10**9, 0])
def test_unreadable_images_are_named_all_at_once(birds, root, tmp_path, max_array_bytes):
    """A truncated JPEG and a text named as an image are told together, and again by the next attempt."""
    paths = sorted(path for path in root.rglob("*.jpg") if "Sooty" in path.name or "Laysan" in path.name)
    paths[1].write_bytes(paths[1].read_bytes()[:700])
    paths[4].write_text("<html>")
    for _ in range(2):
        with pytest.raises(ValueError, match="2 images cannot be read") as raised:
            open_resized(birds, "train", 16, str(tmp_path / "cache"), max_array_bytes)
        assert paths[1].name in str(raised.value)
        assert paths[4].name in str(raised.value)
    assert not list((tmp_path / "cache").rglob("*.npy"))


def test_all_splits_are_verified_before_a_training(birds, root, tmp_path):
    """Images that only a later measurement would read are decoded as well."""
    for name in ("Laysan_Albatross_0049_918.jpg", "Laysan_Albatross_0003_1033.jpg"):
        next(root.rglob(name)).write_bytes(b"")
    with pytest.raises(ValueError, match=r"0003_1033\.jpg[\s\S]*0049_918\.jpg"):
        verify_and_resize(birds, 16, str(tmp_path / "cache"))
