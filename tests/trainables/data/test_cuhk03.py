"""A miniature of CUHK03 in each of its forms."""

import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from tablewright.trainables.data.reid import load_dataset
from tablewright.trainables.data.reid_cache import open_cache
from tests.trainables.data import tiny_cuhk03 as tiny


@pytest.fixture
def root(tmp_path):
    """The folder of CUHK03 as torchreid leaves it, but for the published release."""
    root = tmp_path / "data" / "cuhk03"
    for boxes in ("labeled", "detected"):
        tiny.write_images(root, boxes)
        tiny.write_index(root, boxes)
        tiny.write_splits(root, boxes)
    return root


def load(root, name="cuhk03_labelled", **options):
    return load_dataset(name, str(root.parent), "", **options)


def names(dataset, split):
    return [Path(record.path).name for record in dataset.splits[split]]


def test_the_published_index_file_gives_the_new_protocol(root):
    """Train, query and gallery are what its indices say; person and camera stand in the names."""
    dataset = load(root)
    assert tiny.new_split() == {split: names(dataset, split) for split in ("train", "query", "gallery")}
    assert [(1002, 1), (1002, 2), (2003, 1), (2003, 2)] == [(r.pid, r.camid) for r in dataset.splits["query"]]
    assert "images_labeled/1_001_1_01.png" == dataset.splits["train"][0].path
    assert (
        "CUHK03 labelled has 4 train pids, published are 767",
        "CUHK03 labelled has 2 query pids, published are 700",
        "CUHK03 labelled has 18 train, published are 7368",
        "CUHK03 labelled has 4 query, published are 1400",
        "CUHK03 labelled has 6 gallery, published are 5328",
    ) == dataset.warnings


def test_torchreids_list_is_the_same_split(root):
    """Without the index file its list is read, whatever folder it was written in."""
    from_index = load(root)
    (root / "cuhk03_new_protocol_config_labeled.mat").unlink()
    from_list = load(root)
    assert from_index.splits == from_list.splits
    assert from_index.split_fingerprints == from_list.split_fingerprints


def test_the_boxes_are_two_data_sets(root):
    """Detected boxes have their own images and lists."""
    detected = load(root, "cuhk03_detected")
    assert "images_detected/1_001_1_01.png" == detected.splits["train"][0].path
    labelled = load(root).split_fingerprints
    assert all(labelled[split] != found for split, found in detected.split_fingerprints.items())


def test_a_fold_of_the_classic_protocol_tests_on_its_people(root):
    """All images of the fold's people are queries and gallery; everybody else is trained on."""
    for fold in (0, 1, 19):
        dataset = load(root, "cuhk03_classic_labelled", fold=fold)
        people = tiny.TEST_PEOPLE[fold % 2]
        assert [name for name in tiny.NAMES if name[:5] in people] == names(dataset, "query")
        assert dataset.splits["query"] == dataset.splits["gallery"]
        assert [name for name in tiny.NAMES if name[:5] not in people] == names(dataset, "train")
    assert "CUHK03 labelled, 1367/100 has 28 images, published are 14096" in dataset.warnings
    first, second = (load(root, "cuhk03_classic_labelled", fold=fold).facts() for fold in (0, 1))
    assert first.fingerprint != second.fingerprint


def test_people_are_held_out_for_val(root):
    """A tenth of the people, at least two, have a query under each of their cameras."""
    dataset = load(root, train_split="train_without_val")
    val = {r.pid for r in dataset.splits["val_query"] + dataset.splits["val_gallery"]}
    assert 2 == len(val)
    assert set() == val & {r.pid for r in dataset.splits["train"]}


def test_missing_files_are_named(root, tmp_path):
    """The images and the split file, whichever is not there, and how to get them."""
    with pytest.raises(
        ValueError, match="missing cuhk03/images_labeled/, cuhk03/cuhk03_new_protocol"
    ) as raised:
        load_dataset("cuhk03_labelled", str(tmp_path), "")
    assert "cuhk-03.mat" in str(raised.value)
    (root / "splits_classic_detected.json").unlink()
    with pytest.raises(ValueError, match=r"missing cuhk03/splits_classic_detected.json; .* holds cuhk03_new"):
        load(root, "cuhk03_classic_detected")
    with pytest.raises(ValueError, match="CUHK03 needs a data root"):
        load_dataset("cuhk03_detected", None, "")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("[{", "splits_classic_labeled.json cannot be read as JSON"),
        ("{}", "has no split 3: it must be a list of splits, got dict"),
        ("[{}, {}]", "has no split 3: it must be a list of splits, got 2 splits"),
        ('[1, 2, 3, {"train": []}]', "has a split 3 without train, query and gallery"),
        ('[1, 2, 3, {"train": [["1_001_1_01.png"]], "query": [], "gallery": []}]', "has a split 3 without"),
        ("\x00", "cannot be read as JSON"),
    ],
)
def test_a_damaged_list_is_told(root, content, fault):
    """No JSON, another JSON, too few splits: each in words."""
    (root / "splits_classic_labeled.json").write_text(content)
    with pytest.raises(ValueError, match=fault):
        load(root, "cuhk03_classic_labelled", fold=3)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"train_idx": None, "labels": None}, "has no variable labels, train_idx"),
        ({"query_idx": np.array([[0], [29]])}, r"query_idx outside of 1 to 28 \(0, 29\)"),
        ({"labels": np.array([[1], [2]])}, "has 28 names in filelist and 2 labels"),
        (
            {"labels": np.arange(28)[:, None]},
            r"\(train\) labels people otherwise than their images are named",
        ),
    ],
)
def test_a_wrong_index_file_is_told(root, changes, fault):
    """What an index file lacks or contradicts."""
    tiny.write_index(root, **changes)
    with pytest.raises(ValueError, match=fault):
        load(root)


