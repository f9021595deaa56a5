"""A miniature of SynergyReID's archive."""

import pytest
from PIL import Image

from tablewright.trainables.data.reid import load_dataset

NAMES = {
    "reid_training": [f"{pid}_{pid // 2}_{frame}.jpeg" for pid in range(5) for frame in (2, 10, 0)],
    "reid_test/query": ["436_40_0.jpeg", "437_40_0.jpeg"],
    "reid_test/gallery": ["436_40_1.jpeg", "436_40_2.jpeg", "437_40_5.jpeg"],
    "reid_challenge/query": ["17.jpeg"],
    "reid_challenge/gallery": ["18.jpeg"],
}


@pytest.fixture
def data_root(tmp_path):
    for folder, names in NAMES.items():
        (tmp_path / "data" / "data_reid" / folder).mkdir(parents=True)
        for name in names:
            Image.new("RGB", (4, 8)).save(tmp_path / "data" / "data_reid" / folder / name)
    return tmp_path / "data"


def load(data_root, **options):
    return load_dataset("synergyreid", str(data_root), "", **options)


def test_names_give_people_and_folders_give_cameras(data_root):
    """Queries stand for one camera and the gallery for the other, so that nothing is left out of a ranking."""
    dataset = load(data_root)
    pairs = {split: [(r.pid, r.camid) for r in records] for split, records in dataset.splits.items()}
    assert [(437, 1), (438, 1)] == pairs["query"]
    assert [(437, 2), (437, 2), (438, 2)] == pairs["gallery"]
    assert 5 == len(dataset.train_label_of)
    assert "SynergyReID has 5 train pids, published are 436" in dataset.warnings


def test_the_other_folder_name_is_read_too(data_root):
    """MDPR's code keeps the folders under another name; nothing else differs."""
    before = load(data_root)
    (data_root / "data_reid").rename(data_root / "synergyreid_data")
    after = load(data_root)
    assert before.split_fingerprints == after.split_fingerprints
    assert before.splits == after.splits


def test_people_held_out_are_searched_with_their_first_frame(data_root):
    """As in the test split, one image of each person is its query and all later ones are the gallery."""
    dataset = load(data_root, train_split="train_without_val")
    query, gallery = dataset.splits["val_query"], dataset.splits["val_gallery"]
    assert 2 == len(query)
    assert all(record.path.endswith("_0.jpeg") and record.camid == 1 for record in query)
    assert {record.pid for record in query} == {record.pid for record in gallery}
    assert [2] * 4 == [record.camid for record in gallery]


def test_faults_are_told_at_once(data_root):
    """Strange names, and then people without an answer or on both sides."""
    root = data_root / "data_reid"
    (root / "reid_training" / "77.jpeg").touch()
    (root / "reid_test/query" / "player.jpg").touch()
    with pytest.raises(ValueError, match="cannot be read") as raised:
        load(data_root)
    assert "1 images not named person_sequence_frame.jpeg (reid_training/77.jpeg)" in str(raised.value)
    assert "reid_test/query/player.jpg" in str(raised.value)
    (root / "reid_training" / "77.jpeg").rename(root / "reid_training" / "437_1_1.jpeg")
    (root / "reid_test/query" / "player.jpg").rename(root / "reid_test/query" / "9_1_0.jpg")
    with pytest.raises(ValueError, match=r"1 people are in the query and not in the gallery \(9\)") as raised:
        load(data_root)
    assert "1 people are both in reid_training and in reid_test (437)" in str(raised.value)


def test_missing_folders_are_named(tmp_path):
    """A data root without it says what was expected."""
    with pytest.raises(ValueError, match=r"missing data_reid/reid_training/, data_reid/reid_test/query/"):
        load(tmp_path)
