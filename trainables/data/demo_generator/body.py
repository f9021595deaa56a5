"""The posed human body: Anny's MakeHuman mesh with its helper surfaces for clothes and hair.

Axes: x to the person's left, y to the back, z up; metres. "Rest" positions are those of the template
mesh (soles at -0.82, crown at 0.85), the same for every person and pose: clothes and patterns lie on them.

Legend of shapes: `V` vertices, `F` faces, `J` bones.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import anny
import numpy as np
import torch

from tablewright.trainables.data.demo_generator.raster import FloatArray, IntArray

Surface = Literal["body", "helper-tights", "helper-skirt", "helper-hair"]
SURFACES: tuple[Surface, ...] = ("body", "helper-tights", "helper-skirt", "helper-hair")
ARM_LOWERING_RAD = 0.68  # from the template's A pose to arms that hang


@dataclass(frozen=True)
class Physique:
    """Anny's phenotype sliders, each in [0, 1]; gender 0 is male."""

    gender: float
    age: float
    muscle: float
    weight: float
    height: float
    proportions: float


@dataclass(frozen=True)
class Pose:
    """One moment of a walk; angles in radians."""

    phase: float
    stride: float
    arm_swing: float
    lean: float = 0.0
    head_turn: float = 0.0
    left_elbow: float = 0.3
    right_elbow: float = 0.3


def sample_pose(rng: np.random.Generator, stride: float, arm_swing: float) -> Pose:
    """Draw a moment of a person's own walk; some stand, and some hold a hand up as to a telephone."""
    stands = rng.random() < 0.2
    telephone_side = rng.random()
    return Pose(
        phase=rng.uniform(0, 2 * np.pi),
        stride=stride * (0.2 if stands else rng.uniform(0.8, 1.15)),
        arm_swing=arm_swing * (0.2 if stands else rng.uniform(0.7, 1.2)),
        lean=rng.normal(0.03, 0.03),
        head_turn=rng.normal(0, 0.3),
        left_elbow=1.7 if telephone_side < 0.07 else rng.uniform(0.15, 0.5),
        right_elbow=1.7 if telephone_side > 0.93 else rng.uniform(0.15, 0.5),
    )


def _rotate(axis: int, angle_rad: float) -> FloatArray:
    """Build a 4 x 4 rotation about x, y or z (axis 0, 1, 2)."""
    matrix = np.eye(4, dtype=np.float32)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix[first, first] = matrix[second, second] = np.cos(angle_rad)
    matrix[second, first] = np.sin(angle_rad)
    matrix[first, second] = -np.sin(angle_rad)
    return matrix


def _read_surfaces(obj_file: Path) -> dict[Surface, IntArray]:
    """Read the named groups of quads of the base mesh as triangles."""
    triangles: dict[str, list[list[int]]] = {name: [] for name in SURFACES}
    group = ""
    for line in obj_file.read_text(encoding="utf-8").splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "g":
            group = rest.strip()
        elif kind == "f" and group in triangles:
            corners = [int(corner.split("/")[0]) - 1 for corner in rest.split()]
            triangles[group] += [[corners[0], *corners[k : k + 2]] for k in range(1, len(corners) - 1)]
    return {name: np.array(triangles[name], np.int32) for name in SURFACES}


class BodyModel:
    """Anny's full MakeHuman topology; building it takes about a minute, posing it 15 ms."""

    def __init__(self) -> None:
        """Build Anny's model from the files in its wheel."""
        # The default skinning needs warp-lang (149 MB); linear blend skinning does not.
        self._model = anny.Anny(topology="makehuman-full", rig="makehuman", skinning_method="lbs").float()
        self._bones = {name: index for index, name in enumerate(self._model.bone_labels)}
        self.surfaces = _read_surfaces(Path(anny.__file__).parent / "data/mpfb2/3dobjs/base.obj")
        self.rest_V3: FloatArray = self._model.template_vertices.numpy().astype(np.float32)
        weights = self._model.vertex_bone_weights
        strongest = self._model.vertex_bone_indices.gather(1, weights.argmax(1, keepdim=True))[:, 0]
        self.bone_names_V = np.array(self._model.bone_labels)[strongest.numpy()]

    def is_on_bone(self, *prefixes: str) -> np.ndarray:
        """Say for each vertex whether a bone with one of these prefixes moves it most."""
        return np.char.startswith(self.bone_names_V[:, None], np.array(prefixes)).any(axis=1)

    @torch.no_grad()
    def pose_vertices(self, physique: Physique, pose: Pose) -> FloatArray:
        """Compute all vertices of one person in one pose, shape (V, 3)."""
        out = self._model(
            pose_parameters=torch.from_numpy(self._bone_rotations(pose))[None],
            phenotype_kwargs={name: float(value) for name, value in vars(physique).items()},
        )
        return out["vertices"][0].numpy().astype(np.float32)

    def _bone_rotations(self, pose: Pose) -> FloatArray:
        rotations_J44 = np.tile(np.eye(4, dtype=np.float32), (len(self._bones), 1, 1))

        def turn(bone: str, *matrices: FloatArray) -> None:
            rotations_J44[self._bones[bone]] = np.linalg.multi_dot([np.eye(4, dtype=np.float32), *matrices])

        for side, sign, shift, elbow in (
            ("L", 1.0, 0.0, pose.left_elbow),
            ("R", -1.0, np.pi, pose.right_elbow),
        ):
            swing = np.sin(pose.phase + shift)
            knee = 0.06 + 1.3 * pose.stride * max(0.0, np.sin(pose.phase + shift - 1.9))
            turn(f"upperleg01.{side}", _rotate(0, -pose.stride * swing), _rotate(1, sign * 0.05))
            turn(f"lowerleg01.{side}", _rotate(0, knee))
            turn(f"foot.{side}", _rotate(0, -0.35 * knee))
            turn(
                f"upperarm01.{side}",
                _rotate(0, pose.arm_swing * swing),
                _rotate(1, sign * ARM_LOWERING_RAD),
            )
            turn(f"lowerarm01.{side}", _rotate(0, -elbow - 0.3 * pose.arm_swing * abs(swing)))
        turn("spine05", _rotate(0, -pose.lean))
        turn("neck02", _rotate(2, pose.head_turn))
        return rotations_J44
