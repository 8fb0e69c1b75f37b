"""Define skeletons: the 21 joints, each source's joints in its order, limbs, mirror pairs, sigmas.

Every source names its joints with the names of the 21, so that keypoints are mapped between any
two skeletons by name (`map_joints`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError

Edge = tuple[int, int]

# OKS sigma of each joint: COCO's 17; head top and head bottom have those of CrowdPose's head and
# neck, chest that of shoulders, pelvis that of hips (the paper gives none for these four).
SIGMAS = {
    "nose": 0.026,
    "head_top": 0.079,
    "left_eye": 0.025,
    "right_eye": 0.025,
    "left_ear": 0.035,
    "right_ear": 0.035,
    "head_bottom": 0.079,
    "chest": 0.079,
    "left_shoulder": 0.079,
    "right_shoulder": 0.079,
    "left_elbow": 0.072,
    "right_elbow": 0.072,
    "left_wrist": 0.062,
    "right_wrist": 0.062,
    "left_hip": 0.107,
    "right_hip": 0.107,
    "pelvis": 0.107,
    "left_knee": 0.087,
    "right_knee": 0.087,
    "left_ankle": 0.089,
    "right_ankle": 0.089,
}

# Limbs of any skeleton; a skeleton has those whose two joints it has.
_LIMBS = (
    ("left_eye", "right_eye"),
    ("nose", "left_eye"),
    ("nose", "right_eye"),
    ("left_eye", "left_ear"),
    ("right_eye", "right_ear"),
    ("left_shoulder", "right_shoulder"),
    ("left_shoulder", "left_elbow"),
    ("left_elbow", "left_wrist"),
    ("right_shoulder", "right_elbow"),
    ("right_elbow", "right_wrist"),
    ("left_shoulder", "left_hip"),
    ("right_shoulder", "right_hip"),
    ("left_hip", "right_hip"),
    ("left_hip", "left_knee"),
    ("left_knee", "left_ankle"),
    ("right_hip", "right_knee"),
    ("right_knee", "right_ankle"),
    ("head_top", "head_bottom"),
)

# Other names of the same points; only joints at the very same point are listed.
_SYNONYMS = {
    "head": "head_top",
    "top_head": "head_top",
    "neck": "head_bottom",
    "upper_neck": "head_bottom",
    "thorax": "chest",
}


@dataclass(frozen=True)
class Skeleton:
    """Joints in an order, and the limbs between them.

    Args:
        name: its name in messages.
        joints: (k,) names; joints of the 21 have the names used there.
        edges: pairs of joint indices.
        custom_sigmas: (k,) OKS sigmas; without them, those of the 21 by name.
    """

    name: str
    joints: tuple[str, ...]
    edges: tuple[Edge, ...] = ()
    custom_sigmas: tuple[float, ...] | None = None

    def __len__(self) -> int:
        return len(self.joints)

    def joint_indices(self, names: Sequence[str]) -> NDArray[np.intp]:
        """Return (m,) the indices of the named joints."""
        return np.array([self.joints.index(name) for name in names], dtype=np.intp)

    @cached_property
    def flip_indices(self) -> NDArray[np.intp]:
        """Return (k,) the index of each joint's mirrored joint; on the midline, its own."""
        return np.array(
            [self.joints.index(_find_mirrored_joint(n, self.joints)) for n in self.joints]
        )

    @cached_property
    def sigmas(self) -> NDArray[np.float64]:
        """Return (k,) the OKS sigma of each joint.

        Raises: InputError when a joint is none of the 21 and no sigmas were given.
        """
        if self.custom_sigmas is not None:
            return np.array(self.custom_sigmas)
        unknown = [name for name in self.joints if name not in SIGMAS]
        if unknown:
            raise InputError(
                f"skeleton {self.name}",
                f"no OKS sigma is known for joint {unknown[0]!r}",
                f"give {len(self)} sigmas with --sigmas FILE",
            )
        return np.array([SIGMAS[name] for name in self.joints])


_SIDES = tuple(
    sides
    for a, b in (("left", "right"), ("l", "r"), ("Left", "Right"), ("L", "R"))
    for sides in ((a, b), (b, a))
)


def _find_mirrored_joint(name: str, joints: Sequence[str]) -> str:
    for side, other_side in (("left", "right"), ("right", "left")):
        mirrored = name.replace(side, other_side, 1)
        if name.startswith(side) and mirrored in joints:
            return mirrored
    for side, other_side in _SIDES:
        # As a separate word anywhere in the name: hip_left, l_hip.
        pattern = rf"(?<![A-Za-z0-9]){side}(?![A-Za-z0-9])"
        mirrored = re.sub(pattern, other_side, name, count=1)
        if mirrored != name and mirrored in joints:
            return mirrored
    return name


