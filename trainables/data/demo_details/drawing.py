"""Drawing one picture: ground, clutter, a bird, and on the bird the badge whose glyph is the class.

Only sums, products, quotients and square roots of float64 are used, and random numbers only as `random()` gives
them: so that the pixels are the same bytes on every machine and under every version of the libraries.

Legend: H W height and width of the picture; C colours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tablewright.trainables.data.demo_details.glyphs import GLYPH_SIZE, glyph_darkness

SIDE_PX = 128
NUM_CLUTTER = 6
BADGE_RADIUS_PX = (7.0, 8.5)
"""So that the badge is 14 to 17 px wide, and the glyph within 10 to 12."""
_EDGE_PX = 0.8  # over which a border fades


@dataclass(frozen=True)
class _Placed:
    """Where a figure stands: its centre, its half axes and the cosine and sine of its angle, all in px."""

    y: float
    x: float
    half_height: float
    half_width: float
    cos: float = 1.0
    sin: float = 0.0


def draw_picture(label: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a picture of a class, uint8 (H, W, C).

    Nothing but the glyph depends on the class: not the random numbers that are drawn, nor their order.
    """
    picture_HWC = _ground(rng)
    for _ in range(NUM_CLUTTER):
        y, x, half_height, half_width = (
            *_uniform(rng, 0, SIDE_PX, 2).tolist(),
            *_uniform(rng, 3, 14, 2).tolist(),
        )
        place = _Placed(y, x, half_height, half_width, *_direction(rng, max_slope=10.0))
        paint = _paint_box if rng.random() < 0.5 else _paint_ellipse
        paint(picture_HWC, place, _colour(rng))
    for _ in range(2):  # badges without a glyph, so that a badge alone says nothing
        y, x = _uniform(rng, 10, SIDE_PX - 10, 2).tolist()
        _paint_badge(picture_HWC, y, x, None, rng)
    badge_y, badge_x = _bird(picture_HWC, rng)
    _paint_badge(picture_HWC, badge_y, badge_x, glyph_darkness(label), rng)
    grain_HW1 = (rng.random((SIDE_PX, SIDE_PX, 1)) - 0.5) * 12
    return np.clip(picture_HWC + grain_HW1 + 0.5, 0, 255).astype(np.uint8)


def _ground(rng: np.random.Generator) -> np.ndarray:
    """Two colours mixed by smooth noise of three sizes."""
    noise_HW1 = sum(
        weight * _smooth_noise(rng, num_cells)[..., None]
        for num_cells, weight in ((2, 0.5), (6, 0.3), (20, 0.2))
    )
    one_C, other_C = _colour(rng), _colour(rng)
    return one_C + (other_C - one_C) * noise_HW1


def _smooth_noise(rng: np.random.Generator, num_cells: int) -> np.ndarray:
    """Random values on a grid with straight lines between them, 0..1, (H, W)."""
    grid = rng.random((num_cells + 2, num_cells + 2))
    place = np.arange(SIDE_PX) * (num_cells / SIDE_PX)
    cell = place.astype(int)
    share = place - cell
    rows = grid[cell] + (grid[cell + 1] - grid[cell]) * share[:, None]
    return rows[:, cell] + (rows[:, cell + 1] - rows[:, cell]) * share[None, :]


