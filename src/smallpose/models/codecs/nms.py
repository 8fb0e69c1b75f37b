"""People found twice: the surer stays. By boxes (RTMO), by near joints (DEKR), by OKS (all)."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Doubles = NDArray[np.float64]
Rows = NDArray[np.intp]


def box_nms(boxes_xyxy: Floats, scores: Floats, iou_threshold: float = 0.65) -> Rows:
    """Rows of boxes to keep, the surest first; others that overlap them by more than `above` go.

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
        shared = np.clip(high - low, 0, None).prod(axis=1)
        union = np.maximum(area[best] + area[order] - shared, 1e-6)
        order = order[shared / union <= iou_threshold]
    return np.array(kept, dtype=np.intp)


def nearby_joints_nms(
    keypoints: Floats,
    scores: Floats,
    distance_threshold: float = 0.05,
    num_nearby_joints: int | None = None,
    max_people: int | None = None,
) -> Rows:
    """Rows of people to keep, each better than all who are close to him.

    Args:
        keypoints: (d, k, 2) px.
        scores: (d,).
        near: joints are near when they are less than this part of the diagonal of the person's
            keypoints apart.
        joints: people are close when more joints than this are near; half of k without.
        most: keep the best so many; None keeps all.
    """
    d, k, _ = keypoints.shape
    if d == 0:
        return np.zeros(0, dtype=np.intp)
    enough = k // 2 if num_nearby_joints is None else num_nearby_joints
    diagonal = np.linalg.norm(keypoints.max(axis=1) - keypoints.min(axis=1), axis=1)
    gone = np.zeros(d, dtype=bool)
    kept: list[int] = []
    for person in np.argsort(scores)[::-1]:
        if gone[person]:
            continue
        # Row by row and not (d, d, k) at once: there is no cap on how many people there may be.
        away = np.linalg.norm(keypoints - keypoints[person], axis=2)  # (d, k)
        close = (away < distance_threshold * diagonal[person]).sum(axis=1) > enough
        close[person] = True  # all joints on one spot are not near even themselves
        group = np.flatnonzero(close)
        best = int(group[np.argmax(scores[group])])
        if not gone[best]:
            kept.append(best)
            gone[group] = True
    rows = np.array(kept, dtype=np.intp)
    if max_people is not None and len(rows) > max_people:
        rows = rows[np.argsort(scores[rows])[::-1][:max_people]]
    return rows


def oks_nms(
    keypoints: Doubles, scores: Doubles, area: Doubles, sigmas: Doubles, oks_threshold: float = 0.9
) -> Rows:
    """Rows to keep of one image's people, the surest first.

    Two people are one when their OKS, with the mean of their areas, exceeds `above`.

    Args:
        keypoints: (d, k, 2 or 3) px; a third column is not looked at.
        scores: (d,).
        area: (d,) px²; MMPose takes width × height of the padded window of each crop.
        sigmas: (k,).
    """
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    points = keypoints[:, :, :2]
    while len(order):
        best, order = int(order[0]), order[1:]
        kept.append(best)
        distance = np.square(points[order] - points[best]).sum(axis=2)  # (d, k)
        mean_area = (area[order] + area[best]) / 2 + np.spacing(1)
        oks = np.exp(-distance / np.square(2 * sigmas) / mean_area[:, None] / 2).mean(axis=1)
        order = order[oks <= oks_threshold]
    return np.array(kept, dtype=np.intp)
