"""Compute the CrowdIndex (paper, Eq. 1): how much people overlap with each other's boxes."""

import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import Instances

_PAIRS_PER_BATCH = 1 << 18  # pairs of people


def crowd_index(truth: Instances) -> NDArray[np.float64]:
    """Compute the CrowdIndex of each image.

    It is the mean over its people of (keypoints of others in the person's box) / (own keypoints).
    People count as in every metric (not crowd, num_keypoints > 0), keypoints as labelled (v > 0);
    the edges of a box are inside. The index is not bounded by 1.

    Two people whose ten keypoints each are in both boxes have an index of 1, one alone has 0; see
    the tests.

    Returns: (m,) in the order of `truth.images`; NaN for an image without people.
    """
    rows = np.flatnonzero(truth.is_counted & (truth.num_labelled > 0))
    rows = rows[np.argsort(truth.image_rows[rows], kind="stable")]
    image = truth.image_rows[rows]
    start = np.searchsorted(image, np.arange(len(truth.images) + 1))
    num_pairs = np.diff(start)[image]  # of each person with everyone in the image, also themselves
    ends = np.cumsum(num_pairs)
    extents = _find_extents(truth, rows)
    inside = np.zeros(len(rows))
    first = 0
    while first < len(rows):
        done = ends[first] - num_pairs[first]
        stop = int(np.searchsorted(ends, done + _PAIRS_PER_BATCH, side="right"))
        stop = max(stop, first + 1)
        counts = num_pairs[first:stop]
        one = np.repeat(np.arange(first, stop), counts)
        first_pair = ends[first:stop] - counts - done
        other = start[image[one]] + np.arange(len(one)) - np.repeat(first_pair, counts)
        is_pair = one != other
        one, other = one[is_pair], other[is_pair]
        num_inside = _count_points_inside(truth, rows, extents, one, other)
        inside += np.bincount(one, num_inside, len(rows))
        first = stop
    ratio = inside / np.maximum(truth.num_labelled[rows], 1)
    sums = np.bincount(image, ratio, len(truth.images))
    num_people = np.diff(start)
    return np.where(num_people > 0, sums / np.maximum(num_people, 1), np.nan)


def _find_extents(truth: Instances, rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return (4, r) left, top, right and bottom of each person's labelled keypoints."""
    points = truth.keypoints[rows]
    is_labelled = points[:, :, 2] > 0
    x, y = points[:, :, 0], points[:, :, 1]
    low = [np.where(is_labelled, axis, np.inf).min(axis=1) for axis in (x, y)]
    high = [np.where(is_labelled, axis, -np.inf).max(axis=1) for axis in (x, y)]
    return np.array([*low, *high])


def _count_points_inside(
    truth: Instances,
    rows: NDArray[np.intp],
    extents: NDArray[np.float64],
    one: NDArray[np.intp],
    other: NDArray[np.intp],
) -> NDArray[np.int64]:
    """Return (p,) the number of labelled keypoints of each `other` in the box of its `one`.

    Both are indices into `rows`. Most pairs are decided by the extent of the keypoints: all are
    inside the box, or none.
    """
    x, y, w, h = (truth.boxes_xywh[rows[one], i] for i in range(4))
    left, top, right, bottom = extents[:, other]
    all_inside = (left >= x) & (right <= x + w) & (top >= y) & (bottom <= y + h)
    none_inside = (right < x) | (left > x + w) | (bottom < y) | (top > y + h)
    counts = np.where(all_inside, truth.num_labelled[rows[other]], 0).astype(np.int64)
    undecided = np.flatnonzero(~(all_inside | none_inside))
    x, y, w, h = (side[undecided, None] for side in (x, y, w, h))
    points = truth.keypoints[rows[other[undecided]]]
    px, py = points[:, :, 0], points[:, :, 1]
    is_inside = (px >= x) & (px <= x + w) & (py >= y) & (py <= y + h) & (points[:, :, 2] > 0)
    counts[undecided] = np.count_nonzero(is_inside, axis=1)
    return counts
