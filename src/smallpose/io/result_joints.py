"""Tell which joints results have: those that they name, or those of the labels by their number."""

from dataclasses import replace
from pathlib import Path

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.joint_order import list_joints, match_joint_order
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import COCO17, Skeleton, resolve_skeleton
from smallpose.io.joint_list import check_joint_list


def make_named_skeleton(path: Path | str, names: list[str]) -> Skeleton:
    """Make the skeleton of results that name their joints.

    Raises: InputError when there are no names, or one is repeated.
    """
    check_joint_list(f"{path}, keypoint_names", names, "the order of the keypoints")
    return resolve_skeleton(names)


def order_named_joints(path: Path | str, predictions: Predictions, target: Skeleton) -> Predictions:
    """Bring results that name their joints into the order of the truth, without further joints.

    Raises: InputError when the truth has none of the joints.
    """
    order = match_joint_order(predictions.skeleton, target)
    if not len(order.columns):
        raise InputError(
            f"{path}, keypoint_names",
            f"the truth has none of these joints ({list_joints(predictions.skeleton.joints)})",
            f"use its names: {list_joints(target.spelled_joints)}",
        )
    notes = predictions.notes
    if order.left_out:
        notes += (
            f"joints of the results that the truth lacks are left out: "
            f"{list_joints(order.left_out)}",
        )
    return replace(order.apply_to(predictions), notes=notes)


def match_skeleton(num_values: int, truth: Instances) -> Skeleton | None:
    """Return the skeleton of results with that many values per pose.

    It is the truth's, or COCO's 17 where the truth has those joints among others; else None.
    """
    if num_values == 3 * len(truth.skeleton):
        return truth.skeleton
    if num_values == 3 * len(COCO17) and set(COCO17.joints) <= set(truth.skeleton.joints):
        return COCO17
    return None


def require_skeleton(where: str, num_values: int, truth: Instances) -> Skeleton:
    """Return the skeleton as `match_skeleton`.

    Args:
        where: the result in messages.
    Raises: InputError where there is none.
    """
    skeleton = match_skeleton(num_values, truth)
    is_pairs = num_values % 3 and num_values in (2 * len(truth.skeleton), 2 * len(COCO17))
    if skeleton is None and is_pairs:
        raise InputError(
            where,
            f"{format_count(num_values, 'keypoint value')}, two for each joint of "
            f"{truth.skeleton.name if num_values == 2 * len(truth.skeleton) else COCO17.name}",
            "give three: x, y and the confidence of the joint (1 where it is not known)",
        )
    if skeleton is None:
        raise InputError(
            where,
            f"{format_count(num_values, 'keypoint value')}, {truth.skeleton.name} needs "
            f"{3 * len(truth.skeleton)}",
            "give the joints of the truth or COCO's 17, or name those of the results: "
            '{"keypoint_names": ["nose", …], "predictions": [the list]}, as smallpose predict '
            "--own-joints writes them",
        )
    return skeleton
