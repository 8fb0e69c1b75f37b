"""Define skeletons: the 21 joints, each source's joints in its order, limbs, mirror pairs, sigmas.

Every source names its joints with the names of the 21, so that keypoints are mapped between any
two skeletons by name (`map_joints`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.joint_names import (
    find_joint_of_unknown_side,
    find_pairs,
    is_called_middle,
    parse_joint_name,
    recognize_joints,
)

Edge = tuple[int, int]

_ROWS_PER_BLOCK = 1024  # people whose keypoints are mapped at once

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

_NUM_SHOWN_JOINTS = 3
# Other names of the same points; only joints at the very same point are listed.
_SYNONYMS = {
    "head": "head_top",
    "top_head": "head_top",
    "neck": "head_bottom",
    "upper_neck": "head_bottom",
    "thorax": "chest",
}


@dataclass(frozen=True, repr=False)
class Skeleton:
    """Joints in an order, and the limbs between them.

    Args:
        name: its name in messages.
        joints: (k,) names; joints of the 21 have the names used there.
        edges: pairs of joint indices.
        custom_sigmas: (k,) OKS sigmas; without them, those of the 21 by name.
        custom_pairs: indices of each left and right joint; without them, what the names tell.
        file_joints: (k,) the names as a file spells them, where these differ.
        sigma_origins: (k,) where a sigma of `custom_sigmas` that was not measured was taken from,
            "" for one that was; empty where all were.

    Raises: InputError for joints that are one text.
    """

    name: str
    joints: tuple[str, ...]
    edges: tuple[Edge, ...] = ()
    custom_sigmas: tuple[float, ...] | None = None
    custom_pairs: tuple[Edge, ...] | None = None
    file_joints: tuple[str, ...] = field(default=(), compare=False)
    sigma_origins: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.joints, str):
            remedy = f"pass a tuple of names, as in ({self.joints!r},)"
            raise InputError(f"skeleton {self.name}", "joints are one text", remedy)
        if not isinstance(self.joints, tuple):  # a list would equal no other skeleton's joints
            object.__setattr__(self, "joints", tuple(self.joints))

    def __repr__(self) -> str:
        """Return name and joints in one line.

        >>> Skeleton("arm", ("shoulder", "elbow"))
        Skeleton('arm', 2 joints: shoulder, elbow)
        """
        shown = ", ".join(self.joints[:_NUM_SHOWN_JOINTS])
        more = ", …" if len(self) > _NUM_SHOWN_JOINTS else ""
        return f"Skeleton({self.name!r}, {format_count(len(self), 'joint')}: {shown}{more})"

    def __len__(self) -> int:
        return len(self.joints)

    def joint_indices(self, names: Sequence[str]) -> NDArray[np.intp]:
        """Return (m,) the indices of the named joints."""
        return np.array([self.joints.index(name) for name in names], dtype=np.intp)

    def take(self, indices: Sequence[int]) -> "Skeleton":
        """Return the skeleton of some of the joints, in the order of the indices."""
        position = {index: new for new, index in enumerate(indices)}

        def keep_pairs(pairs: Sequence[Edge]) -> tuple[Edge, ...]:
            return tuple(
                (position[a], position[b]) for a, b in pairs if a in position and b in position
            )

        sigmas, pairs, spelled = self.custom_sigmas, self.custom_pairs, self.file_joints
        origins = self.sigma_origins
        return Skeleton(
            name=f"{format_count(len(indices), 'joint')} of {self.name}",
            joints=tuple(self.joints[i] for i in indices),
            edges=keep_pairs(self.edges),
            custom_sigmas=None if sigmas is None else tuple(sigmas[i] for i in indices),
            custom_pairs=None if pairs is None else keep_pairs(pairs),
            file_joints=tuple(spelled[i] for i in indices) if spelled else (),
            sigma_origins=tuple(origins[i] for i in indices) if origins else (),
        )

    @cached_property
    def flip_indices(self) -> NDArray[np.intp]:
        """Return (k,) the index of each joint's mirrored joint; on the midline, its own."""
        indices = np.arange(len(self), dtype=np.intp)
        for a, b in find_pairs(self.joints) if self.custom_pairs is None else self.custom_pairs:
            indices[[a, b]] = b, a
        return indices

    @cached_property
    def flip_problem(self) -> str | None:
        """Return why mirroring cannot exchange left and right, or None where it can."""
        if self.custom_pairs is not None:
            return None
        if not find_pairs(self.joints):
            return f"no left and right joints are recognized in {self.name}"
        joint = find_joint_of_unknown_side(self.joints)
        return None if joint is None else f"the mirrored joint of {joint!r} is not known"

    @cached_property
    def joints_of_no_side(self) -> tuple[int, ...]:
        """Return the indices of joints that stay in place in mirrored images, as far as names tell.

        Joints of the 21 that are on the midline are left out, and those called a middle, such as
        `mid_hip`; there are none where pairs were declared, nor where mirroring is impossible.
        """
        if self.custom_pairs is not None or self.flip_problem is not None:
            return ()
        stays = self.flip_indices == np.arange(len(self))
        names = recognize_joints(self.joints, SIGMAS, _SYNONYMS)
        return tuple(
            i
            for i in np.flatnonzero(stays).tolist()
            if names[i] not in SIGMAS and not is_called_middle(names[i])
        )

    @property
    def borrowed_sigmas(self) -> dict[str, str]:
        """Return by joint, as the file spells it, where a sigma not measured was taken from."""
        if not self.sigma_origins:
            return {}
        pairs = zip(self.spelled_joints, self.sigma_origins, strict=True)
        return {name: origin for name, origin in pairs if origin}

    @property
    def spelled_joints(self) -> tuple[str, ...]:
        """Return (k,) the names as the file spells them."""
        return self.file_joints or self.joints

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
                _describe_sigma_remedy(self),
            )
        return np.array([SIGMAS[name] for name in self.joints])