def _find_limbs(joints: Sequence[str]) -> tuple[Edge, ...]:
    return tuple(
        (joints.index(a), joints.index(b)) for a, b in _LIMBS if a in joints and b in joints
    )


def _create_skeleton(name: str, joints: str, edges: tuple[Edge, ...] | None = None) -> Skeleton:
    names = tuple(joints.split())
    return Skeleton(name, names, _find_limbs(names) if edges is None else edges)


def _parse_edges(text: str) -> tuple[Edge, ...]:
    """Parse pairs of joint numbers that count from 1, such as `1-2 2-3`."""
    pairs = (pair.split("-") for pair in text.split())
    return tuple((int(a) - 1, int(b) - 1) for a, b in pairs)


# The paper's order (Sec. 3.1); the tree of its Fig. 1c in the paper's numbering, from 1.
SMALLPOSE = _create_skeleton(
    "smallpose21",
    " ".join(SIGMAS),
    _parse_edges(
        "2-1 1-3 1-4 3-5 4-6 1-7 7-8 8-9 8-10 9-11 "
        "11-13 10-12 12-14 8-17 17-15 17-16 15-18 18-20 16-19 19-21"
    ),
)

# COCO's edges in COCO's order; COCO counts joints from 1, too.
COCO17 = _create_skeleton(
    "coco17",
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow "
    "right_elbow left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle "
    "right_ankle",
    _parse_edges(
        "16-14 14-12 17-15 15-13 12-13 6-12 7-13 6-7 6-8 7-9 8-10 9-11 2-3 1-2 1-3 2-4 3-5 4-6 5-7"
    ),
)

# MPII's thorax is midway between the shoulders, which is the chest; its upper neck is AI
# Challenger's neck and PoseTrack's head bottom.
MPII16 = _create_skeleton(
    "mpii16",
    "right_ankle right_knee right_hip left_hip left_knee left_ankle pelvis chest head_bottom "
    "head_top right_wrist right_elbow right_shoulder left_shoulder left_elbow left_wrist",
)

AIC14 = _create_skeleton(
    "aic14",
    "right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist right_hip "
    "right_knee right_ankle left_hip left_knee left_ankle head_top head_bottom",
)

HIEVE14 = _create_skeleton(
    "hieve14",
    "nose chest right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist "
    "right_hip right_knee right_ankle left_hip left_knee left_ankle",
)

# The two ears are placeholders in PoseTrack18 and 21; they are never labelled.
POSETRACK17 = _create_skeleton(
    "posetrack17",
    "nose head_bottom head_top left_ear right_ear left_shoulder right_shoulder left_elbow "
    "right_elbow left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle "
    "right_ankle",
)

CROWDPOSE14 = _create_skeleton(
    "crowdpose14",
    "left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist left_hip "
    "right_hip left_knee right_knee left_ankle right_ankle head_top head_bottom",
)

SKELETONS = {
    s.name: s for s in (SMALLPOSE, COCO17, MPII16, AIC14, HIEVE14, POSETRACK17, CROWDPOSE14)
}


def resolve_skeleton(joints: Sequence[str], edges: Sequence[Edge] = ()) -> Skeleton:
    """Return the known skeleton with these joints in this order, else a new one.

    Args:
        joints: (k,) names as a COCO category lists them.
        edges: pairs of joint indices, used only for a new skeleton.
    """
    names = tuple(_SYNONYMS.get(j, j) for j in (j.strip().lower() for j in joints))
    if len(set(names)) < len(names):
        names = tuple(joints)
    for skeleton in SKELETONS.values():
        if skeleton.joints == names:
            return skeleton
    return Skeleton(f"{len(names)} keypoints", names, tuple(edges) or _find_limbs(names))


def map_joints(
    keypoints: NDArray[np.float64],
    source: Skeleton,
    target: Skeleton,
    out: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Map (n, K_source, 3) to (n, K_target, 3) by name; joints the source lacks get 0, 0, 0.

    Args:
        out: (n, K_target, 3) to write into.
    """
    mapped = np.empty((len(keypoints), len(target), 3)) if out is None else out
    for index, name in enumerate(target.joints):
        if name in source.joints:
            mapped[:, index] = keypoints[:, source.joints.index(name)]
        else:
            mapped[:, index] = 0
    return mapped
