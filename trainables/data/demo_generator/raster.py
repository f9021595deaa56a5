"""Z-buffer rasteriser: which triangle is seen at which pixel, and where inside it.

Legend of shapes: `V` vertices, `F` faces (triangles), `H` `W` height and width in pixels, `N` covered pixels.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int32]

EMPTY = -1  # face index of a pixel that no triangle covers


class Fragments(NamedTuple):
    """What the covered pixels of one picture see."""

    rows_N: IntArray
    columns_N: IntArray
    faces_N: IntArray
    weights_N3: FloatArray  # barycentric weights of the three corners


@numba.njit(cache=True)
def compute_vertex_normals(vertices_V3: FloatArray, faces_F3: IntArray) -> FloatArray:
    """Average the face normals around each vertex, weighted by area, for smooth shading."""
    normals_V3 = np.zeros_like(vertices_V3)
    for face in range(faces_F3.shape[0]):
        corner_a, corner_b, corner_c = faces_F3[face]
        edge_ab = vertices_V3[corner_b] - vertices_V3[corner_a]
        edge_ac = vertices_V3[corner_c] - vertices_V3[corner_a]
        normal_x = edge_ab[1] * edge_ac[2] - edge_ab[2] * edge_ac[1]
        normal_y = edge_ab[2] * edge_ac[0] - edge_ab[0] * edge_ac[2]
        normal_z = edge_ab[0] * edge_ac[1] - edge_ab[1] * edge_ac[0]
        for corner in (corner_a, corner_b, corner_c):
            normals_V3[corner, 0] += normal_x
            normals_V3[corner, 1] += normal_y
            normals_V3[corner, 2] += normal_z
    for vertex in range(vertices_V3.shape[0]):
        length = np.sqrt((normals_V3[vertex] ** 2).sum()) + 1e-12
        normals_V3[vertex] /= length
    return normals_V3


@numba.njit(cache=True)
def _fill_buffers(
    screen_V3: FloatArray, faces_F3: IntArray, height_px: int, width_px: int
) -> tuple[IntArray, FloatArray]:
    depth_HW = np.full((height_px, width_px), np.inf, np.float32)
    face_HW = np.full((height_px, width_px), -1, np.int32)
    weights_HW3 = np.zeros((height_px, width_px, 3), np.float32)
    for face in range(faces_F3.shape[0]):
        corner_a, corner_b, corner_c = faces_F3[face]
        ax, ay, az = screen_V3[corner_a]
        bx, by, bz = screen_V3[corner_b]
        cx, cy, cz = screen_V3[corner_c]
        double_area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(double_area) < 1e-9:
            continue
        first_column = max(0, int(np.ceil(min(ax, bx, cx) - 0.5)))
        last_column = min(width_px - 1, int(np.floor(max(ax, bx, cx) - 0.5)))
        first_row = max(0, int(np.ceil(min(ay, by, cy) - 0.5)))
        last_row = min(height_px - 1, int(np.floor(max(ay, by, cy) - 0.5)))
        for row in range(first_row, last_row + 1):
            pixel_y = row + 0.5
            for column in range(first_column, last_column + 1):
                pixel_x = column + 0.5
                weight_a = ((bx - pixel_x) * (cy - pixel_y) - (by - pixel_y) * (cx - pixel_x)) / double_area
                weight_b = ((cx - pixel_x) * (ay - pixel_y) - (cy - pixel_y) * (ax - pixel_x)) / double_area
                weight_c = 1.0 - weight_a - weight_b
                if weight_a < 0 or weight_b < 0 or weight_c < 0:
                    continue
                depth = weight_a * az + weight_b * bz + weight_c * cz
                if depth < depth_HW[row, column]:
                    depth_HW[row, column] = depth
                    face_HW[row, column] = face
                    weights_HW3[row, column, 0] = weight_a
                    weights_HW3[row, column, 1] = weight_b
                    weights_HW3[row, column, 2] = weight_c
    return face_HW, weights_HW3


def rasterise(screen_V3: FloatArray, faces_F3: IntArray, height_px: int, width_px: int) -> Fragments:
    """Find the nearest triangle of every pixel.

    Args:
        screen_V3: column, row (both in pixels) and depth of each vertex.
        faces_F3: corners; either winding is drawn, so that the inside of a skirt is closed too.
        height_px: of the picture.
        width_px: of the picture.
    """
    face_HW, weights_HW3 = _fill_buffers(
        np.ascontiguousarray(screen_V3, np.float32), np.ascontiguousarray(faces_F3), height_px, width_px
    )
    rows_N, columns_N = np.nonzero(face_HW != EMPTY)
    return Fragments(
        rows_N.astype(np.int32),
        columns_N.astype(np.int32),
        face_HW[rows_N, columns_N],
        weights_HW3[rows_N, columns_N],
    )


def interpolate(values_VC: FloatArray, faces_F3: IntArray, fragments: Fragments) -> FloatArray:
    """Carry a value given at vertices to the covered pixels, shape (N, C)."""
    corners_N3 = faces_F3[fragments.faces_N]
    return np.einsum("nk,nkc->nc", fragments.weights_N3, values_VC[corners_N3])
