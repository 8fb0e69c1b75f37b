"""Non-maximum suppression by boxes (RTMO), by nearby joints (DEKR) and by OKS (all methods)."""

import numpy as np
from numpy.typing import NDArray

from smallpose.models.codecs.near_poses import find_joint_candidates, find_oks_candidates

Floats = NDArray[np.floating]
Doubles = NDArray[np.float64]
Rows = NDArray[np.intp]

MIN_SEARCHED = 256  # people; fewer are compared with each other directly, which is faster
_FLOAT32_ROUNDING = 1 + 1e-5  # distances of float32 keypoints are rounded by less


def box_nms(boxes_xyxy: Floats, scores: Floats, iou_threshold: float = 0.65) -> Rows:
    """Return the boxes to keep, the highest score first; others with a larger IoU are dropped.

    Args:
        boxes_xyxy: (d, 4) px.
        scores: (d,).
    """
    order = np.argsort(-scores, kind="stable")
    sides = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    area = sides.prod(axis=1)
    kept = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        low = np.maximum(boxes_xyxy[best, :2], boxes_xyxy[order, :2])
        high = np.minimum(boxes_xyxy[best, 2:], boxes_xyxy[order, 2:])
        intersection = np.clip(high - low, 0, None).prod(axis=1)
        union = np.maximum(area[best] + area[order] - intersection, 1e-6)
        order = order[intersection / union <= iou_threshold]
    return np.array(kept, dtype=np.intp)


def nearby_joints_nms(
    keypoints: Floats,
    scores: Floats,
    distance_threshold: float = 0.05,
    num_nearby_joints: int | None = None,
    max_people: int | None = None,
) -> Rows:
    """Return the people to keep, the best of each group of people who are close to each other.

    Args:
        keypoints: (d, k, 2) px.
        scores: (d,).
        distance_threshold: joints are nearby when their distance is less than this share of the
            diagonal of the person's keypoints.
        num_nearby_joints: people are close when more joints than this are nearby (default: half
            of k).
        max_people: number of people to keep; None for all.
    """
    d, k, _ = keypoints.shape
    if d == 0:
        return np.zeros(0, dtype=np.intp)
    if num_nearby_joints is None:
        num_nearby_joints = k // 2
    diagonal = np.linalg.norm(keypoints.max(axis=1) - keypoints.min(axis=1), axis=1)
    near = None
    if d >= MIN_SEARCHED:
        points = keypoints.astype(np.float64)
        distance = (distance_threshold * diagonal).astype(np.float64) * _FLOAT32_ROUNDING
        near = find_joint_candidates(points, distance, num_nearby_joints + 1)
    everyone = np.arange(d)
    is_suppressed = np.zeros(d, dtype=bool)
    kept: list[int] = []
    for person in np.argsort(scores)[::-1]:
        if is_suppressed[person]:
            continue
        rows = everyone if near is None else near.find(person)
        distances = np.linalg.norm(keypoints[rows] - keypoints[person], axis=2)  # (r, k)
        is_nearby = distances < distance_threshold * diagonal[person]
        is_close = is_nearby.sum(axis=1) > num_nearby_joints
        # A person whose joints coincide is not even close to themselves.
        is_close |= rows == person
        group = rows[is_close]
        best = int(group[np.argmax(scores[group])])
        if not is_suppressed[best]:
            kept.append(best)
            is_suppressed[group] = True
    rows = np.array(kept, dtype=np.intp)
    if max_people is not None and len(rows) > max_people:
        rows = rows[np.argsort(scores[rows])[::-1][:max_people]]
    return rows


def oks_nms(
    keypoints: Doubles,
    scores: Doubles,
    area: Doubles,
    sigmas: Doubles,
    oks_threshold: float = 0.9,
) -> Rows:
    """Return the people of one image to keep, the highest score first.

    Two people are duplicates when their OKS, with the mean of their areas, exceeds the threshold.

    Args:
        keypoints: (d, k, 2 or 3) px; a third column is ignored.
        scores: (d,).
        area: (d,) px²; MMPose takes width × height of the padded window of each crop.
        sigmas: (k,).
    """
    order = np.argsort(-scores, kind="stable")
    points = keypoints[:, :, :2]
    near = None
    if len(order) >= MIN_SEARCHED:
        near = find_oks_candidates(points, area, sigmas, oks_threshold)
    is_left = np.ones(len(order), dtype=bool)
    kept: list[int] = []
    for best in order.tolist():
        if not is_left[best]:
            continue
        kept.append(best)
        is_left[best] = False
        rows = np.flatnonzero(is_left) if near is None else near.find(best)
        rows = rows[is_left[rows]]
        squared_distance = np.square(points[rows] - points[best]).sum(axis=2)  # (r, k)
        mean_area = (area[rows] + area[best]) / 2 + np.spacing(1)
        exponent = squared_distance / np.square(2 * sigmas) / mean_area[:, None] / 2
        oks = np.exp(-exponent).mean(axis=1)
        is_left[rows[~(oks <= oks_threshold)]] = False
    return np.array(kept, dtype=np.intp)


def oks_nms_by_image(
    image_ids: NDArray[np.int64],
    keypoints: Doubles,
    scores: Doubles,
    area: Doubles,
    sigmas: Doubles,
    oks_threshold: float,
) -> Rows:
    """Apply `oks_nms` to each image; return the rows to keep by image id, then by row.

    Args:
        image_ids: (d,) image of each person; the others as in `oks_nms`.
    """
    by_image = np.argsort(image_ids, kind="stable")
    starts = np.unique(image_ids[by_image], return_index=True)[1]
    kept = [np.zeros(0, dtype=np.intp)]
    for rows in np.split(by_image, starts[1:]):
        best = oks_nms(keypoints[rows], scores[rows], area[rows], sigmas, oks_threshold)
        kept.append(rows[np.sort(best)])
    return np.concatenate(kept)
