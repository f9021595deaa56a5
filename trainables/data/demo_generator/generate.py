"""Write the demo data set: `python -m tablewright.trainables.data.demo_generator.generate OUT.tar.xz`.

The archive has Market-1501's folders plus `val_query/` and `val_gallery/`, which only searches may look at.
"""

from __future__ import annotations

import argparse
import io
import logging
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from tablewright.trainables.data.demo_generator.body import BodyModel, sample_pose
from tablewright.trainables.data.demo_generator.camera import (
    HEIGHT_PX,
    WIDTH_PX,
    Camera,
    Framing,
    Layer,
    cast_shadow,
    draw_framing,
    draw_yaw,
    expose,
    lay_over,
    make_camera,
    photograph,
    soften,
)
from tablewright.trainables.data.demo_generator.outfit import Outfit
from tablewright.trainables.data.demo_generator.scene import crop_scene, draw_bollard, draw_bush, draw_railing
from tablewright.trainables.data.demo_generator.wardrobe import Look, draw_look, draw_people

log = logging.getLogger(__name__)

SEED = 1501
CAMERA_SEED = 6
NUM_CAMERAS = 6
NUM_SHOTS = 4  # pictures of one identity under one camera
NUM_IDENTITIES = {"train": 60, "val": 10, "test": 30}
NUM_JUNK_IMAGES = 36  # pid -1: detections that show only part of a person
NUM_DISTRACTOR_IMAGES = 72  # pid 0: background and strangers
JUNK_PID, DISTRACTOR_PID = -1, 0
JPEG_QUALITY = 88
OCCLUDED_SHARE = 0.11
PASSER_BY_SHARE = 0.08  # pictures in which somebody walks behind
FRAME_STEP = 25  # frames between two shots, as Market's trackers sample


@dataclass(frozen=True)
class NamedImage:
    """One file of the data set."""

    path: str
    pixels: np.ndarray  # (128, 64, 3) uint8


def _paste_occluder(
    picture: np.ndarray, camera: Camera, strangers: list[Outfit], rng: np.random.Generator
) -> np.ndarray:
    """Let something or somebody stand in front."""
    kind = rng.choice(["person", "bollard", "bush", "railing"], p=[0.4, 0.2, 0.2, 0.2])
    if kind == "person":
        side = 1 if rng.random() < 0.5 else -1
        framing = Framing(rng.uniform(0.9, 1.3), side * rng.uniform(0.36, 0.6), rng.uniform(0.05, 0.2))
        return lay_over(picture, _photograph_stranger(camera, strangers, framing, rng))
    draw = {"bollard": draw_bollard, "bush": draw_bush, "railing": draw_railing}[kind]
    colour, alpha = draw(rng, HEIGHT_PX, WIDTH_PX)
    layer = soften(Layer(colour.astype(np.float32), alpha.astype(np.float32)), rng.uniform(0.8, 1.8))
    return lay_over(picture, layer)


def _photograph_stranger(
    camera: Camera, strangers: list[Outfit], framing: Framing, rng: np.random.Generator
) -> Layer:
    stranger = strangers[rng.integers(len(strangers))]
    mesh = stranger.pose(sample_pose(rng, 0.4, 0.3))
    return photograph(camera, mesh, draw_yaw(camera, rng), framing)


def shoot(
    look: Look,
    outfit: Outfit,
    camera: Camera,
    strangers: list[Outfit],
    framing: Framing,
    rng: np.random.Generator,
) -> np.ndarray:
    """Take one picture of one person, shape (128, 64, 3)."""
    picture = crop_scene(camera.scene, rng, HEIGHT_PX, WIDTH_PX)
    if rng.random() < PASSER_BY_SHARE:
        behind = Framing(
            rng.uniform(0.45, 0.75), rng.choice([-1, 1]) * rng.uniform(0.2, 0.5), rng.uniform(-0.2, 0)
        )
        passer_by = _photograph_stranger(camera, strangers, behind, rng)
        picture = lay_over(cast_shadow(picture, passer_by), passer_by)
    mesh = outfit.pose(sample_pose(rng, look.stride, look.arm_swing))
    person = photograph(camera, mesh, draw_yaw(camera, rng), framing)
    picture = lay_over(cast_shadow(picture, person), person)
    if rng.random() < OCCLUDED_SHARE:
        picture = _paste_occluder(picture, camera, strangers, rng)
    return expose(camera, picture, rng)


