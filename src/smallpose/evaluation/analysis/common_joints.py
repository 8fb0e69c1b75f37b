"""The joints on which results with different ones are compared: those that all of them have."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.joint_order import list_joints
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import COCO17


@dataclass(frozen=True)
class CommonJoints:
    """Results of the same joints, or that are scored on the same ones.

    Args:
        predictions: by name; without the joints that others lack, where COCO's 17 are not scored.
        keypoints: "coco17", "all" or None, as for `evaluate`.
        note: on which joints all are scored, where they had different ones; else None.
    """

    predictions: Mapping[str, Predictions]
    keypoints: str | None
    note: str | None = None


def choose_common_joints(
    predictions: Mapping[str, Predictions], keypoints: str | None = None
) -> CommonJoints:
    """Choose the joints that results are compared on.

    Results of the same joints keep them, and `keypoints` decides where it is given. Where all have
    COCO's 17, these are scored, and else the joints that all have.

    Raises: InputError where they have no joint in common.
    """
    if keypoints is not None or not _have_different_joints(predictions):
        return CommonJoints(predictions, keypoints)
    counts = ", ".join(f"{name} {len(one.skeleton)}" for name, one in predictions.items())
    differ = f"the results have different joints ({counts}), so all are scored on"
    if all(set(COCO17.joints) <= set(one.skeleton.joints) for one in predictions.values()):
        return CommonJoints(predictions, "coco17", f"{differ} COCO's 17")
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
    return CommonJoints(reduced, None, note + list_joints(tuple(common)))


def _have_different_joints(predictions: Mapping[str, Predictions]) -> bool:
    return len({frozenset(one.skeleton.joints) for one in predictions.values()}) > 1


def _take_joints(predictions: Predictions, joints: list[str]) -> Predictions:
    indices = predictions.skeleton.joint_indices(joints)
    return replace(
        predictions,
        skeleton=predictions.skeleton.take(indices.tolist()),
        keypoints=predictions.keypoints[:, indices],
    )