def _describe_sigma_remedy(skeleton: Skeleton) -> str:
    """Say what to type for sigmas; they can be borrowed only where some joint's is known."""
    remedy = f"give {format_count(len(skeleton), 'sigma')} with --sigmas FILE"
    if set(skeleton.joints) & set(SIGMAS):
        return f"{remedy} (smallpose sigmas TRUTH.json --out FILE borrows them)"
    return (
        f'{remedy}, as in {{"{skeleton.spelled_joints[0]}": 0.05, …}} (COCO\'s are .025, eyes, to '
        ".107, hips; smallpose sigmas A.json B.json measures them on people labelled twice)"
    )


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

# Halpe's head, neck and hip are the head top, head bottom and pelvis: MMPose trains them from those
# of MPII, AI Challenger and CrowdPose. The sigmas are Halpe's own.
HALPE26 = replace(
    _create_skeleton(
        "halpe26",
        " ".join(COCO17.joints) + " head_top head_bottom pelvis left_big_toe right_big_toe "
        "left_small_toe right_small_toe left_heel right_heel",
        _parse_edges(
            "16-14 14-12 12-20 17-15 15-13 13-20 18-19 19-20 19-6 6-8 8-10 19-7 7-9 9-11 2-3 1-2 "
            "1-3 2-4 3-5 4-6 5-7 16-21 16-23 16-25 17-22 17-24 17-26"
        ),
    ),
    custom_sigmas=(
        *(SIGMAS[joint] for joint in COCO17.joints),
        0.026,
        0.026,
        0.066,
        *(0.079,) * 6,
    ),
    file_joints=(
        *COCO17.joints,
        "head",
        "neck",
        "hip",
        "left_big_toe",
        "right_big_toe",
        "left_small_toe",
        "right_small_toe",
        "left_heel",
        "right_heel",
    ),
)

SKELETONS = {
    s.name: s
    for s in (SMALLPOSE, COCO17, MPII16, AIC14, HIEVE14, POSETRACK17, CROWDPOSE14, HALPE26)
}


def find_synonyms(joints: Sequence[str]) -> dict[str, str]:
    """Return the names that stand for a joint of the 21 with another name, and that name.

    >>> find_synonyms(["Neck", "left knee", "tail"])
    {'Neck': 'head_bottom'}
    """
    spelled = recognize_joints(tuple(joints), SIGMAS, {})
    recognized = recognize_joints(tuple(joints), SIGMAS, _SYNONYMS)
    return {
        joint: ours
        for joint, name, ours in zip(joints, spelled, recognized, strict=True)
        if ours in SIGMAS and name not in SIGMAS
    }


def resolve_skeleton(joints: Sequence[str], edges: Sequence[Edge] = ()) -> Skeleton:
    """Return the known skeleton with these joints in this order, else a new one.

    Joints of the 21 get the names used there, however they are spelled; others keep their own.

    Args:
        joints: (k,) names as a COCO category lists them.
        edges: pairs of joint indices, used only for a new skeleton.
    """
    spelled = tuple(joints)
    names = recognize_joints(spelled, SIGMAS, _SYNONYMS)
    if len(set(names)) < len(names):
        names = spelled
    for skeleton in SKELETONS.values():
        if skeleton.joints == names or skeleton.spelled_joints == spelled:
            break
    else:
        skeleton = Skeleton(
            format_count(len(names), "keypoint"), names, tuple(edges) or _find_limbs(names)
        )
    is_spelled_so = skeleton.spelled_joints == spelled
    return skeleton if is_spelled_so else replace(skeleton, file_joints=spelled)


def find_joint_indices(source: Skeleton, target: Skeleton) -> list[int | None]:
    """Return for each joint of `target` the index of the same joint in `source`; None if absent.

    Names are compared as their files spell them, then as `resolve_skeleton` reads them, then
    without their spelling.
    """
    indices: list[int | None] = [None] * len(target)
    for source_keys, target_keys in zip(_list_keys(source), _list_keys(target), strict=True):
        for index, key in enumerate(target_keys):
            is_unique = source_keys.count(key) == target_keys.count(key) == 1
            if indices[index] is None and is_unique and source_keys.index(key) not in indices:
                indices[index] = source_keys.index(key)
    return indices


def _list_keys(skeleton: Skeleton) -> tuple[Sequence[object], ...]:
    parsed = [parse_joint_name(name) for name in skeleton.spelled_joints]
    return skeleton.spelled_joints, skeleton.joints, parsed


def list_joint_indices(source: Skeleton, target: Skeleton) -> NDArray[np.intp]:
    """Return (k,) the index of each joint of `target` in `source`, by name; -1 if absent."""
    names = source.joints
    indices = [names.index(name) if name in names else -1 for name in target.joints]
    return np.array(indices, dtype=np.intp)


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
    indices = list_joint_indices(source, target)
    is_lacking = indices < 0
    indices[is_lacking] = 0
    # A block fits into the cache, so a large table is read once and not once per joint.
    for start in range(0, len(keypoints), _ROWS_PER_BLOCK):
        rows = slice(start, start + _ROWS_PER_BLOCK)
        block = keypoints[rows].take(indices, axis=1)
        block[:, is_lacking] = 0
        mapped[rows] = block
    return mapped
