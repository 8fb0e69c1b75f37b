"""Object keypoint similarity (paper, Sec. 5.2): how well a detected pose fits a person's.

OKS = mean over the labelled joints of exp(-d² / (2 (2 sigma)² area)), equal to pycocotools' to the
last bit: the same operations in the same order, and sums in numpy's own order.
"""

from collections.abc import Iterator

import numpy as np

from smallpose.evaluation.matching import native, native_matching
from smallpose.evaluation.matching.arrays import (
    BLOCK,
    Candidates,
    Floats,
    ImageGroups,
    Ints,
    Poses,
)

TINY = np.spacing(1.0)  # pycocotools adds it to areas and to denominators


def compute_oks(
    detections: Floats, keypoints: Floats, boxes_xywh: Floats, area: Floats, sigmas: Floats
) -> Floats:
    """Return the (d, g) OKS of d detected poses with g people of the same image.

    Args:
        detections: (d, k, 3) x, y in px; the third value is not used.
        keypoints: (g, k, 3) x, y, v of the people.
        boxes_xywh: (g, 4) px; people without labels match anywhere in twice their box.
        area: (g,) px², the scale of the people.
        sigmas: (k,) tolerance of the joints.

    One joint with sigma .026, 5.2 px off, on a person of 10,000 px²:

    >>> truth, pose = np.array([[[10.0, 10.0, 2.0]]]), np.array([[[15.2, 10.0, 1.0]]])
    >>> box, area = np.array([[0.0, 0.0, 100.0, 100.0]]), np.array([1e4])
    >>> float(compute_oks(pose, truth, box, area, np.array([0.026]))[0, 0].round(4))
    0.6065
    """
    poses = Poses(
        detections=detections,
        keypoints=keypoints,
        boxes_xywh=boxes_xywh,
        area=area,
        is_crowd=np.zeros(len(keypoints), dtype=bool),
        sigmas=sigmas,
    )
    shape = (len(detections), len(keypoints))
    d, g = np.divmod(np.arange(shape[0] * shape[1]), max(len(keypoints), 1))
    return compute_pair_oks(poses, d, g).reshape(shape)


def compute_pair_oks(poses: Poses, d: Ints, g: Ints) -> Floats:
    """Return the (p,) OKS of the pairs of detection d[i] and person g[i]."""
    is_labelled = poses.keypoints[:, :, 2] > 0
    num_labelled = np.count_nonzero(is_labelled, axis=1)[g]
    variances = (poses.sigmas * 2) ** 2
    scale = poses.area + TINY
    oks = np.empty(len(d))
    # People with equally many labelled joints make a rectangle, whose rows numpy sums as it sums
    # each of them alone; a masked sum over all joints would round differently.
    order = np.argsort(num_labelled, kind="stable")
    for rows in _split_runs(order, num_labelled[order]):
        a, b, n = d[rows], g[rows], int(num_labelled[rows[0]])
        if n:
            joints = np.nonzero(is_labelled[b])[1].reshape(len(b), n)
            dx = poses.detections[a[:, None], joints, 0] - poses.keypoints[b[:, None], joints, 0]
            dy = poses.detections[a[:, None], joints, 1] - poses.keypoints[b[:, None], joints, 1]
            variance = variances[joints]
        else:
            dx, dy = _measure_beyond_box(poses.detections[a], poses.boxes_xywh[b])
            variance = variances[None]
        with np.errstate(over="ignore"):
            e = (dx**2 + dy**2) / variance / scale[b, None] / 2
            oks[rows] = np.sum(np.exp(-e), axis=1) / e.shape[1]
    return oks


def _split_runs(order: Ints, key: Ints) -> Iterator[Ints]:
    """Yield pieces of `order` over which `key` is constant, none too long for the memory."""
    if not len(order):
        return
    edges = np.flatnonzero(np.diff(key)) + 1
    for piece in np.split(order, edges):
        for start in range(0, len(piece), BLOCK // 4):
            yield piece[start : start + BLOCK // 4]


def _measure_beyond_box(detections: Floats, boxes_xywh: Floats) -> tuple[Floats, Floats]:
    """Return (p, k) how far, along x and y, joints are outside a box twice as large each way."""
    x, y, w, h = (boxes_xywh[:, i, None] for i in range(4))
    xd, yd = detections[:, :, 0], detections[:, :, 1]
    dx = np.maximum(0.0, (x - w) - xd) + np.maximum(0.0, xd - (x + w * 2))
    dy = np.maximum(0.0, (y - h) - yd) + np.maximum(0.0, yd - (y + h * 2))
    return dx, dy


@native.prefer_compiled(native_matching.find_candidates)
def find_candidates(groups: ImageGroups, poses: Poses, min_oks: float) -> Candidates:
    """Find all pairs of an image whose OKS is at least `min_oks`.

    Most pairs of an image are too far apart; where even the nearest corners of the two extents
    are, no joint can be near enough, and the OKS is not computed.
    """
    person_low, person_high = _bound_people(poses)
    detection_low = poses.detections[:, :, :2].min(axis=1)
    detection_high = poses.detections[:, :, :2].max(axis=1)
    # OKS <= exp(-gap² / (2 max variance area)); the slack covers the rounding of the bound.
    nearness = -np.log(min_oks) if min_oks > 0 else np.inf
    limit = nearness * 2 * float(np.max((poses.sigmas * 2) ** 2)) * (1 + 1e-9)
    scale = poses.area + TINY
    parts: list[Candidates] = []
    for d, g in groups.iterate_pairs():
        rows = groups.detections[d]
        gap = np.maximum(person_low[g] - detection_high[rows], detection_low[rows] - person_high[g])
        np.maximum(gap, 0.0, out=gap)
        # A negative area (a box with a negative side) reverses the bound: keep those pairs.
        is_near = ((gap**2).sum(axis=1) <= limit * scale[g]) | (scale[g] <= 0)
        d, g = d[is_near], g[is_near]
        oks = compute_pair_oks(poses, rows[is_near], g)
        is_candidate = oks >= min_oks
        parts.append(Candidates(d[is_candidate], g[is_candidate], oks[is_candidate]))
    return native.concat_candidates(parts)


def _bound_people(poses: Poses) -> tuple[Floats, Floats]:
    """Return the (n, 2) low and high corners of people's joints, or else of their doubled box."""
    is_labelled = poses.keypoints[:, :, 2:] > 0
    low = np.where(is_labelled, poses.keypoints[:, :, :2], np.inf).min(axis=1)
    high = np.where(is_labelled, poses.keypoints[:, :, :2], -np.inf).max(axis=1)
    is_bare = ~is_labelled.any(axis=(1, 2))
    corner, size = poses.boxes_xywh[is_bare, :2], poses.boxes_xywh[is_bare, 2:]
    corners = np.stack([corner - size, corner + size * 2])
    low[is_bare], high[is_bare] = corners.min(axis=0), corners.max(axis=0)
    return low, high