def _bird(picture_HWC: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """Paint tail, body, wing and head; give the centre of the badge, on the breast."""
    scale = float(_uniform(rng, 0.8, 1.2, 1)[0])
    side = 1.0 if rng.random() < 0.5 else -1.0
    y, x = _uniform(rng, 44, SIDE_PX - 40, 2).tolist()
    cos, sin = _direction(rng, max_slope=0.3)
    plumage_C, wing_C, beak_C = _colour(rng), _colour(rng), _colour(rng)

    def part(dy: float, dx: float, half_height: float, half_width: float) -> _Placed:
        dy, dx = dy * scale, side * dx * scale
        return _Placed(
            y + dy * cos + dx * sin,
            x + dx * cos - dy * sin,
            half_height * scale,
            half_width * scale,
            cos,
            sin,
        )

    _paint_box(picture_HWC, part(-4, -34, 4, 14), wing_C)
    _paint_ellipse(picture_HWC, part(0, 0, 19, 28), plumage_C)
    _paint_ellipse(picture_HWC, part(-3, -12, 8, 17), wing_C)
    _paint_box(picture_HWC, part(-19, 37, 2.5, 7), beak_C)
    _paint_ellipse(picture_HWC, part(-19, 22, 12, 12), plumage_C)
    _paint_ellipse(picture_HWC, part(-22, 26, 2, 2), np.zeros(3))
    breast = part(3, 13, 1, 1)
    return breast.y, breast.x


def _paint_badge(
    picture_HWC: np.ndarray, y: float, x: float, glyph_HW: np.ndarray | None, rng: np.random.Generator
) -> None:
    """Paint a light disc with a dark glyph in it, a little turned; without a glyph, the disc alone."""
    radius = float(_uniform(rng, *BADGE_RADIUS_PX, 1)[0])
    cos, sin = _direction(rng, max_slope=0.15)
    place = _Placed(y, x, radius, radius, cos, sin)
    light_C, dark_C = 195 + 60 * rng.random(3), 70 * rng.random(3)
    _paint_ellipse(picture_HWC, place, light_C)
    if glyph_HW is None:
        return
    window = _window(place)
    down_HW, right_HW = _local(place, window)
    # The glyph's square touches the disc from within: half its side is the radius by the root of two.
    unit = 2 * radius / float(np.sqrt(2.0)) / GLYPH_SIZE
    middle = (GLYPH_SIZE + 1) / 2  # of the glyph with a border of one
    darkness_HW = _between(np.pad(glyph_HW, 1), down_HW / unit + middle, right_HW / unit + middle)
    _mix(picture_HWC[window], darkness_HW, dark_C)


def _between(values: np.ndarray, row_HW: np.ndarray, column_HW: np.ndarray) -> np.ndarray:
    """Read between the entries of an array, bilinearly; its border, 0, is repeated outside."""
    last = len(values) - 1.0
    row_HW, column_HW = np.clip(row_HW, 0, last - 1e-6), np.clip(column_HW, 0, last - 1e-6)
    top, left = row_HW.astype(int), column_HW.astype(int)
    down, right = row_HW - top, column_HW - left
    upper = values[top, left] + (values[top, left + 1] - values[top, left]) * right
    lower = values[top + 1, left] + (values[top + 1, left + 1] - values[top + 1, left]) * right
    return upper + (lower - upper) * down


def _paint_ellipse(picture_HWC: np.ndarray, place: _Placed, colour_C: np.ndarray) -> None:
    window = _window(place)
    down_HW, right_HW = _local(place, window)
    down_HW, right_HW = down_HW / place.half_height, right_HW / place.half_width
    radius_HW = np.sqrt(down_HW * down_HW + right_HW * right_HW)
    inside_HW = (1 - radius_HW) * min(place.half_height, place.half_width)
    _mix(picture_HWC[window], np.clip(inside_HW / _EDGE_PX + 0.5, 0, 1), colour_C)


def _paint_box(picture_HWC: np.ndarray, place: _Placed, colour_C: np.ndarray) -> None:
    window = _window(place)
    down_HW, right_HW = _local(place, window)
    inside_HW = np.minimum(place.half_height - np.abs(down_HW), place.half_width - np.abs(right_HW))
    _mix(picture_HWC[window], np.clip(inside_HW / _EDGE_PX + 0.5, 0, 1), colour_C)


def _window(place: _Placed) -> tuple[slice, slice]:
    """Give the part of the picture that a figure can touch, however it is turned."""
    reach = place.half_height + place.half_width + 1
    rows, columns = (
        slice(max(0, int(centre - reach)), max(0, min(SIDE_PX, int(centre + reach) + 1)))
        for centre in (place.y, place.x)
    )
    return rows, columns


def _local(place: _Placed, window: tuple[slice, slice]) -> tuple[np.ndarray, np.ndarray]:
    """Give each pixel's way down and right from a figure's centre, along the figure's own axes, in px."""
    rows, columns = window
    dy = np.arange(rows.start, rows.stop)[:, None] - place.y
    dx = np.arange(columns.start, columns.stop)[None, :] - place.x
    return dy * place.cos - dx * place.sin, dy * place.sin + dx * place.cos


def _mix(part_HWC: np.ndarray, cover_HW: np.ndarray, colour_C: np.ndarray) -> None:
    part_HWC += (colour_C - part_HWC) * cover_HW[..., None]


def _colour(rng: np.random.Generator) -> np.ndarray:
    return 30 + 195 * rng.random(3)


def _uniform(rng: np.random.Generator, low: float, high: float, size: int) -> np.ndarray:
    return low + (high - low) * rng.random(size)


def _direction(rng: np.random.Generator, *, max_slope: float) -> tuple[float, float]:
    """Give cosine and sine of a random small angle, without calling either."""
    slope = float(_uniform(rng, -max_slope, max_slope, 1)[0])
    cos = 1 / float(np.sqrt(1 + slope * slope))
    return cos, slope * cos
