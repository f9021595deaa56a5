import gzip

import numpy as np
import pytest

from tablewright.trainables.data.fashion_mnist import read_fashion_mnist
from tests.trainables.tiny_fine_grained import write_fashion_mnist, write_idx


def read(root):
    return read_fashion_mnist(str(root.parent))


def test_the_published_files_give_pictures_and_classes(tmp_path):
    """Pictures and labels come in the order of the files."""
    root = write_fashion_mnist(tmp_path)
    found = read(root)
    assert ("T-shirt/top", "Ankle boot") == (found.class_names[0], found.class_names[9])
    assert {"train": 30, "test": 10} == {split: len(images) for split, images in found.splits.items()}
    assert [n % 10 for n in range(30)] == [image.label for image in found.splits["train"]]
    content = gzip.decompress((root / "t10k-images-idx3-ubyte.gz").read_bytes())
    expected = np.frombuffer(content, np.uint8, offset=16).reshape(-1, 28, 28)[3]
    np.testing.assert_array_equal(expected, np.asarray(found.open_image("test/00003")))


def test_debian_s_files_are_used_where_the_data_root_has_none(tmp_path):
    """The package's files need no data root; a data root's own files go first, whatever was packed when."""
    debian = write_fashion_mnist(tmp_path / "debian", num_train=20)
    installed = read_fashion_mnist(None, debian.parent)
    assert 20 == len(installed.splits["train"])
    again = read_fashion_mnist(str(tmp_path), debian.parent)
    assert installed.earlier_fingerprint == again.earlier_fingerprint
    assert (
        installed.version_of("test/00003")
        == again.version_of("test/00003")
        != again.version_of("train/00003")
    )
    write_fashion_mnist(tmp_path)
    assert 30 == len(read_fashion_mnist(str(tmp_path), debian.parent).splits["train"])


def test_nowhere_names_both_places(tmp_path):
    """Someone without the files is told how to get them."""
    with pytest.raises(ValueError, match=r"apt-get install dataset-fashion-mnist; or put train-images-idx3"):
        read_fashion_mnist(str(tmp_path), tmp_path / "debian")


def test_damaged_files_are_named_at_once(tmp_path):
    """Truncated, not packed, too short and wrongly labelled files are told together."""
    root = write_fashion_mnist(tmp_path)
    images = root / "train-images-idx3-ubyte.gz"
    images.write_bytes(images.read_bytes()[:-100])
    (root / "train-labels-idx1-ubyte.gz").write_bytes(b"<html>")
    content = gzip.decompress((root / "t10k-images-idx3-ubyte.gz").read_bytes())
    (root / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(content[:-5]))
    write_idx(root / "t10k-labels-idx1-ubyte.gz", np.zeros((2, 2), np.uint8))
    with pytest.raises(ValueError, match="fashion-mnist cannot be read") as raised:
        read(root)
    for fault in (
        "train-images-idx3-ubyte.gz cannot be unpacked",
        "train-labels-idx1-ubyte.gz cannot be unpacked",
        "t10k-images-idx3-ubyte.gz announces (10, 28, 28) values and holds 7835",
        "t10k-labels-idx1-ubyte.gz is no idx file of 1 dimensions of bytes",
    ):
        assert fault in str(raised.value)


def test_labels_without_pictures_and_beyond_the_classes_are_told(tmp_path):
    """Counts must agree, and there are ten classes."""
    root = write_fashion_mnist(tmp_path)
    write_idx(root / "t10k-labels-idx1-ubyte.gz", np.array([1, 2, 10], np.uint8))
    with pytest.raises(
        ValueError, match=r"has 10 images and t10k.* 3 labels; .*1 labels above 9, of images 2"
    ):
        read(root)
