"""Bring keypoints of one skeleton into the joint order of another, by name."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallpose.core.skeleton import COCO17, Skeleton, find_joint_indices


@dataclass(frozen=True)
class JointOrder:
    """The joints that two skeletons share, in the order of the second.

    Args:
        skeleton: of the shared joints; the second itself where the first has all of them.
        columns: (m,) index in the first of each joint of `skeleton`.
        left_out: joints of the first that the second lacks.
        missing: joints of the second that the first lacks.
    """

    skeleton: Skeleton
    columns: NDArray[np.intp]
    left_out: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def is_identity(self) -> bool:
        """Return whether the keypoints stay as they are."""
        return not self.left_out and bool((np.diff(self.columns) == 1).all())


def match_joint_order(source: Skeleton, target: Skeleton) -> JointOrder:
    """Match the joints of two skeletons by name.

    COCO's 17 among more joints come in COCO's order, as results of setting A have them.
    """
    indices = find_joint_indices(source, target)
    shared = [i for i, index in enumerate(indices) if index is not None]
    skeleton = target
    if len(shared) < len(target):
        names = [target.joints[i] for i in shared]
        if set(names) == set(COCO17.joints):
            shared = target.joint_indices(COCO17.joints).tolist()
            skeleton = COCO17
        else:
            skeleton = target.take(shared)
    columns = [index for index in (indices[i] for i in shared) if index is not None]
    return JointOrder(
        skeleton=skeleton,
        columns=np.array(columns, dtype=np.intp),
        left_out=tuple(
            joint for index, joint in enumerate(source.spelled_joints) if index not in columns
        ),
        missing=tuple(
            joint
            for joint, index in zip(target.spelled_joints, indices, strict=True)
            if index is None
        ),
    )


def list_joints(joints: tuple[str, ...], max_names: int = 6) -> str:
    """List joints for a message, the first ones by name."""
    return ", ".join(joints[:max_names]) + (", …" if len(joints) > max_names else "")
