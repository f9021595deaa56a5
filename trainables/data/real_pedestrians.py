"""Cuts eleven real pedestrians out of a public video, into the layout of Market-1501.

`python -m tablewright.trainables.data.real_pedestrians VIDEO OUT` needs the program `ffmpeg`. VIDEO is `vtest.avi`
(768 × 576, 795 frames) of Debian's package `opencv-doc`: footage of PETS 2009, University of Reading, for academic and
industrial research. No frame and no cut of it belongs into this repository.

`real_pedestrians.csv` holds 733 boxes in 70 tracklets, labelled by eye for this project: pid, zone, tracklet,
frame (from 0 on) and box in pixels, x1 and y1 exclusive. There is one camera, and the part of the picture that
a person walks in (`zone`) stands for the camera, so scores are optimistic. Person 10 may be two people, and at
least one box shows a second person.
"""

from __future__ import annotations

import csv
import itertools
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

BOXES = Path(__file__).with_name("real_pedestrians.csv")
FRAME_HEIGHT_PX, FRAME_WIDTH_PX = 576, 768
TEST_PIDS = frozenset({3, 4, 5, 7, 8})
"""Seen in all three zones and labelled without doubt; the six others are trained on."""
MAX_QUERIES = 4  # of one person in one zone; frames that follow each other are nearly equal
JPEG_QUALITY = 95
TRAIN, QUERY, GALLERY = "bounding_box_train", "query", "bounding_box_test"


@dataclass(frozen=True)
class Box:
    """One labelled person in one frame; pixels, x1 and y1 exclusive."""

    pid: int
    zone: int
    tracklet: int
    frame: int
    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def file_name(self) -> str:
        """As Market-1501 names it: zone for camera, tracklet for the number of the box."""
        return f"{self.pid:04d}_c{self.zone}s1_{self.frame:06d}_{self.tracklet:02d}.jpg"


def read_boxes(path: Path = BOXES) -> list[Box]:
    """Read the labels, in the order of the file."""
    with path.open(newline="", encoding="utf-8") as file:
        return [Box(**{name: int(value) for name, value in row.items()}) for row in csv.DictReader(file)]


def assign_folders(boxes: Sequence[Box]) -> dict[Box, str]:
    """Say which folder each box goes to.

    Of each test person's boxes in each zone up to `MAX_QUERIES`, but not more than half, are queries,
    evenly spread over time; the others are the gallery.
    """
    folder_of = {box: TRAIN for box in boxes if box.pid not in TEST_PIDS}
    in_test = sorted(
        (box for box in boxes if box.pid in TEST_PIDS),
        key=lambda box: (box.pid, box.zone, box.frame, box.tracklet),
    )
    for _, group in itertools.groupby(in_test, key=lambda box: (box.pid, box.zone)):
        seen = list(group)
        num_queries = min(MAX_QUERIES, len(seen) // 2)
        queries = {len(seen) * place // num_queries for place in range(num_queries)}
        folder_of |= {box: QUERY if place in queries else GALLERY for place, box in enumerate(seen)}
    return folder_of


def cut(video: Path, out: Path) -> dict[str, int]:
    """Cut all boxes and write them below `out`, which appears only when complete.

    An earlier result at `out` is replaced; any other folder there is left alone.

    Returns:
        Images written, by folder.

    Raises:
        ValueError: the video or `ffmpeg` is missing, the video is another one, or `out` holds something else.
    """
    if not video.is_file():
        raise ValueError(f"the video {video} is missing; it comes with `apt-get install opencv-doc`")
    if shutil.which("ffmpeg") is None:
        raise ValueError("the program ffmpeg is missing; it comes with `apt-get install ffmpeg`")
    if out.exists() and not (
        out.is_dir() and {path.name for path in out.iterdir()} <= {TRAIN, QUERY, GALLERY}
    ):
        raise ValueError(f"{out} holds something else than an earlier result; name another folder")
    folder_of = assign_folders(read_boxes())
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as aside_name:
        aside = Path(aside_name) / out.name
        for folder in (TRAIN, QUERY, GALLERY):
            (aside / folder).mkdir(parents=True)
        num_missing = len(folder_of)
        for frame, pixels_HW3 in enumerate(_read_frames(video)):
            picture = Image.fromarray(pixels_HW3)
            for box in (box for box in folder_of if box.frame == frame):
                person = picture.crop((box.x0, box.y0, box.x1, box.y1))
                person.save(aside / folder_of[box] / box.file_name, quality=JPEG_QUALITY)
                num_missing -= 1
        if num_missing:
            raise ValueError(
                f"{video} ends before {num_missing} of the labelled frames; it is not the labelled video"
            )
        if out.exists():
            shutil.rmtree(out)
        aside.rename(out)
    return {folder: list(folder_of.values()).count(folder) for folder in (TRAIN, QUERY, GALLERY)}


def _read_frames(video: Path) -> Iterator[np.ndarray]:
    """Decode frame by frame: uint8 (height, width, 3), RGB."""
    command = ["ffmpeg", "-v", "error", "-i", str(video), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    frame_bytes = FRAME_HEIGHT_PX * FRAME_WIDTH_PX * 3
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        while len(data := process.stdout.read(frame_bytes)) == frame_bytes:
            yield np.frombuffer(data, np.uint8).reshape(FRAME_HEIGHT_PX, FRAME_WIDTH_PX, 3)
        message = process.stderr.read().decode(errors="replace").strip()
    if data or process.returncode:
        raise ValueError(
            f"{video} is no video of {FRAME_WIDTH_PX} × {FRAME_HEIGHT_PX} pixels that ffmpeg can read: {message}"
        )


def main(arguments: Sequence[str]) -> None:
    """Run from the command line."""
    if len(arguments) != 2:
        sys.exit("usage: python -m tablewright.trainables.data.real_pedestrians VIDEO OUT")
    video, out = map(Path, arguments)
    try:
        num_images = cut(video, out)
    except ValueError as error:
        sys.exit(str(error))
    counts = ", ".join(f"{number} in {folder}" for folder, number in num_images.items())
    sys.stdout.write(f"{out}: {counts}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
