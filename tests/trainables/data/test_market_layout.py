import hashlib
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from tablewright.trainables.data.market_layout import DUKE_FILE_NAME, MARKET_FILE_NAME
from tablewright.trainables.data.reid import load_dataset
from tablewright.trainables.data.reid_images import ImageRecord


def test_market_names_give_person_and_camera(data_root, tmp_path):
    """Pid and camid stand in the file names, and records come in the order of their paths."""
    dataset = load_dataset("market1501", str(data_root), str(tmp_path))
    expected = ImageRecord("bounding_box_train/0002_c1s1_000451_03.jpg", 2, 1)
    assert expected == dataset.splits["train"][0]
    assert [2, 2, 2, 7, 7, 10, 10, 11, 12] == [record.pid for record in dataset.splits["train"]]
    assert [1, 2, 3] == [record.camid for record in dataset.splits["query"]]


def test_duke_names_give_person_and_camera(data_root, tmp_path):
    """DukeMTMC-reID names its files in its own way."""
    dataset = load_dataset("dukemtmc", str(data_root), str(tmp_path))
    pairs = {split: [(r.pid, r.camid) for r in records] for split, records in dataset.splits.items()}
    assert {"train": [(1, 2), (1, 5), (8, 8)], "query": [(5, 2)], "gallery": [(5, 5), (7139, 2)]} == pairs


def test_junk_is_dropped_and_distractors_stay(data_root, tmp_path):
    """Pid -1 is in no split; pid 0 is in the gallery."""
    dataset = load_dataset("market1501", str(data_root), str(tmp_path))
    assert [0, 1, 1, 3] == [record.pid for record in dataset.splits["gallery"]]


def test_published_distractors_stand_in_the_gallery(data_root, tmp_path, add_images):
    """The 500,000 images published beside Market-1501 are nobody; its other splits stay as they are."""
    names = ("0000_c1s1_000001_00.jpg", "0000_c6s3_090001_12.jpg", "-1_c2s1_000002_00.jpg")
    with pytest.raises(ValueError, match=r"missing Market-1501-v15\.09\.15/images/"):
        load_dataset("market1501_500k", str(data_root), str(tmp_path))
    (data_root / "Market-1501-v15.09.15" / "images").mkdir()
    for name in names:
        add_images("images", name)
    plain = load_dataset("market1501", str(data_root), str(tmp_path))
    large = load_dataset("market1501_500k", str(data_root), str(tmp_path))
    added = {record.path: record.pid for record in large.splits["gallery"][len(plain.splits["gallery"]) :]}
    assert {"images/0000_c1s1_000001_00.jpg": 0, "images/0000_c6s3_090001_12.jpg": 0} == added
    assert plain.splits["train"] == large.splits["train"]
    assert plain.splits["query"] == large.splits["query"]
    differing = {
        split for split, found in plain.split_fingerprints.items() if found != large.split_fingerprints[split]
    }
    assert {"gallery"} == differing
    assert "Market-1501+500k has 6 gallery, published are 515913" in large.warnings
    add_images("images", "0001_c3s1_000551_00.jpg")
    with pytest.raises(
        ValueError, match=r"1 image \(images/0001_c3s1_000551_00.jpg\) not named .* of nobody"
    ):
        load_dataset("market1501_500k", str(data_root), str(tmp_path))


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        (MARKET_FILE_NAME, "0005_c2_f0046985.jpg"),
        (MARKET_FILE_NAME, "002_c1s1_000451_03.jpg"),
        (MARKET_FILE_NAME, "0002_c0s1_000451_03.jpg"),
        (MARKET_FILE_NAME, "copy of 0002_c1s1_000451_03.jpg"),
        (DUKE_FILE_NAME, "0002_c1s1_000451_03.jpg"),
    ],
)
def test_other_names_are_not_parsed(pattern, name):
    """A name that is nearly right is not guessed at."""
    assert pattern.fullmatch(name) is None


