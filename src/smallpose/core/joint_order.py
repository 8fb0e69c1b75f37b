"""Bring keypoints of one skeleton into the joint order of another, by name."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from smallpose.core.predictions import Predictions
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

    def apply(self, keypoints: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the (n, m, 3) keypoints of `skeleton` among (n, k, 3) of the first skeleton."""
        return keypoints if self.is_identity else np.ascontiguousarray(keypoints[:, self.columns])

    def apply_to(self, predictions: Predictions) -> Predictions:
        """Return predictions of the first skeleton in the joints of `skeleton`."""
        keypoints = self.apply(predictions.keypoints)
        errors = predictions.keypoint_errors
        if errors is not None and not self.is_identity:
            errors = errors[:, self.columns]
        return replace(
            predictions, skeleton=self.skeleton, keypoints=keypoints, keypoint_errors=errors
        )


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


def keep_joint_order(source: Skeleton) -> JointOrder:
    """Return the order that leaves the keypoints of a skeleton as they are."""
    return JointOrder(source, np.arange(len(source)), left_out=(), missing=())


def list_joints(joints: tuple[str, ...], max_names: int = 6) -> str:
    """List joints for a message, the first ones by name."""
    return ", ".join(joints[:max_names]) + (", …" if len(joints) > max_names else "")
