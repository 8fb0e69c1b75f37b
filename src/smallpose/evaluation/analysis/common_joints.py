"""What results with different joints or boxes are compared on: what all of them have."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.joint_order import list_joints
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import COCO17


@dataclass(frozen=True)
class CommonJoints:
    """Results of the same joints, or that are scored on the same ones.

    Args:
        predictions: by name; without the joints that others lack, where COCO's 17 are not scored,
            and without boxes where some have none.
        keypoints: "coco17", "all" or None, as for `evaluate`.
        notes: on which joints and by which areas all are scored, where they differ in them.
    """

    predictions: Mapping[str, Predictions]
    keypoints: str | None
    notes: tuple[str, ...] = ()


def choose_common_joints(
    predictions: Mapping[str, Predictions], keypoints: str | None = None
) -> CommonJoints:
    """Choose the joints that results are compared on.

    Results of the same joints keep them, and `keypoints` decides where it is given. Where all have
    COCO's 17, these are scored, and else the joints that all have.

    The areas of detections follow one rule, too; see `_leave_out_boxes`.

    Raises: InputError where they have no joint in common.
    """
    predictions, notes = _leave_out_boxes(predictions)
    if keypoints is not None or not _have_different_joints(predictions):
        return CommonJoints(predictions, keypoints, notes)
    counts = ", ".join(f"{name} {len(one.skeleton)}" for name, one in predictions.items())
    differ = f"the results have different joints ({counts}), so all are scored on"
    if all(set(COCO17.joints) <= set(one.skeleton.joints) for one in predictions.values()):
        return CommonJoints(predictions, "coco17", (*notes, f"{differ} COCO's 17"))
    first = next(iter(predictions.values())).skeleton.joints
    common = [
        joint
        for joint in first
        if all(joint in one.skeleton.joints for one in predictions.values())
    ]
    if not common:
        raise InputError(
            f"results {', '.join(predictions)}",
            "have no joint in common",
            'name their joints alike, under "keypoint_names"',
        )
    reduced = {name: _take_joints(one, common) for name, one in predictions.items()}
    note = f"{differ} the {format_count(len(common), 'joint')} that all have: "
    return CommonJoints(reduced, None, (*notes, note + list_joints(tuple(common))))


def _leave_out_boxes(
    predictions: Mapping[str, Predictions],
) -> tuple[Mapping[str, Predictions], tuple[str, ...]]:
    """Leave out all boxes where some results have none, so that equal poses have equal areas.

    A detection's area is that of its box, else of the extent of its keypoints, which is smaller.
    """
    detected = {name: one for name, one in predictions.items() if len(one)}
    without = [name for name, one in detected.items() if not one.has_boxes]
    if not without or len(without) == len(detected):
        return predictions, ()
    bare = {
        name: replace(one, boxes_xywh=np.full_like(one.boxes_xywh, np.nan))
        for name, one in predictions.items()
    }
    verb = "has" if len(without) == 1 else "have"
    note = (
        f"{', '.join(without)} {verb} no bbox, so the areas of all detections are those of the "
        "extent of their keypoints, in all results; a file with bbox scored alone has other AP by "
        "size: write bbox in all files"
    )
    return bare, (note,)


def _have_different_joints(predictions: Mapping[str, Predictions]) -> bool:
    return len({frozenset(one.skeleton.joints) for one in predictions.values()}) > 1


def _take_joints(predictions: Predictions, joints: list[str]) -> Predictions:
    indices = predictions.skeleton.joint_indices(joints)
    return replace(
        predictions,
        skeleton=predictions.skeleton.take(indices.tolist()),
        keypoints=predictions.keypoints[:, indices],
    )