def test_strange_names_are_told_with_their_number(data_root, tmp_path, add_images):
    """The first few names that do not parse are named, with how many there are, of all folders at once."""
    for number in range(7):
        add_images("bounding_box_train", f"holiday{number}.jpg")
    add_images("query", "-1_c1s1_000401_03.jpg")
    with pytest.raises(ValueError, match="cannot be read") as raised:
        load_dataset("market1501", str(data_root), str(tmp_path))
    message = str(raised.value)
    assert "7 images (bounding_box_train/holiday0.jpg" in message
    assert "holiday4.jpg and 2 more) not named as" in message
    assert "1 image (query/-1_c1s1_000401_03.jpg) of no person" in message


def test_an_empty_folder_is_refused(data_root, tmp_path):
    """A folder without an image is a fault, not an empty split."""
    for path in (data_root / "Market-1501-v15.09.15" / "query").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match="query/ holds no image"):
        load_dataset("market1501", str(data_root), str(tmp_path))


def test_fingerprints_see_names_and_sizes_only(data_root, tmp_path, add_images):
    """Those of the splits follow relative names and sizes of their images; junk, which is never ranked, is in none."""

    def fingerprints(root=data_root):
        return load_dataset("market1501", str(root), str(tmp_path)).split_fingerprints

    before = fingerprints()
    assert {64} == {len(found) for found in before.values()}
    assert before != load_dataset("dukemtmc", str(data_root), str(tmp_path)).split_fingerprints
    add_images("query", "Thumbs.db", b"no image")
    assert before == fingerprints()
    moved = data_root.rename(tmp_path / "elsewhere")
    assert before == fingerprints(moved)
    folder = moved / "Market-1501-v15.09.15" / "bounding_box_test"
    junk = folder / "-1_c1s1_000401_03.jpg"
    junk.write_bytes(junk.read_bytes() + b"\0")
    assert before == fingerprints(moved)
    image = folder / "0001_c3s1_000551_00.jpg"
    image.write_bytes(image.read_bytes() + b"\0")
    longer = fingerprints(moved)
    assert {"gallery"} == {split for split in before if before[split] != longer[split]}
    image.rename(folder / "0001_c3s1_000552_00.jpg")
    assert longer["gallery"] != fingerprints(moved)["gallery"]


