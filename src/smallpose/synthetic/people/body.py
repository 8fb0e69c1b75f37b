"""Compute a person's 21 joints in space by forward kinematics, exact to the last digit.

The body's frame: x to the person's own left, y up, z forward, in body heights (a standing adult is
1 high). Lengths are those of the synthetic data set's specification (6.2).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallpose.core.skeleton import SMALLPOSE
from smallpose.synthetic.people.poses import COLUMN

Floats = NDArray[np.float64]

HIP_TO_CHEST = 0.285
CHEST_TO_NECK = 0.040
NECK_TO_TOP = 0.170
HALF_SHOULDERS = 0.108
HALF_HIPS = 0.064
UPPER_ARM = 0.165
FOREARM = 0.145
HAND = 0.05
THIGH = 0.24
SHIN = 0.235
# behind, in front of and below the ankle
HEEL = 0.045
TOE = 0.105
SOLE = 0.035
HEAD_AXES = np.array([0.062, 0.080, 0.070])  # half width, half height, half depth
LOWEST_RADIUS = 0.045  # how thick a thigh or a back is where it touches the floor

# On the head's surface, from the head's middle, in heights: x to the left, y up, z forward.
_FACE = {
    "nose": (0.0, -0.014, 0.074),
    "left_eye": (0.026, 0.012, 0.060),
    "right_eye": (-0.026, 0.012, 0.060),
    "left_ear": (0.061, -0.002, -0.004),
    "right_ear": (-0.061, -0.002, -0.004),
}
JOINT = {name: number for number, name in enumerate(SMALLPOSE.joints)}


@dataclass(frozen=True)
class Build:
    """The proportions of n bodies.

    Args:
        height_m: (n,) standing height in metres.
        head, limbs, shoulders, girth: (n,) factors on the adult's head, limb lengths, shoulder
            width and thickness.
    """

    height_m: Floats
    head: Floats
    limbs: Floats
    shoulders: Floats
    girth: Floats

    def take(self, rows: NDArray[np.intp]) -> "Build":
        """Select the given bodies."""
        return Build(
            *(getattr(self, f)[rows] for f in ("height_m", "head", "limbs", "shoulders", "girth"))
        )


@dataclass(frozen=True)
class Bodies:
    """n posed bodies standing on the floor y = 0, in body heights.

    Args:
        joints: (n, 21, 3) in the paper's order.
        hands: (n, 2, 3) finger ends, left and right.
        heels, toes: (n, 2, 3).
        pelvis_frame, chest_frame, head_frame: (n, 3, 3), columns are left, up, forward.
        head_centre: (n, 3).
        face_normals: (n, 5, 3) outward directions at nose, eyes and ears.
        build: their measures.
    """

    joints: Floats
    hands: Floats
    heels: Floats
    toes: Floats
    pelvis_frame: Floats
    chest_frame: Floats
    head_frame: Floats
    head_centre: Floats
    face_normals: Floats
    build: Build

    def __len__(self) -> int:
        return len(self.joints)


def draw_build(n: int, children: float, rng: np.random.Generator) -> Build:
    """Draw n bodies, a share `children` of them with a child's proportions."""
    child = rng.random(n) < children
    age = rng.uniform(0.0, 1.0, n)  # 0 a toddler, 1 nearly grown up
    adult_m = np.clip(rng.normal(1.71, 0.09, n), 1.48, 1.98)
    return Build(
        height_m=np.where(child, 0.95 + 0.5 * age, adult_m),
        head=np.where(child, 1.42 - 0.3 * age, 1.0),
        limbs=np.where(child, 0.9 + 0.07 * age, rng.normal(1.0, 0.02, n)),
        shoulders=np.clip(rng.normal(1.0, 0.08, n), 0.8, 1.2),
        girth=np.clip(rng.normal(1.04, 0.13, n), 0.78, 1.5),
    )


def pose_bodies(angles: Floats, build: Build) -> Bodies:
    """Compute bodies from (n, a) angles; the lowest point of each touches the floor."""

    def col(name: str) -> Floats:
        return np.asarray(angles[:, COLUMN[name]])

    n = len(angles)
    pelvis = _rotate_x(col("root_pitch")) @ _rotate_z(col("root_roll"))
    chest = pelvis @ _rotate_x(col("lean")) @ _rotate_z(-col("side")) @ _rotate_y(col("twist"))
    head = (
        chest
        @ _rotate_y(col("neck_yaw"))
        @ _rotate_x(col("neck_pitch"))
        @ _rotate_z(col("neck_roll"))
    )
    joints = np.zeros((n, len(SMALLPOSE), 3))
    ends = np.zeros((3, n, 2, 3))  # hands, heels, toes

    def put(name: str, where: Floats) -> Floats:
        joints[:, JOINT[name]] = where
        return where

    put("pelvis", np.zeros((n, 3)))
    top = put("chest", HIP_TO_CHEST * chest[:, :, 1])
    neck = put("head_bottom", top + CHEST_TO_NECK * (0.5 * chest[:, :, 1] + 0.5 * head[:, :, 1]))
    size = build.head[:, None]
    put("head_top", neck + NECK_TO_TOP * size * head[:, :, 1])
    centre = joints[:, JOINT["head_top"]] - HEAD_AXES[1] * size * head[:, :, 1]
    face = np.array(list(_FACE.values()))
    joints[:, [JOINT[f] for f in _FACE]] = centre[:, None] + size[:, :, None] * np.einsum(
        "nij,fj->nfi", head, face
    )
    normals = face / HEAD_AXES**2
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    _place_limbs(angles, build, pelvis, chest, top, joints, ends)
    lift = _height_above_floor(joints, ends)
    joints[:, :, 1] += lift[:, None]
    ends[:, :, :, 1] += lift[None, :, None]
    centre = centre + lift[:, None] * np.array([0.0, 1.0, 0.0])
    return Bodies(
        joints=joints,
        hands=ends[0],
        heels=ends[1],
        toes=ends[2],
        pelvis_frame=pelvis,
        chest_frame=chest,
        head_frame=head,
        head_centre=centre,
        face_normals=np.einsum("nij,fj->nfi", head, normals),
        build=build,
    )


