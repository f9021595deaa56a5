import multiprocessing
import os
import time

import numpy as np
import pytest

from tablewright.trainables.data import image_garbage, reid
from tablewright.trainables.data.image_garbage import find_unneeded, remove
from tablewright.trainables.data.reid import load_dataset
from tablewright.trainables.data.reid_cache import open_cache
from tests.waiting import PATIENCE_S


@pytest.fixture
def market(data_root, tmp_path):
    return load_dataset("market1501", str(data_root), str(tmp_path / "cache"))


def build(dataset, cache, *splits, height_px=16, image_cache="auto"):
    """In a process of its own, which has ended."""
    context = multiprocessing.get_context("fork")

    def run():
        for split in splits:
            open_cache(dataset, split, height_px, 8, str(cache), image_cache)

    process = context.Process(target=run)
    process.start()
    process.join(PATIENCE_S)
    assert 0 == process.exitcode


def test_what_any_project_used_lately_may_be_of_others(market, tmp_path):
    """Opening images, by whatever project, counts as use of them and of what is known of their files."""
    cache = tmp_path / "cache"
    build(market, cache, "train")
    for path in cache.rglob("*"):
        os.utime(path, (0, 0))
    found = find_unneeded(str(cache), {})
    assert found
    assert not any(one.may_be_of_others for one in found)
    build(market, cache, "train")
    assert all(one.may_be_of_others for one in find_unneeded(str(cache), {}))


def names(unneeded):
    return sorted(path.name.partition("-")[0] for one in unneeded for path in one.paths)


def of(dataset, *splits):
    return {dataset.split_fingerprints[split] for split in splits}


@pytest.mark.slow
def test_what_a_study_needs_stays_and_all_else_goes(market, tmp_path):
    """By split and size; contents of what is needed nowhere go along."""
    cache = tmp_path / "cache"
    build(market, cache, "train", "query")
    build(market, cache, "train", height_px=20)
    assert [] == find_unneeded(
        str(cache), {"16x8": of(market, "train", "query"), "20x8": of(market, "train")}
    )
    assert ["20x8", "20x8"] == names(find_unneeded(str(cache), {"16x8": of(market, "train", "query")}))
    found = find_unneeded(str(cache), {"16x8": of(market, "query")})
    assert ["16x8", "16x8", "20x8", "20x8", market.split_fingerprints["train"][:24]] == names(found)
    sizes = sum(path.stat().st_size for path in cache.rglob("*") if path.is_file())
    assert all(map(remove, found))
    left = sum(path.stat().st_size for path in cache.rglob("*") if path.is_file())
    assert sizes - left == sum(one.num_bytes for one in found)
    assert [] == find_unneeded(str(cache), {"16x8": of(market, "query")})
    assert 3 == len(open_cache(market, "query", 16, 8, str(cache)))


@pytest.mark.slow
def test_a_part_stays_as_long_as_one_of_its_images_is_needed(market, data_root, tmp_path):
    """Of people that are held out, whose images lie among those of all."""
    cache = tmp_path / "cache"
    build(market, cache, "train")
    held_out = load_dataset("market1501", str(data_root), str(cache), train_split="train_without_val")
    build(held_out, cache, "val_query")
    assert [market.split_fingerprints["train"][:24]] == names(
        find_unneeded(str(cache), {"16x8": of(held_out, "val_query")})
    )


def hold(market, cache, has_opened, may_end):
    images = open_cache(market, "train", 16, 8, cache)
    has_opened.set()
    may_end.wait(PATIENCE_S)
    assert 9 == len(np.array(images))


def test_what_a_process_has_opened_is_not_removed_under_it(market, tmp_path):
    """It is said to be in use, and goes once that process has ended."""
    cache = tmp_path / "cache"
    build(market, cache, "train")
    context = multiprocessing.get_context("fork")
    has_opened, may_end = context.Event(), context.Event()
    process = context.Process(target=hold, args=(market, str(cache), has_opened, may_end))
    process.start()
    assert has_opened.wait(PATIENCE_S)
    part = next(one for one in find_unneeded(str(cache), {}) if one.paths[0].suffix == ".npy")
    assert part.is_in_use
    assert not remove(part)
    assert part.paths[0].exists()
    may_end.set()
    process.join(PATIENCE_S)
    assert 0 == process.exitcode
    (free,) = (one for one in find_unneeded(str(cache), {}) if one.paths[0].suffix == ".npy")
    assert (False, True, False) == (free.is_in_use, remove(free), free.paths[0].exists())


@pytest.mark.slow
def test_shapes_of_which_nobody_knows_what_is_needed_stay(market, tmp_path):
    """And packed images with them, which are of every shape."""
    cache = tmp_path / "cache"
    build(market, cache, "train")
    build(market, cache, "train", height_px=20)
    build(market, cache, "train", height_px=24, image_cache="encoded")
    assert ["20x8", "20x8"] == names(find_unneeded(str(cache), {}, frozenset({"16x8"})))


def test_what_earlier_versions_and_killed_processes_left_goes(market, tmp_path):
    """Arrays that are named by a split nobody needs, and files aside that are a day old; nothing else."""
    cache = tmp_path / "cache"
    images = cache / "images"
    images.mkdir(parents=True)
    for name in (
        f"train-16x8-{market.split_fingerprints['train'][:24]}.npy",
        f"train-16x8-{'0' * 24}.npy",
        f"train-shorter512-{'0' * 24}.sizes.npy",
        ".16x8-0.npy.abc",
        ".16x8-1.npy.abc",
        f"demo_details-{'0' * 24}.npy",
        "of_somebody.npy",
    ):
        (images / name).write_bytes(b"12345")
    os.utime(images / ".16x8-0.npy.abc", (time.time() - 10**5,) * 2)
    found = find_unneeded(str(cache), {"16x8": of(market, "train")})
    assert [
        ".16x8-0.npy.abc",
        f"train-16x8-{'0' * 24}.npy",
        f"train-shorter512-{'0' * 24}.sizes.npy",
    ] == sorted(path.name for one in found for path in one.paths)
    assert all(map(remove, found))
    assert 4 == len([*images.iterdir()])


def test_an_index_goes_with_its_data_set(data_root, tmp_path, monkeypatch):
    """Where no study needs one of its splits."""
    monkeypatch.setattr(reid, "MIN_IMAGES", 1)
    monkeypatch.setattr(image_garbage.dataset_index, "CLOCK_STEP_S", -1e9)
    cache = tmp_path / "cache"
    market = load_dataset("market1501", str(data_root), str(cache))
    assert [] == find_unneeded(str(cache), {"16x8": of(market, "query")})
    (index,) = find_unneeded(str(cache), {})
    assert remove(index)
    assert [] == [*(cache / "indexes").iterdir()]
