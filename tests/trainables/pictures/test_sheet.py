"""Sheets of small pictures."""

import io

import numpy as np
from PIL import Image

from tablewright.trainables.pictures.sheet import Tile, draw_sheet

GREEN, RED = (0, 160, 60), (215, 0, 20)


def noise(height_px, width_px, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height_px, width_px, 3), dtype=np.uint8)


def pixels_of(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def share_near(pixels, colour, tolerance=40):
    return float((np.abs(pixels - np.array(colour)).max(-1) < tolerance).mean())


def test_equal_tiles_give_equal_bytes():
    """Drawing twice gives one file, and another picture another file."""
    first, again, other = (draw_sheet([[Tile(noise(64, 32, seed), GREEN)]], ["query"]) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_a_sheet_stays_small_however_many_and_large_its_tiles_are():
    """Pure noise, which nothing compresses, in 5 lines of 11 large tiles stays below 200 kB."""
    lines = [[Tile(noise(384, 192, 11 * row + column), GREEN) for column in range(11)] for row in range(5)]
    assert len(draw_sheet(lines, ["head"] * 11)) < 200_000


def test_frames_keep_their_colour():
    """After the palette is chosen, green frames are green, red ones red, and no frame leaves white."""
    grey = np.full((64, 32, 3), 128, dtype=np.uint8)
    pixels = {
        name: pixels_of(draw_sheet([[Tile(grey, frame)]], [""]))
        for name, frame in {"green": GREEN, "red": RED, "none": None}.items()
    }
    assert share_near(pixels["green"], GREEN) > 0.05
    assert share_near(pixels["red"], RED) > 0.05
    assert 0 == share_near(pixels["green"], RED) == share_near(pixels["none"], GREEN)


def test_a_dashed_frame_is_told_from_a_solid_one_without_its_colour():
    """About half of its length is left white, and nothing of the image is."""
    grey = np.full((64, 32, 3), 128, dtype=np.uint8)
    solid, dashed = (
        pixels_of(draw_sheet([[Tile(grey, RED, is_dashed=is_dashed)]], [""])) for is_dashed in (False, True)
    )
    assert 0.4 < share_near(dashed, RED) / share_near(solid, RED) < 0.7
    is_grey = (np.abs(solid.astype(int) - 128) < 10).all(-1)
    assert (solid[is_grey] == dashed[is_grey]).all()


def test_boxes_are_drawn_where_they_say_and_cut_off_at_the_image():
    """A box over the upper half changes no pixel of the lower half, and one that leaves the image only it."""
    black = np.zeros((128, 64, 3), dtype=np.uint8)
    plain, upper, outside = (
        pixels_of(draw_sheet([[Tile(black, boxes=boxes)]], [""]))
        for boxes in ((), [(0.1, 0.1, 0.9, 0.4)], [(-0.5, 0.6, 1.5, 0.9)])
    )
    is_inside = plain.max(-1) < 128  # the image among the white
    top, bottom = np.flatnonzero(is_inside.any(1))[[0, -1]]
    middle = (top + bottom) // 2
    assert (plain[middle:] == upper[middle:]).all()
    assert (plain[:middle] != upper[:middle]).any()
    assert (plain[is_inside] != outside[is_inside]).any()
    assert (plain[~is_inside] == outside[~is_inside]).all()


def test_a_short_line_leaves_its_places_white():
    """A line with fewer tiles than heads is drawn as far as it goes."""
    black = np.zeros((64, 32, 3), dtype=np.uint8)
    pixels = pixels_of(draw_sheet([[Tile(black)] * 3, [Tile(black)]], ["1", "2", "3"]))
    lower = pixels[pixels.shape[0] * 3 // 4]
    third = lower.shape[0] // 3
    assert lower[:third].min() < 50
    assert lower[third + 8 :].min() > 200
