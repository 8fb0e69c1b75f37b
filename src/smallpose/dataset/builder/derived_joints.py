"""Joints that a source lacks, made from joints it has, and never mistaken for labels (A9).

A derived keypoint is written with v = 1 and listed beside the annotation, so that it can be drawn
and trained on by those who want it; counts, densities and metrics take the table without it.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances

Mask = NDArray[np.bool_]

# The middle of two joints. In MPII, which labels all of these, 99.7 % of the chests lie within
# 1.5 px of the middle of the shoulders, and 98.7 % of the pelvises of the middle of the hips.
MIDPOINTS = {
    "chest": ("left_shoulder", "right_shoulder"),
    "pelvis": ("left_hip", "right_hip"),
}


def check_derivable(joints: Sequence[str]) -> None:
    """Raises InputError when one of them is not of `MIDDLES`."""
    for joint in joints:
        if joint not in MIDPOINTS:
            raise InputError(
                f"--derive {joint}", "cannot be derived", f"one can derive {', '.join(MIDPOINTS)}"
            )


def derive_joints(people: Instances, joints: Sequence[str]) -> tuple[Instances, Mask]:
    """The people with the given joints made up where they are lacking, and which were made.

    Args:
        joints: of `MIDDLES`; a joint that is labelled stays as it is.
    Returns: the table, and (n, k) true for derived keypoints. `num_keypoints` keeps counting
        labels alone; `without_derived` gives back the table that metrics may see.
    Raises: InputError for a joint that cannot be derived or that the skeleton lacks.
    """
    keypoints = people.keypoints.copy()
    derived = np.zeros(keypoints.shape[:2], dtype=bool)
    names = people.skeleton.joints
    check_derivable(joints)
    for joint in joints:
        if not {joint, *MIDPOINTS[joint]} <= set(names):
            raise InputError(
                f"--derive {joint}",
                f"{people.skeleton.name} lacks it or {' and '.join(MIDPOINTS[joint])}",
                "derive joints in the 21",
            )
        target = names.index(joint)
        ends = people.keypoints[:, people.skeleton.joint_indices(MIDPOINTS[joint])]
        able = (ends[:, :, 2] > 0).all(axis=1) & (people.keypoints[:, target, 2] == 0)
        able &= people.is_counted
        keypoints[able, target, :2] = ends[able, :, :2].mean(axis=1)
        keypoints[able, target, 2] = 1
        derived[able, target] = True
    return replace(people, keypoints=keypoints), derived


def remove_derived(people: Instances, derived: Mask) -> Instances:
    """The labels alone: derived keypoints become 0, 0, 0 again."""
    return replace(people, keypoints=np.where(derived[:, :, None], 0.0, people.keypoints))


def list_derived(derived: Mask) -> list[list[int]]:
    """Per person the derived joints, counted from 1 as in a COCO category's `skeleton`."""
    return [(np.flatnonzero(row) + 1).tolist() for row in derived]


def mask_derived(lists: Sequence[Sequence[int]], k: int) -> Mask:
    """(n, k) from what `derived_lists` wrote.

    Raises: InputError for a number that is no joint.
    """
    mask = np.zeros((len(lists), k), dtype=bool)
    for row, numbers in enumerate(lists):
        for number in numbers:
            if not 1 <= number <= k:
                raise InputError(
                    f"annotation row {row}",
                    f"derived joint {number} of {k}",
                    "joints count from 1, as in the category's skeleton",
                )
            mask[row, number - 1] = True
    return mask
