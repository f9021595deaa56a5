"""A dressed person: the surfaces that are drawn, how far each stands off the body, and their materials.

Faces, offsets and materials are baked once for each identity; a picture only moves the vertices.

Legend of shapes: `V` vertices, `U` those that a surface uses, `F` faces.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from tablewright.trainables.data.demo_generator import cloth
from tablewright.trainables.data.demo_generator.body import BodyModel, Pose
from tablewright.trainables.data.demo_generator.cloth import Material
from tablewright.trainables.data.demo_generator.raster import FloatArray, IntArray, compute_vertex_normals
from tablewright.trainables.data.demo_generator.wardrobe import Colour, Look

SMOOTHING_STEPS = 5  # evens out anatomy under cloth, so that trousers do not look painted on
TOP_LOOSENESS = {"tee": 0.012, "shirt": 0.016, "jacket": 0.030, "coat": 0.034}  # metres off the body
DROP_HEMS = {"tee": -0.06, "shirt": -0.08, "jacket": -0.10, "coat": -0.40}  # rest height of a top's hem
BOTTOM_LOOSENESS = {
    "trousers": (0.016, 0.036),
    "jeans": (0.013, 0.022),
    "shorts": (0.030, 0.0),
    "skirt": (0.0, 0.0),
}


@dataclass(frozen=True)
class Surface:
    """Part of a body surface pushed out along its normals."""

    faces_F3: IntArray
    offset_V: FloatArray
    material: Material
    smoothness_V: FloatArray | None = None

    @cached_property
    def compact(self) -> tuple[IntArray, IntArray]:
        """The vertices that the faces use, and the faces renumbered to them."""
        used_U, local_F3 = np.unique(self.faces_F3, return_inverse=True)
        return used_U, local_F3.reshape(-1, 3).astype(np.int32)


@dataclass(frozen=True)
class Mesh:
    """One posed person, ready to be drawn."""

    vertices_V3: FloatArray
    normals_V3: FloatArray
    rest_V3: FloatArray
    faces_F3: IntArray
    material_F: IntArray
    materials: tuple[Material, ...]


def make_rounded_block(
    half_sizes: tuple[float, float, float], exponent: float
) -> tuple[FloatArray, IntArray]:
    """Make a closed superellipsoid; exponent 1 is an ellipsoid, 0.3 a box with soft edges."""
    num_rows, num_columns = 14, 22
    latitude = np.linspace(-np.pi / 2, np.pi / 2, num_rows)[:, None]
    longitude = np.linspace(0, 2 * np.pi, num_columns, endpoint=False)[None]

    def soften(values: np.ndarray) -> np.ndarray:
        return np.sign(values) * np.abs(values) ** exponent

    unit = np.stack(
        [
            soften(np.cos(latitude)) * soften(np.cos(longitude)),
            soften(np.cos(latitude)) * soften(np.sin(longitude)),
            soften(np.sin(latitude)) * np.ones_like(longitude),
        ],
        axis=-1,
    ).reshape(-1, 3)
    return (unit * half_sizes).astype(np.float32), _make_grid_faces(num_rows, num_columns)


def make_tube(path_P3: FloatArray, radius: float) -> tuple[FloatArray, IntArray]:
    """Make a thin tube along a path, for handles."""
    num_sides = 6
    tangents_P3 = np.gradient(path_P3, axis=0)
    tangents_P3 /= np.linalg.norm(tangents_P3, axis=1, keepdims=True)
    first_P3 = np.cross(tangents_P3, np.array([1.0, 0.0, 0.0]))
    first_P3 /= np.linalg.norm(first_P3, axis=1, keepdims=True) + 1e-6
    second_P3 = np.cross(tangents_P3, first_P3)
    angles = np.linspace(0, 2 * np.pi, num_sides, endpoint=False)[None, :, None]
    ring = np.cos(angles) * first_P3[:, None] + np.sin(angles) * second_P3[:, None]
    vertices = (path_P3[:, None] + radius * ring).reshape(-1, 3).astype(np.float32)
    return vertices, _make_grid_faces(len(path_P3), num_sides)


def _make_grid_faces(num_rows: int, num_columns: int) -> IntArray:
    """Join the rows of a grid that closes in on itself sideways, facing outwards."""
    row, column = np.meshgrid(np.arange(num_rows - 1), np.arange(num_columns), indexing="ij")
    corner = (row * num_columns + column).ravel()
    beside = (row * num_columns + (column + 1) % num_columns).ravel()
    lower = np.stack([corner, beside, beside + num_columns], axis=1)
    upper = np.stack([corner, beside + num_columns, corner + num_columns], axis=1)
    return np.concatenate([lower, upper]).astype(np.int32)


class Outfit:
    """The clothes of one identity on one body model."""

    def __init__(self, body: BodyModel, look: Look) -> None:
        """Bake what does not change from picture to picture."""
        self._body = body
        self._look = look
        self._surfaces = [self._cut_suit(), *self._cut_drops(), self._cut_head(), *self._cut_hair()]
        self._neighbours = _list_neighbours(body.surfaces["helper-tights"])
        self._spine_V = body.is_on_bone("spine01", "spine02", "spine03")
        self._head_V = body.is_on_bone("head") & (body.rest_V3[:, 2] > 0.7)
        self._wrist_V = body.is_on_bone("wrist.R", "metacarpal2.R")

    def _cut_suit(self) -> Surface:
        """Offset the tights: tops over the trunk and arms, trousers, shoes; bare skin lies close."""
        look, rest_V3 = self._look, self._body.rest_V3
        x_V, z_V = np.abs(rest_V3[:, 0]), rest_V3[:, 2]
        is_arm_V = (x_V > 0.2) & (z_V > 0)
        is_top_V = ((z_V > cloth.WAIST) & ~cloth.is_above_collar(rest_V3, look.top)) | is_arm_V
        is_top_V &= x_V < cloth.SLEEVE_ENDS[look.top] + 0.01
        thigh, shin = BOTTOM_LOOSENESS[look.bottom]
        is_bottom_V = ~is_arm_V & (z_V <= cloth.WAIST) & (z_V > cloth.TROUSER_HEMS[look.bottom] - 0.02)
        flare_V = np.clip((-0.15 - z_V) / 0.45, 0, 1)
        offset_V = np.full(len(rest_V3), 0.001, np.float32)
        offset_V[is_top_V] = TOP_LOOSENESS[look.top]
        offset_V[is_bottom_V] = (thigh + (shin - thigh) * flare_V)[is_bottom_V]
        is_tucked_V = ~is_arm_V & (z_V < cloth.WAIST + 0.08) & (z_V > DROP_HEMS[look.top] + 0.03)
        offset_V[is_tucked_V] = 0.002  # under the lower edge of the top
        is_shoe_V = z_V < cloth.ANKLE - 0.03
        offset_V[is_shoe_V] = 0.013
        smoothness_V = ((is_top_V | is_bottom_V) & ~is_shoe_V).astype(np.float32)
        return Surface(
            self._body.surfaces["helper-tights"], offset_V, partial(cloth.color_suit, look), smoothness_V
        )

    def _cut_drops(self) -> list[Surface]:
        """Hang the free parts from the waist: the lower edge of a top, a skirt."""
        look, rest_V3 = self._look, self._body.rest_V3
        faces_F3 = self._body.surfaces["helper-skirt"]
        height_F = _measure_quad_heights(rest_V3, faces_F3)
        flat = np.ones(len(rest_V3), np.float32)
        flare_V = np.clip(0.2 - rest_V3[:, 2], 0, 1).astype(np.float32)
        loose = 0.6 * TOP_LOOSENESS[look.top]
        drops = [
            Surface(
                faces_F3[height_F > DROP_HEMS[look.top]],
                flat * (loose + 0.008) + 0.02 * flare_V,
                partial(cloth.color_top, look),
            )
        ]
        if look.bottom == "skirt":
            drops.append(
                Surface(
                    faces_F3[(height_F > look.hem) & (height_F < 0.12)],
                    flat * 0.006 + 0.03 * flare_V,
                    partial(cloth.color_bottom, look),
                )
            )
        return drops

    def _cut_head(self) -> Surface:
        """Keep only what clothes leave bare, so that no skin pokes through them."""
        rest_V3, faces_F3 = self._body.rest_V3, self._body.surfaces["body"]
        is_hand_V = self._body.is_on_bone("wrist", "metacarpal", "finger")
        is_bare_V = (rest_V3[:, 2] > 0.535) & (np.abs(rest_V3[:, 0]) < 0.16) | is_hand_V
        return Surface(
            faces_F3[is_bare_V[faces_F3].all(axis=1)],
            np.zeros(len(rest_V3), np.float32),
            partial(cloth.color_head, self._look),
        )

    def _cut_hair(self) -> list[Surface]:
        """Cut hair from the scalp and, when long, from the hair helper; put a cap over it."""
        look, rest_V3 = self._look, self._body.rest_V3
        surfaces: list[Surface] = []
        scalp_V = cloth.is_scalp(rest_V3) & (rest_V3[:, 2] > 0.6)
        head_faces = self._body.surfaces["body"]
        cap_faces = head_faces[scalp_V[head_faces].all(axis=1)]
        hair = cloth.make_plain(look.hair_colour, fold_seed=look.fold_seed + 3, strength=0.2)
        if look.hair != "bald":
            thickness = {"short": 0.010, "bob": 0.012, "long": 0.012, "bun": 0.009, "ponytail": 0.009}[
                look.hair
            ]
            surfaces.append(Surface(cap_faces, np.full(len(rest_V3), thickness, np.float32), hair))
        if look.hair in ("bob", "long"):
            faces_F3 = self._body.surfaces["helper-hair"]
            centre_F3 = rest_V3[faces_F3].mean(axis=1)
            lower_edge = 0.60 if look.hair == "bob" else 0.42
            is_face_F = (centre_F3[:, 1] < -0.05) & (centre_F3[:, 2] < 0.78)
            keeps_F = (centre_F3[:, 2] > lower_edge) & ~is_face_F
            surfaces.append(Surface(faces_F3[keeps_F], np.full(len(rest_V3), 0.004, np.float32), hair))
        if look.hat:
            crown_V = scalp_V & (rest_V3[:, 2] > 0.775)
            faces_F3 = head_faces[crown_V[head_faces].all(axis=1)]
            hat = cloth.make_plain(look.hat_colour, fold_seed=look.fold_seed + 4, strength=0.05)
            surfaces.append(Surface(faces_F3, np.full(len(rest_V3), 0.022, np.float32), hat))
        return surfaces

    def pose(self, pose: Pose) -> Mesh:
        """Move the person into a pose."""
        body_V3 = self._body.pose_vertices(self._look.physique, pose)
        vertices, faces, rest, material_F, materials = [], [], [], [], []

        def add(vertices_V3: FloatArray, faces_F3: IntArray, rest_V3: FloatArray, material: Material) -> None:
            faces.append(faces_F3 + sum(len(part) for part in vertices))
            vertices.append(vertices_V3)
            rest.append(rest_V3)
            material_F.append(np.full(len(faces_F3), len(materials), np.int32))
            materials.append(material)

        for surface in self._surfaces:
            used_U, local_F3 = surface.compact
            source_V3 = body_V3
            if surface.smoothness_V is not None:
                source_V3 = self._smooth(body_V3, surface.smoothness_V)
            close_U3 = source_V3[used_U]
            normals_U3 = compute_vertex_normals(close_U3, local_F3)
            moved_U3 = close_U3 + surface.offset_V[used_U, None] * normals_U3
            add(moved_U3, local_F3, self._body.rest_V3[used_U], surface.material)
        for vertices_V3, faces_F3, colour in self._make_belongings(body_V3):
            material = cloth.make_plain(colour, fold_seed=self._look.fold_seed + 6, strength=0.06)
            add(vertices_V3, faces_F3, vertices_V3 - body_V3.mean(axis=0), material)
        vertices_V3 = np.concatenate(vertices).astype(np.float32)
        faces_F3 = np.concatenate(faces).astype(np.int32)
        return Mesh(
            vertices_V3,
            compute_vertex_normals(vertices_V3, faces_F3),
            np.concatenate(rest).astype(np.float32),
            faces_F3,
            np.concatenate(material_F),
            tuple(materials),
        )

    def _smooth(self, vertices_V3: FloatArray, smoothness_V: FloatArray) -> FloatArray:
        used_U, index_U8, weight_U8 = self._neighbours
        step_U1 = 0.6 * smoothness_V[used_U, None]
        moved_V3 = vertices_V3.copy()
        for _ in range(SMOOTHING_STEPS):
            mean_U3 = np.einsum("uk,ukc->uc", weight_U8, moved_V3[index_U8])
            moved_V3[used_U] += step_U1 * (mean_U3 - moved_V3[used_U])
        return moved_V3

    def _make_belongings(self, body_V3: FloatArray) -> list[tuple[FloatArray, IntArray, Colour | FloatArray]]:
        """Make bags, a bun or ponytail, and the peak of a cap, at the body parts that carry them."""
        look = self._look
        parts: list[tuple[FloatArray, IntArray, Colour | FloatArray]] = []

        def add_block(
            anchor_3: FloatArray,
            shift_3: tuple[float, float, float],
            half_sizes: tuple[float, float, float],
            exponent: float,
            colour: Colour | FloatArray,
        ) -> None:
            vertices_V3, faces_F3 = make_rounded_block(half_sizes, exponent)
            parts.append((vertices_V3 + (anchor_3 + np.array(shift_3)).astype(np.float32), faces_F3, colour))

        spine_3, head_3 = body_V3[self._spine_V].mean(axis=0), body_V3[self._head_V].mean(axis=0)
        back_y = np.quantile(body_V3[self._spine_V, 1], 0.97)
        bag = np.asarray(look.bag_colour, np.float32)
        if look.bag == "backpack":
            centre_3 = np.array([spine_3[0], back_y + 0.075, spine_3[2]])
            add_block(centre_3, (0, 0, 0), (0.145, 0.085, 0.205), 0.45, bag)
            add_block(centre_3, (0, 0.075, -0.07), (0.105, 0.035, 0.085), 0.4, bag * 0.8)
            add_block(centre_3, (0, 0.0, 0.195), (0.10, 0.06, 0.02), 0.5, bag * 0.7)
        elif look.bag == "handbag":
            hand_3 = body_V3[self._wrist_V].mean(axis=0)
            add_block(hand_3, (0, 0, -0.30), (0.045, 0.15, 0.11), 0.5, bag)
            angles = np.linspace(0.0, np.pi, 12)
            for side in (-0.02, 0.02):
                arc = np.stack([0 * angles, 0.085 * np.cos(angles), 0.19 * np.sin(angles) - 0.21], axis=1)
                vertices_V3, faces_F3 = make_tube(hand_3 + np.array([side, 0, 0]) + arc, 0.009)
                parts.append((vertices_V3, faces_F3, bag * 0.75))
        elif look.bag == "shoulder":
            centre_3 = spine_3 + np.array([-0.235, 0.02, -0.30])
            add_block(centre_3, (0, 0, 0), (0.05, 0.135, 0.105), 0.45, bag)
            add_block(centre_3, (-0.02, 0.0, 0.05), (0.042, 0.138, 0.06), 0.45, bag * 0.8)
        if look.hair == "bun":
            add_block(head_3, (0, 0.105, 0.06), (0.05, 0.045, 0.045), 1.0, look.hair_colour)
        elif look.hair == "ponytail":
            add_block(head_3, (0, 0.105, 0.02), (0.03, 0.035, 0.05), 1.0, look.hair_colour)
            add_block(head_3, (0, 0.125, -0.09), (0.032, 0.03, 0.12), 0.9, look.hair_colour)
        if look.hat:
            add_block(
                head_3, (0, -0.125, 0.065), (0.075, 0.075, 0.012), 0.9, np.asarray(look.hat_colour) * 0.85
            )
        return parts


def _measure_quad_heights(rest_V3: FloatArray, faces_F3: IntArray) -> FloatArray:
    """Measure the height of the quad each triangle came from, so that a hem has no teeth."""
    height_F = rest_V3[faces_F3, 2].mean(axis=1)
    return np.repeat(height_F.reshape(-1, 2).mean(axis=1), 2)


def _list_neighbours(faces_F3: IntArray) -> tuple[IntArray, IntArray, FloatArray]:
    """List the vertices of a surface with up to eight neighbours each and their weights."""
    edges = np.concatenate([faces_F3[:, [0, 1]], faces_F3[:, [1, 2]], faces_F3[:, [2, 0]]])
    edges = np.unique(np.concatenate([edges, edges[:, ::-1]]), axis=0)
    used_U, first_U, row = np.unique(edges[:, 0], return_index=True, return_inverse=True)
    rank = np.arange(len(edges)) - first_U[row]
    is_kept = rank < 8
    index_U8 = np.repeat(used_U[:, None], 8, axis=1).astype(np.int32)
    weight_U8 = np.zeros((len(used_U), 8), np.float32)
    index_U8[row[is_kept], rank[is_kept]] = edges[is_kept, 1]
    weight_U8[row[is_kept], rank[is_kept]] = 1
    return used_U, index_U8, weight_U8 / weight_U8.sum(axis=1, keepdims=True)
