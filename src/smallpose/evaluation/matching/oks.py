"""Object keypoint similarity (paper, Sec. 5.2): how well a detected pose fits a person's.

OKS = mean over the labelled joints of exp(-d² / (2 (2 sigma)² area)), equal to pycocotools' to the
last bit: the same operations in the same order, and sums in numpy's own order.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from smallpose.evaluation.matching.image_groups import BLOCK, ImageGroups

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
TINY = np.spacing(1.0)  # pycocotools adds it to areas and to denominators


def compute_oks(
    found: Floats, keypoints: Floats, boxes_xywh: Floats, area: Floats, sigmas: Floats
) -> Floats:
    """(d, g) OKS of d detected poses with g people of the same image.

    Args:
        found: (d, k, 3) x, y in px; the third value is not looked at.
        keypoints: (g, k, 3) x, y, v of the people.
        boxes_xywh: (g, 4) px; for people without labels, who are met anywhere in twice their box.
        area: (g,) px², the scale of the people.
        sigmas: (k,) tolerance of the joints.

    One joint with sigma .026, 5.2 px off, on a person of 10,000 px²:

    >>> truth, pose = np.array([[[10.0, 10.0, 2.0]]]), np.array([[[15.2, 10.0, 1.0]]])
    >>> box, area = np.array([[0.0, 0.0, 100.0, 100.0]]), np.array([1e4])
    >>> float(oks(pose, truth, box, area, np.array([0.026]))[0, 0].round(4))
    0.6065
    """
    d, g = np.divmod(np.arange(len(found) * len(keypoints)), max(len(keypoints), 1))
    flat = compute_pair_oks(found, keypoints, boxes_xywh, area, sigmas, d, g)
    return flat.reshape(len(found), len(keypoints))


def compute_pair_oks(
    found: Floats,
    keypoints: Floats,
    boxes_xywh: Floats,
    area: Floats,
    sigmas: Floats,
    d: Ints,
    g: Ints,
) -> Floats:
    """(p,) OKS of the pairs (d[i], g[i]); the other arguments as in `oks`, for whole tables."""
    labelled = keypoints[:, :, 2] > 0
    count = np.count_nonzero(labelled, axis=1)[g]
    variances = (sigmas * 2) ** 2
    scale = area + TINY
    out = np.empty(len(d))
    # People with equally many labelled joints make a rectangle, whose rows numpy sums as it sums
    # each of them alone; a masked sum over all joints would round differently.
    order = np.argsort(count, kind="stable")
    for rows in _runs(order, count[order]):
        a, b, n = d[rows], g[rows], int(count[rows[0]])
        if n:
            joints = np.nonzero(labelled[b])[1].reshape(len(b), n)
            dx = found[a[:, None], joints, 0] - keypoints[b[:, None], joints, 0]
            dy = found[a[:, None], joints, 1] - keypoints[b[:, None], joints, 1]
            variance = variances[joints]
        else:
            dx, dy = _beyond_double_box(found[a], boxes_xywh[b])
            variance = variances[None]
        with np.errstate(over="ignore"):
            e = (dx**2 + dy**2) / variance / scale[b, None] / 2
            out[rows] = np.sum(np.exp(-e), axis=1) / e.shape[1]
    return out


def _runs(order: Ints, key: Ints) -> Iterator[Ints]:
    """Pieces of `order` over which `key` is constant, none of them too long for the memory."""
    if not len(order):
        return
    edges = np.flatnonzero(np.diff(key)) + 1
    for piece in np.split(order, edges):
        for start in range(0, len(piece), BLOCK // 4):
            yield piece[start : start + BLOCK // 4]


def _beyond_double_box(found: Floats, boxes_xywh: Floats) -> tuple[Floats, Floats]:
    """(p, k) how far, along x and along y, joints lie outside a box twice as large each way."""
    x, y, w, h = (boxes_xywh[:, i, None] for i in range(4))
    xd, yd = found[:, :, 0], found[:, :, 1]
    dx = np.maximum(0.0, (x - w) - xd) + np.maximum(0.0, xd - (x + w * 2))
    dy = np.maximum(0.0, (y - h) - yd) + np.maximum(0.0, yd - (y + h * 2))
    return dx, dy


def find_candidates(
    pairing: ImageGroups,
    found: Floats,
    keypoints: Floats,
    boxes_xywh: Floats,
    area: Floats,
    sigmas: Floats,
    lowest: float,
) -> tuple[Ints, Ints, Floats]:
    """All pairs whose OKS is at least `lowest`: positions in `pairing.found`, truth rows, OKS.

    Most pairs of an image lie too far apart; where even the nearest corners of the two extents
    are, no joint can be near enough, and the OKS is not computed.
    """
    p_low, p_high = _reach(keypoints, boxes_xywh)
    d_low, d_high = found[:, :, :2].min(axis=1), found[:, :, :2].max(axis=1)
    # OKS <= exp(-gap² / (2 max variance area)); a hair of slack covers the rounding of the bound.
    nearness = -np.log(lowest) if lowest > 0 else np.inf
    limit = nearness * 2 * float(np.max((sigmas * 2) ** 2)) * (1 + 1e-9)
    scale = area + TINY
    parts: list[tuple[Ints, Ints, Floats]] = []
    for d, g in pairing.pairs():
        a = pairing.found[d]
        gap = np.maximum(p_low[g] - d_high[a], d_low[a] - p_high[g])
        np.maximum(gap, 0.0, out=gap)
        # A negative area (a box with a negative side) turns the bound round: keep those pairs.
        near = ((gap**2).sum(axis=1) <= limit * scale[g]) | (scale[g] <= 0)
        d, g, a = d[near], g[near], a[near]
        similarity = compute_pair_oks(found, keypoints, boxes_xywh, area, sigmas, a, g)
        good = similarity >= lowest
        parts.append((d[good], g[good], similarity[good]))
    if not parts:
        return np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0)
    one, other, values = (np.concatenate(column) for column in zip(*parts, strict=True))
    return one, other, values


def _reach(keypoints: Floats, boxes_xywh: Floats) -> tuple[Floats, Floats]:
    """(n, 2) low and high corners of where a person's joints, or else his doubled box, are."""
    seen = keypoints[:, :, 2:] > 0
    low = np.where(seen, keypoints[:, :, :2], np.inf).min(axis=1)
    high = np.where(seen, keypoints[:, :, :2], -np.inf).max(axis=1)
    bare = ~seen.any(axis=(1, 2))
    corner, size = boxes_xywh[bare, :2], boxes_xywh[bare, 2:]
    ends = np.stack([corner - size, corner + size * 2])
    low[bare], high[bare] = ends.min(axis=0), ends.max(axis=0)
    return low, high