def _place_limbs(
    angles: Floats,
    build: Build,
    pelvis: Floats,
    chest: Floats,
    top: Floats,
    joints: Floats,
    ends: Floats,
) -> None:
    """Fill `joints` and `ends` with arms and legs, left before right in one stack."""
    n = len(angles)
    sign = np.repeat([1.0, -1.0], n)
    limbs = np.tile(build.limbs, 2)[:, None]

    def both(name: str) -> Floats:
        return np.concatenate([angles[:, COLUMN[f"l_{name}"]], angles[:, COLUMN[f"r_{name}"]]])

    def put(name: str, where: Floats) -> Floats:
        joints[:, JOINT[f"left_{name}"]], joints[:, JOINT[f"right_{name}"]] = where[:n], where[n:]
        return where

    def end(number: int, where: Floats) -> None:
        ends[number, :, 0], ends[number, :, 1] = where[:n], where[n:]

    trunk, base = np.concatenate([chest, chest]), np.concatenate([pelvis, pelvis])
    reach = (sign * HALF_SHOULDERS * np.tile(build.shoulders, 2))[:, None]
    shoulder = put("shoulder", np.concatenate([top, top]) + reach * trunk[:, :, 0])
    arm = trunk @ _rotate_xzy(
        -both("arm_flex"), sign * both("arm_abduct"), -sign * both("arm_twist")
    )
    elbow = put("elbow", shoulder - UPPER_ARM * limbs * arm[:, :, 1])
    fore = arm @ _rotate_x(-both("elbow"))
    wrist = put("wrist", elbow - FOREARM * limbs * fore[:, :, 1])
    end(0, wrist - HAND * fore[:, :, 1])
    hip = put("hip", (sign * HALF_HIPS)[:, None] * base[:, :, 0])
    leg = base @ _rotate_xzy(-both("hip_flex"), sign * both("hip_abduct"), sign * both("hip_twist"))
    knee = put("knee", hip - THIGH * limbs * leg[:, :, 1])
    shin = leg @ _rotate_x(both("knee"))
    ankle = put("ankle", knee - SHIN * limbs * shin[:, :, 1])
    foot = shin @ _rotate_x(both("ankle"))
    sole = ankle - SOLE * foot[:, :, 1]
    end(1, sole - HEEL * foot[:, :, 2])
    end(2, sole + TOE * foot[:, :, 2])


def _rotate_xzy(about_x: Floats, about_z: Floats, about_y: Floats) -> Floats:
    """Return (n, 3, 3) rotations about x, then z, then y."""
    cx, sx, cy, sy = np.cos(about_x), np.sin(about_x), np.cos(about_y), np.sin(about_y)
    cz, sz = np.cos(about_z), np.sin(about_z)
    out = np.empty((len(cx), 3, 3))
    out[:, 0, 0], out[:, 0, 1], out[:, 0, 2] = cz * cy, -sz, cz * sy
    out[:, 1, 0], out[:, 1, 1] = cx * sz * cy + sx * sy, cx * cz
    out[:, 1, 2] = cx * sz * sy - sx * cy
    out[:, 2, 0], out[:, 2, 1] = sx * sz * cy - cx * sy, sx * cz
    out[:, 2, 2] = sx * sz * sy + cx * cy
    return out


def _height_above_floor(joints: Floats, ends: Floats) -> Floats:
    """Return (n,) how far to raise each body so that its lowest surface is at y = 0."""
    thick = [JOINT[j] for j in ("pelvis", "chest", "left_hip", "right_hip", "nose")]
    thin = [JOINT[f"{s}_{j}"] for s in ("left", "right") for j in ("elbow", "wrist", "knee")]
    lowest = np.minimum(
        joints[:, thick, 1].min(axis=1) - 1.6 * LOWEST_RADIUS,
        np.minimum(
            joints[:, thin, 1].min(axis=1) - 0.025, ends[:, :, :, 1].min(axis=(0, 2)) - 0.01
        ),
    )
    return np.asarray(-lowest)


def _rotate_x(turn: Floats) -> Floats:
    return _rotation_matrix(turn, 1, 2)


def _rotate_y(turn: Floats) -> Floats:
    return _rotation_matrix(turn, 2, 0)


def _rotate_z(turn: Floats) -> Floats:
    return _rotation_matrix(turn, 0, 1)


def _rotation_matrix(turn: Floats, first: int, second: int) -> Floats:
    """Return (n, 3, 3) rotations by (n,) radians of the first axis towards the second."""
    matrix = np.zeros((len(turn), 3, 3))
    matrix[:, 0, 0] = matrix[:, 1, 1] = matrix[:, 2, 2] = 1.0
    cos, sin = np.cos(turn), np.sin(turn)
    matrix[:, first, first] = matrix[:, second, second] = cos
    matrix[:, second, first], matrix[:, first, second] = sin, -sin
    return matrix
