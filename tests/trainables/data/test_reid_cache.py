import errno
import multiprocessing
import os
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tablewright.trainables.data.reid import load_dataset
from tablewright.trainables.data.reid_cache import open_cache, verify_and_build
from tests.waiting import PATIENCE_S


@pytest.fixture
def market(data_root, tmp_path):
    return load_dataset("market1501", str(data_root), str(tmp_path / "cache"))


def files(cache_dir):
    return sorted(path for path in (cache_dir / "images").iterdir() if path.suffix == ".npy")


def test_images_are_resized_in_the_records_order(market, tmp_path):
    """Each entry is its record's image, bicubic, RGB, without keeping the aspect ratio."""
    images_NHWC = open_cache(market, "train", 20, 12, str(tmp_path / "cache"))
    assert ((9, 20, 12, 3), np.uint8) == (images_NHWC.shape, images_NHWC.dtype)
    assert not images_NHWC.flags.writeable
    for record, image_HWC in zip(market.splits["train"], images_NHWC, strict=True):
        with market.open_image(record.path) as image:
            expected = np.asarray(image.convert("RGB").resize((12, 20), Image.Resampling.BICUBIC))
        np.testing.assert_array_equal(expected, image_HWC)


def test_second_use_reads_no_image(market, data_root, tmp_path):
    """A built array serves later trainings even when the images are gone."""
    cache_dir = str(tmp_path / "cache")
    first = np.array(open_cache(market, "query", 16, 8, cache_dir))
    shutil.rmtree(data_root / "Market-1501-v15.09.15")
    np.testing.assert_array_equal(first, open_cache(market, "query", 16, 8, cache_dir))


def test_sizes_splits_and_contents_have_arrays_of_their_own(market, data_root, tmp_path, add_images):
    """Another size, split, held-out val or changed image never meets an old array; equal images are kept once."""
    cache = tmp_path / "cache"
    open_cache(market, "train", 16, 8, str(cache))
    open_cache(market, "train", 8, 16, str(cache))
    open_cache(market, "query", 16, 8, str(cache))
    assert 3 == len(files(cache))
    held_out = load_dataset("market1501", str(data_root), str(cache), train_split="train_without_val")
    assert len(held_out.splits["train"]) == len(open_cache(held_out, "train", 16, 8, str(cache)))
    add_images("query", "0003_c4s1_000001_00.jpg")
    changed = load_dataset("market1501", str(data_root), str(cache))
    open_cache(changed, "train", 16, 8, str(cache))
    assert 4 == len(files(cache))
    open_cache(changed, "query", 16, 8, str(cache))
    assert 5 == len(files(cache))


def test_unreadable_images_are_named_all_at_once(data_root, tmp_path, add_images):
    """A truncated JPEG, an empty file and a text named as an image are told before a training starts."""
    whole = add_images("bounding_box_train", "0012_c1s1_000302_01.jpg").read_bytes()
    add_images("bounding_box_train", "0012_c1s1_000302_01.jpg", whole[: len(whole) // 2])
    add_images("query", "0003_c4s1_000001_00.jpg", b"")
    add_images("bounding_box_test", "0003_c5s1_000001_00.jpg", b"no picture")
    cache = tmp_path / "cache"
    dataset = load_dataset("market1501", str(data_root), str(cache))
    with pytest.raises(ValueError, match="cannot be read") as raised:
        verify_and_build(dataset, 16, 8, str(cache))
    for name in ("train/0012_c1s1_000302_01", "query/0003_c4s1_000001_00", "test/0003_c5s1_000001_00"):
        assert name in str(raised.value)
    assert "0003_c5s1_000001_00.jpg (no image, or of a kind that is not read)" in str(raised.value)
    assert "0012_c1s1_000302_01.jpg (cut off or damaged)" in str(raised.value)
    assert [] == files(cache)
    assert {".lock"} == {path.suffix for path in (cache / "images").iterdir()}


def build_and_count(market, cache_dir, barrier, queue):
    barrier.wait()
    images_NHWC = open_cache(market, "train", 64, 32, cache_dir)
    queue.put((int(images_NHWC.sum()), Path(images_NHWC.filename).stat().st_ino))


def test_processes_that_start_at_once_build_once(market, tmp_path):
    """Four processes open one array, complete in each of them."""
    context = multiprocessing.get_context("fork")
    barrier, queue = context.Barrier(4), context.Queue()
    arguments = (market, str(tmp_path / "cache"), barrier, queue)
    processes = [context.Process(target=build_and_count, args=arguments) for _ in range(4)]
    for process in processes:
        process.start()
    results = [queue.get(timeout=PATIENCE_S) for _ in processes]
    for process in processes:
        process.join()
    assert 1 == len(set(results))
    assert 1 == len(files(tmp_path / "cache"))


def test_no_space_is_told_with_path_and_bytes(market, tmp_path, monkeypatch):
    """A disk without room is an error that says where and how much, and leaves no half array."""
    usage = namedtuple("usage", "total used free")(10**6, 10**6 - 5, 5)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(OSError, match=r"train-16x8-\w+\.npy needs 3,456 bytes .* has 5 left"):
        open_cache(market, "train", 16, 8, str(tmp_path / "cache"))
    assert [] == files(tmp_path / "cache")


def test_a_disk_that_fills_up_meanwhile_is_told_too(market, tmp_path, monkeypatch):
    """Room is claimed before memory is mapped to it, since a full disk would kill the process then."""

    def refuse(descriptor, offset, length):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(OSError, match="needs 3,584 bytes: No space left on device"):
        open_cache(market, "train", 16, 8, str(tmp_path / "cache"))
    assert [".lock"] == [path.suffix for path in (tmp_path / "cache" / "images").iterdir()]