def test_what_earlier_versions_took_for_the_data_set_is_known(data_root, tmp_path):
    """Records of earlier versions are found by the digest of every file, with the hand-drawn boxes or without."""

    def earlier():
        return load_dataset("market1501", str(data_root), str(tmp_path)).earlier_fingerprints

    folder = data_root / "Market-1501-v15.09.15"

    def digest_of(*folders):
        files = sorted(path for name in folders for path in (folder / name).glob("*.jpg"))
        lines = [f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\n" for path in files]
        return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()

    published = ("bounding_box_train", "query", "bounding_box_test")
    sides = ("train", "query", "gallery")
    with_boxes, without = digest_of(*published, "gt_bbox"), digest_of(*published)
    assert {without: sides, with_boxes: (*sides, "multiple_query")} == earlier()
    shutil.rmtree(folder / "gt_bbox")
    assert {without: sides} == earlier()


def test_files_that_macos_writes_beside_images_are_none(data_root, tmp_path, add_images):
    """A copy through a Mac's external disc reads as the original."""
    before = load_dataset("market1501", str(data_root), str(tmp_path)).splits
    add_images("query", "._0001_c1s1_001051_00.jpg", b"resource fork")
    assert before == load_dataset("market1501", str(data_root), str(tmp_path)).splits


def test_links_that_lead_nowhere_are_named_all_at_once(data_root, tmp_path):
    """A data root made of links, on a machine without what they stand for, is refused by name."""
    folder = data_root / "Market-1501-v15.09.15"
    names = ("query/0001_c4s1_000001_00.jpg", "bounding_box_train/0002_c4s1_000002_00.jpg")
    for name in names:
        (folder / name).symlink_to(tmp_path / "nowhere.jpg")
    with pytest.raises(ValueError, match="2 links lead nowhere") as raised:
        load_dataset("market1501", str(data_root), str(tmp_path))
    assert all(name in str(raised.value) for name in names)


def test_images_of_a_kind_that_is_not_read_are_refused(data_root, tmp_path, add_images):
    """Passing over them would measure fewer images than lie there, without a word."""
    add_images("bounding_box_test", "0001_c3s1_000551_09.webp", b"RIFF")
    with pytest.raises(ValueError, match=r"0001_c3s1_000551_09\.webp\) of a kind that is not read"):
        load_dataset("market1501", str(data_root), str(tmp_path))


@pytest.fixture
def cuhk03_np(tmp_path):
    """A miniature of CUHK03-NP's folder of labelled boxes."""
    root = tmp_path / "pictures" / "cuhk03-np" / "labeled"
    names = {
        "bounding_box_train": [
            f"{pid:04d}_c{cam}_{4 * pid + cam}.png" for pid in (1, 2, 4, 5) for cam in (1, 2)
        ],
        "query": ["0003_c1_21.png", "0003_c2_26.png"],
        "bounding_box_test": ["0003_c1_22.png", "0003_c2_27.png", "0003_c2_28.png"],
    }
    for folder, files in names.items():
        (root / folder).mkdir(parents=True)
        for file in files:
            Image.new("RGB", (4, 8)).save(root / folder / file)
    return root


def test_cuhk03_np_is_read_where_it_is_there(cuhk03_np):
    """The folders that carry CUHK03's 767/700 protocol alone are laid out as Market-1501."""
    data_root = cuhk03_np.parents[1]
    dataset = load_dataset("cuhk03_labelled", str(data_root), "", train_split="train_without_val")
    pairs = {split: [(r.pid, r.camid) for r in records] for split, records in dataset.splits.items()}
    assert [(3, 1), (3, 2)] == pairs["query"]
    assert [(3, 1), (3, 2), (3, 2)] == pairs["gallery"]
    assert 2 == len(dataset.train_label_of)
    assert (
        "CUHK03 labelled has 8 train, published are 7368"
        in load_dataset("cuhk03_labelled", str(data_root), "").warnings
    )
    with pytest.raises(ValueError, match=r"missing cuhk03/images_detected/.*CUHK03-NP can be unpacked"):
        load_dataset("cuhk03_detected", str(data_root), "")


def test_faults_of_cuhk03_np_are_told(cuhk03_np):
    """A missing folder, and names of another data set."""
    data_root = str(cuhk03_np.parents[1])
    (cuhk03_np / "query" / "0003_c1_21.png").rename(cuhk03_np / "query" / "0003_c1s1_000451_03.png")
    with pytest.raises(ValueError, match=r"1 image \(query/0003_c1s1_000451_03.png\) not named as"):
        load_dataset("cuhk03_labelled", data_root, "")
    (cuhk03_np / "query").rename(cuhk03_np / "queries")
    with pytest.raises(ValueError, match=r"missing cuhk03-np/labeled/query/"):
        load_dataset("cuhk03_labelled", data_root, "")


def test_images_in_a_folder_within_a_folder_are_not_passed_over(data_root, tmp_path):
    """What an archive was unpacked into a second time would be measured on fewer images without a word."""
    folder = data_root / "Market-1501-v15.09.15/bounding_box_train"
    (folder / "more").mkdir()
    (folder / "empty").mkdir()
    (folder / ".hidden").mkdir()
    load_dataset("market1501", str(data_root), str(tmp_path))
    shutil.copy(folder / "0002_c1s1_000451_03.jpg", folder / "more/0002_c1s1_000452_03.jpg")
    (folder / "0002_c1s1_000453_03.jpg").mkdir()
    with pytest.raises(
        ValueError, match=r"1 folders within bounding_box_train/ hold images \(bounding_box_train/more"
    ):
        load_dataset("market1501", str(data_root), str(tmp_path))
    with pytest.raises(ValueError, match=r"0002_c1s1_000453_03\.jpg/\) not named as"):
        load_dataset("market1501", str(data_root), str(tmp_path))


def test_an_image_whose_name_is_no_utf_8_is_named(data_root, tmp_path):
    """It fits no published name, and its own cannot be written as text; the message can."""
    folder = data_root / "Market-1501-v15.09.15/query"
    Path(os.fsdecode(bytes(folder) + b"/\xe4.jpg")).touch()
    with pytest.raises(ValueError, match=r"1 image \(query/.*jpg\) not named as"):
        load_dataset("market1501", str(data_root), str(tmp_path))
