"""Which keypoints are scored (paper, Sec. 5.3): all of the truth's, or COCO's 17 among them.

Setting A scores a model of COCO's 17 joints on people labelled with 21. People keep the size and
density of their whole label; those without any scored joint are ignored.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import COCO17, Skeleton, map_joints

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ScoredPoses:
    """Keypoints of both sides in the same joints.

    Args:
        skeleton: the joints that are scored.
        keypoints: (n, k, 3) of the truth.
        found: (d, k, 3) of the predictions.
        counted: (n,) who is a person to be found; the others are ignored.
        without: how many people have labels, but none among the scored joints.
        sigmas: (k,) their tolerances.
    """

    skeleton: Skeleton
    keypoints: Floats
    found: Floats
    counted: NDArray[np.bool_]
    without: int
    sigmas: Floats


def select_keypoints(
    truth: Instances,
    found: Predictions,
    keypoints: str | None = None,
    sigmas: ArrayLike | None = None,
) -> ScoredPoses:
    """Bring truth and predictions to the joints that are scored.

    Args:
        keypoints: "all" of the truth's, "coco17", or None: COCO's 17 when the predictions are of
            these and the truth has others as well, else all.
        sigmas: (k,) for the scored joints or for all of the truth's.

    Raises: InputError when the predictions lack a joint, or sigmas do not fit.
    """
    skeleton = _choose(truth.skeleton, found.skeleton, keypoints)
    lacking = [j for j in skeleton.joints if j not in found.skeleton.joints]
    if lacking and len(found):
        raise InputError(
            f"results with {found.skeleton.name}",
            f"{lacking[0]} is not among their joints, and {skeleton.name} is scored",
            "score them on the joints they have (--keypoints coco17)",
        )
    counted = truth.is_counted
    without = 0
    if skeleton.joints == truth.skeleton.joints:
        points = truth.keypoints
    else:
        points = map_joints(truth.keypoints, truth.skeleton, skeleton)
        bare = counted & ~(points[:, :, 2] > 0).any(axis=1)
        without = int(np.count_nonzero(bare))
        counted = counted & ~bare
    poses = found.keypoints
    if found.skeleton.joints != skeleton.joints:
        poses = map_joints(poses, found.skeleton, skeleton)
    return ScoredPoses(
        skeleton, points, poses, counted, without, _sigmas(truth.skeleton, skeleton, sigmas)
    )


def _choose(truth: Skeleton, found: Skeleton, keypoints: str | None) -> Skeleton:
    if keypoints not in (None, "all", "coco17"):
        raise InputError(f"--keypoints {keypoints}", "no such choice", "say all or coco17")
    if keypoints == "coco17" or (
        keypoints is None
        and found.joints == COCO17.joints
        and set(COCO17.joints) < set(truth.joints)
    ):
        if not set(COCO17.joints) <= set(truth.joints):
            raise InputError(
                "--keypoints coco17",
                f"the truth's {truth.name} lacks joints of COCO",
                "leave the flag out",
            )
        return truth if truth.joints == COCO17.joints else COCO17
    return truth


def _sigmas(truth: Skeleton, scored: Skeleton, given: ArrayLike | None) -> Floats:
    if given is None:
        return coco_doubles(scored.sigmas)
    sigmas = np.asarray(given, dtype=np.float64)
    wrong = None
    if sigmas.shape == (len(truth),):
        sigmas = sigmas[truth.joint_indices(scored.joints)]
    elif sigmas.shape != (len(scored),):
        wrong = f"{sigmas.size} values, {scored.name} has {len(scored)} joints"
    if wrong is None and not (np.isfinite(sigmas) & (sigmas > 0)).all():
        wrong = "a sigma is not above zero"
    if wrong is not None:
        raise InputError("--sigmas", wrong, "give one positive number per keypoint, in their order")
    return sigmas


def coco_doubles(sigmas: Floats) -> Floats:
    """(k,) the doubles that pycocotools has for the same sigmas.

    It writes [.26, .25, …] / 10.0, and .26 / 10.0 is not the double next to .026; an OKS would
    differ in its last bit.
    """
    return np.asarray(np.round(sigmas * 10, 9) / 10.0)
