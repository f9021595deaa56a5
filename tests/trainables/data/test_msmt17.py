"""A miniature of MSMT17's archive, in both of its versions."""

import pytest
from PIL import Image

from tablewright.trainables.data.reid import load_dataset


def names(pid, cameras):
    return [
        f"{pid:04d}/{pid:04d}_{n:03d}_{cam:02d}_0303morning_{n:04d}_0.jpg" for n, cam in enumerate(cameras)
    ]


LISTS = {
    "list_train.txt": [*names(0, (1, 2)), *names(1, (3, 14)), *names(2, (1, 5)), *names(3, (1, 5))],
    "list_val.txt": [name.replace("morning", "noon") for name in names(0, (15,)) + names(1, (1,))],
    "list_query.txt": [name.replace("morning", "afternoon") for name in names(0, (1,)) + names(1, (4,))],
    "list_gallery.txt": [*names(0, (7, 9)), *names(1, (8,))],
}


def write(root, folders=("train", "test")):
    for file, paths in LISTS.items():
        folder = root / folders[0 if file in ("list_train.txt", "list_val.txt") else 1]
        root.mkdir(parents=True, exist_ok=True)
        (root / file).write_text("".join(f"{path} {int(path[:4])}\n" for path in paths))
        for path in paths:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 8)).save(folder / path)
    return root


@pytest.fixture
def root(tmp_path):
    return write(tmp_path / "data" / "MSMT17_V1")


def load(root, **options):
    return load_dataset("msmt17", str(root.parent), "", **options)


def test_lists_give_splits_people_and_cameras(root):
    """Both numberings of people begin with 0, which is nobody: they are moved apart, and away from it."""
    dataset = load(root)
    pairs = {split: [(r.pid, r.camid) for r in records] for split, records in dataset.splits.items()}
    assert [(1, 1), (1, 15), (1, 2), (2, 1), (2, 3), (2, 14)] == pairs["train"][:6]
    assert [(10_001, 1), (10_002, 4)] == pairs["query"]
    assert [(10_001, 7), (10_001, 9), (10_002, 8)] == pairs["gallery"]
    assert "MSMT17 has 10 train, published are 32621" in dataset.warnings
    assert all((root / record.path).is_file() for split in dataset.splits.values() for record in split)


def test_people_are_held_out_whole(root):
    """The published list_val.txt shows people who are trained on; `val` is of others."""
    dataset = load(root, train_split="train_without_val")
    val = {r.pid for r in dataset.splits["val_query"] + dataset.splits["val_gallery"]}
    assert 2 == len(val)
    assert set() == val & {r.pid for r in dataset.splits["train"]}


def test_the_version_with_blurred_faces_says_so(tmp_path, root):
    """The second version names its folders otherwise and is another data set."""
    first = load(root)
    second = load(write(tmp_path / "later" / "MSMT17_V2", ("mask_train_v2", "mask_test_v2")))
    assert [len(split) for split in first.splits.values()] == [len(split) for split in second.splits.values()]
    assert "MSMT17_V2 has blurred faces" in second.warnings[0]
    assert first.facts().fingerprint != second.facts().fingerprint


def test_two_versions_side_by_side_are_refused(root):
    """Which of them a table would be made from is no guess of ours."""
    write(root.parent / "MSMT17_V2", ("mask_train_v2", "mask_test_v2"))
    with pytest.raises(ValueError, match=r"more than once \(MSMT17_V1/, MSMT17_V2/\)"):
        load(root)


def test_a_byte_order_mark_at_the_head_of_a_list_is_no_part_of_it(root):
    """A list that was saved on Windows reads as the published one."""
    before = load(root).splits
    for path in root.rglob("list_*.txt"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert before == load(root).splits


def test_every_fault_of_the_lists_is_told_at_once(root):
    """A line that is none, images missing or in no list, people of no list, wrong labels."""
    (root / "list_gallery.txt").write_text("".join(f"{path} 1\n" for path in LISTS["list_gallery.txt"]))
    (root / "train" / LISTS["list_val.txt"][0]).unlink()
    (root / "test" / "0009").mkdir()
    (root / "test/0009/0009_000_01_0303noon_0001_0.jpg").touch()
    with pytest.raises(ValueError, match="cannot be read") as raised:
        load(root)
    message = str(raised.value)
    assert (
        "list_query.txt and list_gallery.txt labels people otherwise than their images are named" in message
    )
    assert "test/0000 as 1" in message
    assert "1 images are listed and not there (train/0000/0000_000_15_0303noon_0000_0.jpg)" in message
    assert "1 people have images and are in no list (test/0009)" in message
    (root / "list_train.txt").write_text("0000/0000_000_01_0303morning_0015_0.jpg\nwhat is this\n")
    with pytest.raises(ValueError, match=r"list_train.txt has 2 lines .*line 2: 'what is this'"):
        load(root)
    (root / "list_train.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"list_train.txt is no text"):
        load(root)


def test_an_image_listed_twice_is_a_fault(root):
    """A list that repeats itself is damaged."""
    listed = root / "list_query.txt"
    listed.write_text(listed.read_text() * 2)
    with pytest.raises(
        ValueError,
        match=r"2 images are listed more than once in query .*Its lists are list_train\.txt, .*list_query\.txt",
    ):
        load(root)


def test_missing_lists_are_named(root):
    """Each missing file is told."""
    (root / "list_val.txt").unlink()
    (root / "list_query.txt").unlink()
    with pytest.raises(ValueError, match=r"missing MSMT17_V1/list_val.txt, MSMT17_V1/list_query.txt"):
        load(root)
