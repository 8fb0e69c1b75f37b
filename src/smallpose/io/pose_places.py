"""Tell poses that are written in other coordinates, or whose joints are in another order.

x and y are exchanged, all poses are some px away, in px of the square that a network saw, or joints
are listed in an order of their own. Each reading has the same poses fit most people.
"""

import numpy as np

from smallpose.core.counts import format_count
from smallpose.core.instances import Instances
from smallpose.io.pose_pairs import (
    MIN_FIT,
    TOLERANCE,
    Floats,
    Indices,
    PairedPoses,
    average_rows,
    choose_best_pairs,
    find_placeholders,
    measure_fit,
)

MIN_PEOPLE = 10  # who fit in the other reading
MIN_SHARE = 0.4  # of the people looked at, likewise
MIN_RATIO = 3  # of people who fit in the other reading and as they are
MIN_GAIN = 0.15  # of fit in another order against that with left and right exchanged
MIN_OFFSET = 1.0  # px
# Sides in px of the squares that networks see.
SQUARES = (*range(192, 1025, 32), 1088, 1152, 1280, 1408, 1536, 1600, 1920, 2048)
_MAX_JOINTS = 40  # whose order is looked for
_NEAR = 4 * TOLERANCE  # distance of centres of a person's two poses, relative to √area


def describe_other_places(truth: Instances, poses: PairedPoses) -> str | None:
    """Say in which other coordinates most people fit; None in none."""
    if _fit_already(poses):
        return None
    with np.errstate(all="ignore"):  # coordinates up to 1e308 are read, and fit nowhere
        return (
            _describe_exchanged_axes(poses)
            or _describe_offset(poses)
            or _describe_square(truth, poses)
        )


def _fit_already(poses: PairedPoses) -> bool:
    """Return whether too many people fit as they are for another reading to fit many more."""
    num_own = poses.count_fitting(average_rows(poses.own_fit))
    return MIN_RATIO * num_own > poses.pairs.num_people


def _count_if_many(poses: PairedPoses, fit: Floats) -> int:
    """Return how many people fit in another reading; 0 where they are too few to tell.

    Args:
        fit: (p,) of the pairs in that reading.
    """
    num_fitting = poses.count_fitting(fit)
    num_own = poses.count_fitting(average_rows(poses.own_fit))
    minimum = max(MIN_PEOPLE, MIN_RATIO * num_own, MIN_SHARE * poses.pairs.num_people)
    return num_fitting if num_fitting >= minimum else 0


def _describe_evidence(poses: PairedPoses, num_fitting: int) -> str:
    num_own = poses.count_fitting(average_rows(poses.own_fit))
    people = format_count(poses.pairs.num_people, "person", "people")
    return f"{num_fitting:,} of {people} looked at fit a detection, and {num_own:,} as they are"


def _describe_exchanged_axes(poses: PairedPoses) -> str | None:
    num_fitting = _count_if_many(poses, poses.measure_mean_fit(poses.detected_xy[:, :, ::-1]))
    if not num_fitting:
        return None
    evidence = _describe_evidence(poses, num_fitting)
    return f"x and y of the keypoints seem to be exchanged: the other way round, {evidence}"


