"""Classes of people, and the classes in which a false positive counts.

Three protocols differ in what an unmatched detection costs:

- `coco`: a false positive in the size class of its own area, and, because a detection has no
  keypoint density, in every density class if it is small; only the 20 best of an image count.
- `owned`: a false positive in the classes of the one person it belongs to, if any is near, and
  never in two classes of a kind; all detections count.
- `recall`: nothing. The share of the class's people who were matched (Eq. 2 and 4 as printed).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smallpose.core.density import DENSE_FROM, SPARSE_BELOW, keypoint_density
from smallpose.core.sizes import MEDIUM_BELOW, SMALL_BELOW
from smallpose.evaluation.matching import native
from smallpose.evaluation.matching.arrays import Floats, ImageGroups, Ints, Mask

SizeLimits = tuple[float, float]
PAPER_LIMITS: SizeLimits = (float(SMALL_BELOW), float(MEDIUM_BELOW))
MAX_AREA = 1e5**2  # px²; COCO's upper end of every range
PROTOCOLS = ("coco", "owned", "recall")


class PersonClass(NamedTuple):
    """A class of people: its name, what metrics append to theirs, the heading of its column."""

    name: str
    suffix: str
    heading: str


CLASSES = (
    PersonClass("all", "", "all"),
    PersonClass("small", "_S", "S"),
    PersonClass("medium", "_M", "M"),
    PersonClass("large", "_L", "L"),
    PersonClass("sparse", "_S_sparse", "S sparse"),
    PersonClass("moderate", "_S_moderate", "S moderate"),
    PersonClass("dense", "_S_dense", "S dense"),
)
AP_NAMES = tuple(f"AP{one.suffix}" for one in CLASSES)


def classify_sizes(area: Floats, limits: SizeLimits = PAPER_LIMITS) -> Mask:
    """Return (4, n) membership in all, small, medium, large; half-open, so in at most one size.

    An area of exactly 0 is in `all` alone, as in COCO; one below 0 or above 1e10 is in none.

    >>> classify_sizes(np.array([0, 12288.0])).astype(int).tolist()
    [[1, 1], [0, 0], [0, 1], [0, 0]]
    """
    small, medium = limits
    is_valid = has_valid_area(area)
    return np.stack(
        [
            is_valid,
            is_valid & (area > 0) & (area < small),
            is_valid & (area >= small) & (area < medium),
            is_valid & (area >= medium),
        ]
    )


def has_valid_area(area: Floats) -> Mask:
    """Return whether areas, px², are in COCO's range of all sizes, both ends included."""
    return np.asarray((area >= 0) & (area <= MAX_AREA))


def classify_people(
    area: Floats,
    num_labelled: NDArray[np.int64],
    num_joints: NDArray[np.int64],
    is_counted: Mask,
    limits: SizeLimits = PAPER_LIMITS,
) -> Mask:
    """Return (7, n) membership in `CLASSES`, false for people who do not count.

    Args:
        area: (n,) px².
        num_labelled: (n,) keypoints with v > 0 of the complete label, the n of Eq. 3.
        num_joints: (n,) K of Eq. 3.
        is_counted: (n,) people who must be detected.
        limits: where small and medium end, px²; the first is also S_small of Eq. 3.
    """
    sizes = classify_sizes(area, limits)
    is_small = sizes[1]
    density = compute_small_density(area, num_labelled, num_joints, limits)
    densities = np.stack(
        [
            is_small & (density < SPARSE_BELOW),
            is_small & (density >= SPARSE_BELOW) & (density < DENSE_FROM),
            is_small & (density >= DENSE_FROM),
        ]
    )
    return np.concatenate([sizes, densities]) & is_counted


def compute_small_density(
    area: Floats,
    num_labelled: NDArray[np.int64],
    num_joints: NDArray[np.int64],
    limits: SizeLimits = PAPER_LIMITS,
) -> Floats:
    """Return the (n,) keypoint density of small people, NaN for others; arguments as above."""
    density = np.full(len(area), np.nan)
    is_small = classify_sizes(area, limits)[1]
    # With the paper's limit the ratio is exactly 1, and Eq. 3 is as printed to the last bit.
    scaled = area[is_small] * (SMALL_BELOW / limits[0])
    density[is_small] = keypoint_density(scaled, num_labelled[is_small], num_joints[is_small])
    return density


def assign_coco_classes(area: Floats, limits: SizeLimits = PAPER_LIMITS) -> Mask:
    """Return (7, d) the classes where an unmatched detection of this area is a false positive."""
    sizes = classify_sizes(area, limits)
    return np.concatenate([sizes, sizes[[1, 1, 1]]])


def assign_owned_classes(
    owners: Ints, classes: Mask, area: Floats, limits: SizeLimits = PAPER_LIMITS
) -> Mask:
    """Return (7, d) as `assign_coco_classes` does, by the person each detection belongs to.

    Args:
        owners: (d,) row of that person; -1 for none.
        classes: (7, n) from `classify_people`.
        area: (d,) px² of the detections; decides where no person is near.
    """
    by_area = classify_sizes(area, limits)
    by_area = np.concatenate([by_area, np.zeros((3, len(owners)), dtype=bool)])
    by_owner = classes[:, owners] if classes.shape[1] else False
    assigned = np.where(owners >= 0, by_owner, by_area)
    assigned[0] = True
    return assigned


@native.prefer_compiled(native.find_owners)
def find_owners(
    groups: ImageGroups, detections_xywh: Floats, people_xywh: Floats, is_counted: Mask
) -> Ints:
    """Return the (d,) person each of `groups.detections` belongs to, -1 for none.

    The one whose box it overlaps most; if it overlaps none, the one whose centre is nearest, if
    that is no farther than the diagonal of their box. Of equals, the first in the file.

    Args:
        detections_xywh: (·, 4) boxes of all predictions, px.
        people_xywh: (n, 4) px.
        is_counted: (n,) people who may own a detection.
    """
    owners = np.full(len(groups.detections), -1, dtype=np.intp)
    for d, g in groups.iterate_pairs():
        is_candidate = is_counted[g]
        d, g = d[is_candidate], g[is_candidate]
        a, b = detections_xywh[groups.detections[d]], people_xywh[g]
        iou = compute_pair_iou(a, b)
        offset = (a[:, :2] + a[:, 2:] / 2) - (b[:, :2] + b[:, 2:] / 2)
        distance2 = (offset**2).sum(axis=1)
        is_near = (iou <= 0) & (distance2 <= (b[:, 2:] ** 2).sum(axis=1))
        # Any overlap beats any distance; among the distant ones less is better.
        value = np.where(iou > 0, iou, np.where(is_near, -1 - distance2, -np.inf))
        order = np.lexsort((-np.arange(len(d)), value, d))
        best = order[np.flatnonzero(np.diff(d[order], append=-1))]
        best = best[value[best] > -np.inf]
        owners[d[best]] = g[best]
    return owners


def compute_pair_iou(a: Floats, b: Floats) -> Floats:
    """Return the (p,) intersection over union of (p, 4) boxes, pair by pair."""
    low = np.maximum(a[:, :2], b[:, :2])
    high = np.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:])
    shared = np.prod(np.maximum(high - low, 0.0), axis=1)
    total = np.prod(a[:, 2:], axis=1) + np.prod(b[:, 2:], axis=1) - shared
    return np.asarray(np.divide(shared, total, out=np.zeros(len(a)), where=total > 0))
