"""How a camera sees a person: viewpoint, light, framing, and what its electronics do to the colours.

Legend of shapes: `V` vertices, `H` `W` height and width in pixels, `N` covered pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from tablewright.trainables.data.demo_generator.outfit import Mesh
from tablewright.trainables.data.demo_generator.raster import FloatArray, interpolate, rasterise
from tablewright.trainables.data.demo_generator.scene import Scene, paint_scene

SUPERSAMPLING = 2
HEIGHT_PX, WIDTH_PX = 128 * SUPERSAMPLING, 64 * SUPERSAMPLING
DISTANCE_M = 6.0
BAD_CUT_SHARE = 0.06
TURNED_SHARE = 0.35  # of people who walk the other way than most under this camera


@dataclass(frozen=True)
class Camera:
    """One fixed camera; `camid` counts from 1 as in the file names."""

    camid: int
    scene: Scene
    light_3: FloatArray  # unit vector towards the light, in camera axes
    ambient: float
    white_balance_3: FloatArray
    exposure: float
    gamma: float
    saturation: float
    walking_yaw_rad: float
    elevation_rad: float
    blur_px: float
    noise: float


@dataclass(frozen=True)
class Framing:
    """How a detector cut out the person; a perfect cut has fill 0.92 and no shift."""

    fill: float  # height of the person over the height of the picture
    shift_x: float  # fraction of the width
    shift_y: float  # fraction of the height


@dataclass(frozen=True)
class Layer:
    """A picture with transparency; colours are linear before the camera's electronics."""

    colour_HW3: FloatArray
    alpha_HW: FloatArray


def make_camera(camid: int, seed: int) -> Camera:
    """Make a camera whose light, colours and viewpoint differ from the others'."""
    rng = np.random.default_rng([seed, camid])
    light_3 = np.array([rng.uniform(-0.9, 0.9), -rng.uniform(0.3, 0.9), rng.uniform(0.3, 1.0)])
    tint_3 = np.exp(rng.normal(0, 0.055, 3))
    return Camera(
        camid=camid,
        scene=paint_scene(rng),
        light_3=(light_3 / np.linalg.norm(light_3)).astype(np.float32),
        ambient=rng.uniform(0.4, 0.7),
        white_balance_3=(tint_3 / tint_3.mean()).astype(np.float32),
        exposure=[1.06, 0.90, 0.97, 1.14, 0.93, 1.0][(camid - 1) % 6] * rng.uniform(0.92, 1.08),
        gamma=rng.uniform(0.88, 1.15),
        saturation=rng.uniform(0.8, 1.15),
        walking_yaw_rad=rng.uniform(0, 2 * np.pi),
        elevation_rad=rng.uniform(0.05, 0.42),
        blur_px=rng.uniform(0.4, 1.05),
        noise=rng.uniform(0.008, 0.022),
    )


def draw_framing(rng: np.random.Generator) -> Framing:
    """Draw a detector's error; some cuts are clearly off."""
    if rng.random() < BAD_CUT_SHARE:
        return Framing(rng.uniform(0.68, 1.3), rng.normal(0, 0.1), rng.normal(0, 0.07))
    return Framing(rng.uniform(0.82, 1.05), rng.normal(0, 0.05), rng.normal(0, 0.025))


def draw_yaw(camera: Camera, rng: np.random.Generator) -> float:
    """Draw the direction in which a person walks under a camera."""
    turned = np.pi if rng.random() < TURNED_SHARE else 0.0
    return camera.walking_yaw_rad + turned + rng.normal(0, 0.4)


def photograph(camera: Camera, mesh: Mesh, yaw_rad: float, framing: Framing) -> Layer:
    """Draw a person as a transparent layer."""
    view_33 = _make_view(yaw_rad, camera.elevation_rad)
    seen_V3 = (mesh.vertices_V3 - mesh.vertices_V3.mean(axis=0)) @ view_33.T
    perspective_V = DISTANCE_M / (DISTANCE_M + seen_V3[:, 1])
    across_V, up_V = seen_V3[:, 0] * perspective_V, seen_V3[:, 2] * perspective_V
    scale = HEIGHT_PX * framing.fill / np.ptp(up_V)
    column_V = (across_V - _middle(across_V)) * scale + WIDTH_PX * (0.5 + framing.shift_x)
    row_V = HEIGHT_PX * (0.5 + framing.shift_y) - (up_V - _middle(up_V)) * scale
    screen_V3 = np.stack([column_V, row_V, seen_V3[:, 1]], axis=1).astype(np.float32)
    fragments = rasterise(screen_V3, mesh.faces_F3, HEIGHT_PX, WIDTH_PX)

    rest_N3 = interpolate(mesh.rest_V3, mesh.faces_F3, fragments)
    normals_N3 = interpolate((mesh.normals_V3 @ view_33.T).astype(np.float32), mesh.faces_F3, fragments)
    material_N = mesh.material_F[fragments.faces_N]
    colours_N3 = np.zeros_like(rest_N3)
    for index, material in enumerate(mesh.materials):
        chosen_N = material_N == index
        if chosen_N.any():
            colours_N3[chosen_N] = material(rest_N3[chosen_N])
    colours_N3 *= _shade(camera, normals_N3)
    colour_HW3 = np.zeros((HEIGHT_PX, WIDTH_PX, 3), np.float32)
    alpha_HW = np.zeros((HEIGHT_PX, WIDTH_PX), np.float32)
    colour_HW3[fragments.rows_N, fragments.columns_N] = colours_N3
    alpha_HW[fragments.rows_N, fragments.columns_N] = 1
    return soften(Layer(colour_HW3, alpha_HW), 0.7)


