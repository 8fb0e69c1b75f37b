"""Layers with rows for each joint, and how weights of one skeleton are adapted to another."""

from collections.abc import Mapping

from torch import Tensor

from smallpose.core.skeleton import Skeleton
from smallpose.methods.base import PoseMethod


def count_keypoints(state: Mapping[str, Tensor], method: PoseMethod) -> int | None:
    """Return the number of joints that a checkpoint has rows for.

    Returns: None where it has no keypoint layer, or one whose rows do not fit any number.
    """
    expected = method.state_dict()
    for name in expected:
        if _has_keypoint_rows(name, expected, method) and name in state:
            rows_per_joint, num_other = divmod(len(expected[name]), len(method.skeleton))
            count, rest = divmod(len(state[name]) - num_other, rows_per_joint)
            return count if not rest and count > 0 else None
    return None


def copy_shared_joints(
    state: dict[str, Tensor],
    expected: Mapping[str, Tensor],
    method: PoseMethod,
    source: Skeleton,
) -> None:
    """Replace the rows of joints in `state` by those of the method's skeleton, matched by name.

    A layer has a number of rows for each joint and perhaps more after them (a root); joints that
    the source lacks keep the method's initial weights.

    Args:
        expected: the method's own weights.
        source: the skeleton that `state` is for.
    """
    num_joints = len(method.skeleton)
    shared = [joint for joint in method.skeleton.joints if joint in source.joints]
    new_index, old_index = method.skeleton.joint_indices(shared), source.joint_indices(shared)
    for name in expected:
        if not _has_keypoint_rows(name, expected, method) or name not in state:
            continue
        new, old = expected[name].clone(), state[name]
        rows_per_joint, num_other = divmod(len(new), num_joints)
        for part in range(rows_per_joint):
            rows = old[old_index * rows_per_joint + part]
            new[new_index * rows_per_joint + part] = rows.to(new.dtype)
        if num_other:
            new[-num_other:] = old[-num_other:].to(new.dtype)
        state[name] = new


def _has_keypoint_rows(name: str, expected: Mapping[str, Tensor], method: PoseMethod) -> bool:
    """Return whether an entry has rows for each joint; a norm's counter of batches has none."""
    layer = name.rsplit(".", 1)[0]
    is_listed = name in method.keypoint_layers or layer in method.keypoint_layers
    return is_listed and expected[name].ndim > 0
