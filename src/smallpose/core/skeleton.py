"""The 21 joints, each source's own joints in its own order, limbs, mirror pairs, sigmas.

Every source names its joints with the names of the 21, so that one rule, joint by name, carries
keypoints from any skeleton to any other (`map_joints`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError

Edge = tuple[int, int]

# OKS sigma of each joint: COCO's 17; head top and head bottom as CrowdPose has its head and neck;
# chest like shoulders, pelvis like hips (the paper gives none for these four).
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

# Limbs that any skeleton may have; a skeleton draws those whose ends it has.
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

# Other people's words for the same points; only joints that mean the same point stand here.
_SYNONYMS = {
    "head": "head_top",
    "top_head": "head_top",
    "neck": "head_bottom",
    "upper_neck": "head_bottom",
    "thorax": "chest",
}


@dataclass(frozen=True)
class Skeleton:
    """Joints in an order, and what joins them.

    Args:
        name: how messages call it.
        joints: (k,) names, each of the 21 where it is one of them.
        edges: pairs of 0-based joint numbers.
        own_sigmas: (k,) OKS sigmas; without them, those of the 21 by name.
    """

    name: str
    joints: tuple[str, ...]
    edges: tuple[Edge, ...] = ()
    own_sigmas: tuple[float, ...] | None = None

    def __len__(self) -> int:
        return len(self.joints)

    def index(self, names: Sequence[str]) -> NDArray[np.intp]:
        """(m,) joint numbers of the given names."""
        return np.array([self.joints.index(name) for name in names], dtype=np.intp)

    @cached_property
    def mirror(self) -> NDArray[np.intp]:
        """(k,) the number of each joint's partner on the other side, its own on the midline."""
        return np.array([self.joints.index(_other_side(n, self.joints)) for n in self.joints])

    @cached_property
    def sigmas(self) -> NDArray[np.float64]:
        """(k,) tolerance of each joint in the OKS.

        Raises: InputError when a joint is none of the 21 and no sigmas were given.
        """
        if self.own_sigmas is not None:
            return np.array(self.own_sigmas)
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


def _other_side(name: str, joints: Sequence[str]) -> str:
    for here, there in (("left", "right"), ("right", "left")):
        other = name.replace(here, there, 1)
        if name.startswith(here) and other in joints:
            return other
    for here, there in _SIDES:
        # As a word of its own, wherever it stands: hip_left, l_hip.
        other = re.sub(rf"(?<![A-Za-z0-9]){here}(?![A-Za-z0-9])", there, name, count=1)
        if other != name and other in joints:
            return other
    return name


def _limbs(joints: Sequence[str]) -> tuple[Edge, ...]:
    return tuple(
        (joints.index(a), joints.index(b)) for a, b in _LIMBS if a in joints and b in joints
    )


def _skeleton(name: str, joints: str, edges: tuple[Edge, ...] | None = None) -> Skeleton:
    names = tuple(joints.split())
    return Skeleton(name, names, _limbs(names) if edges is None else edges)


def _from_one(*pairs: Edge) -> tuple[Edge, ...]:
    return tuple((a - 1, b - 1) for a, b in pairs)


# The paper's order (Sec. 3.1) and its Fig. 1c as a tree of 20 edges in the paper's numbering.
SMALLPOSE = _skeleton(
    "smallpose21",
    " ".join(SIGMAS),
    _from_one(
        (2, 1),
        (1, 3),
        (1, 4),
        (3, 5),
        (4, 6),
        (1, 7),
        (7, 8),
        (8, 9),
        (8, 10),
        (9, 11),
        (11, 13),
        (10, 12),
        (12, 14),
        (8, 17),
        (17, 15),
        (17, 16),
        (15, 18),
        (18, 20),
        (16, 19),
        (19, 21),
    ),
)

# COCO's own edges, in its own order (1-based there as well).
COCO17 = _skeleton(
    "coco17",
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow "
    "right_elbow left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle "
    "right_ankle",
    _from_one(
        (16, 14),
        (14, 12),
        (17, 15),
        (15, 13),
        (12, 13),
        (6, 12),
        (7, 13),
        (6, 7),
        (6, 8),
        (7, 9),
        (8, 10),
        (9, 11),
        (2, 3),
        (1, 2),
        (1, 3),
        (2, 4),
        (3, 5),
        (4, 6),
        (5, 7),
    ),
)

# MPII's thorax lies on the middle of the shoulders, which is the chest; its upper neck is the
# point that AI Challenger calls neck and PoseTrack head bottom.
MPII16 = _skeleton(
    "mpii16",
    "right_ankle right_knee right_hip left_hip left_knee left_ankle pelvis chest head_bottom "
    "head_top right_wrist right_elbow right_shoulder left_shoulder left_elbow left_wrist",
)

AIC14 = _skeleton(
    "aic14",
    "right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist right_hip "
    "right_knee right_ankle left_hip left_knee left_ankle head_top head_bottom",
)

HIEVE14 = _skeleton(
    "hieve14",
    "nose chest right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist "
    "right_hip right_knee right_ankle left_hip left_knee left_ankle",
)

# The two ears are placeholders in PoseTrack18 and 21: never labelled.
POSETRACK17 = _skeleton(
    "posetrack17",
    "nose head_bottom head_top left_ear right_ear left_shoulder right_shoulder left_elbow "
    "right_elbow left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle "
    "right_ankle",
)

CROWDPOSE14 = _skeleton(
    "crowdpose14",
    "left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist left_hip "
    "right_hip left_knee right_knee left_ankle right_ankle head_top head_bottom",
)

SKELETONS = {
    s.name: s for s in (SMALLPOSE, COCO17, MPII16, AIC14, HIEVE14, POSETRACK17, CROWDPOSE14)
}


def named_skeleton(joints: Sequence[str], edges: Sequence[Edge] = ()) -> Skeleton:
    """The known skeleton with these joints in this order, else a new one made of them.

    Args:
        joints: (k,) names as a COCO category lists them.
        edges: 0-based pairs, used only when the skeleton is a new one.
    """
    names = tuple(_SYNONYMS.get(j, j) for j in (j.strip().lower() for j in joints))
    if len(set(names)) < len(names):
        names = tuple(joints)
    for skeleton in SKELETONS.values():
        if skeleton.joints == names:
            return skeleton
    return Skeleton(f"{len(names)} keypoints", names, tuple(edges) or _limbs(names))


def map_joints(
    keypoints: NDArray[np.float64],
    source: Skeleton,
    target: Skeleton,
    out: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """(n, K_source, 3) to (n, K_target, 3), joint by name; what the source lacks gets 0, 0, 0.

    Args:
        out: (n, K_target, 3) to write into.
    """
    mapped = np.empty((len(keypoints), len(target), 3)) if out is None else out
    for place, name in enumerate(target.joints):
        mapped[:, place] = keypoints[:, source.joints.index(name)] if name in source.joints else 0
    return mapped
