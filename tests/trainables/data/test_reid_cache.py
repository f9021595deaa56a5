import errno
import multiprocessing
import os
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tablewright.trainables.data import image_pool
from tablewright.trainables.data.cached_array import SPARE_BYTES
from tablewright.trainables.data.reid import load_dataset
from tablewright.trainables.data.reid_cache import open_cache, verify_and_build
from tablewright.trainables.data.reid_folder import ReidFolder
from tablewright.trainables.value.long_work import listening
from tests.waiting import PATIENCE_S


@pytest.fixture
def market(data_root, tmp_path):
    return load_dataset("market1501", str(data_root), str(tmp_path / "cache"))


def files(cache_dir):
    return sorted((cache_dir / "images").glob("*.npy"))


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
    assert 3 == len(files(cache))
    open_cache(changed, "query", 16, 8, str(cache))
    assert [8 * 16 * 3 + 128] == sorted(path.stat().st_size for path in files(cache))[:1]
    assert 4 == len(files(cache))


def test_equal_images_are_kept_once_whatever_they_are_called(market, data_root, tmp_path):
    """Of a copy under other names, and of people that are held out, nothing is kept anew; each is in its own order."""
    cache = str(tmp_path / "cache")
    first = np.array(open_cache(market, "train", 16, 8, cache))
    kept = files(tmp_path / "cache")
    market_root, own_root = data_root / "Market-1501-v15.09.15" / "bounding_box_train", data_root / "own"
    names = [Path(record.path).name for record in market.splits["train"]]
    for folder in ("train", "query", "gallery"):
        (own_root / folder).mkdir(parents=True)
        for number, name in enumerate(names):
            shutil.copy(market_root / name, own_root / folder / f"{7 * number % 9}_{name}")
    own = ReidFolder(
        "Own",
        "own",
        train="train",
        query="query",
        gallery="gallery",
        file_name=r"\d_(?P<pid>\d+)_c(?P<camid>\d).*",
    )
    copied = load_dataset(own, str(data_root), cache)
    again = open_cache(copied, "train", 16, 8, cache)
    places = [names.index(Path(record.path).name[2:]) for record in copied.splits["train"]]
    assert sorted(places) != places
    np.testing.assert_array_equal(first[places], np.array(again))
    np.testing.assert_array_equal(first[places][[[4, 0], [2, 2]]], again[np.array([[4, 0], [2, 2]])])
    np.testing.assert_array_equal(first[places][3:5], again[3:5])
    np.testing.assert_array_equal(first[places][1], again[1])
    held_out = load_dataset("market1501", str(data_root), cache, train_split="train_without_val")
    for split in ("train", "val_query", "val_gallery"):
        images = open_cache(held_out, split, 16, 8, cache)
        chosen = [names.index(Path(record.path).name) for record in held_out.splits[split]]
        np.testing.assert_array_equal(first[chosen], np.array(images))
    assert kept == files(tmp_path / "cache")


@pytest.mark.parametrize("image_cache", ["encoded", "files"])
def test_however_images_are_kept_their_pixels_are_the_same(market, tmp_path, image_cache):
    """To the bit, for any way of asking; the packed files serve every size and are kept once."""
    for height_px, width_px in ((20, 12), (16, 8)):
        decoded = np.array(open_cache(market, "train", height_px, width_px, str(tmp_path / "decoded")))
        images = open_cache(market, "train", height_px, width_px, str(tmp_path / "other"), image_cache)
        assert (decoded.shape, decoded.dtype, len(decoded)) == (images.shape, images.dtype, len(images))
        for index in (slice(None), slice(2, 5), np.array([[8, 0, 3]]), -1):
            np.testing.assert_array_equal(decoded[index], images[index])
    assert {"encoded": 1, "files": 0}[image_cache] == len([*(tmp_path / "other").rglob("*.npy")])


def test_packed_images_serve_when_the_files_are_gone(market, data_root, tmp_path):
    """As decoded ones do."""
    cache_dir = str(tmp_path / "cache")
    first = open_cache(market, "query", 16, 8, cache_dir, "encoded")[:]
    shutil.rmtree(data_root / "Market-1501-v15.09.15")
    np.testing.assert_array_equal(first, open_cache(market, "query", 16, 8, cache_dir, "encoded")[:])


def test_images_are_packed_where_there_is_no_room_for_them_decoded(market, tmp_path, monkeypatch):
    """That is said, with what either takes; the pixels are the same."""
    expected = np.array(open_cache(market, "train", 160, 80, str(tmp_path / "other")))
    usage = namedtuple("usage", "total used free")(10**9, 0, SPARE_BYTES + 300_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    heard = []
    with listening(heard.append):
        images = open_cache(market, "train", 160, 80, str(tmp_path / "cache"))
    np.testing.assert_array_equal(expected, images[:])
    assert 1 == len(heard)
    assert "Market-1501 (train): decoded images would take 345,600 bytes" in heard[0]
    assert "they are kept encoded, 5,703 bytes" in heard[0]
    with pytest.raises(OSError, match=r"needs 345,600 bytes and .*--image-cache files"):
        open_cache(market, "train", 160, 80, str(tmp_path / "cache"), "decoded")


def test_an_array_of_an_earlier_version_is_taken_over(market, data_root, tmp_path):
    """It was named by split and size, and by what the split is known by."""
    cache = tmp_path / "cache"
    images = np.array(open_cache(market, "train", 16, 8, str(tmp_path / "other")))
    former = cache / "images" / f"train-16x8-{market.split_fingerprints['train'][:24]}.npy"
    former.parent.mkdir(parents=True)
    np.save(former, 255 - images)  # so that it is known whose pixels these are
    np.testing.assert_array_equal(255 - images, open_cache(market, "train", 16, 8, str(cache)))
    assert (1, False) == (len(files(cache)), former.exists())


@pytest.mark.parametrize("damage", ["removed", "cut off"])
def test_lost_or_damaged_rows_are_made_anew(market, tmp_path, damage):
    """A part of which nobody knows what it holds is not read."""
    cache = tmp_path / "cache"
    expected = np.array(open_cache(market, "train", 16, 8, str(cache)))
    (rows,) = cache.rglob("*.rows.npz")
    if damage == "removed":
        rows.unlink()
    else:
        rows.write_bytes(rows.read_bytes()[:40])
    image_pool._open_part.cache_clear()  # as in a new process
    np.testing.assert_array_equal(expected, open_cache(market, "train", 16, 8, str(cache)))
    image_pool._open_part.cache_clear()
    np.testing.assert_array_equal(expected, open_cache(market, "train", 16, 8, str(cache)))
    assert 1 == len(files(cache))


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
    assert not [path for path in (cache / "images").glob("*") if path.suffix != ".lock"]


def build_and_count(market, cache_dir, barrier, queue):
    barrier.wait()
    images_NHWC = open_cache(market, "train", 64, 32, cache_dir)
    queue.put((int(images_NHWC.sum()), Path(images_NHWC.filename).stat().st_ino))


@pytest.mark.slow
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
    with pytest.raises(OSError, match=r"16x8 of Market-1501 \(train\) needs 3,456 bytes.* has 5 left"):
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
