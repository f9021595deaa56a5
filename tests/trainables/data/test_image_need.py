import shutil

import numpy as np
import pytest

from tablewright.trainables.data.fine_grained import load_fine_grained
from tablewright.trainables.data.image_need import need_of
from tablewright.trainables.data.image_shape import FixedSize, ShorterSide
from tablewright.trainables.data.prepared_images import prepare
from tablewright.trainables.data.reid import load_dataset
from tablewright.trainables.data.reid_cache import images_of, verify_and_build
from tablewright.trainables.data.resized_images import images_of as birds_of
from tests.trainables.tiny_fine_grained import write_cub200

SHAPE = FixedSize(20, 12)


@pytest.fixture
def market(data_root, tmp_path):
    return load_dataset("market1501", str(data_root), str(tmp_path / "cache"))


def needs(dataset, cache, image_cache="auto"):
    found = {
        split: need_of(images_of(dataset, split), SHAPE, str(cache), image_cache) for split in dataset.splits
    }
    return {split: need for split, need in found.items() if need is not None}


def test_what_is_not_there_is_needed_to_the_byte(market, tmp_path):
    """Number by height by width by three colours; once it is made, nothing."""
    cache = tmp_path / "cache"
    found = needs(market, cache)
    assert {split: len(records) for split, records in market.splits.items()} == {
        split: len(need.items) for split, need in found.items()
    }
    train = found["train"]
    assert (9 * 20 * 12 * 3, True, "20x12") == (train.item_bytes.sum(), train.is_exact, train.shape)
    assert 0 < train.item_s < 1
    verify_and_build(market, 20, 12, str(cache))
    assert {} == needs(market, cache)
    (part,) = (cache / "images").glob("*.npy")
    items = np.unique(np.concatenate([need.items for need in found.values()]))
    assert part.stat().st_size == len(items) * 20 * 12 * 3 + 128


def test_equal_images_are_known_by_name_before_they_are_read_and_by_content_after(
    market, data_root, tmp_path
):
    """People that are held out of train are images of train; what is there of them is not made again."""
    cache = str(tmp_path / "cache")
    held_out = load_dataset("market1501", str(data_root), cache, train_split="train_without_val")
    whole, part = needs(market, cache)["train"], needs(held_out, cache)["train"]
    assert {*part.items.tolist()} < {*whole.items.tolist()}
    prepare([images_of(market, "train")], SHAPE, cache)
    prepare([images_of(held_out, "train")], FixedSize(8, 8), cache)  # which reads the contents
    assert "train" not in needs(held_out, cache)


def test_a_size_that_follows_from_each_image_is_an_estimate_until_they_are_read(tmp_path):
    """By the shapes of some of them; exact by their contents afterwards."""
    root, cache = write_cub200(tmp_path / "data"), str(tmp_path / "cache")
    birds = birds_of(load_fine_grained("cub200", str(root.parent), cache), "train")
    before = need_of(birds, ShorterSide(20), cache, "auto")
    prepare([birds], ShorterSide(16), cache)
    after = need_of(birds, ShorterSide(20), cache, "auto")
    prepare([birds], ShorterSide(20), cache)
    sizes = {
        path.name.partition("-")[0]: path.stat().st_size - 128
        for path in (tmp_path / "cache/images").glob("*.npy")
    }
    assert (False, True) == (before.is_exact, after.is_exact)
    assert sizes["shorter20"] == after.item_bytes.sum() == pytest.approx(before.item_bytes.sum(), rel=0.05)


@pytest.mark.parametrize(("image_cache", "takes"), [("encoded", True), ("files", False)])
def test_packed_images_and_none_are_needed_once_too(market, tmp_path, image_cache, takes):
    """Files alone take time, and no room."""
    cache = str(tmp_path / "cache")
    train = needs(market, cache, image_cache)["train"]
    assert (takes, image_cache) == (bool(train.encoded_item_bytes.sum()), train.image_cache)
    assert takes == bool(train.item_bytes.sum())
    verify_and_build(market, 20, 12, cache, image_cache)
    assert {} == needs(market, cache, image_cache)


def test_images_that_cannot_be_read_are_no_fault_of_an_estimate(market, data_root, tmp_path):
    """They are named once all are read."""
    for path in (data_root / "Market-1501-v15.09.15/query").glob("*.jpg"):
        path.write_bytes(b"")
    assert 0 == needs(market, tmp_path / "cache")["query"].encoded_item_bytes.sum()
    shutil.rmtree(data_root)
    assert 3 == len(needs(market, tmp_path / "cache")["query"].items)
