"""Which keypoints are scored (paper, Sec. 5.3): those of the truth that the results have, by name.

Setting A scores a model of COCO's 17 joints on people labelled with 21. People keep the size and
density of their complete label; those without any scored joint are ignored.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import COCO17, Skeleton, map_joints
from smallpose.evaluation.areas import get_person_area
from smallpose.evaluation.config import ScoringConfig
from smallpose.evaluation.matching.arrays import Floats, Mask, Poses
from smallpose.evaluation.protocols import classify_people, has_valid_area
from smallpose.evaluation.sigma_file import JointSigmas


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
        missing_joints: those of the truth, as its file spells them, that are left out because the
            predictions lack them.
    """

    truth: Instances
    skeleton: Skeleton
    poses: Poses
    is_counted: Mask
    classes: Mask
    num_without_joints: int
    missing_joints: tuple[str, ...] = ()

    @property
    def spelled_joints(self) -> tuple[str, ...]:
        """Return the scored joints as the file of the truth spells them."""
        names = self.truth.skeleton
        spelled = dict(zip(names.joints, names.spelled_joints, strict=True))
        return tuple(spelled.get(joint, joint) for joint in self.skeleton.joints)


def select_keypoints(
    truth: Instances, predictions: Predictions, config: ScoringConfig
) -> ScoredPoses:
    """Bring truth and predictions to the joints that are scored, and classify the people.

    Raises: InputError when the predictions lack a joint that was asked for, or have none of the
        truth's, or sigmas do not fit.
    """
    skeleton = _choose_skeleton(truth.skeleton, predictions.skeleton, config.keypoints)
    spelled = dict(zip(truth.skeleton.joints, truth.skeleton.spelled_joints, strict=True))
    missing = [spelled.get(j, j) for j in skeleton.joints if j not in predictions.skeleton.joints]
    if missing and len(predictions):
        raise InputError(
            f"results with {predictions.skeleton.name}",
            f"they have no {missing[0]}, which is among the scored {skeleton.name}",
            "leave out --keypoints to score the joints they have",
        )
    missing_joints: tuple[str, ...] = ()
    if config.keypoints is None and skeleton not in (truth.skeleton, COCO17):
        missing_joints = tuple(
            spelled[j] for j in truth.skeleton.joints if j not in skeleton.joints
        )
    is_counted = truth.is_counted
    num_without_joints = 0
    keypoints = truth.keypoints
    if skeleton.joints != truth.skeleton.joints:
        keypoints = map_joints(keypoints, truth.skeleton, skeleton)
        is_bare = is_counted & ~(keypoints[:, :, 2] > 0).any(axis=1)
        num_without_joints = int(np.count_nonzero(is_bare))
        is_counted = is_counted & ~is_bare
    sigmas = choose_sigmas(truth.skeleton, skeleton, config.sigmas)
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
            area=get_person_area(truth, config.oks_area),
            is_crowd=truth.iscrowd,
            sigmas=sigmas,
        ),
        is_counted=is_counted,
        classes=_classify_scored(truth, density_joints, is_counted, config),
        num_without_joints=num_without_joints,
        missing_joints=missing_joints,
    )


def _classify_scored(
    truth: Instances, density_joints: NDArray[np.int64], is_counted: Mask, config: ScoringConfig
) -> Mask:
    """Return (c, n) membership in `CLASSES`.

    Sizes go by one area; that all people with an area in COCO's range are scored goes by the OKS
    scale, as in pycocotools, which knows no other area.
    """
    is_scored = is_counted & has_valid_area(get_person_area(truth, config.oks_area))
    classes = classify_people(
        get_person_area(truth, config.size_area),
        truth.num_labelled,
        density_joints,
        is_scored,
        config.size_limits,
    )
    classes[0] = is_scored
    return classes


def select_detections(predictions: Predictions, skeleton: Skeleton) -> Floats:
    """Return the (d, k, 3) keypoints of the predictions in the joints of `skeleton`."""
    if predictions.skeleton.joints == skeleton.joints:
        return predictions.keypoints
    return map_joints(predictions.keypoints, predictions.skeleton, skeleton)


def _choose_skeleton(truth: Skeleton, predicted: Skeleton, keypoints: str | None) -> Skeleton:
    """Return the joints to score.

    Args:
        keypoints: "all" of the truth's, "coco17", or None: those of the truth that the predictions
            have.

    Raises: InputError when the choice is unknown, the truth lacks joints of COCO, or no joint is
        left.
    """
    if keypoints not in (None, "all", "coco17"):
        raise InputError(f"--keypoints {keypoints}", "no such choice", "use all or coco17")
    if keypoints is None:
        is_coco17 = set(predicted.joints) == set(COCO17.joints) < set(truth.joints)
        return COCO17 if is_coco17 else _select_shared_joints(truth, predicted)
    if keypoints == "all":
        return truth
    if not set(COCO17.joints) <= set(truth.joints):
        raise InputError(
            "--keypoints coco17",
            f"the truth ({truth.name}) lacks joints of COCO",
            "leave out --keypoints",
        )
    return truth if truth.joints == COCO17.joints else COCO17


def _select_shared_joints(truth: Skeleton, predicted: Skeleton) -> Skeleton:
    """Return the truth's joints that the predictions have, in the truth's order."""
    indices = [i for i, joint in enumerate(truth.joints) if joint in predicted.joints]
    if len(indices) == len(truth):
        return truth
    if not indices:
        raise InputError(
            f"results with {predicted.name}",
            f"they have none of the joints of the truth's {truth.name}",
            'name their joints as the truth does, under "keypoint_names"',
        )
    return truth.take(indices)


def choose_sigmas(truth: Skeleton, scored: Skeleton, sigmas: ArrayLike | None) -> Floats:
    """Return (k,) sigmas of the scored joints, from ones for these or for all of the truth's."""
    if sigmas is None:
        return round_like_coco(scored.sigmas)
    if isinstance(sigmas, JointSigmas):
        truth, sigmas = scored, sigmas.order_for(scored)
    values = np.asarray(sigmas, dtype=np.float64)
    fault = None
    if values.shape == (len(truth),):
        values = values[truth.joint_indices(scored.joints)]
    elif values.shape != (len(scored),):
        fault = (
            f"{format_count(values.size, 'value')}, {scored.name} has "
            f"{format_count(len(scored), 'joint')}"
        )
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
