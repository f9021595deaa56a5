"""Colour of a surface point from where it lies on the rest body: cloth patterns, skin, hair, straps.

Legend of shapes: `N` points; rest points are (x, y, z) on the template body, as `body` describes.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from tablewright.trainables.data.demo_generator.raster import FloatArray
from tablewright.trainables.data.demo_generator.wardrobe import Colour, Look, Top

WAIST = 0.09  # rest height at which a top ends and the bottom begins
ANKLE = -0.735  # rest height of the upper edge of a shoe
SOLE = -0.805
SLEEVE_ENDS = {"tee": 0.30, "shirt": 0.425, "jacket": 0.435, "coat": 0.435}  # rest |x|
TROUSER_HEMS = {"trousers": -0.78, "jeans": -0.77, "shorts": -0.33, "skirt": 0.06}  # rest height
STOCKINGS_SHARE = 0.35  # of those who wear a skirt


class Material(Protocol):
    """A rule that colours points of a surface."""

    def __call__(self, rest_N3: FloatArray) -> FloatArray:
        """Colour the points, shape (N, 3)."""
        ...


def make_folds(rest_N3: FloatArray, seed: int, strength: float) -> FloatArray:
    """Make a smooth brightness factor around one that looks like folds and weave, shape (N, 1)."""
    rng = np.random.default_rng(seed)
    waves_N = np.zeros(len(rest_N3), np.float32)
    for octave in range(6):
        frequency_3 = rng.normal(0, 14 * 1.45**octave, 3) * np.array([1.0, 1.0, 0.7])
        waves_N += np.sin(rest_N3 @ frequency_3 + rng.uniform(0, 2 * np.pi)) / (1 + 0.4 * octave)
    return (1 + strength * waves_N / 2)[:, None]


def choose(condition_N: np.ndarray, colour: Colour | FloatArray, otherwise_N3: FloatArray) -> FloatArray:
    """Paint the points where the condition holds."""
    return np.where(condition_N[:, None], np.asarray(colour, np.float32), otherwise_N3)


def color_top(look: Look, rest_N3: FloatArray) -> FloatArray:
    """Colour a top with its pattern, a bag's straps and folds."""
    x_N, y_N, z_N = rest_N3.T
    base_N3 = np.broadcast_to(np.asarray(look.top_colour, np.float32), rest_N3.shape)
    scale = look.pattern_scale
    is_front_N = y_N < -0.01
    is_torso_N = np.abs(x_N) < 0.19
    patterns = {
        "hoops": (z_N / scale) % 1 < 0.42,
        "stripes": (np.arctan2(x_N, -y_N - 0.01) * 0.12 / scale) % 1 < 0.3,
        "check": ((z_N / scale) % 1 < 0.3) | ((x_N / scale) % 1 < 0.3),
        "yoke": z_N > 0.26,
        "print": (np.hypot(x_N / 0.085, (z_N - 0.31) / 0.07) < 1) & is_front_N,
        "open": (np.abs(x_N) < 0.035 + 0.07 * np.clip(0.55 - z_N, 0, 1)) & is_front_N & is_torso_N,
    }
    if look.pattern in patterns:
        base_N3 = choose(patterns[look.pattern], look.second_colour, base_N3)
    if look.top in ("jacket", "coat") and look.pattern != "open":
        base_N3 = choose((np.abs(x_N) < 0.007) & is_front_N, np.array(look.top_colour) * 0.5, base_N3)
    base_N3 = base_N3 * make_folds(rest_N3, look.fold_seed, 0.10)
    strap = np.asarray(look.bag_colour) * 0.85
    if look.bag == "backpack":
        is_strap_N = (np.abs(np.abs(x_N) - 0.105) < 0.02) & (z_N > 0.22) & (y_N < 0.05)
        base_N3 = choose(is_strap_N, strap, base_N3)
    elif look.bag == "shoulder":
        is_strap_N = (np.abs(z_N - 0.30 - 1.25 * x_N) < 0.028) & is_torso_N & (z_N > 0.02)
        base_N3 = choose(is_strap_N, strap, base_N3)
    return base_N3


def color_bottom(look: Look, rest_N3: FloatArray) -> FloatArray:
    """Colour trousers, shorts or a skirt."""
    x_N, y_N, z_N = rest_N3.T
    base_N3 = np.asarray(look.bottom_colour, np.float32) * make_folds(rest_N3, look.fold_seed + 1, 0.09)
    if look.bottom == "jeans":
        worn_N = np.exp(-(((np.abs(x_N) - 0.12) / 0.05) ** 2) - ((z_N + 0.2) / 0.25) ** 2) * (y_N < 0)
        base_N3 = base_N3 * (1 + 0.3 * worn_N[:, None])
    elif look.bottom != "skirt":
        is_seam_N = np.abs(np.abs(x_N) - 0.2 - 0.02 * z_N) < 0.006
        base_N3 = choose(is_seam_N, np.asarray(look.bottom_colour) * 0.75, base_N3)
    return base_N3


