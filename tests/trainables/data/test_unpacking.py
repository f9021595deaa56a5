"""A small file that unpacks to more than any memory is refused by its name, before it is unpacked."""

import gzip
import io
import struct
import tarfile

import h5py
import numpy as np
import pytest
import scipy.io

from tablewright.trainables.data import unpacking
from tablewright.trainables.data.cuhk03_release import Release
from tablewright.trainables.data.embedded import unpack_demo_archive
from tablewright.trainables.data.fashion_mnist import read_fashion_mnist
from tablewright.trainables.data.matlab_file import read_matlab
from tests.trainables.tiny_fine_grained import write_fashion_mnist

LIMIT_BYTES = 2**20
MORE = "unpacks to more than 1 MiB, as no published file does; get it again"


@pytest.fixture(autouse=True)
def limit(monkeypatch):
    monkeypatch.setattr(unpacking, "MAX_UNPACKED_BYTES", LIMIT_BYTES)


@pytest.mark.parametrize(
    ("num_images", "fault"),
    [
        (10, r"t10k-images-idx3-ubyte.gz announces \(10, 28, 28\) values and holds more"),
        (2**32 - 1, rf"t10k-images-idx3-ubyte.gz announces \(4294967295, 28, 28\) values and {MORE}"),
    ],
)
def test_of_a_gzip_no_more_is_unpacked_than_it_announces(tmp_path, monkeypatch, num_images, fault):
    """Whatever its head says, and whatever comes then."""
    root = write_fashion_mnist(tmp_path)
    head = bytes([0, 0, 8, 3]) + struct.pack(">3I", num_images, 28, 28)
    (root / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(head + bytes(5 * LIMIT_BYTES)))
    read_bytes = []
    read = gzip.GzipFile.read
    monkeypatch.setattr(gzip.GzipFile, "read", lambda self, size: read_bytes.append(size) or read(self, size))
    with pytest.raises(ValueError, match=fault):
        read_fashion_mnist(str(tmp_path))
    assert max(read_bytes) <= LIMIT_BYTES + 1


def test_a_matlab_file_is_not_unpacked_where_it_is_too_large(tmp_path):
    """Its variables are packed one by one, and counted together; one that is cut off is told as such."""
    path = tmp_path / "list.mat"
    half = np.zeros(LIMIT_BYTES // 16)
    scipy.io.savemat(path, {"a": half}, do_compression=True)
    assert half.shape == read_matlab(path)["a"].shape
    scipy.io.savemat(path, {"a": half, "b": half, "c": half}, do_compression=True)
    assert path.stat().st_size < LIMIT_BYTES / 100
    with pytest.raises(ValueError, match=MORE):
        read_matlab(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match="cannot be read as a MATLAB file"):
        read_matlab(path)


def test_an_archive_is_left_where_it_is_too_large(tmp_path):
    """Nothing of it stays in the cache."""
    archive = tmp_path / "demo.tar.xz"
    with tarfile.open(archive, "w:xz") as tar:
        for name in ("query/a.jpg", "query/b.jpg"):
            member = tarfile.TarInfo(name)
            member.size = LIMIT_BYTES
            tar.addfile(member, io.BytesIO(bytes(LIMIT_BYTES)))
    with pytest.raises(ValueError, match=rf"demo.tar.xz {MORE}"):
        unpack_demo_archive(tmp_path / "cache", archive)
    assert [] == list((tmp_path / "cache").iterdir())
    archive.write_bytes(archive.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"demo.tar.xz is damaged; install the package again"):
        unpack_demo_archive(tmp_path / "cache", archive)


def test_an_array_of_a_release_is_not_read_where_it_is_too_large(tmp_path):
    """HDF5 packs what it holds, or holds nothing of what it announces."""
    path = tmp_path / "cuhk-03.mat"
    with h5py.File(path, "w") as file:
        array = file.create_dataset("a", (2**40, 2), np.float32, chunks=(1024, 2), compression="gzip")
        file.create_dataset(
            "testsets", data=np.array([[array.ref]], dtype=h5py.ref_dtype), dtype=h5py.ref_dtype
        )
    assert path.stat().st_size < LIMIT_BYTES
    with pytest.raises(ValueError, match=rf"cuhk-03.mat holds an array that {MORE}"):
        Release(path, "labeled").test_people(0)