def _make_view(yaw_rad: float, elevation_rad: float) -> FloatArray:
    turn_33 = np.array(
        [
            [np.cos(yaw_rad), -np.sin(yaw_rad), 0],
            [np.sin(yaw_rad), np.cos(yaw_rad), 0],
            [0, 0, 1],
        ]
    )
    tilt_33 = np.array(
        [
            [1, 0, 0],
            [0, np.cos(elevation_rad), -np.sin(elevation_rad)],
            [0, np.sin(elevation_rad), np.cos(elevation_rad)],
        ]
    )
    return (tilt_33 @ turn_33).astype(np.float32)


def _middle(values_V: FloatArray) -> float:
    return float(values_V.min() + values_V.max()) / 2


def _shade(camera: Camera, normals_N3: FloatArray) -> FloatArray:
    """Light by sky, ground and one lamp; what shows its back to the camera (inside of a skirt) is dark."""
    faces_away_N = normals_N3[:, 1] > 0.15
    lamp_N = np.clip(normals_N3 @ camera.light_3, 0, None)
    sky_N = 0.65 + 0.35 * normals_N3[:, 2]
    light_N = camera.ambient * sky_N + (1.15 - camera.ambient) * lamp_N * 1.15
    return np.where(faces_away_N, 0.35 * camera.ambient, light_N)[:, None].astype(np.float32)


def soften(layer: Layer, sigma_px: float) -> Layer:
    """Blur a layer's edge without letting its empty colour bleed in."""
    alpha_HW = cv2.GaussianBlur(layer.alpha_HW, (0, 0), sigma_px)
    premultiplied_HW3 = cv2.GaussianBlur(layer.colour_HW3 * layer.alpha_HW[..., None], (0, 0), sigma_px)
    return Layer(premultiplied_HW3 / np.maximum(alpha_HW, 1e-3)[..., None], alpha_HW)


def lay_over(background_HW3: FloatArray, layer: Layer) -> FloatArray:
    """Put a layer in front of a picture."""
    alpha_HW1 = layer.alpha_HW[..., None]
    return background_HW3 * (1 - alpha_HW1) + layer.colour_HW3 * alpha_HW1


def cast_shadow(background_HW3: FloatArray, layer: Layer) -> FloatArray:
    """Darken the ground under a person's feet."""
    rows, columns = np.nonzero(layer.alpha_HW > 0.5)
    if not len(rows):
        return background_HW3
    foot_row = min(int(rows.max()), HEIGHT_PX - 1)
    foot_column = int(columns[rows > foot_row - 25].mean())
    shadow_HW = np.zeros((HEIGHT_PX, WIDTH_PX), np.float32)
    cv2.ellipse(shadow_HW, (foot_column, foot_row - 3), (30, 8), 0, 0, 360, 1, -1)
    return background_HW3 * (1 - 0.45 * cv2.GaussianBlur(shadow_HW, (0, 0), 5)[..., None])


def expose(camera: Camera, picture_HW3: FloatArray, rng: np.random.Generator) -> np.ndarray:
    """Turn light into the stored 8-bit picture: white balance, exposure, contrast, blur, noise.

    Returns:
        An RGB picture of 128 x 64 pixels, uint8.
    """
    drift_3 = np.exp(rng.normal(0, 0.03, 3))
    picture_HW3 = (
        picture_HW3 * camera.white_balance_3 * drift_3 * camera.exposure * np.exp(rng.normal(0, 0.06))
    )
    slope = rng.normal(0, 0.12)
    picture_HW3 = picture_HW3 * (1 + slope * np.linspace(-1, 1, HEIGHT_PX)[:, None, None])
    picture_HW3 = np.clip(picture_HW3, 0, 1) ** camera.gamma
    grey_HW1 = picture_HW3.mean(axis=2, keepdims=True)
    picture_HW3 = grey_HW1 + camera.saturation * (picture_HW3 - grey_HW1)
    sigma_px = max(0.3, camera.blur_px * rng.uniform(0.7, 1.3))
    moved_px = sigma_px * (3.0 if rng.random() < 0.06 else 1.0)  # some people move while the shutter is open
    picture_HW3 = cv2.GaussianBlur(picture_HW3.astype(np.float32), (0, 0), sigmaX=moved_px, sigmaY=sigma_px)
    small_HW3 = cv2.resize(
        picture_HW3, (WIDTH_PX // SUPERSAMPLING, HEIGHT_PX // SUPERSAMPLING), interpolation=cv2.INTER_AREA
    )
    small_HW3 = small_HW3 + rng.normal(0, camera.noise, small_HW3.shape)
    return np.clip(small_HW3 * 255 + 0.5, 0, 255).astype(np.uint8)
