import pytest

from tablewright.trainables.data.cub200 import read_cub200
from tests.trainables.tiny_fine_grained import save_image, write_cub200, write_lines


@pytest.fixture
def root(tmp_path):
    return write_cub200(tmp_path)


def read(root):
    return read_cub200(str(root.parent))


def test_the_published_files_say_class_and_split(root):
    """Classes count from 0 in the order of their numbers; flag 1 is for training."""
    found = read(root)
    assert ("001.Black_footed_Albatross", "002.Laysan_Albatross", "003.Sooty_Albatross") == found.class_names
    assert [
        ("images/001.Black_footed_Albatross/Black_Footed_Albatross_0046_18.jpg", 0),
        ("images/002.Laysan_Albatross/Laysan_Albatross_0049_918.jpg", 1),
        ("images/003.Sooty_Albatross/Sooty_Albatross_0050_796352.jpg", 2),
    ] == [(image.name, image.label) for image in found.splits["test"]]
    assert [0, 0, 0, 1, 1, 2, 2] == [image.label for image in found.splits["train"]]
    assert (17, 16) == found.open_image(found.splits["test"][0].name).size


def test_missing_annotation_files_are_named_at_once(root):
    """One error names every file that is missing, and what is there."""
    (root / "train_test_split.txt").unlink()
    (root / "classes.txt").unlink()
    with pytest.raises(
        ValueError, match=r"missing CUB_200_2011/classes.txt, CUB_200_2011/train_test_split.txt"
    ) as raised:
        read(root)
    assert "holds bounding_boxes.txt, image_class_labels.txt, images.txt, images/" in str(raised.value)


def test_a_wrong_split_file_is_told_with_all_else(root):
    """Broken lines, images without split, unknown classes, and files that no list names: one error."""
    write_lines(
        root / "train_test_split.txt", ["1 0", "2 yes", "2 1", *(f"{n} 1" for n in range(3, 9)), "99 1"]
    )
    write_lines(
        root / "image_class_labels.txt", [*(f"{n} 1" for n in range(1, 6)), *(f"{n} 4" for n in range(6, 11))]
    )
    save_image(root / "images" / "004.Groove_billed_Ani" / "Groove_Billed_Ani_0002_1670.jpg", 1)
    with pytest.raises(ValueError, match="CUB_200_2011 cannot be read") as raised:
        read(root)
    message = str(raised.value)
    assert "train_test_split.txt has lines that are no new number and value (line 2: '2 yes')" in message
    assert "train_test_split.txt lacks images that images.txt has (9, 10)" in message
    assert "images.txt lacks images that train_test_split.txt has (99)" in message
    assert "names classes that classes.txt does not list (4)" in message
    assert "images/004.Groove_billed_Ani/Groove_Billed_Ani_0002_1670.jpg" in message


def test_an_image_listed_and_missing_is_named(root):
    """An incomplete copy is told before training."""
    next(root.rglob("Sooty_Albatross_0048_1130.jpg")).unlink()
    with pytest.raises(
        ValueError,
        match=r"1 images are listed and not there \(images/003\.Sooty_Albatross/Sooty.*_1130\.jpg\)",
    ):
        read(root)


def test_a_class_that_is_tested_must_be_trained(root):
    """Images of a class that the split gives nothing to train on are refused, with the class named."""
    flags = [0, 1, 1, 1, 0, 0, 0, 1, 1, 0]
    write_lines(root / "train_test_split.txt", [f"{n} {flag}" for n, flag in enumerate(flags, 1)])
    with pytest.raises(ValueError, match=r"none to train on \(002\.Laysan_Albatross\)"):
        read(root)


def test_other_lists_and_other_images_are_another_fingerprint(root):
    """The fingerprint that earlier versions had follows sizes of images and contents of lists, and nothing else."""
    first = read(root).earlier_fingerprint
    assert first == read(root).earlier_fingerprint
    (root / "bounding_boxes.txt").unlink()
    assert first == read(root).earlier_fingerprint
    flags = [1, 0, 1, 1, 1, 1, 0, 1, 1, 0]
    write_lines(root / "train_test_split.txt", [f"{n} {flag}" for n, flag in enumerate(flags, 1)])
    second = read(root).earlier_fingerprint
    save_image(next(root.rglob("*_1130.jpg")), 5, size=(60, 60))
    assert 3 == len({first, second, read(root).earlier_fingerprint})


def test_links_to_folders_in_a_circle_are_named(root):
    """A link to the folder that it lies in, or to one above, ends the search instead of going round for ever."""
    (root / "images/again").symlink_to(root / "images")
    (root / "images/above").symlink_to(root.parent)
    with pytest.raises(
        ValueError, match=r"2 links lead nowhere or in a circle \(images/above, images/again\)"
    ):
        read(root)


@pytest.mark.parametrize(
    ("encoding", "ending"),
    [("utf-8-sig", "\r\n"), ("utf-8", " \t\n"), ("utf-8", "\n\n"), ("utf-8", "\r\n\r\n")],
)
def test_lists_of_other_systems_are_read(root, encoding, ending):
    """A byte-order mark, Windows' line ends, blanks behind a line and empty lines change nothing."""
    whole = read(root)
    for name in ("classes.txt", "images.txt", "image_class_labels.txt", "train_test_split.txt"):
        lines = (root / name).read_text(encoding="utf-8").splitlines()
        (root / name).write_bytes("".join(f"{line}{ending}" for line in lines).encode(encoding))
    assert (whole.class_names, whole.splits) == (read(root).class_names, read(root).splits)


def test_a_list_in_another_encoding_is_told_with_what_to_do(root):
    """Windows saves "Unicode" as UTF-16."""
    (root / "classes.txt").write_text("1 001.Black_footed_Albatross", encoding="utf-16")
    with pytest.raises(ValueError, match=r"classes\.txt is no text in UTF-8 \(at byte 0\); save it as such"):
        read(root)
