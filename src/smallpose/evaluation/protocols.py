"""Who counts in which class: the classes of people, and the class of a false positive.

Three protocols differ in what a detection that found nobody costs:

- `coco`: a false positive in the size class of its own area, and, because a detection has no
  keypoint density, in every density class if it is small; only the 20 best of an image count.
- `owned`: a false positive in the classes of the one person it belongs to, if any is near, and
  never in two classes of a kind; all detections count.
- `recall`: nothing. The share of the class's people who were found (Eq. 2 and 4 as printed).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallpose.core.density import DENSE_FROM, SPARSE_BELOW, keypoint_density
from smallpose.core.sizes import MEDIUM_BELOW, SMALL_BELOW
from smallpose.evaluation.matching import native
from smallpose.evaluation.matching.image_groups import ImageGroups

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Mask = NDArray[np.bool_]
Limits = tuple[float, float]
PAPER_LIMITS: Limits = (float(SMALL_BELOW), float(MEDIUM_BELOW))
TOP = 1e5**2  # px²; COCO's upper end of every range
PROTOCOLS = ("coco", "owned", "recall")

# Name, what metrics append, heading.
CLASSES = (
    ("all", "", "all"),
    ("small", "_S", "S"),
    ("medium", "_M", "M"),
    ("large", "_L", "L"),
    ("sparse", "_S_sparse", "S sparse"),
    ("moderate", "_S_moderate", "S moderate"),
    ("dense", "_S_dense", "S dense"),
)


@dataclass(frozen=True)
class Classes:
    """Classes of people, and what an unmatched detection counts in.

    Args:
        names: (c,) of the classes.
        people: (c, n) who is in the class; everybody else is ignored there.
        reach: (c, d) an unmatched detection is a false positive of the class.
    """

    names: tuple[str, ...]
    people: Mask
    reach: Mask


def classify_sizes(area: Floats, limits: Limits = PAPER_LIMITS) -> Mask:
    """(4, n) in all, small, medium, large; half-open, so that nobody is in two sizes.

    An area of exactly 0 is in `all` alone, as in COCO; one below 0 or above 1e10 is in none.

    >>> size_masks(np.array([0, 12288.0])).astype(int).tolist()
    [[1, 1], [0, 0], [0, 1], [0, 0]]
    """
    small, medium = limits
    real = (area >= 0) & (area <= TOP)
    return np.stack(
        [
            real,
            real & (area > 0) & (area < small),
            real & (area >= small) & (area < medium),
            real & (area >= medium),
        ]
    )


def classify_people(
    area: Floats,
    labelled: NDArray[np.int64],
    joints: NDArray[np.int64],
    counted: Mask,
    limits: Limits = PAPER_LIMITS,
) -> Mask:
    """(7, n) membership in `CLASSES`, false for people who do not count.

    Args:
        area: (n,) px².
        labelled: (n,) keypoints with v > 0 on the whole label, the n of Eq. 3.
        joints: (n,) K of Eq. 3.
        counted: (n,) people who are to be found.
        limits: where small and medium end, px²; the first is also S_small of Eq. 3.
    """
    sizes = classify_sizes(area, limits)
    density = np.full(len(area), np.nan)
    small = sizes[1]
    # With the paper's limit the ratio is exactly 1, and Eq. 3 is as printed to the last bit.
    scaled = area[small] * (SMALL_BELOW / limits[0])
    density[small] = keypoint_density(scaled, labelled[small], joints[small])
    kinds = np.stack(
        [
            small & (density < SPARSE_BELOW),
            small & (density >= SPARSE_BELOW) & (density < DENSE_FROM),
            small & (density >= DENSE_FROM),
        ]
    )
    return np.concatenate([sizes, kinds]) & counted


def assign_coco_classes(area: Floats, limits: Limits = PAPER_LIMITS) -> Mask:
    """(7, d) where a detection of this area is a false positive if it finds nobody."""
    sizes = classify_sizes(area, limits)
    return np.concatenate([sizes, sizes[[1, 1, 1]]])


def assign_owned_classes(
    owner: Ints, people: Mask, area: Floats, limits: Limits = PAPER_LIMITS
) -> Mask:
    """(7, d) as `coco_reach`, by the person each detection belongs to.

    Args:
        owner: (d,) row of that person; -1 for none.
        people: (7, n) from `person_classes`.
        area: (d,) px² of the detections; decides where nobody is near.
    """
    alone = classify_sizes(area, limits)
    alone = np.concatenate([alone, np.zeros((3, len(owner)), dtype=bool)])
    reach = np.where(owner >= 0, people[:, owner] if people.shape[1] else False, alone)
    reach[0] = True
    return reach


def find_owners(
    pairing: ImageGroups, found_xywh: Floats, people_xywh: Floats, counted: Mask
) -> Ints:
    """(d,) the person each detection of `pairing.found` belongs to, -1 for none.

    The one whose box it overlaps most; if it overlaps nobody's, the one whose centre is nearest,
    if that is no farther than the diagonal of his box. Of equals, the first in the file.

    Args:
        found_xywh: (d, 4) boxes of all predictions, px.
        people_xywh: (n, 4) px.
        counted: (n,) who may own.
    """
    if native.CORE is not None:
        return native.owners(pairing, found_xywh, people_xywh, counted)
    owner = np.full(len(pairing.found), -1, dtype=np.intp)
    for d, g in pairing.pairs():
        there = counted[g]
        d, g = d[there], g[there]
        a, b = found_xywh[pairing.found[d]], people_xywh[g]
        closeness = _overlap(a, b)
        centres = (a[:, :2] + a[:, 2:] / 2) - (b[:, :2] + b[:, 2:] / 2)
        apart2 = (centres**2).sum(axis=1)
        near = (closeness <= 0) & (apart2 <= (b[:, 2:] ** 2).sum(axis=1))
        # Any overlap beats any distance; among the distant ones less is better.
        value = np.where(closeness > 0, closeness, np.where(near, -1 - apart2, -np.inf))
        order = np.lexsort((-np.arange(len(d)), value, d))
        last = np.flatnonzero(np.diff(d[order], append=-1))
        best = order[last]
        best = best[value[best] > -np.inf]
        owner[d[best]] = g[best]
    return owner


def _overlap(a: Floats, b: Floats) -> Floats:
    """(p,) intersection over union of boxes, pair by pair."""
    low = np.maximum(a[:, :2], b[:, :2])
    high = np.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:])
    shared = np.prod(np.maximum(high - low, 0.0), axis=1)
    total = np.prod(a[:, 2:], axis=1) + np.prod(b[:, 2:], axis=1) - shared
    return np.asarray(np.divide(shared, total, out=np.zeros(len(a)), where=total > 0))
