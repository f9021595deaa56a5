"""Painted surroundings: street scenes behind people, and things that stand in front of them.

Legend of shapes: `H` `W` height and width in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from tablewright.trainables.data.demo_generator.raster import FloatArray

SCENE_HEIGHT_PX, SCENE_WIDTH_PX = 320, 1024
WALL_COLOURS = (
    (0.62, 0.58, 0.52),
    (0.55, 0.38, 0.32),
    (0.72, 0.70, 0.66),
    (0.42, 0.45, 0.48),
    (0.60, 0.55, 0.40),
)
GROUND_COLOURS = ((0.52, 0.51, 0.50), (0.42, 0.42, 0.43), (0.58, 0.54, 0.48), (0.47, 0.43, 0.40))
SIGN_COLOURS = (
    (0.60, 0.20, 0.18),
    (0.20, 0.33, 0.50),
    (0.25, 0.42, 0.30),
    (0.75, 0.65, 0.35),
    (0.85, 0.85, 0.82),
)
LEAF_DARK, LEAF_LIGHT = (0.10, 0.17, 0.08), (0.36, 0.47, 0.22)


@dataclass(frozen=True)
class Scene:
    """A street wider than a picture, so that each picture shows another part of it."""

    picture_HW3: FloatArray


def make_noise(rng: np.random.Generator, height_px: int, width_px: int, coarsest_px: int) -> FloatArray:
    """Make cloudy noise of several scales with mean 0 and deviation 1."""
    noise_HW = np.zeros((height_px, width_px), np.float32)
    cell_px = coarsest_px
    while cell_px >= 2:
        grid = rng.normal(0, cell_px**0.6, (height_px // cell_px + 2, width_px // cell_px + 2))
        noise_HW += cv2.resize(grid.astype(np.float32), (width_px, height_px), interpolation=cv2.INTER_CUBIC)
        cell_px //= 2
    return (noise_HW - noise_HW.mean()) / noise_HW.std()


def _pick(rng: np.random.Generator, colours: tuple[tuple[float, float, float], ...]) -> FloatArray:
    return (np.array(colours[rng.integers(len(colours))]) * rng.uniform(0.8, 1.15)).astype(np.float32)


def paint_leaves(rng: np.random.Generator, height_px: int, width_px: int) -> FloatArray:
    """Paint foliage: dark gaps and light tips."""
    fine = make_noise(rng, height_px, width_px, 12)
    share_HW1 = 1 / (1 + np.exp(-1.6 * fine))[..., None]
    return np.array(LEAF_DARK, np.float32) * (1 - share_HW1) + np.array(LEAF_LIGHT, np.float32) * share_HW1


def _paint_ground(rng: np.random.Generator, horizon_px: int) -> FloatArray:
    """Paint paving in perspective, with worn patches, a kerb, and perhaps a strip of grass."""
    rows_px = SCENE_HEIGHT_PX - horizon_px
    distance_H1 = 60 / (np.arange(rows_px)[:, None] + 14.0)
    along_HW = (np.arange(SCENE_WIDTH_PX)[None] - SCENE_WIDTH_PX / 2) * distance_H1 / 60
    tile_m = rng.uniform(0.35, 0.9)
    skew = rng.uniform(-0.5, 0.5)
    joint_HW = np.zeros((rows_px, SCENE_WIDTH_PX), np.float32)
    for coordinate_HW, footprint_HW in (
        (along_HW + skew * distance_H1, distance_H1 / 60),
        (distance_H1 * 2.2 - skew * 0.3 * along_HW, distance_H1**2 * 2.2 / 60),
    ):
        from_joint_HW = np.abs((coordinate_HW / tile_m) % 1 - 0.5) * tile_m
        joint_HW += np.clip(1 - from_joint_HW / (footprint_HW * 1.2 + 0.008), 0, 1) * 0.5
    base = _pick(rng, GROUND_COLOURS)
    worn_HW = make_noise(rng, rows_px, SCENE_WIDTH_PX, 64)
    grain_HW = make_noise(rng, rows_px, SCENE_WIDTH_PX, 4)
    ground_HW3 = base * (1 - 0.22 * joint_HW + 0.06 * worn_HW + 0.035 * grain_HW)[..., None]
    ground_HW3 *= np.linspace(0.88, 1.05, rows_px)[:, None, None]
    if rng.random() < 0.5:
        first, last = sorted(rng.integers(0, rows_px // 3, 2))
        leaves = paint_leaves(rng, last - first + 6, SCENE_WIDTH_PX)
        ground_HW3[first : last + 6] = 0.8 * leaves + 0.1
    if rng.random() < 0.6:
        row = int(rng.integers(rows_px // 3, rows_px // 2))
        ground_HW3[row : row + 5] = base * 1.25
        ground_HW3[row + 5 : row + 9] = base * 0.6
    return ground_HW3.astype(np.float32)


def _paint_wall(rng: np.random.Generator, height_px: int) -> FloatArray:
    """Paint a row of house fronts with windows, shop signs and doors."""
    wall_HW3 = np.zeros((height_px, SCENE_WIDTH_PX, 3), np.float32)
    left = 0
    while left < SCENE_WIDTH_PX:
        width_px = int(rng.integers(90, 260))
        right = min(left + width_px, SCENE_WIDTH_PX)
        stain_HW = make_noise(rng, height_px, right - left, 32)
        wall_HW3[:, left:right] = _pick(rng, WALL_COLOURS) * (1 + 0.06 * stain_HW)[..., None]
        step_px = int(rng.integers(40, 75))
        for window_left in range(left + 8, right - 30, step_px):
            pane_width = int(step_px * rng.uniform(0.5, 0.75))
            top, bottom = int(height_px * rng.uniform(0.15, 0.4)), int(height_px * rng.uniform(0.7, 0.98))
            _paint_window(rng, wall_HW3, window_left, top, min(window_left + pane_width, right), bottom)
        if rng.random() < 0.6:
            sign_top = int(height_px * rng.uniform(0.02, 0.12))
            sign = _pick(rng, SIGN_COLOURS)
            wall_HW3[sign_top : sign_top + int(height_px * 0.14) + 2, left + 4 : right - 4] = sign
        left = right
    return wall_HW3


def _paint_window(
    rng: np.random.Generator, wall_HW3: FloatArray, left: int, top: int, right: int, bottom: int
) -> None:
    """Paint one pane into a wall: a frame, dark glass, a slanted reflection."""
    if right - left < 6 or bottom - top < 6:
        return
    frame = _pick(rng, ((0.85, 0.85, 0.83), (0.25, 0.24, 0.23), (0.45, 0.35, 0.28)))
    wall_HW3[top:bottom, left:right] = frame
    rows, columns = np.mgrid[0 : bottom - top - 4, 0 : right - left - 4]
    slanted = np.clip(np.sin((rows * 0.7 + columns) / rng.uniform(6, 16) + rng.uniform(0, 6)), 0, 1)
    glass = np.array([0.16, 0.19, 0.22]) * rng.uniform(0.8, 1.6)
    wall_HW3[top + 2 : bottom - 2, left + 2 : right - 2] = glass + 0.18 * slanted[..., None]


def _park_car(rng: np.random.Generator, picture_HW3: FloatArray, wheel_row: int) -> None:
    """Paint a parked car far behind: cabin, body, wheels."""
    left, length = int(rng.integers(0, SCENE_WIDTH_PX - 160)), int(rng.integers(120, 160))
    height = length // 5
    paint = tuple(
        float(channel) for channel in _pick(rng, (*SIGN_COLOURS, (0.12, 0.12, 0.13), (0.6, 0.62, 0.65)))
    )
    dark, glass = (0.07, 0.07, 0.07), (0.20, 0.24, 0.27)
    top = wheel_row - 2 * height
    cabin = np.array([[0.2, 1.0], [0.32, 0.05], [0.68, 0.05], [0.84, 1.0]]) * [length, height] + [left, top]
    cv2.fillPoly(picture_HW3, [cabin.astype(np.int32)], paint, cv2.LINE_AA)
    inside = (cabin - cabin.mean(axis=0)) * 0.82 + cabin.mean(axis=0)
    cv2.fillPoly(picture_HW3, [inside.astype(np.int32)], glass, cv2.LINE_AA)
    centre = (left + length // 2, wheel_row - height // 2 - 2)
    cv2.ellipse(picture_HW3, centre, (length // 2, height // 2 + 6), 0, 180, 360, paint, -1, cv2.LINE_AA)
    cv2.rectangle(picture_HW3, (left, centre[1]), (left + length, wheel_row - 3), paint, -1)
    for share in (0.2, 0.8):
        cv2.circle(
            picture_HW3, (left + int(share * length), wheel_row - 4), height // 3 + 2, dark, -1, cv2.LINE_AA
        )


def paint_scene(rng: np.random.Generator) -> Scene:
    """Paint the street that one camera watches."""
    horizon_px = int(SCENE_HEIGHT_PX * rng.uniform(0.12, 0.42))
    picture_HW3 = np.zeros((SCENE_HEIGHT_PX, SCENE_WIDTH_PX, 3), np.float32)
    picture_HW3[horizon_px:] = _paint_ground(rng, horizon_px)
    picture_HW3[:horizon_px] = _paint_wall(rng, horizon_px)
    if rng.random() < 0.6:
        hedge_px = int(horizon_px * rng.uniform(0.3, 0.8))
        edge_W = horizon_px - hedge_px + 6 * make_noise(rng, 2, SCENE_WIDTH_PX, 32)[0]
        is_hedge_HW = (np.arange(SCENE_HEIGHT_PX)[:, None] > edge_W) & (
            np.arange(SCENE_HEIGHT_PX)[:, None] < horizon_px + 4
        )
        spans_W = make_noise(rng, 2, SCENE_WIDTH_PX, 256)[0] > -0.2
        leaves = paint_leaves(rng, SCENE_HEIGHT_PX, SCENE_WIDTH_PX)
        picture_HW3 = np.where((is_hedge_HW & spans_W)[..., None], leaves, picture_HW3)
    picture_HW3 = np.ascontiguousarray(picture_HW3, np.float32)
    for _ in range(int(rng.integers(0, 4))):
        _park_car(rng, picture_HW3, horizon_px + int(rng.integers(8, 22)))
    return Scene(np.clip(cv2.GaussianBlur(picture_HW3, (0, 0), 1.6), 0, 1))


def crop_scene(scene: Scene, rng: np.random.Generator, height_px: int, width_px: int) -> FloatArray:
    """Cut a random view of a scene; nearer people show less of the street."""
    zoom = rng.uniform(0.8, 1.0)
    cut_height, cut_width = int(SCENE_HEIGHT_PX * zoom), int(SCENE_HEIGHT_PX * zoom * width_px / height_px)
    top = int(rng.integers(0, SCENE_HEIGHT_PX - cut_height + 1))
    left = int(rng.integers(0, SCENE_WIDTH_PX - cut_width + 1))
    cut = scene.picture_HW3[top : top + cut_height, left : left + cut_width]
    return cv2.resize(cut, (width_px, height_px), interpolation=cv2.INTER_AREA)


def draw_bollard(rng: np.random.Generator, height_px: int, width_px: int) -> tuple[FloatArray, FloatArray]:
    """Draw a shaded post with a round cap and a reflecting band: colour (H, W, 3) and alpha (H, W)."""
    half_px = rng.uniform(5, 13)
    middle_px, top_px = rng.uniform(0.1, 0.9) * width_px, rng.uniform(0.45, 0.75) * height_px
    rows, columns = np.mgrid[0:height_px, 0:width_px].astype(np.float32)
    across = (columns - middle_px) / half_px
    cap = top_px + half_px * 0.8 * (1 - np.sqrt(np.clip(1 - across**2, 0, 1)))
    alpha = np.clip((1 - np.abs(across)) * half_px, 0, 1) * np.clip(rows - cap, 0, 1)
    shading = 0.45 + 0.55 * np.sqrt(np.clip(1 - (across * 0.9 + 0.3) ** 2, 0, 1))
    colour = _pick(rng, ((0.25, 0.26, 0.27), (0.55, 0.52, 0.46), (0.70, 0.60, 0.20), (0.15, 0.25, 0.2)))
    band = (np.abs(rows - top_px - 3 * half_px) < half_px * 0.5)[..., None]
    return np.where(band, np.array([0.8, 0.8, 0.78]), colour) * shading[..., None], alpha


def draw_bush(rng: np.random.Generator, height_px: int, width_px: int) -> tuple[FloatArray, FloatArray]:
    """Draw a bush that grows into the picture from below: colour (H, W, 3) and alpha (H, W)."""
    rows, columns = np.mgrid[0:height_px, 0:width_px].astype(np.float32)
    middle_px, spread_px = rng.uniform(-0.1, 1.1) * width_px, rng.uniform(0.25, 0.5) * width_px
    rise_px = rng.uniform(0.2, 0.45) * height_px
    dome = rise_px * np.sqrt(np.clip(1 - ((columns - middle_px) / spread_px) ** 2, 0, 1))
    ragged = 5 * make_noise(rng, height_px, width_px, 16)
    alpha = np.clip((rows - (height_px - dome) + ragged) / 3, 0, 1) * (dome > 0)
    lit = np.clip(1.25 - (rows - (height_px - dome)) / (1.2 * rise_px), 0.5, 1.3)
    return paint_leaves(rng, height_px, width_px) * lit[..., None], alpha


def draw_railing(rng: np.random.Generator, height_px: int, width_px: int) -> tuple[FloatArray, FloatArray]:
    """Draw a fence of thin bars under a rail: colour (H, W, 3) and alpha (H, W)."""
    rows, columns = np.mgrid[0:height_px, 0:width_px].astype(np.float32)
    top_px = rng.uniform(0.5, 0.72) * height_px + rng.uniform(-0.1, 0.1) * columns
    gap_px, bar_px = rng.uniform(14, 24), rng.uniform(2.0, 4.0)
    from_bar = np.abs((columns + rng.uniform(0, gap_px)) % gap_px - gap_px / 2)
    bars = np.clip(bar_px / 2 - from_bar + 0.5, 0, 1)
    rails = np.clip(3.5 - np.abs(rows - top_px), 0, 1) + np.clip(3 - np.abs(rows - top_px - 70), 0, 1)
    alpha = np.clip(bars + rails, 0, 1) * (rows >= top_px - 4)
    colour = _pick(rng, ((0.20, 0.22, 0.21), (0.55, 0.56, 0.57), (0.16, 0.27, 0.22)))
    shading = 0.8 + 0.3 * np.cos(from_bar / bar_px * np.pi)
    return np.clip(colour * shading[..., None], 0, 1), alpha
