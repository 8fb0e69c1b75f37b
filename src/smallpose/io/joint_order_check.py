"""Find results whose keypoints are in the order of another skeleton than the ground truth's.

A plain list of results has no joint names: it is in the order of the truth. Where another known
skeleton has as many joints, the poses themselves tell whether its order fits better.
"""

import numpy as np

from smallpose.core.instances import Instances
from smallpose.core.joint_order import list_joints
from smallpose.core.skeleton import SKELETONS
from smallpose.io.pose_pairs import (
    MIN_FIT,
    Floats,
    PairedPoses,
    average_rows,
    choose_best_pairs,
    measure_fit,
    read_labels,
)

MIN_PEOPLE = 10  # fewer tell nothing
MIN_GAIN = 0.25  # by which another order must fit better


def describe_other_order(truth: Instances, poses: PairedPoses) -> str | None:
    """Say that the keypoints seem to be in the order of another skeleton; None if they do not."""
    pairs, assumed, own_fit = poses.pairs, poses.skeleton, poses.own_fit
    candidates = [
        skeleton
        for skeleton in SKELETONS.values()
        if len(skeleton) == len(assumed) and skeleton.joints != assumed.joints
    ]
    if not set(assumed.joints) <= set(truth.skeleton.joints) or pairs.num_people < MIN_PEOPLE:
        return None
    for candidate in candidates:
        is_contested = np.array(candidate.joints) != np.array(assumed.joints)
        labels = read_labels(truth, pairs.people, candidate.joints)
        other_fit = measure_fit(poses.detected_xy, labels, poses.area)
        quality = np.maximum(average_rows(own_fit), average_rows(other_fit))
        best = choose_best_pairs(pairs, quality)
        own = _mean(own_fit[best][:, is_contested])
        other = _mean(other_fit[best][:, is_contested])
        common = _mean(own_fit[best][:, ~is_contested])
        order = f"the order of {candidate.name}"
        remedy = 'name the joints of the results under "keypoint_names"'
        if other > max(own + MIN_GAIN, MIN_FIT):
            return (
                f"the keypoints fit {order} better than that of the ground truth, in which they "
                f"are read; {remedy}"
            )
        if np.isnan(other) and common > max(own + MIN_GAIN, MIN_FIT):
            joints = tuple(np.array(assumed.joints)[is_contested].tolist())
            return (
                f"{list_joints(joints)} are far from the ground truth where all other joints fit, "
                f"as in {order}; {remedy}"
            )
    return None


def _mean(fit: Floats) -> float:
    """Return the mean of the known values; NaN where there is none."""
    known = fit[~np.isnan(fit)]
    return float(known.mean()) if len(known) else float("nan")
