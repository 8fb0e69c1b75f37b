"""Which keypoints are scored (paper, Sec. 5.3): all of the truth's, or COCO's 17 among them.

Setting A scores a model of COCO's 17 joints on people labelled with 21. People keep the size and
density of their complete label; those without any scored joint are ignored.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import COCO17, Skeleton, map_joints
from smallpose.evaluation.areas import get_person_area
from smallpose.evaluation.config import ScoringConfig
from smallpose.evaluation.matching.arrays import Floats, Mask, Poses
from smallpose.evaluation.protocols import classify_people


@dataclass(frozen=True)
class ScoredPoses:
    """Both tables in the scored joints, and the classes of the people.

    Args:
        truth: the table.
        skeleton: the joints that are scored.
        poses: of people and detections, in these joints.
        is_counted: (n,) people who must be detected; the others are ignored.
        classes: (c, n) membership in `CLASSES`.
        num_without_joints: how many people have labels, but none among the scored joints.
    """

    truth: Instances
    skeleton: Skeleton
    poses: Poses
    is_counted: Mask
    classes: Mask
    num_without_joints: int


def select_keypoints(
    truth: Instances, predictions: Predictions, config: ScoringConfig
) -> ScoredPoses:
    """Bring truth and predictions to the joints that are scored, and classify the people.

    Raises: InputError when the predictions lack a joint, or sigmas do not fit.
    """
    skeleton = _choose_skeleton(truth.skeleton, predictions.skeleton, config.keypoints)
    missing = [j for j in skeleton.joints if j not in predictions.skeleton.joints]
    if missing and len(predictions):
        raise InputError(
            f"results with {predictions.skeleton.name}",
            f"they have no {missing[0]}, which is among the scored {skeleton.name}",
            "use --keypoints coco17 to score the joints they have",
        )
    is_counted = truth.is_counted
    num_without_joints = 0
    keypoints = truth.keypoints
    if skeleton.joints != truth.skeleton.joints:
        keypoints = map_joints(keypoints, truth.skeleton, skeleton)
        is_bare = is_counted & ~(keypoints[:, :, 2] > 0).any(axis=1)
        num_without_joints = int(np.count_nonzero(is_bare))
        is_counted = is_counted & ~is_bare
    sigmas = _choose_sigmas(truth.skeleton, skeleton, config.sigmas)
    area = get_person_area(truth, config.area)
    density_joints = truth.num_source_joints
    if config.density_joints is not None:
        density_joints = np.full(len(truth), config.density_joints)
    return ScoredPoses(
        truth=truth,
        skeleton=skeleton,
        poses=Poses(
            detections=select_detections(predictions, skeleton),
            keypoints=keypoints,
            boxes_xywh=truth.boxes_xywh,
            area=area,
            is_crowd=truth.iscrowd,
            sigmas=sigmas,
        ),
        is_counted=is_counted,
        classes=classify_people(
            area, truth.num_labelled, density_joints, is_counted, config.size_limits
        ),
        num_without_joints=num_without_joints,
    )


def select_detections(predictions: Predictions, skeleton: Skeleton) -> Floats:
    """Return the (d, k, 3) keypoints of the predictions in the joints of `skeleton`."""
    if predictions.skeleton.joints == skeleton.joints:
        return predictions.keypoints
    return map_joints(predictions.keypoints, predictions.skeleton, skeleton)


def _choose_skeleton(truth: Skeleton, predicted: Skeleton, keypoints: str | None) -> Skeleton:
    """Return the joints to score.

    Args:
        keypoints: "all" of the truth's, "coco17", or None: COCO's 17 when the predictions are of
            these and the truth has others as well, else all.
    """
    if keypoints not in (None, "all", "coco17"):
        raise InputError(f"--keypoints {keypoints}", "no such choice", "use all or coco17")
    is_subset = predicted.joints == COCO17.joints and set(COCO17.joints) < set(truth.joints)
    if keypoints == "all" or (keypoints is None and not is_subset):
        return truth
    if not set(COCO17.joints) <= set(truth.joints):
        raise InputError(
            "--keypoints coco17",
            f"the truth's {truth.name} lacks joints of COCO",
            "leave out --keypoints",
        )
    return truth if truth.joints == COCO17.joints else COCO17


def _choose_sigmas(truth: Skeleton, scored: Skeleton, sigmas: ArrayLike | None) -> Floats:
    """Return (k,) sigmas of the scored joints, from ones for these or for all of the truth's."""
    if sigmas is None:
        return round_like_coco(scored.sigmas)
    values = np.asarray(sigmas, dtype=np.float64)
    fault = None
    if values.shape == (len(truth),):
        values = values[truth.joint_indices(scored.joints)]
    elif values.shape != (len(scored),):
        fault = f"{values.size} values, {scored.name} has {len(scored)} joints"
    if fault is None and not (np.isfinite(values) & (values > 0)).all():
        fault = "a sigma is not above zero"
    if fault is not None:
        raise InputError("--sigmas", fault, "give one positive number per keypoint, in their order")
    return values


def round_like_coco(sigmas: Floats) -> Floats:
    """Return the (k,) doubles that pycocotools has for the same sigmas.

    It writes [.26, .25, …] / 10.0, and .26 / 10.0 is not the double next to .026; an OKS would
    differ in its last bit.
    """
    return np.asarray(np.round(sigmas * 10, 9) / 10.0)
