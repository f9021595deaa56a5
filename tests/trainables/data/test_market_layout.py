import pytest
from PIL import Image

from trainables.data.market_layout import DUKE_FILE_NAME, MARKET_FILE_NAME
from trainables.data.reid import load_dataset
from trainables.data.reid_images import ImageRecord


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
    assert plain.fingerprint != large.fingerprint
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


def test_fingerprint_sees_names_and_sizes_only(data_root, tmp_path, add_images):
    """The fingerprint follows relative names and sizes of images, and nothing else."""

    def fingerprint(root=data_root):
        return load_dataset("market1501", str(root), str(tmp_path)).fingerprint

    before = fingerprint()
    assert 64 == len(before)
    assert before != load_dataset("dukemtmc", str(data_root), str(tmp_path)).fingerprint
    add_images("query", "Thumbs.db", b"no image")
    assert before == fingerprint()
    moved = data_root.rename(tmp_path / "elsewhere")
    assert before == fingerprint(moved)
    junk = moved / "Market-1501-v15.09.15" / "bounding_box_test" / "-1_c1s1_000401_03.jpg"
    junk.write_bytes(junk.read_bytes() + b"\0")
    longer = fingerprint(moved)
    assert before != longer
    junk.rename(junk.with_name("-1_c1s1_000402_03.jpg"))
    assert longer != fingerprint(moved)


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
