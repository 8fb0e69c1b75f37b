"""CrowdIndex (paper, Eq. 1): how much the people of an image stand in each other's boxes."""

import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import Instances

_PAIRS_PER_BATCH = 1 << 18  # of people, looked at together


def crowd_index(truth: Instances) -> NDArray[np.float64]:
    """CrowdIndex of each image: the mean over its people of (others' keypoints in his box) / (own).

    People count as in every metric (not crowd, num_keypoints > 0), points as labelled (v > 0);
    the edges of a box are inside. Not bounded by 1.

    Returns: (m,) in the order of `truth.images`; NaN for an image without people.

    Two people whose ten keypoints each lie in both boxes are crowded as 1, one alone as 0; see
    the tests.
    """
    rows = np.flatnonzero(truth.is_counted & (truth.num_labelled > 0))
    rows = rows[np.argsort(truth.image_rows[rows], kind="stable")]
    image = truth.image_rows[rows]
    start = np.searchsorted(image, np.arange(len(truth.images) + 1))
    company = np.diff(start)[image]  # people in the image of each, himself included
    inside = np.zeros(len(rows))
    around = _find_extents(truth, rows)
    ends = np.cumsum(company)
    first = 0
    while first < len(rows):
        before = ends[first] - company[first]
        stop = max(int(np.searchsorted(ends, before + _PAIRS_PER_BATCH, side="right")), first + 1)
        counts = company[first:stop]
        one = np.repeat(np.arange(first, stop), counts)
        starts = ends[first:stop] - counts - before
        other = start[image[one]] + np.arange(len(one)) - np.repeat(starts, counts)
        alike = one == other
        one, other = one[~alike], other[~alike]
        inside += np.bincount(one, _count_points_inside(truth, rows, around, one, other), len(rows))
        first = stop
    ratio = inside / np.maximum(truth.num_labelled[rows], 1)
    sums = np.bincount(image, ratio, len(truth.images))
    people = np.diff(start)
    return np.where(people > 0, sums / np.maximum(people, 1), np.nan)


def _find_extents(truth: Instances, rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """(4, r) left, top, right and bottom of each person's labelled points."""
    points = truth.keypoints[rows]
    there = points[:, :, 2] > 0
    x, y = (points[:, :, axis] for axis in (0, 1))
    low = [np.where(there, side, np.inf).min(axis=1) for side in (x, y)]
    high = [np.where(there, side, -np.inf).max(axis=1) for side in (x, y)]
    return np.array([*low, *high])


def _count_points_inside(
    truth: Instances,
    rows: NDArray[np.intp],
    around: NDArray[np.float64],
    one: NDArray[np.intp],
    other: NDArray[np.intp],
) -> NDArray[np.int64]:
    """(p,) labelled keypoints of each `other` in the box of its `one`; both number `rows`.

    Most pairs are decided by the extent of the points: all inside the box, or none.
    """
    x, y, w, h = (truth.boxes_xywh[rows[one], i] for i in range(4))
    left, top, right, bottom = around[:, other]
    all_in = (left >= x) & (right <= x + w) & (top >= y) & (bottom <= y + h)
    counts = np.where(all_in, truth.num_labelled[rows[other]], 0).astype(np.int64)
    none_in = (right < x) | (left > x + w) | (bottom < y) | (top > y + h)
    open_ = np.flatnonzero(~(all_in | none_in))
    x, y, w, h = (side[open_, None] for side in (x, y, w, h))
    points = truth.keypoints[rows[other[open_]]]
    px, py = points[:, :, 0], points[:, :, 1]
    inside = (px >= x) & (px <= x + w) & (py >= y) & (py <= y + h) & (points[:, :, 2] > 0)
    counts[open_] = np.count_nonzero(inside, axis=1)
    return counts
