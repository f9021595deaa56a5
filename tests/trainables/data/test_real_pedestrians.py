import shutil
import subprocess
from collections import Counter

import pytest
from PIL import Image

from tablewright.trainables.data import real_pedestrians
from tablewright.trainables.data.real_pedestrians import TEST_PIDS, assign_folders, cut, read_boxes
from tablewright.trainables.data.reid import load_dataset

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")


def test_labels_are_complete():
    """733 boxes of 11 people in 70 tracklets, each inside the picture and named once."""
    boxes = read_boxes()
    assert (733, 11, 70) == (
        len(boxes),
        len({b.pid for b in boxes}),
        len({(b.pid, b.tracklet) for b in boxes}),
    )
    assert all(0 <= b.x0 < b.x1 <= 768 and 0 <= b.y0 < b.y1 <= 576 for b in boxes)
    assert 733 == len({box.file_name for box in boxes})


def test_six_people_are_trained_on_and_five_tested():
    """Nobody is on both sides, and every query has matches under another camera."""
    folder_of = assign_folders(read_boxes())
    pids = {
        folder: {box.pid for box in folder_of if folder_of[box] == folder} for folder in folder_of.values()
    }
    assert 6 == len(pids["bounding_box_train"])
    assert TEST_PIDS == pids["query"] == pids["bounding_box_test"]
    gallery = {(box.pid, box.zone) for box, folder in folder_of.items() if folder == "bounding_box_test"}
    queries = Counter((box.pid, box.zone) for box, folder in folder_of.items() if folder == "query")
    assert set(queries) == gallery
    assert max(queries.values()) == 4
    assert all(len({zone for pid, zone in gallery if pid == query}) == 3 for query in TEST_PIDS)


def write_video(path, seconds):
    """A grey video of the real one's size that counts 25 frames a second."""
    source = f"color=gray:size=768x576:rate=25:duration={seconds}"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", source, "-c:v", "mjpeg", str(path)], check=True
    )
    return path


@needs_ffmpeg
def test_cuts_become_a_data_set(tmp_path, monkeypatch):
    """Boxes are cut from their frames into folders that the reader takes, and a second run replaces them."""
    few = [box for box in read_boxes() if box.frame < 240]
    monkeypatch.setattr(real_pedestrians, "read_boxes", lambda: few)
    out = tmp_path / "data" / "real_pedestrians"
    video = write_video(tmp_path / "video.avi", 10)
    for _ in range(2):
        assert len(few) == sum(cut(video, out).values())
        dataset = load_dataset("real_pedestrians", str(tmp_path / "data"), str(tmp_path))
        assert len(few) == sum(len(records) for records in dataset.splits.values())
    box = few[0]
    with Image.open(out / assign_folders(few)[box] / box.file_name) as image:
        assert (box.x1 - box.x0, box.y1 - box.y0) == image.size
    assert [out] == list(out.parent.iterdir())


@needs_ffmpeg
def test_another_video_is_refused(tmp_path):
    """A video that is too short, or none at all, is told, and nothing is left at the target."""
    with pytest.raises(ValueError, match="it is not the labelled video"):
        cut(write_video(tmp_path / "short.avi", 1), tmp_path / "out")
    (tmp_path / "text.avi").write_text("no video")
    with pytest.raises(ValueError, match="that ffmpeg can read"):
        cut(tmp_path / "text.avi", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@needs_ffmpeg
def test_a_folder_of_other_things_is_left_alone(tmp_path):
    """Only an earlier result is replaced."""
    (tmp_path / "video.avi").touch()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").touch()
    with pytest.raises(ValueError, match="holds something else"):
        cut(tmp_path / "video.avi", tmp_path / "out")
    assert (tmp_path / "out" / "thesis.tex").exists()


def test_what_is_missing_is_named_with_its_package(tmp_path, monkeypatch):
    """A missing video or ffmpeg says which package brings it."""
    with pytest.raises(ValueError, match="apt-get install opencv-doc"):
        cut(tmp_path / "vtest.avi", tmp_path / "out")
    (tmp_path / "vtest.avi").touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="apt-get install ffmpeg"):
        cut(tmp_path / "vtest.avi", tmp_path / "out")