def test_a_corrupt_index_file_is_told(root):
    """Half a file, and a text."""
    path = root / "cuhk03_new_protocol_config_labeled.mat"
    for content in (path.read_bytes()[:300], b"MATLAB"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"config_labeled.mat cannot be read as a MATLAB file"):
            load(root)


def test_faults_of_lists_and_images_are_told_at_once(root):
    """Images that are missing, in no list, strangely named; people of no list, or on both sides."""
    folder = root / "images_labeled"
    (folder / "1_001_1_01.png").unlink()
    (folder / "1_001_1_02.png").rename(folder / "holiday.png")
    (folder / "1_001_1_03.png").rename(folder / "3_007_1_01.png")
    split = tiny.new_split()
    train = [1 + tiny.NAMES.index(name) for name in [*split["train"], split["gallery"][0], split["train"][0]]]
    tiny.write_index(root, train_idx=np.array(train)[:, None])
    with pytest.raises(ValueError, match="cannot be read") as raised:
        load(root)
    message = str(raised.value)
    missing = "images_labeled/1_001_1_01.png, images_labeled/1_001_1_02.png, images_labeled/1_001_1_03.png"
    assert f"3 images are listed and not there ({missing})" in message
    assert "2 images are there and in no list (images_labeled/3_007_1_01.png, images_labeled/hol" in message
    assert "2 people have images and are in no list (3_007, images_labeled/holiday.png)" in message
    assert "1 people are listed both to train and to test on (1_002)" in message
    assert "1 images are listed more than once in train (images_labeled/1_001_1_01.png)" in message


def test_a_list_of_other_images_is_told(root):
    """A split file of another data set lists names that are none of CUHK03's."""
    files = np.empty((28, 1), dtype=object)
    files[:, 0] = [f"{number:04d}_c1s1_000151_01.jpg" for number in range(28)]
    tiny.write_index(root, filelist=files)
    with pytest.raises(ValueError, match=r"lists images in train not named as .* \(0000_c1s1_000151_01.jpg"):
        load(root)


def test_the_release_needs_a_package_and_says_so(root, monkeypatch):
    """Where nothing is extracted, and the file of the authors cannot be opened, both ways out are named."""
    (root / "images_labeled").rename(root / "elsewhere")
    (root / "cuhk03_release").mkdir()
    (root / "cuhk03_release" / "cuhk-03.mat").touch()
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ValueError, match=r"`pip install h5py`, or extract the file as torchreid does"):
        load(root)


@pytest.fixture
def release(tmp_path):
    """The folder of CUHK03 as its authors publish it, with the index files of the new protocol."""
    pytest.importorskip("h5py")
    root = tmp_path / "release" / "cuhk03"
    tiny.write_release(root)
    tiny.write_index(root, "labeled")
    return root


def test_the_release_gives_the_same_splits_as_its_extraction(root, release):
    """Both protocols, from the authors' file alone."""
    assert load(root).splits == load(release).splits
    for fold in (0, 1):
        extracted, published = (load(at, "cuhk03_classic_detected", fold=fold) for at in (root, release))
        assert extracted.splits == published.splits


def test_images_of_the_release_are_those_of_its_extraction(root, release, tmp_path):
    """Arrays of decoded images are equal to the last bit."""
    extracted, published = (
        open_cache(load(at, "cuhk03_classic_detected"), "gallery", 6, 4, str(tmp_path / at.parent.name))
        for at in (root, release)
    )
    assert np.array_equal(extracted, published)
    assert np.array_equal(tiny.pixels("1_002_1_01.png", "detected"), published[0])


def test_a_damaged_release_is_told(release):
    """A truncated file, and one that holds something else."""
    path = release / "cuhk03_release" / "cuhk-03.mat"
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ValueError, match=r"cuhk-03.mat is not as published \(OSError"):
        load(release)
    scipy.io.savemat(path, {"labeled": np.zeros(3)})
    with pytest.raises(ValueError, match=r"cuhk-03.mat is not as published"):
        load(release)
