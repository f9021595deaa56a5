import tarfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from tablewright.trainables.data.embedded import unpack_demo_archive
from tablewright.trainables.data.reid import load_dataset


def pack(path, text):
    source = path.parent / f"{path.stem}_source"
    (source / "query").mkdir(parents=True, exist_ok=True)
    (source / "query" / "0001_c1s1_000001_00.jpg").write_text(text)
    (source / "bounding_box_train").mkdir(exist_ok=True)
    with tarfile.open(path, "w:xz") as tar:
        tar.add(source, arcname="demo")
    return path


def test_unpacks_once_for_each_archive(tmp_path):
    """The second call finds the first one's folder; another archive gets a folder of its own."""
    archive = pack(tmp_path / "demo.tar.xz", "one")
    folder = unpack_demo_archive(tmp_path / "cache", archive)
    marker = folder / "marker"
    marker.touch()
    assert folder == unpack_demo_archive(tmp_path / "cache", archive)
    assert marker.exists()
    other = unpack_demo_archive(tmp_path / "cache", pack(tmp_path / "demo2.tar.xz", "two"))
    assert folder != other
    assert "two" == (other / "query" / "0001_c1s1_000001_00.jpg").read_text()
    assert {folder, other} == set((tmp_path / "cache").iterdir())


def test_unpacks_with_the_python_of_debian_12_too(tmp_path, monkeypatch):
    """3.11.2 has no filters; an `extractall` that is given one fails there."""
    whole = tarfile.TarFile.extractall
    monkeypatch.delattr(tarfile, "data_filter")
    monkeypatch.setattr(
        tarfile.TarFile, "extractall", lambda tar, folder, members: whole(tar, folder, members)
    )
    folder = unpack_demo_archive(tmp_path / "cache", pack(tmp_path / "demo.tar.xz", "one"))
    assert "one" == (folder / "query" / "0001_c1s1_000001_00.jpg").read_text()


def test_trainings_that_start_at_once_share_one_folder(tmp_path):
    """Whoever is slower takes the faster one's folder and leaves nothing behind."""
    archive = pack(tmp_path / "demo.tar.xz", "one")
    with ThreadPoolExecutor(8) as pool:
        folders = set(pool.map(lambda _: unpack_demo_archive(tmp_path / "cache", archive), range(16)))
    assert folders == set((tmp_path / "cache").iterdir())
    assert 1 == len(folders)


def test_a_missing_archive_is_told(tmp_path):
    """An incomplete installation says what is missing."""
    with pytest.raises(ValueError, match=r"demo\.tar\.xz is missing"):
        unpack_demo_archive(tmp_path, tmp_path / "demo.tar.xz")


@pytest.mark.slow
def test_val_people_of_the_demo_set_are_nowhere_else(tmp_path):
    """The demo's val people are neither trained nor tested on, with no setting at all."""
    dataset = load_dataset("demo_pedestrians", None, str(tmp_path))
    val_query, val_gallery = dataset.query_and_gallery("val")
    pids = {split: {r.pid for r in records} - {0} for split, records in dataset.splits.items()}
    assert pids[val_query] <= pids[val_gallery]
    assert set() == pids[val_gallery] & (pids["train"] | pids["gallery"])
    assert set() == pids["train"] & pids["gallery"]
    assert dataset.is_demo
    assert () == dataset.warnings