def _name(folder: str, pid: int, camid: int, frame: int, shot: int) -> str:
    pid_text = str(pid) if pid == JUNK_PID else f"{pid:04d}"
    return f"{folder}/{pid_text}_c{camid}s1_{frame:06d}_{shot:02d}.jpg"


def _choose_folder(split: str, shot: int) -> str:
    if split == "train":
        return "bounding_box_train"
    is_query = shot == 0
    if split == "val":
        return "val_query" if is_query else "val_gallery"
    return "query" if is_query else "bounding_box_test"


def make_images(body: BodyModel, num_identities: dict[str, int] = NUM_IDENTITIES) -> Iterator[NamedImage]:
    """Make the whole data set, one picture at a time, always in the same order."""
    cameras = [make_camera(camid, CAMERA_SEED) for camid in range(1, NUM_CAMERAS + 1)]
    strangers_rng = np.random.default_rng([SEED, 1])
    strangers = [Outfit(body, draw_look(strangers_rng)) for _ in range(12)]
    pid = 0
    for split_number, (split, num_people) in enumerate(num_identities.items()):
        for look in draw_people(np.random.default_rng([SEED, 2, split_number]), num_people):
            pid += 1
            outfit = Outfit(body, look)
            for camera in cameras:
                rng = np.random.default_rng([SEED, 3, pid, camera.camid])
                first_frame = int(rng.integers(100, 90_000))
                for shot in range(NUM_SHOTS):
                    pixels = shoot(look, outfit, camera, strangers, draw_framing(rng), rng)
                    folder = _choose_folder(split, shot)
                    frame = first_frame + shot * FRAME_STEP
                    yield NamedImage(_name(folder, pid, camera.camid, frame, shot), pixels)
    yield from _make_unlabelled(cameras, strangers)


def _make_unlabelled(cameras: list[Camera], strangers: list[Outfit]) -> Iterator[NamedImage]:
    """Make junk (a person cut badly) and distractors (streets and strangers) for the test gallery."""
    for number in range(NUM_JUNK_IMAGES + NUM_DISTRACTOR_IMAGES):
        rng = np.random.default_rng([SEED, 4, number])
        camera = cameras[number % len(cameras)]
        picture = crop_scene(camera.scene, rng, HEIGHT_PX, WIDTH_PX)
        pid = JUNK_PID if number < NUM_JUNK_IMAGES else DISTRACTOR_PID
        if pid == JUNK_PID:
            cut = Framing(
                rng.uniform(1.6, 2.4), rng.normal(0, 0.2), rng.choice([-1, 1]) * rng.uniform(0.3, 0.6)
            )
            picture = lay_over(picture, _photograph_stranger(camera, strangers, cut, rng))
        elif rng.random() < 0.5:
            person = _photograph_stranger(camera, strangers, draw_framing(rng), rng)
            picture = lay_over(cast_shadow(picture, person), person)
        elif rng.random() < 0.5:
            picture = _paste_occluder(picture, camera, strangers, rng)
        frame = int(rng.integers(100, 90_000))
        yield NamedImage(
            _name("bounding_box_test", pid, camera.camid, frame, number), expose(camera, picture, rng)
        )


def _add_image(archive: tarfile.TarFile, image: NamedImage) -> None:
    buffer = io.BytesIO()
    Image.fromarray(image.pixels).save(buffer, format="JPEG", quality=JPEG_QUALITY, optimize=True)
    entry = tarfile.TarInfo(image.path)
    entry.size = buffer.tell()
    buffer.seek(0)
    archive.addfile(entry, buffer)


def write_archive(body: BodyModel, archive_file: Path) -> int:
    """Write the archive beside its place, then move it there.

    Returns:
        Number of pictures written.
    """
    unfinished_file = archive_file.with_name(archive_file.name + ".part")
    num_images = 0
    started = time.monotonic()
    with tarfile.open(unfinished_file, "w:xz", format=tarfile.USTAR_FORMAT) as archive:
        for num_images, image in enumerate(make_images(body), start=1):
            _add_image(archive, image)
            if num_images % 240 == 0:
                log.info("%d pictures in %.0f s", num_images, time.monotonic() - started)
    unfinished_file.replace(archive_file)
    return num_images


def main() -> None:
    """Read the command line and write the archive."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive_file", type=Path, help="where to write, for example demo_pedestrians.tar.xz")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    log.info("building the body model (about a minute)")
    body = BodyModel()
    num_images = write_archive(body, arguments.archive_file)
    log.info("%d pictures, %.1f MB", num_images, arguments.archive_file.stat().st_size / 1e6)


if __name__ == "__main__":
    main()