def _describe_offset(poses: PairedPoses) -> str | None:
    """Say that the poses fit when all are moved by the same px.

    A model whose poses are beside their places is no such case: there the offset follows from the
    size of the person.
    """
    offset = _fit_offsets(poses)
    fit = poses.measure_mean_fit(poses.detected_xy + offset[:, None])
    best = choose_best_pairs(poses.pairs, fit)
    best = best[fit[best] > MIN_FIT]
    if len(best) < MIN_PEOPLE:
        return None
    common = np.sort(offset[best], axis=0)[len(best) // 2]  # np.median would import more of NumPy
    num_fitting = _count_if_many(poses, poses.measure_mean_fit(poses.detected_xy + common))
    if not num_fitting or np.abs(common).max() < MIN_OFFSET:
        return None
    size = np.sqrt(poses.area[best])[:, None]
    relative = np.sort(offset[best] / size, axis=0)[len(best) // 2]
    if not 2 * np.abs(offset[best] - common).sum() < np.abs(offset[best] - relative * size).sum():
        return None
    x, y = common.tolist()
    evidence = _describe_evidence(poses, num_fitting)
    return (
        f"the keypoints seem to be moved: with {x:+.0f} px in x and {y:+.0f} px in y added, "
        f"{evidence}"
    )


def _fit_offsets(poses: PairedPoses) -> Floats:
    """Return (p, 2) the offset in px with which each detection is nearest to its label."""
    is_labelled = poses.labels[:, :, 2:] > 0
    offset = np.where(is_labelled, poses.labels[:, :, :2] - poses.detected_xy, 0).sum(axis=1)
    return np.asarray(offset / np.maximum(np.count_nonzero(is_labelled, axis=1), 1))


def _describe_square(truth: Instances, poses: PairedPoses) -> str | None:
    """Say that the poses are in px of a square with the image in its middle (a letterbox)."""
    images = truth.images
    sizes = np.column_stack([images.width, images.height]).astype(np.float64)
    size_wh = sizes[truth.image_rows[poses.pairs.people]]
    if not (size_wh > 0).all():
        return None
    best, best_side = 0, 0
    for side in SQUARES:
        scale = side / size_wh.max(axis=1, keepdims=True)
        border = (side - size_wh * scale) / 2
        xy = (poses.detected_xy - border[:, None]) / scale[:, None]
        num_fitting = _count_if_many(poses, poses.measure_mean_fit(xy))
        if num_fitting > best:
            best, best_side = num_fitting, side
    if not best:
        return None
    return (
        f"the keypoints seem to be in px of a square of {best_side} px with the image in its "
        f"middle, as networks see it (letterbox): moved and scaled back, "
        f"{_describe_evidence(poses, best)}"
    )


def describe_joints_in_order(poses: PairedPoses) -> str | None:
    """Say in which order the joints of the detections are, where most people fit in another one.

    Nothing is said where people fit as well with left and right exchanged, which is no other order.
    """
    num_joints = len(poses.skeleton)
    if num_joints > _MAX_JOINTS or _fit_already(poses):
        return None
    rows = _pair_by_centre(poses)
    if len(rows) < MIN_PEOPLE:
        return None
    order = _assign_joints(poses, rows)
    fit = _measure_fit_in_order(poses, order)
    best = choose_best_pairs(poses.pairs, fit)
    best = best[fit[best] > MIN_FIT]
    if len(best) >= MIN_PEOPLE:  # now that pairs are known better
        order = _assign_joints(poses, best)
        fit = _measure_fit_in_order(poses, order)
    num_fitting = _count_if_many(poses, fit)
    if not num_fitting or (order == np.arange(num_joints)).all():
        return None
    exchanged_fit = _measure_fit_in_order(poses, np.asarray(poses.skeleton.flip_indices))
    if _average_best(poses, fit) < _average_best(poses, exchanged_fit) + MIN_GAIN:
        return None
    names = ", ".join(poses.skeleton.spelled_joints[j] for j in order.tolist())
    return (
        "the joints of the results seem to be in another order than those of the labels: read as "
        f"{names}, {_describe_evidence(poses, num_fitting)} (name them: "
        '{"keypoint_names": […], "predictions": […]})'
    )


def _average_best(poses: PairedPoses, fit: Floats) -> float:
    """Return the mean over the people of how well their best pair fits."""
    return float(fit[choose_best_pairs(poses.pairs, fit)].mean())


def _pair_by_centre(poses: PairedPoses) -> Indices:
    """Return the pairs whose poses have nearly the same centre, the nearest of each person."""
    is_labelled = poses.labels[:, :, 2] > 0
    is_detected = ~find_placeholders(poses.detected_xy)
    # Where labels lack joints, centres differ; people with most joints decide.
    is_clear = 2 * is_labelled.sum(axis=1) > is_labelled.shape[1]
    offset = _average(poses.labels[:, :, :2], is_labelled) - _average(
        poses.detected_xy, is_detected
    )
    with np.errstate(all="ignore"):  # coordinates up to 1e308 are read, and fit nowhere
        distance = np.hypot(offset[:, 0], offset[:, 1]) / np.sqrt(poses.area)
    distance[~is_clear] = np.inf
    best = choose_best_pairs(poses.pairs, -distance)
    return np.asarray(best[distance[best] < _NEAR])


def _average(xy: Floats, is_known: "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]") -> Floats:
    """Return (p, 2) the mean of the known points of each row."""
    total = np.where(is_known[:, :, None], xy, 0).sum(axis=1)
    return np.asarray(total / np.maximum(is_known.sum(axis=1), 1)[:, None])


def _assign_joints(poses: PairedPoses, rows: Indices) -> Indices:
    """Return (k,) for each joint of the detections the label that it fits best, each one once."""
    labels, area = poses.labels[rows], poses.area[rows]
    num_joints = labels.shape[1]
    fit = np.zeros((num_joints, num_joints))
    for joint in range(num_joints):
        moved = np.repeat(poses.detected_xy[rows, joint][:, None], num_joints, axis=1)
        fit[joint] = average_rows(measure_fit(moved, labels, area).T)
    order = np.full(num_joints, -1)
    is_free = np.ones(num_joints, dtype=bool)
    for index in np.argsort(-fit, axis=None, kind="stable").tolist():
        joint, label = divmod(index, num_joints)
        if order[joint] < 0 and is_free[label]:
            order[joint] = label
            is_free[label] = False
    return order


def _measure_fit_in_order(poses: PairedPoses, order: Indices) -> Floats:
    return average_rows(measure_fit(poses.detected_xy, poses.labels[:, order], poses.area))