def color_suit(look: Look, rest_N3: FloatArray) -> FloatArray:
    """Colour the surface that follows the whole body: top, sleeves, trousers, bare skin, socks, shoes."""
    x_N, y_N, z_N = rest_N3.T
    skin_N3 = np.asarray(look.skin, np.float32) * make_folds(rest_N3, 5, 0.03)
    is_arm_N = np.abs(x_N) > 0.2
    is_top_N = (z_N > WAIST) & (np.abs(x_N) < SLEEVE_ENDS[look.top]) & ~is_above_collar(rest_N3, look.top)
    is_top_N |= is_arm_N & (z_N > 0) & (np.abs(x_N) < SLEEVE_ENDS[look.top])
    colour_N3 = choose(is_top_N, color_top(look, rest_N3), skin_N3)
    is_bottom_N = (z_N <= WAIST) & ~(is_arm_N & (z_N > 0))
    wears_stockings = look.bottom == "skirt" and look.fold_seed % 100 < 100 * STOCKINGS_SHARE
    if wears_stockings:
        colour_N3 = choose(is_bottom_N, np.asarray(look.second_colour) * 0.35 + 0.02, colour_N3)
    covers_N = is_bottom_N & (z_N > TROUSER_HEMS[look.bottom])
    colour_N3 = choose(covers_N, color_bottom(look, rest_N3), colour_N3)
    is_shoe_N = z_N < ANKLE - (0.03 if look.bottom in ("trousers", "jeans") else 0.0) + 0.12 * (y_N + 0.02)
    colour_N3 = choose(is_shoe_N, look.shoe_colour, colour_N3)
    return choose(z_N < SOLE, look.sole_colour, colour_N3)


def color_head(look: Look, rest_N3: FloatArray) -> FloatArray:
    """Colour head, neck and hands: skin, eyes, brows, lips, and hair cut close to the scalp."""
    x_N, y_N, z_N = rest_N3.T
    skin_N3 = np.asarray(look.skin, np.float32) * make_folds(rest_N3, 5, 0.03)
    hair = np.asarray(look.hair_colour, np.float32)
    beside_nose_N = np.abs(np.abs(x_N) - 0.032)
    is_eye_N = (beside_nose_N < 0.016) & (np.abs(z_N - 0.730) < 0.009) & (y_N < -0.08)
    is_brow_N = (beside_nose_N < 0.022) & (np.abs(z_N - 0.757) < 0.006) & (y_N < -0.08)
    is_lip_N = (np.abs(x_N) < 0.026) & (np.abs(z_N - 0.672) < 0.009) & (y_N < -0.1)
    skin_N3 = choose(is_eye_N, np.asarray(look.skin) * 0.3, skin_N3)
    skin_N3 = choose(is_brow_N, 0.5 * hair + 0.3 * np.asarray(look.skin), skin_N3)
    skin_N3 = choose(is_lip_N, np.asarray(look.skin) * (0.85, 0.6, 0.58), skin_N3)
    if look.hair == "bald":
        return skin_N3
    return choose(is_scalp(rest_N3), hair, skin_N3)


def is_above_collar(rest_V3: FloatArray, top: Top) -> np.ndarray:
    """Say which points of the trunk lie above a top's neckline."""
    x_V, y_V, z_V = np.abs(rest_V3[:, 0]), rest_V3[:, 1], rest_V3[:, 2]
    rise = 0.03 if top in ("jacket", "coat") else 0.0
    return (z_V > 0.565 + rise + 0.35 * y_V) & (x_V < 0.1)


def is_scalp(rest_V3: FloatArray) -> np.ndarray:
    """Say which points of the head grow hair."""
    x_V, y_V, z_V = rest_V3.T
    return ((z_V > 0.795) | ((z_V > 0.665 + 0.06 * (y_V < 0.0)) & (y_V > -0.05))) & (np.abs(x_V) < 0.2)


def make_plain(colour: Colour | FloatArray, *, fold_seed: int, strength: float = 0.08) -> Material:
    """Make a material of one colour with folds."""

    def color(rest_N3: FloatArray) -> FloatArray:
        return np.asarray(colour, np.float32) * make_folds(rest_N3, fold_seed, strength)

    return color
